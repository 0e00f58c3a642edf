from benchmark_utils.methods.black_box import BlackBoxSolver


class Solver(BlackBoxSolver):
    """Random search on h.

    J. Bergstra, Y. Bengio, "Random search for hyper-parameter optimization",
    JMLR 13, 2012.

    Trial points are uniform in a box, after the start of the problem. At each
    of them h is evaluated by solving the inner problem, warm-started. No
    derivative of h is used.

    Parameters
    ----------
    box : tuple of 2 floats
        Bounds of each coordinate of x. Only their feasible part is searched;
        they are widened, coordinate by coordinate, to hold the start.
    tolerance : float
        Norm of the gradient of G in z at which the inner problem is solved.
    """

    name = "RandomSearch"

    parameters = {"box": [(-10.0, 10.0)], "tolerance": [1e-6]}
    search_space = {"box": [(-5.0, 5.0), (-10.0, 10.0), (-20.0, 20.0)]}

    def suggest(self, t):
        return self.x.copy() if t == 0 else self.rng.uniform(
            self.low, self.high)
