"""The oracles of multinomial functions."""
import numpy as np

from benchmark_utils.compiling.apart import set_apart
from benchmark_utils.compiling.compiled import assign, kernel
from benchmark_utils.compiling.vectors import aligned_zeros
from benchmark_utils.functions import oracles
from benchmark_utils.functions.batches import (
    batch_size_of,
    batch_weight,
    resolve_batch_size,
)
from benchmark_utils.functions.multinomial.batches import (
    OUTER_CODES,
    MultinomialBatches,
    filled,
    filled_up,
    first_chunk,
    last_chunk,
)
from benchmark_utils.functions.multinomial.calls import (
    APART,
    call_add_averages,
    call_combine,
    call_prepare,
    call_set_derivatives,
    call_set_penalty_cross,
    call_set_point,
)
from benchmark_utils.functions.multinomial.lanes import (
    add_averages,
    choose_rows,
    combine,
    set_derivatives,
    set_lanes,
    set_point,
)
from benchmark_utils.functions.multinomial.layout import cut, round_up
from benchmark_utils.functions.multinomial.penalty import (
    clear,
    penalty_value,
    set_penalties,
    set_penalty_cross,
)
from benchmark_utils.functions.multinomial.products import (
    add_combinations,
    add_combinations_1,
    add_combinations_2,
    add_combinations_3,
    add_scores_1,
    add_scores_2,
    add_scores_3,
)
from benchmark_utils.functions.multinomial.samples import (
    prepare,
    put,
    set_losses,
)

_CALLED = dict(zip(APART, (
    set_point, prepare, combine, set_derivatives, add_averages,
    set_penalty_cross, add_scores_1, add_scores_2, add_scores_3,
    add_combinations_1, add_combinations_2, add_combinations_3), strict=True))


def multinomial_batches(entries, f, batch_size, order):
    """Batches of a multinomial function, for the oracles.

    Parameters
    ----------
    entries : function
        Of chunks and an order of samples: their ``Entries``.
    f : function
        With ``y``, ``n_classes``, ``n_features``, ``outer``, ``ridge`` and
        ``outer_dim``.
    batch_size : int or "full"
    order : array of int64, shape (n,), optional
        Samples in the order in which they fill the batches; as they are
        stored without it.

    Returns
    -------
    Function
    """
    n = f.n_samples
    batch_size = resolve_batch_size(batch_size, n)
    order = np.arange(n) if order is None else np.asarray(order, np.int64)
    width = round_up(2 * f.n_classes, 8)
    chunks = cut(n, batch_size, width)
    places = chunks.places(slice(None))
    size, p = round_up(chunks.size, 8), round_up(f.n_features, 8)
    labels = np.full((len(places), size), -1)
    labels[:, :chunks.size] = np.where(places < 0, -1, f.y[order[places]])
    penalties = np.zeros(f.outer_dim)
    batches = MultinomialBatches(
        *entries(chunks, order), labels, order, n, batch_size,
        -(-n // batch_size), chunks.size, chunks.per_batch, f.n_classes,
        f.n_features, OUTER_CODES[f.outer], f.ridge,
        *(aligned_zeros(p * width) for _ in range(3)),
        aligned_zeros(size * width),
        aligned_zeros((width + 8) * size).reshape(-1, size),
        *(aligned_zeros(width) for _ in range(2)),
        *(aligned_zeros(size) for _ in range(7)),
        penalties,
        penalties if f.outer == "feature" else np.zeros(f.n_features),
        np.array([0, -1]), np.arange(f.n_features, dtype=np.int32),
        np.zeros(len(APART), np.int64), np.zeros(1, np.int64))
    set_apart(batches, {
        _CALLED[name]: arguments for name, arguments in APART.items()})
    return oracles.bind(batches)


@kernel
def _value(f, batch, z, x):
    total, scale = 0.0, batch_weight(f, batch)
    call_set_point(f, (batch, z, z, 1))
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        call_prepare(f, (chunk, x, scale, 1))
        n = filled(f, chunk)[1]
        set_losses(f, n)
        for i in range(n):
            total += f.weight[i] * f.loss[i]
    set_penalties(f, x)
    return total + 0.5 * penalty_value(f, z)


@kernel
def _grad_z(f, batch, z, x, out):
    K, scale = f.n_classes, batch_weight(f, batch)
    call_set_point(f, (batch, z, z, 1))
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        call_prepare(f, (chunk, x, scale, 1))
        call_combine(f, (chunk, 0, K))
    set_penalties(f, x)
    call_set_derivatives(f, (1, 1, z, out, z, out, 0.0, out))
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _grad_x(f, batch, z, x, out):
    set_penalties(f, x)
    call_set_penalty_cross(f, (z, z, 0.5, out))
    # Weights: the entries of the samples of the batch, and no others.
    if f.outer == 1:
        scale = batch_weight(f, batch)
        call_set_point(f, (batch, z, z, 1))
        for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
            call_prepare(f, (chunk, x, scale, 1))
            set_losses(f, filled(f, chunk)[1])
            put(f, chunk, f.loss, out)
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _hvp(f, batch, z, x, v, out):
    K, scale = f.n_classes, batch_weight(f, batch)
    call_set_point(f, (batch, z, v, 2))
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        call_prepare(f, (chunk, x, scale, 2))
        call_combine(f, (chunk, K, K))
    set_penalties(f, x)
    call_set_derivatives(f, (1, 1, v, out, v, out, 0.0, out))
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _cross(f, batch, z, x, v, out):
    set_penalties(f, x)
    call_set_penalty_cross(f, (z, v, 1.0, out))
    if f.outer == 1:
        scale = batch_weight(f, batch)
        call_set_point(f, (batch, z, v, 2))
        for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
            call_prepare(f, (chunk, x, scale, 2))
            put(f, chunk, f.own, out)
    f.oracle_calls[0] += batch_size_of(f, batch)


@kernel
def _gradients(f, batch, z, x, out_z, out_x):
    K, scale = f.n_classes, batch_weight(f, batch)
    set_penalties(f, x)
    clear(out_x)
    call_set_point(f, (batch, z, z, 1))
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        call_prepare(f, (chunk, x, scale, 1))
        if f.outer == 1:
            set_losses(f, filled(f, chunk)[1])
            put(f, chunk, f.loss, out_x)
        call_combine(f, (chunk, 0, K))
    call_set_derivatives(f, (1, 1, z, out_z, z, out_z, 0.5, out_x))
    f.oracle_calls[0] += 2 * batch_size_of(f, batch)


@kernel
def _directions(f, batch, z, x, v, out_grad, out_hvp, out_cross):
    K, scale = f.n_classes, batch_weight(f, batch)
    set_penalties(f, x)
    clear(out_cross)
    call_set_point(f, (batch, z, v, 2))
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        call_prepare(f, (chunk, x, scale, 2))
        if f.outer == 1:
            put(f, chunk, f.own, out_cross)
        call_combine(f, (chunk, 0, 2 * K))
    call_set_derivatives(f, (2, 1, z, out_grad, v, out_hvp, 1.0, out_cross))
    f.oracle_calls[0] += 3 * batch_size_of(f, batch)


# The oracles by sample: the samples enter the derivatives in z through one
# number a class, those in x through their own entry of x or not at all.
@kernel
def _keep(f, n, lane, width, first, out):
    """Rows of out, from the first on = lanes of the samples of a chunk."""
    for i in range(n):
        for k in range(f.n_classes):
            out[first + i, k] = f.scores[i * width + lane + k]


@kernel
def _keep_entries(f, values, first, n, out):
    """Rows of out, from the first on = slope times values."""
    for i in range(n):
        out[first + i, 0] = f.slope[i] * values[i]


@kernel
def _directions_by_sample(f, batch, z, x, v, w_grad, w_hvp, w_cross, out_grad,
                          out_hvp, out_cross):
    K, place = f.n_classes, 0
    set_penalties(f, x)
    if f.outer != 1:
        clear(out_cross)
    call_set_derivatives(f, (2, 0, z, out_grad, v, out_hvp, 1.0, out_cross))
    call_set_point(f, (batch, z, v, 2))
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        n = filled(f, chunk)[1]
        call_prepare(f, (chunk, x, 1.0, 2))
        if f.outer == 1:
            _keep_entries(f, f.own, place, n, w_cross)
        set_lanes(f, 0, 2 * K)
        _keep(f, n, 0, filled_up(2 * K), place, w_grad)
        _keep(f, n, K, filled_up(2 * K), place, w_hvp)
        place += n
    f.oracle_calls[0] += 3 * batch_size_of(f, batch)


@kernel
def _gradients_by_sample(f, batch, z, x, w_grad, w_x, out_z, out_x):
    K, place = f.n_classes, 0
    set_penalties(f, x)
    if f.outer != 1:
        clear(out_x)
    call_set_derivatives(f, (1, 0, z, out_z, z, out_z, 0.5, out_x))
    call_set_point(f, (batch, z, z, 1))
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        n = filled(f, chunk)[1]
        call_prepare(f, (chunk, x, 1.0, 1))
        if f.outer == 1:
            set_losses(f, n)
            _keep_entries(f, f.loss, place, n, w_x)
        set_lanes(f, 0, K)
        _keep(f, n, 0, filled_up(K), place, w_grad)
        place += n
    f.oracle_calls[0] += 2 * batch_size_of(f, batch)


@kernel
def _add_samples(f, batch, n_vectors, weights, others, out, other, average,
                 other_average):
    K, place, width = f.n_classes, 0, filled_up(n_vectors * f.n_classes)
    choose_rows(f, batch)
    for k in range(width):
        f.sums[k] = 0.0
    for chunk in range(first_chunk(f, batch), last_chunk(f, batch)):
        n = filled(f, chunk)[1]
        for i in range(f.chunk_size):
            for k in range(width):
                f.scores[i * width + k] = 0.0
        for i in range(n):
            for k in range(K):
                f.scores[i * width + k] = weights[place + i, k]
            for k in range(K if n_vectors == 2 else 0):
                f.scores[i * width + K + k] = others[place + i, k]
        add_combinations(f, chunk, width)
        place += n
    call_add_averages(f, (
        n_vectors, batch_weight(f, batch), out, other, average,
        other_average))


@kernel
def _add_entries(f, batch, weights, out, average):
    scale, first = batch_weight(f, batch), max(batch, 0) * f.batch_size
    if f.outer == 1:
        assign(out, average)
        for i in range(batch_size_of(f, batch)):
            sample = f.order[first + i]
            out[sample] += scale * weights[i, 0]
            average[sample] += weights[i, 0] / f.n_samples


@kernel
def _project(f, x):
    pass


oracles.register(
    MultinomialBatches, value=_value, grad_z=_grad_z, grad_x=_grad_x,
    hvp=_hvp, cross=_cross, gradients=_gradients, directions=_directions,
    project=_project, directions_by_sample=_directions_by_sample,
    gradients_by_sample=_gradients_by_sample, add_samples=_add_samples,
    add_entries=_add_entries,
)
