import numpy as np

from benchmark_utils import checks
from benchmark_utils.compiled import descend, jit, kernel
from benchmark_utils.functions.batches import FULL, batch_size_of
from benchmark_utils.functions.oracles import (
    add_entries,
    add_samples,
    directions,
    directions_by_sample,
    gradients,
    gradients_by_sample,
    has_oracles_by_sample,
    project,
)
from benchmark_utils.methods.sampling import draw
from benchmark_utils.methods.solver import BilevelSolver

MAX_MEMORY = 2 * 2**30  # Bytes.


class Solver(BilevelSolver):
    """Stochastic Average Bilevel Algorithm (SABA).

    M. Dagréou, P. Ablin, S. Vaiter, T. Moreau, "A framework for bilevel
    optimization that enables stochastic and global variance reduction
    algorithms", NeurIPS 2022.

    SOBA with constant steps, where each of the five quantities in its
    directions is estimated as in SAGA, from a memory of its last value on
    every mini-batch.

    In a linear model (sparse or multinomial logistic regression) the samples
    a_i enter g, H v and f1 as combinations sum_i w_i a_i. The memory is then
    the numbers w_i of each sample, one for a binary label, one a class for
    others, in place of a vector for each mini-batch, and on sparse data an
    iteration costs O(non-zeros of the mini-batches + p). Where x is one weight
    a sample, C v and f2 likewise take one number a sample. The one
    difference: what comes from the penalty is the same on every mini-batch,
    and is not estimated but computed at the present point. Tables of vectors
    remember it with the rest, which adds only a lag.

    Parameters
    ----------
    step_size : float
        Of z and v.
    outer_ratio : float
        Step size of z divided by that of x.
    batch_size : int or "full"
    memory_init : {"full", "zero"}
        Fill the memory with one pass over the data at the start, or with
        zeros.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "SABA"

    parameters = {
        "step_size": [0.25],
        "outer_ratio": [1.0],
        "batch_size": [64],
        "memory_init": ["full"],
        "eval_freq": [256],
    }

    constraints = {
        **BilevelSolver.constraints,
        "memory_init": checks.one_of("full", "zero"),
    }
    state_names = ("z", "v", "x")

    def set_objective(self, problem):
        super().set_objective(problem)
        G, F = self.G, self.F
        N, M, n, m = G.n_batches, F.n_batches, G.n_samples, F.n_samples
        p, d = problem.inner_dim, problem.outer_dim
        self.by_sample = has_oracles_by_sample(G) and has_oracles_by_sample(F)
        if self.by_sample:
            # Memories of the weights in g, H v, C v, f1 and f2.
            K, E = G.n_weights, G.n_outer_weights
            K_F, E_F = F.n_weights, F.n_outer_weights
            self.shapes = [(n, K), (n, K), (n, E), (m, K_F), (m, E_F)]
            self.sizes = [p, p, E * d, p, E_F * d]
            needed = 8 * (n * (2 * K + E) + m * (K_F + E_F) + sum(self.sizes))
            parameter, parts = f"n_samples={n}, {m}", "samples"
        else:
            # Memories of g, H v, C v, f1 and f2.
            self.shapes = [(N, p), (N, p), (N, d), (M, p), (M, d)]
            needed = 8 * ((2 * N + M + 3) * p + (N + M + 2) * d)
            parameter = f"batch_size={self.batch_size!r}"
            parts = f"{N} + {M} batches (fewer if batch_size is larger)"
        if needed > MAX_MEMORY:
            raise ValueError(
                f"{parameter} is not valid: the memory of all {parts} takes "
                f"{needed / 2**30:.1f} GiB, at most "
                f"{MAX_MEMORY / 2**30:.1f} GiB are allowed")

    def start(self):
        self.v = np.zeros_like(self.z)
        self.memory = tuple(np.zeros(shape) for shape in self.shapes)
        arguments = self.G, self.F, self.z, self.v, self.x, self.memory
        if self.by_sample:
            self.average = tuple(np.zeros(size) for size in self.sizes)
            if self.memory_init == "full":
                fill_weights(*arguments, self.average)
        else:
            if self.memory_init == "full":
                fill_memory(*arguments)
            self.average = tuple(table.mean(0) for table in self.memory)

    def advance(self, n_iterations):
        iterate = saba_by_sample if self.by_sample else saba
        iterate(self.G, self.F, self.inner_batches, self.outer_batches,
                self.z, self.v, self.x, self.memory, self.average,
                self.step_size, self.outer_ratio, n_iterations)


@jit
def fill_memory(G, F, z, v, x, memory):
    m_g, m_Hv, m_Cv, m_f1, m_f2 = memory
    for i in range(G.n_batches):
        directions(G, i, z, x, v, m_g[i], m_Hv[i], m_Cv[i])
    for j in range(F.n_batches):
        gradients(F, j, z, x, m_f1[j], m_f2[j])


@kernel
def saga(memory, average, k, phi):
    """Replace phi, in place, by its SAGA estimate; remember phi."""
    for c in range(phi.size):
        change = phi[c] - memory[k, c]
        memory[k, c] = phi[c]
        phi[c] = change + average[c]
        average[c] += change / memory.shape[0]


@jit
def saba(G, F, inner_batches, outer_batches, z, v, x, memory, average,
         step_size, outer_ratio, n_iterations):
    m_g, m_Hv, m_Cv, m_f1, m_f2 = memory
    a_g, a_Hv, a_Cv, a_f1, a_f2 = average
    g, Hv, f1 = np.empty_like(z), np.empty_like(z), np.empty_like(z)
    Cv, f2 = np.empty_like(x), np.empty_like(x)
    rho, gamma = step_size, step_size / outer_ratio
    for _ in range(n_iterations):
        i, j = draw(inner_batches), draw(outer_batches)
        directions(G, i, z, x, v, g, Hv, Cv)
        gradients(F, j, z, x, f1, f2)

        saga(m_g, a_g, i, g)
        saga(m_Hv, a_Hv, i, Hv)
        saga(m_Cv, a_Cv, i, Cv)
        saga(m_f1, a_f1, j, f1)
        saga(m_f2, a_f2, j, f2)

        descend(z, rho, g)  # D_z
        descend(v, rho, Hv)  # D_v = H v + f1
        descend(v, rho, f1)
        descend(x, gamma, Cv)  # D_x = C v + f2
        descend(x, gamma, f2)
        project(G, x)


# The same, where the weights of the samples are the memory.
@jit
def fill_weights(G, F, z, v, x, memory, average):
    m_g, m_Hv, m_Cv, m_f1, m_f2 = memory
    a_g, a_Hv, a_Cv, a_f1, a_f2 = average
    g, Hv, f1 = np.empty_like(z), np.empty_like(z), np.empty_like(z)
    Cv, f2 = np.empty_like(x), np.empty_like(x)
    directions_by_sample(G, FULL, z, x, v, m_g, m_Hv, m_Cv, g, Hv, Cv)
    gradients_by_sample(F, FULL, z, x, m_f1, m_f2, f1, f2)
    add_samples(G, FULL, m_g, g, a_g)
    add_samples(G, FULL, m_Hv, Hv, a_Hv)
    add_entries(G, FULL, m_Cv, Cv, a_Cv)
    add_samples(F, FULL, m_f1, f1, a_f1)
    add_entries(F, FULL, m_f2, f2, a_f2)


@kernel
def remember(f, k, memory, weights):
    """Replace weights, in place, by their change; remember them."""
    first = k * f.batch_size
    for i in range(batch_size_of(f, k)):
        for c in range(memory.shape[1]):
            change = weights[i, c] - memory[first + i, c]
            memory[first + i, c] = weights[i, c]
            weights[i, c] = change


@kernel
def saga_in_z(f, k, memory, average, weights, phi):
    """Add to phi the SAGA estimate of what the samples add to it."""
    remember(f, k, memory, weights)
    descend(phi, -1.0, average)
    add_samples(f, k, weights, phi, average)


@kernel
def saga_in_x(f, k, memory, average, weights, phi):
    """The same in x, where samples have an entry there."""
    if memory.shape[1] == 1:
        remember(f, k, memory, weights)
        descend(phi, -1.0, average)
        add_entries(f, k, weights, phi, average)


@jit
def saba_by_sample(G, F, inner_batches, outer_batches, z, v, x, memory,
                   average, step_size, outer_ratio, n_iterations):
    m_g, m_Hv, m_Cv, m_f1, m_f2 = memory
    a_g, a_Hv, a_Cv, a_f1, a_f2 = average
    g, Hv, f1 = np.empty_like(z), np.empty_like(z), np.empty_like(z)
    Cv, f2 = np.empty_like(x), np.empty_like(x)
    w_g = np.empty((G.batch_size, m_g.shape[1]))
    w_Hv = np.empty((G.batch_size, m_Hv.shape[1]))
    w_Cv = np.empty((G.batch_size, m_Cv.shape[1]))
    w_f1 = np.empty((F.batch_size, m_f1.shape[1]))
    w_f2 = np.empty((F.batch_size, m_f2.shape[1]))
    rho, gamma = step_size, step_size / outer_ratio
    for _ in range(n_iterations):
        i, j = draw(inner_batches), draw(outer_batches)
        # The penalty's part, and the weights of the samples in the rest.
        directions_by_sample(G, i, z, x, v, w_g, w_Hv, w_Cv, g, Hv, Cv)
        gradients_by_sample(F, j, z, x, w_f1, w_f2, f1, f2)

        saga_in_z(G, i, m_g, a_g, w_g, g)
        saga_in_z(G, i, m_Hv, a_Hv, w_Hv, Hv)
        saga_in_x(G, i, m_Cv, a_Cv, w_Cv, Cv)
        saga_in_z(F, j, m_f1, a_f1, w_f1, f1)
        saga_in_x(F, j, m_f2, a_f2, w_f2, f2)

        descend(z, rho, g)  # D_z
        descend(v, rho, Hv)  # D_v = H v + f1
        descend(v, rho, f1)
        descend(x, gamma, Cv)  # D_x = C v + f2
        descend(x, gamma, f2)
        project(G, x)
