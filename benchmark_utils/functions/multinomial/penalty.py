"""The penalty of a multinomial function, and x where it is penalties."""
from benchmark_utils.compiling.compiled import exp_all, kernel
from benchmark_utils.compiling.vectors import (
    LANES,
    add_products,
    add_up,
    load,
    same,
)


@kernel
def dot(a, i, b, j, n):
    """<a[i:i + n], b[j:j + n]>."""
    total, k = 0.0, 0
    if n >= 4 * LANES:
        sums = same(0.0, 4)
        while k + 4 * LANES <= n:
            sums = add_products(sums, load(a, i + k, 0, 1, 4),
                                load(b, j + k, 0, 1, 4))
            k += 4 * LANES
        total = add_up(sums)
    while k < n:
        total += a[i + k] * b[j + k]
        k += 1
    return total


@kernel
def set_penalties(f, x):
    """f.r = r(x) where x is log-penalties."""
    if f.outer >= 2:
        exp_all(x, f.r)


@kernel
def class_penalty(f, k):
    """C + r_k; what depends on the feature is f.per_feature."""
    if f.outer == 2:
        return f.ridge + f.r[k]
    if f.outer == 4:
        return f.ridge + f.r[0]
    return f.ridge


@kernel
def add_penalty_cross(f, k, z, v, scale, out):
    """out += scale times the derivative in x of sum_j r_kj z_kj v_kj."""
    p, start = f.n_features, k * f.n_features
    if f.outer == 2:
        out[k] += scale * f.r[k] * dot(z, start, v, start, p)
    elif f.outer == 3:
        for j in range(p):
            out[j] += scale * f.r[j] * z[start + j] * v[start + j]
    elif f.outer == 4:
        out[0] += scale * f.r[0] * dot(z, start, v, start, p)


@kernel
def set_penalty_cross(f, z, v, scale, out):
    """out = scale times the derivative in x of sum_kj r_kj z_kj v_kj."""
    clear(out)
    for k in range(f.n_classes):
        add_penalty_cross(f, k, z, v, scale, out)


@kernel
def clear(out):
    for c in range(out.size):
        out[c] = 0.0


@kernel
def penalty_value(f, z):
    """sum_kj (C + r_kj) z_kj^2."""
    p, total = f.n_features, 0.0
    for k in range(f.n_classes):
        total += class_penalty(f, k) * dot(z, k * p, z, k * p, p)
        if f.outer == 3:
            for j in range(p):
                total += f.r[j] * z[k * p + j] ** 2
    return total
