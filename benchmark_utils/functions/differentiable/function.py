"""A function of the user's own: one loss a sample, in JAX or PyTorch."""
import numpy as np

from benchmark_utils import checks
from benchmark_utils.functions.batches import in_order, resolve_batch_size
from benchmark_utils.functions.differentiable import (
    bad_input,
    losses,
    torch_losses,
)
from benchmark_utils.functions.differentiable.callback import (
    Callbacks,
    jitted,
)
from benchmark_utils.functions.differentiable.kernels import (
    DifferentiableBatches,
)
from benchmark_utils.functions.differentiable.traced import (
    NotTranslated,
    Traced,
)
from benchmark_utils.functions.oracles import bind

WAYS = (None, "traced", "callback")
# What differentiates: modules of which each has the same functions.
LIBRARIES = {"jax": losses, "torch": torch_losses}
# Numbers of 8 bytes in what is computed at once of a Hessian, and directions
# of which its diagonal is estimated.
_PIECE, _N_PROBES = 10**7, 32


class Differentiable:
    """Average of a loss over samples: all derivatives are JAX's or PyTorch's.

    f(z, x) = (1/n) sum_i loss(z, x, *sample_i) + penalty(z, x)

    The NumPy methods are JAX on all samples, in float64, whatever the
    setting ``jax_enable_x64`` is: the metrics are computed from them. So they
    are in PyTorch, where "JAX" and "jax.numpy" below are it and ``torch``.

    Parameters
    ----------
    loss : callable
        (z, x, *sample) -> number, in jax.numpy. It is traced, here: it must
        be a function of its arguments alone.
    data : tuple of arrays of n rows
        A sample is a row of each. Integers stay integers.
    z, x : arrays, or pytrees of arrays
        Where solvers start, as the loss takes them.
    penalty : callable, optional
        (z, x) -> number, counted once, whatever the batch.
    project : callable or {"nonnegative", "unit_interval"}, optional
        x -> nearest feasible x, in jax.numpy.
    way : {None, "traced", "callback"}
        How solvers compute it: by loops that are compiled from what JAX has
        traced, or by calls of JAX. Both give the same numbers. None is the
        first where there is a translation of all that the loss uses; of
        PyTorch there is none.
    name : str
        What the errors call the function.
    library : {"jax", "torch"}
        What the loss, the penalty and the projection are written in.

    Attributes
    ----------
    inner_start, outer_start : array of float64, shape (p,), (d,)
        z and x, flat.
    uses_inner, uses_outer : bool
        Whether f depends on z, and on x.
    way : {"traced", "callback"}
        As it is computed.

    Raises
    ------
    ValueError
        If the library is missing or too old, or an argument is not valid:
        which, and where; if what is to be traced has no translation.
    """

    def __init__(self, loss, data, z, x, penalty=None, project=None,
                 way=None, name="data", library="jax"):
        checks.one_of(*WAYS)("way", way)
        checks.one_of(*LIBRARIES)("library", library)
        if library == "torch":
            if way == "traced":
                raise ValueError(
                    "way='traced' is not valid with library='torch': loops "
                    "are made of what JAX traces; None or 'callback' is "
                    "needed")
            way = "callback"
        self._library = LIBRARIES[library]
        bad_input.needs(self._library)
        self._made_of = (
            loss, data, z, x, penalty, project, way, name, library)
        self.name, self.way = name, way
        self.data = bad_input.samples(name, data)
        self.n_samples = len(self.data[0])
        self.inner_start = bad_input.flat(self._library, name, "z", z)
        self.outer_start = bad_input.flat(self._library, name, "x", x)
        self.inner_dim = self.inner_start.size
        self.outer_dim = self.outer_start.size
        with self._library.in_double():
            self._jitted = self._functions(
                loss, z, x, penalty, project)
            self._samples = self._library.put((
                np.full(self.n_samples, 1 / self.n_samples), self.data))
        self._called = None
        if way != "callback":
            self._trace()
        z, x = self.inner_start, self.outer_start
        bad_input.finite(name, self._call("losses", z, x),
                         (self.grad_z(z, x), self.grad_x(z, x)))

    def _functions(self, loss, z, x, penalty, project):
        """Check what the user has written, and make functions of it."""
        library, name = self._library, self.name
        start = self.inner_start, self.outer_start
        to_z, to_x = library.unraveling(z), library.unraveling(x)
        of_sample = losses.on_flat(loss, to_z, to_x)
        found = [bad_input.traced(
            library, name, "loss", loss, of_sample, start,
            [a[0] for a in self.data])]
        penalties = None
        if penalty is not None:
            penalties = losses.on_flat(penalty, to_z, to_x)
            found.append(bad_input.traced(
                library, name, "penalty", penalty, penalties, start))
        self.uses_inner, self.uses_outer = (
            any(trace.uses[k] for trace in found) for k in (0, 1))
        self.feasible = None
        if project is not None:
            if callable(project):
                feasible = losses.on_flat(project, to_x)
                self.feasible = lambda x: library.ravel(feasible(x))
            else:
                checks.one_of(*library.PROJECTIONS)("project", project)
                self.feasible = library.PROJECTIONS[project]
            bad_input.traced(library, name, "project", project, self.feasible,
                             start[1:], shape=start[1].shape)
        self._parts = of_sample, penalties, self.feasible
        each = library.on_each(of_sample)
        self.weighted = losses.weighted(each, penalties)
        self.oracles = library.derivatives(self.weighted)
        jit = library.jit
        return {
            "losses": jit(each),
            "columns": jit(library.columns_of_hessian(self.weighted)),
            "project": jit(self.feasible or (lambda x: x)),
            **{name: jit(lambda *arguments, f=oracle: f(*arguments)[0])
               for name, oracle in self.oracles.items()}}

    def _trace(self):
        """Make loops of the loss, or say why they cannot be made."""
        try:
            self._traced = Traced(
                *self._parts, self.inner_dim, self.outer_dim,
                [a[0] for a in self.data])
            self.way = "traced"
        except NotTranslated as error:
            reason = (f"loss of {self.name}: {error} has no translation to "
                      "loops")
            if self.way == "traced":
                raise ValueError(
                    f"way='traced' is not valid: {reason}; 'callback' is "
                    "needed") from error
            checks.warn_once(f"{reason}; solvers call JAX instead, at some "
                             "50 us a call")
            self.way = "callback"

    def _call(self, name, *arguments):
        """A function on all samples: a copy, as what is JAX's is read-only."""
        with self._library.in_double():
            return np.array(self._jitted[name](*arguments, *self._samples))

    def value(self, z, x):
        """Value f(z, x)."""
        return float(self._call("value", z, x, None)[0])

    def grad_z(self, z, x):
        """Gradient in z, shape (p,)."""
        return self._call("grad_z", z, x, None)

    def grad_x(self, z, x):
        """Gradient in x, shape (d,)."""
        return self._call("grad_x", z, x, None)

    def hvp(self, z, x, v):
        """Hessian in z times v, shape (p,)."""
        return self._call("hvp", z, x, v)

    def cross(self, z, x, v):
        """Cross derivative times v, shape (d,)."""
        return self._call("cross", z, x, v)

    def grad_hessian(self, z, x):
        """Gradient and Hessian in z, of shape (p,) and (p, p)."""
        p = self.inner_dim
        hessian = self._products(z, x, np.eye(p))
        return self.grad_z(z, x), 0.5 * (hessian + hessian.T)

    def _products(self, z, x, directions):
        """Products with the Hessian, a few rows at a time."""
        row = self.n_samples * sum(
            max(1, a[0].size) for a in self.data) + self.inner_dim
        piece = max(1, min(len(directions), _PIECE // row))
        out = np.empty_like(directions)
        for start in range(0, len(directions), piece):
            # The last piece begins earlier: JAX compiles for one size.
            start = min(start, len(directions) - piece)
            rows = slice(start, start + piece)
            out[rows] = self._call("columns", z, x, directions[rows])
        return out

    def hessian_operator(self, z, x):
        """The function v -> Hessian in z times v, for many v."""
        return lambda v: self.hvp(z, x, v)

    def hessian_diagonal(self, z, x):
        """Estimate of the diagonal of the Hessian in z, shape (p,).

        C. Bekas, E. Kokiopoulou, Y. Saad, "An estimator for the diagonal of
        a matrix", Applied Numerical Mathematics 57, 2007, with 32 vectors of
        signs, the same ones each time. It preconditions, no more.
        """
        signs = np.random.default_rng(0).choice(
            [-1.0, 1.0], (_N_PROBES, self.inner_dim))
        return np.mean(signs * self._products(z, x, signs), axis=0)

    def project(self, x):
        """Nearest feasible x, shape (d,)."""
        if self.feasible is None:
            return x
        with self._library.in_double():
            return np.array(self._jitted["project"](x))

    def __reduce__(self):
        # The rest is JAX's, and made anew.
        return Differentiable, self._made_of

    def batches(self, batch_size, order=None):
        """Cut into mini-batches for the compiled oracles.

        Parameters
        ----------
        batch_size : int or "full"
        order : array of int, shape (n_samples,), optional
            Samples in the order in which they fill the batches; as they are
            stored without it.

        Returns
        -------
        Function
        """
        n = self.n_samples
        batch_size = resolve_batch_size(batch_size, n)
        samples = tuple(np.ascontiguousarray(in_order(a, order))
                        for a in self.data)
        if self.way == "traced":
            addresses, buffers = self._traced.on(samples)
        else:
            if self._called is None:
                self._called = jitted(
                    self._library, self.oracles, self.inner_dim,
                    self.outer_dim)
            calls = Callbacks(
                self._library, self._called, self.project, samples,
                self.inner_dim, self.outer_dim, batch_size)
            addresses, buffers = calls.addresses(), np.zeros(1, np.int64)
        return bind(DifferentiableBatches(
            addresses, buffers, np.zeros(1), n, batch_size,
            -(-n // batch_size), np.zeros(1, np.int64)))
