"""The problem of a dataset, for whoever wants to look at it in Python."""
from pathlib import Path

from benchopt.benchmark import Benchmark, _get_used_parameters
from benchopt.utils.run_context import RunContext
from click import BadParameter
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).resolve().parents[2]


def load_problem(dataset, seed=0, **parameters):
    """The problem that a run of benchopt hands to its solvers.

    >>> from benchmark_utils.problems.loading import load_problem
    >>> problem = load_problem("quadratic", n_inner=24)
    >>> problem = load_problem("quadratic[n_inner=24]", seed=1)
    >>> problem = load_problem("datasets/template_dataset.py")

    Parameters
    ----------
    dataset : str
        As after ``-d``: a name, perhaps with parameters, or a file.
    seed : int
        As after ``--seed``.
    **parameters
        Of the dataset. Others have their default.

    Returns
    -------
    BilevelProblem

    Raises
    ------
    ValueError
        If there is no such dataset, several are meant, or a parameter is
        unknown or not allowed.
    OSError
        If the data cannot be had.
    """
    try:
        (cls, typed), *others = Benchmark(ROOT).check_dataset_patterns(
            [dataset])
        variants = list(_get_used_parameters(cls, typed))
    except (BadParameter, ValueError) as error:
        reason = getattr(error, "message", str(error))
        raise ValueError(
            f"dataset={dataset!r} is not valid: {reason}") from error
    unknown = sorted(set(parameters) - set(cls.parameters))
    if unknown:
        raise ValueError(
            f"parameter={unknown[0]!r} is not valid: {cls.name} has "
            f"{', '.join(cls.parameters) or 'none'}")
    if others or len(variants) > 1:
        raise ValueError(
            f"dataset={dataset!r} is not valid: it means several, and one is "
            "needed")
    return problem_of(cls.get_instance(**{**variants[0], **parameters}), seed)


def problem_of(dataset, seed=0):
    """The problem of an instance of a dataset.

    Parameters
    ----------
    dataset : BilevelDataset
    seed : int

    Returns
    -------
    BilevelProblem

    Raises
    ------
    Exception
        Whatever ``get_problem`` raises.
    """
    RunContext().set_run_context(
        "objective", dataset, "solver", repetition=0, base_seed=seed)
    with threadpool_limits(limits=1, user_api="blas"):  # As in `get_data`.
        return dataset.get_problem()
