"""Estimates from a memory: the last value on every mini-batch.

A *table* has a row for each batch of a function, and an average of its rows.
"""
from benchmark_utils.compiled import kernel

MAX_MEMORY = 2 * 2**30  # Bytes.


def check_memory(needed, parameter, parts):
    """Refuse a memory that is too large, before anything is timed.

    Parameters
    ----------
    needed : int
        Bytes.
    parameter : str
        What it depends on and its value, as in ``"batch_size=1"``.
    parts : str
        What is remembered.

    Raises
    ------
    ValueError
    """
    if needed > MAX_MEMORY:
        raise ValueError(
            f"{parameter} is not valid: the memory of all {parts} takes "
            f"{needed / 2**30:.1f} GiB, at most {MAX_MEMORY / 2**30:.1f} GiB "
            "are allowed")


def check_tables(shapes, batch_size):
    """Refuse tables that are too large.

    Parameters
    ----------
    shapes : list of (int, int)
        Batches and entries of each table.
    batch_size : int or "full"

    Raises
    ------
    ValueError
        Naming ``batch_size``, on which the number of batches depends.
    """
    needed = 8 * sum((rows + 1) * columns for rows, columns in shapes)
    batches = " + ".join(
        str(rows) for rows in dict.fromkeys(rows for rows, _ in shapes))
    check_memory(needed, f"batch_size={batch_size!r}",
                 f"{batches} batches (fewer if batch_size is larger)")


@kernel
def zero_sarah(d, new, old, table, average, k, eta):
    """Update a ZeroSARAH estimate, in place; remember ``new``.

    d = new - (1 - eta) old + (1 - eta) d + eta (average - table[k])

    SARAH, which adds the changes new - old on a batch, forgets at the rate
    eta what it has summed, in favour of SAGA's estimate: its error does not
    stay, and no pass over all samples is needed. eta = 1 is SAGA (Defazio,
    Bach, Lacoste-Julien, NeurIPS 2014). With a point at rest and a table that
    is filled, d tends to the average; in expectation over a uniform batch,
    d - f' shrinks by 1 - eta (Li, Hanzely, Richtárik, "ZeroSARAH", 2021).

    Parameters
    ----------
    d : array of float64, 1-D
        The estimate at the previous point, overwritten by that at the
        present one.
    new, old : array of float64
        A derivative on batch k at the present and at the previous point.
    table : array of float64, shape (n_batches, d.size)
        Row k becomes ``new``.
    average : array of float64
        Of the rows of the table, updated.
    k : int
        Batch.
    eta : float
        Weight in [0, 1].
    """
    for c in range(d.size):
        change = new[c] - table[k, c]
        d[c] = (change + average[c]
                + (1.0 - eta) * (d[c] - old[c] + table[k, c] - average[c]))
        table[k, c] = new[c]
        average[c] += change / table.shape[0]
