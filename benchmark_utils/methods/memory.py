"""Estimates from a memory: the last value on every mini-batch.

A *table* has a row for each batch of a function, and an average of its rows.
In a linear model (``functions.oracles``) the samples a_i enter a derivative in
z as a combination sum_i w_i a_i: its table then has the numbers w_i, a row for
each sample, and the average is that of the combinations. What comes from the
penalty is the same on every batch, and is not remembered but computed.
"""
from typing import NamedTuple

import numpy as np

from benchmark_utils.compiling.compiled import jit, kernel
from benchmark_utils.functions.batches import FULL, batch_size_of
from benchmark_utils.functions.oracles import (
    add_entries,
    add_samples,
    directions,
    directions_by_sample,
    gradients,
    gradients_by_sample,
)

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


def _check_batches(needed, batch_size, rows):
    """As ``check_memory``, of tables with a row for each batch."""
    check_memory(
        needed, f"batch_size={batch_size!r}", f"{' + '.join(map(str, rows))} "
        "batches (fewer if batch_size is larger)")


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
    _check_batches(needed, batch_size, dict.fromkeys(r for r, _ in shapes))


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


def zero_sarah_weight(f, eta):
    """``eta`` of a function's estimates; None is ZeroSARAH's, 1 / (2 N).

    With N batches (Li, Hanzely, Richtárik, 2021, theorem 1).
    """
    return 0.5 / f.n_batches if eta is None else float(eta)


class Memory(NamedTuple):
    """What SAGA remembers of some derivatives of a function.

    Attributes
    ----------
    tables : tuple of arrays of float64
        Of shape (n_batches, size) for each derivative of that size or, in a
        linear model, (n_samples, n_weights) in z and (n_samples,
        n_outer_weights) in x.
    averages : tuple of arrays of float64, shape (size,)
    weights : tuple of arrays of float64, shape (batch_size, n_weights)
        Scratch space, for linear models.
    """

    tables: tuple
    averages: tuple
    weights: tuple


def _shapes(f, sizes):
    """Rows of the tables, their columns, and the sizes of the averages."""
    if f.n_weights == 0:
        return f.n_batches, list(sizes), list(sizes)
    columns = [*[f.n_weights] * (len(sizes) - 1), f.n_outer_weights]
    return f.n_samples, columns, [
        size if column else 0
        for size, column in zip(sizes, columns, strict=True)]


def check_saga(functions, batch_size):
    """Refuse memories that are too large.

    Parameters
    ----------
    functions : list of (Function, tuple of int)
        Each with the arguments of ``empty_memory``.
    batch_size : int or "full"

    Raises
    ------
    ValueError
        Naming ``batch_size`` or, in linear models, the numbers of samples.
    """
    needed, rows_of = 0, []
    for f, sizes in functions:
        rows, columns, sizes = _shapes(f, sizes)
        needed += 8 * (rows * sum(columns) + sum(sizes))
        rows_of.append(rows)
    if all(f.n_weights > 0 for f, _ in functions):
        check_memory(
            needed, f"n_samples={', '.join(map(str, rows_of))}", "samples")
    else:
        _check_batches(needed, batch_size, rows_of)


def empty_memory(f, sizes):
    """Memory of zeros.

    Parameters
    ----------
    f : Function
    sizes : tuple of int
        Entries of each derivative; the last one is in x, the others in z.

    Returns
    -------
    Memory
    """
    rows, columns, sizes = _shapes(f, sizes)
    in_weights = columns if f.n_weights else [0] * len(sizes)
    return Memory(
        tuple(np.zeros((rows, c)) for c in columns),
        tuple(np.zeros(size) for size in sizes),
        tuple(np.empty((f.batch_size, c)) for c in in_weights))


@jit
def fill_inner(G, z, v, x, memory):
    """Remember g, H v and C v on all batches: one pass over the data."""
    m_g, m_Hv, m_Cv = memory.tables
    a_g, a_Hv, a_Cv = memory.averages
    if G.n_weights == 0:
        for i in range(G.n_batches):
            directions(G, i, z, x, v, m_g[i], m_Hv[i], m_Cv[i])
        for k in range(len(memory.tables)):
            set_average(memory.tables[k], memory.averages[k])
    else:
        g, Hv, Cv = np.empty_like(z), np.empty_like(z), np.empty_like(x)
        directions_by_sample(G, FULL, z, x, v, m_g, m_Hv, m_Cv, g, Hv, Cv)
        add_samples(G, FULL, 2, m_g, m_Hv, g, Hv, a_g, a_Hv)
        add_entries(G, FULL, m_Cv, Cv, a_Cv)


@jit
def fill_outer(F, z, x, memory):
    """Remember f1 and f2 on all batches: one pass over the data."""
    m_f1, m_f2 = memory.tables
    a_f1, a_f2 = memory.averages
    if F.n_weights == 0:
        for j in range(F.n_batches):
            gradients(F, j, z, x, m_f1[j], m_f2[j])
        for k in range(len(memory.tables)):
            set_average(memory.tables[k], memory.averages[k])
    else:
        f1, f2 = np.empty_like(z), np.empty_like(x)
        gradients_by_sample(F, FULL, z, x, m_f1, m_f2, f1, f2)
        add_samples(F, FULL, 1, m_f1, m_f1, f1, f1, a_f1, a_f1)
        add_entries(F, FULL, m_f2, f2, a_f2)


@kernel
def set_average(table, average):
    """average = the mean of the rows of a table."""
    for c in range(average.size):
        average[c] = 0.0
    for k in range(table.shape[0]):
        for c in range(average.size):
            average[c] += table[k, c]
    for c in range(average.size):
        average[c] /= table.shape[0]


@kernel
def saga_directions(G, i, point, memory, estimates):
    """SAGA estimates of g, H v and C v; remember them on the batch.

    Parameters
    ----------
    G : Function
    i : int
        Batch.
    point : tuple of arrays of float64, shape (p,), (p,), (d,)
        z, v and x.
    memory : Memory
        Of these three.
    estimates : tuple of arrays of float64, shape (p,), (p,), (d,)
        Overwritten.
    """
    z, v, x = point
    g, Hv, Cv = estimates
    m_g, m_Hv, m_Cv = memory.tables
    a_g, a_Hv, a_Cv = memory.averages
    if G.n_weights == 0:
        directions(G, i, z, x, v, g, Hv, Cv)
        saga(m_g, a_g, i, g)
        saga(m_Hv, a_Hv, i, Hv)
        saga(m_Cv, a_Cv, i, Cv)
    else:
        w_g, w_Hv, w_Cv = memory.weights
        directions_by_sample(G, i, z, x, v, w_g, w_Hv, w_Cv, g, Hv, Cv)
        remember(G, i, m_g, w_g)
        remember(G, i, m_Hv, w_Hv)
        add_samples(G, i, 2, w_g, w_Hv, g, Hv, a_g, a_Hv)
        saga_in_x(G, i, m_Cv, a_Cv, w_Cv, Cv)


@kernel
def saga_gradients(F, j, z, x, memory, estimates):
    """SAGA estimates of f1 and f2, as ``saga_directions``."""
    f1, f2 = estimates
    m_f1, m_f2 = memory.tables
    a_f1, a_f2 = memory.averages
    if F.n_weights == 0:
        gradients(F, j, z, x, f1, f2)
        saga(m_f1, a_f1, j, f1)
        saga(m_f2, a_f2, j, f2)
    else:
        w_f1, w_f2 = memory.weights
        gradients_by_sample(F, j, z, x, w_f1, w_f2, f1, f2)
        remember(F, j, m_f1, w_f1)
        add_samples(F, j, 1, w_f1, w_f1, f1, f1, a_f1, a_f1)
        saga_in_x(F, j, m_f2, a_f2, w_f2, f2)


@kernel
def saga(table, average, k, phi):
    """Replace phi, in place, by its SAGA estimate; remember phi."""
    for c in range(phi.size):
        change = phi[c] - table[k, c]
        table[k, c] = phi[c]
        phi[c] = change + average[c]
        average[c] += change / table.shape[0]


@kernel
def remember(f, k, table, weights):
    """Replace weights, in place, by their change; remember them."""
    first = k * f.batch_size
    for i in range(batch_size_of(f, k)):
        for c in range(table.shape[1]):
            change = weights[i, c] - table[first + i, c]
            table[first + i, c] = weights[i, c]
            weights[i, c] = change


@kernel
def saga_in_x(f, k, table, average, weights, phi):
    """Replace phi by its SAGA estimate, where samples have entries of x."""
    if table.shape[1] == 1:
        remember(f, k, table, weights)
        add_entries(f, k, weights, phi, average)
