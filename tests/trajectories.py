"""Where SOBA and SABA are after some steps on each kind of function.

    python tests/trajectories.py

prints it as JSON, for a process that compiles for another processor.
"""
import json

import numpy as np
from harness import make_problem, make_solver, run_solver

N_STEPS = 40
BATCH_SIZE = 16
PROBLEMS = {
    "quadratic": ("quadratic", dict(
        n_inner=48, n_outer=40, inner_dim=7, outer_dim=5)),
    "logistic": ("simulated_logistic", dict(
        n_train=200, n_validation=150, n_features=11)),
    "sparse logistic": ("simulated_logistic", dict(
        n_train=200, n_validation=150, n_features=30, density=0.3)),
    "multinomial": ("digits", dict(n_train=60, n_validation=50)),
    "sparse multinomial": ("simulated_multinomial", dict(
        n_train=60, n_validation=50, n_features=30, n_classes=3,
        density=0.3)),
    "hyper-representation": ("hyper_representation", dict(
        n_hidden=5, n_train=60, n_validation=50)),
}


def trajectories(perturbation=0.0):
    """The last z and x of each method on each problem.

    Parameters
    ----------
    perturbation : float
        Each entry of the start is changed by this or by its opposite.

    Returns
    -------
    dict of (method and problem) to array, shape (p + d,)
    """
    ends = {}
    for kind, (name, parameters) in PROBLEMS.items():
        problem, rng = make_problem(name, **parameters), (
            np.random.default_rng(0))
        for start in (problem.inner_start, problem.outer_start):
            start += perturbation * rng.choice([-1.0, 1.0], start.size)
        for method in ("SOBA", "SABA"):
            solver = make_solver(
                method, problem, step_size=0.1, outer_ratio=1.0,
                batch_size=BATCH_SIZE, eval_freq=N_STEPS)
            result = run_solver(solver, N_STEPS)
            ends[f"{method} on {kind}"] = np.concatenate(
                [result["inner_var"], result["outer_var"]])
    return ends


if __name__ == "__main__":
    print(json.dumps({
        key: end.tolist() for key, end in trajectories().items()}))
