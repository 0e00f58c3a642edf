"""Losses of the samples of a chunk, and their weights in derivatives.

A row of ``by_class`` is a class: z in the first K rows, v in the next. Each
loop takes a vector of samples.
"""
import numpy as np

from benchmark_utils.compiling.compiled import kernel
from benchmark_utils.compiling.vectors import (
    LANES,
    add,
    add_products,
    divide,
    exponential,
    load,
    maximum,
    multiply,
    same,
    store,
    subtract,
)
from benchmark_utils.functions.multinomial.batches import filled
from benchmark_utils.functions.multinomial.lanes import set_scores


@kernel
def set_weights(f, chunk, x, scale):
    """f.weight and f.slope: scale times w_i and its derivative."""
    first, n = filled(f, chunk)
    size = f.weight.size
    if f.outer != 1:
        for i in range(size):
            f.weight[i] = scale if i < n else 0.0
        return
    for i in range(size):
        f.slope[i] = x[f.order[first + i]] if i < n else 0.0
    one, nothing = same(1.0, 1), same(0.0, 1)
    for i in range(0, size, LANES):
        u = load(f.slope, i, 0, 1, 1)
        over = add(one, exponential(u))
        under = add(one, exponential(subtract(nothing, u)))
        weight = divide(same(scale, 1), under)
        store(f.weight, i, 0, 1, 1, weight)
        store(f.slope, i, 0, 1, 1, divide(weight, over))
    for i in range(n, size):
        f.weight[i] = f.slope[i] = 0.0


@kernel
def set_probabilities(f, n_vectors):
    """Scores become probabilities s_i; f.own = the averages of those of v.

    f.largest and f.total: the largest scores, and sums of exponentials.
    """
    K, size = f.n_classes, f.by_class.shape[1]
    for i in range(0, size, LANES):
        largest = load(f.by_class, i, 0, 1, 1)
        for k in range(1, K):
            largest = maximum(
                largest, load(f.by_class, k * size + i, 0, 1, 1))
        total = same(0.0, 1)
        for k in range(K):
            e = exponential(subtract(
                load(f.by_class, k * size + i, 0, 1, 1), largest))
            store(f.by_class, k * size + i, 0, 1, 1, e)
            total = add(total, e)
        store(f.largest, i, 0, 1, 1, largest)
        store(f.total, i, 0, 1, 1, total)
        inverse, own = divide(same(1.0, 1), total), same(0.0, 1)
        for k in range(K):
            s = multiply(load(f.by_class, k * size + i, 0, 1, 1), inverse)
            store(f.by_class, k * size + i, 0, 1, 1, s)
            if n_vectors == 2:
                own = add_products(
                    own, s, load(f.by_class, (K + k) * size + i, 0, 1, 1))
        store(f.own, i, 0, 1, 1, own)


@kernel
def set_sample_weights(f, n_vectors):
    """Probabilities s become w s, scores a of v w (diag(s) - s s') a."""
    K, size = f.n_classes, f.by_class.shape[1]
    for i in range(0, size, LANES):
        weight, own = load(f.weight, i, 0, 1, 1), load(f.own, i, 0, 1, 1)
        for k in range(K):
            s = multiply(weight, load(f.by_class, k * size + i, 0, 1, 1))
            store(f.by_class, k * size + i, 0, 1, 1, s)
            if n_vectors == 2:
                along = (K + k) * size + i
                store(f.by_class, along, 0, 1, 1, multiply(s, subtract(
                    load(f.by_class, along, 0, 1, 1), own)))


@kernel
def set_losses(f, n):
    """Losses of n samples, after ``prepare``, to f.loss."""
    for i in range(n):
        f.loss[i] += np.log(f.total[i])


@kernel
def put(f, chunk, values, out):
    """Entries of out of the samples of a chunk: slope times values."""
    first, n = filled(f, chunk)
    for i in range(n):
        out[f.order[first + i]] = f.slope[i] * values[i]


@kernel
def prepare(f, chunk, x, scale, n_vectors):
    """Weights of the samples of a chunk in the derivatives, in f.by_class.

    w (s - e_y) in the gradient, and with two vectors w (diag(s) - s s') a in
    the Hessian product, with the scores a of v. f.own becomes the derivative
    of the losses along v, which the cross derivative needs.
    """
    set_weights(f, chunk, x, scale)
    set_scores(f, chunk, n_vectors)
    K, size = f.n_classes, f.by_class.shape[1]
    for i in range(size):
        label = max(f.labels[chunk, i], 0)
        f.loss[i] = f.by_class[label, i]
        if n_vectors == 2:
            f.along[i] = f.by_class[K + label, i]
    set_probabilities(f, n_vectors)
    set_sample_weights(f, n_vectors)
    for i in range(size):
        f.by_class[max(f.labels[chunk, i], 0), i] -= f.weight[i]
        f.loss[i] = f.largest[i] - f.loss[i]
        f.own[i] -= f.along[i]
