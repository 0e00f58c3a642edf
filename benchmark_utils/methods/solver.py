"""Base class of the solvers: everything that is not the algorithm."""
import zlib

import numpy as np
from benchopt import BaseSolver

from benchmark_utils import checks
from benchmark_utils.methods.sampling import make_sampler
from benchmark_utils.parameters import ReadsNumbers, as_number, namesake
from benchmark_utils.sources import imported_by


class BilevelSolver(ReadsNumbers, BaseSolver):
    """A solver that benchopt samples through its callback.

    A subclass has a docstring (the citation), ``name``, ``parameters``,
    ``start`` if it has a state of its own, ``advance``, and the compiled
    function that ``advance`` calls. It may use

    - ``G``, ``F``: inner and outer function for the compiled oracles, in
      batches of ``batch_size``;
    - ``inner_batches``, ``outer_batches``: samplers for ``draw``;
    - ``z``, ``x``: inner and outer variable, to be updated in place;
    - ``t``: number of iterations done;
    - ``rng``: for any other random choice.

    All of them are made anew at the start of each run from the problem and
    the seed, so that nothing is left of a warm-up.
    """

    #: What each parameter may be. A subclass extends it for its own.
    constraints = {
        "step_size": checks.positive,
        "inner_step_size": checks.positive_or_none,
        "outer_ratio": checks.positive,
        "eval_freq": checks.n_steps,
        "n_inner_steps": checks.n_steps,
        "n_neumann_steps": checks.n_steps,
        "neumann_step_size": checks.positive_or_none,
    }

    #: Arrays that must stay finite, beside z and x. Extended likewise.
    state_names = ("z", "x")

    _imports = None

    # Part of the key of the results that benchopt keeps, beside the file of
    # the solver. A worker has it from the process that started the run.
    def _get_state(self):
        if self._imports is None:
            self._imports = imported_by(self._module_filename)
        return {"imports": self._imports}

    def __setstate__(self, state):
        self._imports = state["imports"]

    def set_objective(self, problem):
        """Check the parameters and lay out the data, before any timing.

        Raises
        ------
        ValueError
            Naming a parameter, its value and what is allowed.
        """
        other = namesake(self)
        if other:
            raise ValueError(other)
        for name in self._parameters:
            self._unify_type(name)
            if name == "batch_size":
                checks.batch_size(
                    self.batch_size, problem.inner.n_samples,
                    problem.outer.n_samples)
            elif name in self.constraints:
                self.constraints[name](name, getattr(self, name))
        self.problem = problem
        self._compiled = getattr(self, "_compiled", set())
        # One permutation of the samples, for all methods and repetitions.
        self.G, self.F = problem.batches(
            getattr(self, "batch_size", "full"), self.get_seed())
        # The sampling depends on the method, not on its parameters: two step
        # sizes, or two values of eval_freq, see the same batches.
        self._seed = [
            self.get_seed(use_dataset=True, use_repetition=True),
            zlib.crc32(self.name.encode()),
        ]

    def _unify_type(self, name):
        """Make a number of whatever type a plain float or int.

        What is compiled for the type of the default then serves all of them,
        and a small NumPy integer cannot overflow in the iterations.
        """
        default, *_ = type(self).parameters.get(name, [None])
        setattr(self, name, as_number(getattr(self, name), default))

    def warm_up(self):
        """Compile, or load from the disk cache, outside the timing."""
        # benchopt warms up a solver once, but then runs it on all datasets,
        # and a method may go another way on another kind of function.
        kind = self.G.kernels, self.F.kernels
        if kind not in self._compiled:
            self._compiled.add(kind)
            remaining_calls = iter([True, False])
            self.run(lambda: next(remaining_calls))

    def pre_run_hook(self, stop_val):
        """Warm up for the dataset at hand. Not timed."""
        self.warm_up()

    def run(self, callback):
        """Iterate until benchopt has seen enough. This is what is timed."""
        self._reset()
        self.start()
        while callback():
            # Once diverged, go straight to the evaluation that will say so.
            if self._is_finite():
                self.advance(self.eval_freq)
                self.t += self.eval_freq

    @property
    def series_step_size(self):
        """Step size of the Neumann series: its own, or that of z."""
        return self._own_or_step_size(self.neumann_step_size)

    @property
    def inner_loop_step_size(self):
        """Step size of the steps on G alone: their own, or that of z."""
        return self._own_or_step_size(self.inner_step_size)

    def _own_or_step_size(self, own):
        return self.step_size if own is None else float(own)

    def _reset(self):
        self.rng = np.random.default_rng(self._seed)
        self.inner_batches = make_sampler(self.G.n_batches, self.rng)
        self.outer_batches = make_sampler(self.F.n_batches, self.rng)
        self.G.oracle_calls[0] = self.F.oracle_calls[0] = 0
        self.z = self.problem.inner_start.copy()
        self.x = self.problem.outer_start.copy()
        self.t = 0

    def _is_finite(self):
        return all(
            np.all(np.isfinite(getattr(self, name)))
            for name in self.state_names
        )

    def start(self):
        """Set up what the method carries along beside z and x."""

    def advance(self, n_iterations):
        """Do this many iterations, from iteration ``self.t`` on.

        A solver that iterates in a library overrides ``run`` instead.
        """
        raise TypeError(f"{self.name} overrides neither advance nor run")

    def get_result(self):
        """The pair that ``Objective.evaluate_result`` judges."""
        return dict(
            inner_var=self.z.copy(), outer_var=self.x.copy(),
            oracle_calls=int(self.G.oracle_calls[0]
                             + self.F.oracle_calls[0]),
        )
