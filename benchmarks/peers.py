"""SOBA and SABA as a user writes them in JAX, on the problems of this suite.

Losses are written out, derivatives are JAX's, the loop over steps is compiled
(``lax.scan``), and each call is waited for. Samples, batches, their order and
the start are those of the solver that it is compared with.
"""
import jax
import jax.numpy as jnp
import numpy as np

from benchmark_utils.compiling.compiled import jit
from benchmark_utils.functions.differentiable import Differentiable
from benchmark_utils.functions.logistic import LogisticRegression
from benchmark_utils.functions.multinomial import SparseMultinomialLogistic
from benchmark_utils.methods.sampling import draw, make_sampler

jax.config.update("jax_enable_x64", True)


@jit
def _draw_pairs(inner_batches, outer_batches, pairs):
    for k in range(pairs.shape[0]):
        pairs[k, 0] = draw(inner_batches)
        pairs[k, 1] = draw(outer_batches)


class Draws:
    """The batches that a solver draws from its start on, once more."""

    def __init__(self, solver):
        rng = np.random.default_rng(solver._seed)
        self.samplers = [make_sampler(f.n_batches, rng)
                         for f in (solver.G, solver.F)]

    def __call__(self, n):
        """The next n pairs of batches, shape (n, 2)."""
        pairs = np.empty((n, 2), np.int64)
        _draw_pairs(*self.samplers, pairs)
        return jnp.asarray(pairs)


def _in_batches(a, batch_size):
    """Rows in batches, with zeros in a last one that is short."""
    n_batches = -(-len(a) // batch_size)
    filled = np.zeros((n_batches * batch_size, *a.shape[1:]), a.dtype)
    filled[:len(a)] = a
    return jnp.asarray(filled.reshape(n_batches, batch_size, *a.shape[1:]))


def _padded_rows(X):
    """A sparse matrix as columns and values, as many for each row."""
    n_stored = np.diff(X.indptr)
    columns, values = np.zeros((2, X.shape[0], max(n_stored.max(), 1)))
    place = np.arange(X.nnz) - np.repeat(X.indptr[:-1], n_stored)
    row = np.repeat(np.arange(X.shape[0]), n_stored)
    columns[row, place], values[row, place] = X.indices, X.data
    return columns.astype(np.int64), values


def loss_in_jax(f, order, batch_size, dtype):
    """The function (z, x, batch) -> value of a function on a batch.

    Where x is one weight a sample, its entries are in the order of places,
    and as many as fill the batches.
    """
    n, scale = f.n_samples, -(-f.n_samples // batch_size) / f.n_samples

    def cut(a):
        return _in_batches(a[order], batch_size)

    weight = cut(np.full(n, scale)).astype(dtype)
    if isinstance(f, Differentiable):
        samples = [cut(a) for a in f.data]
        return lambda z, x, i: f.weighted(
            z, x, weight[i], tuple(a[i] for a in samples))
    y = cut(f.y)
    if isinstance(f, LogisticRegression):
        X = cut(f.X).astype(dtype)
        y = y.astype(dtype)

        def loss(z, x, i):
            value = weight[i] @ jax.nn.softplus(-y[i] * (X[i] @ z))
            if f.reg_parametrization == "exponential":
                value += jnp.sum(jnp.exp(x) * z**2) / 2
            return value

        return loss

    if isinstance(f, SparseMultinomialLogistic):
        columns, values = map(cut, _padded_rows(f.X))
        values = values.astype(dtype)

        def scores_of(Z, i):
            return jnp.einsum("im,imk->ik", values[i], Z.T[columns[i]])
    else:
        X = cut(f.X).astype(dtype)

        def scores_of(Z, i):
            return X[i] @ Z.T

    def multinomial_loss(z, x, i):
        Z = z.reshape(f.n_classes, -1)
        scores = scores_of(Z, i)
        own = jnp.take_along_axis(scores, y[i][:, None], axis=1)[:, 0]
        losses = jax.nn.logsumexp(scores, axis=1) - own
        value = f.ridge / 2 * jnp.sum(Z**2)
        if f.outer == "weights":
            losses *= jax.nn.sigmoid(x.reshape(-1, batch_size)[i])
        elif f.outer is not None:
            r = {"class": lambda: jnp.exp(x)[:, None],
                 "feature": lambda: jnp.exp(x),
                 "scalar": lambda: jnp.exp(x[0])}[f.outer]()
            value += jnp.sum(r * Z**2) / 2
        return value + weight[i] @ losses

    return multinomial_loss


class InJax:
    """A method, on the problem and the batches of a solver.

    Parameters
    ----------
    solver : BilevelSolver
        SOBA or SABA, before its first step.
    dtype : type
    """

    def __init__(self, solver, dtype):
        problem = solver.problem
        orders = problem.orders(solver.get_seed())
        sizes = solver.G.batch_size, solver.F.batch_size
        inner, outer = (
            loss_in_jax(f, order, size, dtype) for f, order, size in zip(
                (problem.inner, problem.outer), orders, sizes, strict=True))
        z, x = problem.inner_start, problem.outer_start
        self.entries = None
        if getattr(problem.inner, "outer", None) == "weights":
            self.entries = orders[0]
            x = _in_batches(x[orders[0]], sizes[0]).ravel()
        z, x = jnp.asarray(z, dtype), jnp.asarray(x, dtype)
        # Copies: buffers are given away.
        self.state = z + 0, jnp.zeros_like(z), x + 0, jnp.zeros((), dtype)
        self.draws = Draws(solver)
        self.step = _STEPS[solver.name](
            inner, outer, solver.step_size, solver.outer_ratio,
            getattr(problem.inner, "feasible", None) or (lambda x: x))
        if solver.name == "SABA":
            self.state += _tables(
                inner, outer, *self.state[:3], solver.G.n_batches,
                solver.F.n_batches)
        self.run = jax.jit(
            lambda state, pairs: jax.lax.scan(self.step, state, pairs)[0],
            donate_argnums=0)

    def __call__(self, pairs):
        """Steps on these pairs of batches."""
        self.state = jax.block_until_ready(self.run(self.state, pairs))

    def point(self):
        """z, v and x, as the solver has them."""
        z, v, x = map(np.asarray, self.state[:3])
        if self.entries is not None:
            permuted, x = x, np.empty(len(self.entries))
            x[self.entries] = permuted[:len(self.entries)]
        return z, v, x


def _terms(inner, outer, z, v, x, i, j):
    """g, H v, C v, f1 and f2 on a pair of batches."""
    g, pull = jax.vjp(lambda z, x: jax.grad(inner)(z, x, i), z, x)
    Hv, Cv = pull(v)
    return g, Hv, Cv, *jax.grad(outer, (0, 1))(z, x, j)


def _soba(inner, outer, step_size, outer_ratio, project):
    def step(state, pair):
        z, v, x, t = state
        g, Hv, Cv, f1, f2 = _terms(inner, outer, z, v, x, *pair)
        rho = step_size / jnp.sqrt(t + 1)
        return (z - rho * g, v - rho * (Hv + f1),
                project(x - rho / outer_ratio * (Cv + f2)), t + 1), None

    return step


def _tables(inner, outer, z, v, x, n_inner, n_outer):
    """The five quantities on every batch, and their averages."""
    def fill(k):
        return _terms(inner, outer, z, v, x, jnp.minimum(k, n_inner - 1),
                      jnp.minimum(k, n_outer - 1))

    rows = jax.jit(lambda: jax.lax.map(
        fill, jnp.arange(max(n_inner, n_outer))))()
    lengths = [n_inner] * 3 + [n_outer] * 2
    tables = tuple(row[:n] for row, n in zip(rows, lengths, strict=True))
    return tables, tuple(table.mean(0) for table in tables)


def _saba(inner, outer, step_size, outer_ratio, project):
    def step(state, pair):
        z, v, x, t, tables, averages = state
        i, j = pair
        terms = _terms(inner, outer, z, v, x, i, j)
        estimates, new_tables, new_averages = [], [], []
        for term, table, average, k in zip(
                terms, tables, averages, [i] * 3 + [j] * 2, strict=True):
            change = term - table[k]
            estimates.append(change + average)
            new_tables.append(table.at[k].set(term))
            new_averages.append(average + change / len(table))
        g, Hv, Cv, f1, f2 = estimates
        return (z - step_size * g, v - step_size * (Hv + f1),
                project(x - step_size / outer_ratio * (Cv + f2)), t + 1,
                tuple(new_tables), tuple(new_averages)), None

    return step


_STEPS = {"SOBA": _soba, "SABA": _saba}
