"""Penalty methods: F + lambda (G - min G) by first derivatives alone."""
from benchmark_utils.compiling.compiled import descend, kernel
from benchmark_utils.functions.oracles import grad_x, grad_z
from benchmark_utils.methods.sampling import draw


@kernel
def penalised_sgd(G, F, inner_batches, outer_batches, y, x, step_F, step_G,
                  n_steps, scratch):
    """Steps y -= step_F f1_J + step_G g_I, in place, on fresh batches.

    Parameters
    ----------
    G, F : function
        Inner and outer function, in batches.
    inner_batches, outer_batches : Sampler
    y, x : array of float64, shape (p,), (d,)
        ``y`` is updated.
    step_F, step_G : float
        Step sizes on F, which may be negative, and on G.
    n_steps : int
    scratch : tuple of 2 arrays of float64, shape (p,)
    """
    f1, g = scratch
    for _ in range(n_steps):
        grad_z(G, draw(inner_batches), y, x, g)
        grad_z(F, draw(outer_batches), y, x, f1)
        descend(y, step_F, f1)
        descend(y, step_G, g)


@kernel
def penalty_direction(G, F, i, k, j, y, w, x, weight_F, weight_G, D_x,
                      scratch):
    """D_x = weight_F f2_j(y) + weight_G (g2_i(y) - g2_k(w)).

    With weights (1, lambda), and y and w the minimisers of F + lambda G and
    of G, this is the gradient in x of min_y F + lambda (G - min_w G), which
    is at a distance of order 1 / lambda of the gradient of h.

    Parameters
    ----------
    G, F : function
        Inner and outer function, in batches.
    i, k, j : int
        Batch of G at y, of G at w, and of F, or ``FULL``.
    y, w : array of float64, shape (p,)
    x : array of float64, shape (d,)
    weight_F, weight_G : float
    D_x : array of float64, shape (d,)
        Overwritten.
    scratch : tuple of 2 arrays of float64, shape (d,)
    """
    g2_y, g2_w = scratch
    grad_x(F, j, y, x, D_x)
    grad_x(G, i, y, x, g2_y)
    grad_x(G, k, w, x, g2_w)
    for c in range(D_x.size):
        D_x[c] = weight_F * D_x[c] + weight_G * (g2_y[c] - g2_w[c])
