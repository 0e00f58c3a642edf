import numpy as np

from benchmark_utils.methods.black_box import BlackBoxSolver
from benchmark_utils.optional import NeedsPackage


class Solver(NeedsPackage, BlackBoxSolver):
    """Tree-structured Parzen Estimator of Optuna (TPE).

    J. Bergstra, R. Bardenet, Y. Bengio, B. Kégl, "Algorithms for
    hyper-parameter optimization", NeurIPS 2011; T. Akiba, S. Sano, T. Yanase,
    T. Ohta, M. Koyama, "Optuna: a next-generation hyperparameter optimization
    framework", KDD 2019.

    Trial points are suggested by Optuna, after the start of the problem. At
    each of them h is evaluated by solving the inner problem, warm-started. No
    derivative of h is used.

    Parameters
    ----------
    box : tuple of 2 floats
        Bounds of each coordinate of x. Only their feasible part is searched;
        they are widened, coordinate by coordinate, to hold the start.
    tolerance : float
        Norm of the gradient of G in z at which the inner problem is solved.
    """

    name = "Optuna"
    package = "optuna"
    requirements = ["pip::optuna"]

    parameters = {"box": [(-10.0, 10.0)], "tolerance": [1e-6]}
    search_space = {"box": [(-5.0, 5.0), (-10.0, 10.0), (-20.0, 20.0)]}

    def start(self):
        import optuna
        from optuna.distributions import FloatDistribution

        super().start()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        seed = int(self.rng.integers(2**32))
        self.study = optuna.create_study(
            sampler=optuna.samplers.TPESampler(seed=seed))
        names = [f"x{k}" for k in range(self.x.size)]
        self.distributions = {
            name: FloatDistribution(low, high)
            for name, low, high in zip(names, self.low, self.high, strict=True)
        }
        self.study.enqueue_trial(dict(zip(names, self.x, strict=True)))

    def suggest(self, t):
        self.trial = self.study.ask(self.distributions)
        return np.array(list(self.trial.params.values()))

    def observe(self, h):
        self.study.tell(self.trial, h)
