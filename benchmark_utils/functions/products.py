"""Products of samples with several vectors: the two passes over a chunk.

Several vectors and several features at a time, so that samples and sums are
loaded and stored a fraction as often. Four by four are as many as the 32
vector registers of AVX-512 and of NEON hold.
"""
from benchmark_utils.compiled import kernel


@kernel
def set_products(rows, weights, by_vector, by_feature, out):
    """out[k, i] = sum_j weights[k * by_vector + j * by_feature] rows[j, i].

    Parameters
    ----------
    rows : array of float64, shape (p, n_samples)
        A chunk of samples, each loop along contiguous memory.
    weights : array of float64
        n vectors of p entries.
    by_vector, by_feature : int
        From a vector to the next, and from a feature to the next: p and 1
        where the vectors come one after the other.
    out : array of float64, shape (n, n_samples)
        Overwritten.
    """
    p, size, n = rows.shape[0], rows.shape[1], out.shape[0]
    p_4, n_4 = p - p % 4, n - n % 4
    for k in range(n):
        for i in range(size):
            out[k, i] = 0.0
    for k in range(0, n_4, 4):
        a, b = k * by_vector, (k + 1) * by_vector
        c, d = a + 2 * by_vector, b + 2 * by_vector
        for j in range(0, p_4, 4):
            e, f, g, h = (j * by_feature, (j + 1) * by_feature,
                          (j + 2) * by_feature, (j + 3) * by_feature)
            a0, a1, a2, a3 = (weights[a + e], weights[a + f],
                              weights[a + g], weights[a + h])
            b0, b1, b2, b3 = (weights[b + e], weights[b + f],
                              weights[b + g], weights[b + h])
            c0, c1, c2, c3 = (weights[c + e], weights[c + f],
                              weights[c + g], weights[c + h])
            d0, d1, d2, d3 = (weights[d + e], weights[d + f],
                              weights[d + g], weights[d + h])
            for i in range(size):
                r0, r1 = rows[j, i], rows[j + 1, i]
                r2, r3 = rows[j + 2, i], rows[j + 3, i]
                out[k, i] += r0 * a0 + r1 * a1 + r2 * a2 + r3 * a3
                out[k + 1, i] += r0 * b0 + r1 * b1 + r2 * b2 + r3 * b3
                out[k + 2, i] += r0 * c0 + r1 * c1 + r2 * c2 + r3 * c3
                out[k + 3, i] += r0 * d0 + r1 * d1 + r2 * d2 + r3 * d3
        # Features that are left.
        for j in range(p_4, p):
            e = j * by_feature
            a0, b0, c0, d0 = (weights[a + e], weights[b + e],
                              weights[c + e], weights[d + e])
            for i in range(size):
                r0 = rows[j, i]
                out[k, i] += r0 * a0
                out[k + 1, i] += r0 * b0
                out[k + 2, i] += r0 * c0
                out[k + 3, i] += r0 * d0
    # Vectors that are left.
    for k in range(n_4, n):
        a = k * by_vector
        for j in range(0, p_4, 4):
            e, f, g, h = (j * by_feature, (j + 1) * by_feature,
                          (j + 2) * by_feature, (j + 3) * by_feature)
            a0, a1, a2, a3 = (weights[a + e], weights[a + f],
                              weights[a + g], weights[a + h])
            for i in range(size):
                out[k, i] += (rows[j, i] * a0 + rows[j + 1, i] * a1
                              + rows[j + 2, i] * a2 + rows[j + 3, i] * a3)
        for j in range(p_4, p):
            a0 = weights[a + j * by_feature]
            for i in range(size):
                out[k, i] += rows[j, i] * a0


@kernel
def add_combinations(rows, weights, out):
    """out[k * p + j] += sum_i weights[k, i] rows[j, i].

    Parameters
    ----------
    rows : array of float64, shape (p, n_samples)
        A chunk of samples.
    weights : array of float64, shape (n, n_samples)
        A row a combination.
    out : array of float64, shape (n * p,)
        n vectors, one after the other.
    """
    p, size, n = rows.shape[0], rows.shape[1], weights.shape[0]
    p_4, n_4 = p - p % 4, n - n % 4
    for k in range(0, n_4, 4):
        a, b, c, d = k * p, (k + 1) * p, (k + 2) * p, (k + 3) * p
        for j in range(0, p_4, 4):
            a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = 0.0
            c0 = c1 = c2 = c3 = d0 = d1 = d2 = d3 = 0.0
            for i in range(size):
                r0, r1 = rows[j, i], rows[j + 1, i]
                r2, r3 = rows[j + 2, i], rows[j + 3, i]
                w0, w1 = weights[k, i], weights[k + 1, i]
                w2, w3 = weights[k + 2, i], weights[k + 3, i]
                a0 += r0 * w0
                a1 += r1 * w0
                a2 += r2 * w0
                a3 += r3 * w0
                b0 += r0 * w1
                b1 += r1 * w1
                b2 += r2 * w1
                b3 += r3 * w1
                c0 += r0 * w2
                c1 += r1 * w2
                c2 += r2 * w2
                c3 += r3 * w2
                d0 += r0 * w3
                d1 += r1 * w3
                d2 += r2 * w3
                d3 += r3 * w3
            out[a + j] += a0
            out[a + j + 1] += a1
            out[a + j + 2] += a2
            out[a + j + 3] += a3
            out[b + j] += b0
            out[b + j + 1] += b1
            out[b + j + 2] += b2
            out[b + j + 3] += b3
            out[c + j] += c0
            out[c + j + 1] += c1
            out[c + j + 2] += c2
            out[c + j + 3] += c3
            out[d + j] += d0
            out[d + j + 1] += d1
            out[d + j + 2] += d2
            out[d + j + 3] += d3
        # Features that are left.
        for j in range(p_4, p):
            a0 = b0 = c0 = d0 = 0.0
            for i in range(size):
                r0 = rows[j, i]
                a0 += r0 * weights[k, i]
                b0 += r0 * weights[k + 1, i]
                c0 += r0 * weights[k + 2, i]
                d0 += r0 * weights[k + 3, i]
            out[a + j] += a0
            out[b + j] += b0
            out[c + j] += c0
            out[d + j] += d0
    # Combinations that are left.
    for k in range(n_4, n):
        a = k * p
        for j in range(0, p_4, 4):
            a0 = a1 = a2 = a3 = 0.0
            for i in range(size):
                w0 = weights[k, i]
                a0 += rows[j, i] * w0
                a1 += rows[j + 1, i] * w0
                a2 += rows[j + 2, i] * w0
                a3 += rows[j + 3, i] * w0
            out[a + j] += a0
            out[a + j + 1] += a1
            out[a + j + 2] += a2
            out[a + j + 3] += a3
        for j in range(p_4, p):
            a0 = 0.0
            for i in range(size):
                a0 += rows[j, i] * weights[k, i]
            out[a + j] += a0
