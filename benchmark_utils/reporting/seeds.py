"""Seeds of choices and of comparisons: no run of one is a run of the other.

benchopt's ``--seed`` sets the start and what is simulated, and with the
repetition the sampling of mini-batches.
"""
#: Starts of a comparison, and samplings of each.
STARTS, REPETITIONS = 3, 5
#: Rounds of ``tune`` with one start each, and starts of its finalists.
ROUNDS, FINALISTS = 2, 5
#: Seeds of comparisons are below, those of choices are not; 0 is neither, as
#: it is that of ``benchopt run .``, on which people choose by hand.
FIRST_OF_TUNING = 10_000


def of_comparison(seed=0, starts=STARTS):
    """Seeds of the starts of a comparison.

    Parameters
    ----------
    seed : int
        Of the command: another one has other starts.
    starts : int

    Returns
    -------
    list of int

    Raises
    ------
    ValueError
        If the seed is not one of a comparison.
    """
    found = [1 + seed * starts + k for k in range(starts)]
    if not 0 < found[0] <= found[-1] < FIRST_OF_TUNING:
        raise ValueError(
            f"seed={seed} is not valid: 0 to "
            f"{(FIRST_OF_TUNING - 1) // starts - 1} is needed, as beyond are "
            "the seeds of tune")
    return found


def of_tuning(seed=0, starts=FINALISTS):
    """Seeds of the rounds of ``tune``, then of its finalists.

    Parameters
    ----------
    seed : int
        Of the command: another one has other starts.
    starts : int
        Of a finalist.

    Returns
    -------
    list of int

    Raises
    ------
    ValueError
        If the seed is negative.
    """
    if seed < 0:
        raise ValueError(f"seed={seed} is not valid: 0 or more is needed")
    n = ROUNDS + starts
    return [FIRST_OF_TUNING + seed * n + k for k in range(n)]
