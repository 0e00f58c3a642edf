"""Every primitive of JAX that is translated to loops, against JAX."""
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("jax")
from benchmark_utils.functions import oracles  # noqa: E402
from benchmark_utils.functions.batches import FULL  # noqa: E402
from benchmark_utils.functions.differentiable import (  # noqa: E402
    Differentiable,
    jax,
    jnp,
    translate,  # noqa: E402
)

lax = jax.lax

# Of u, 8 numbers of (0.1, 0.9), entry by entry.
UNARY = {
    "neg": lambda u: -u, "abs": lambda u: jnp.abs(u - 0.5),
    "sign": lambda u: jnp.sign(u - 0.5) * u, "square": jnp.square,
    "exp": jnp.exp, "exp2": jnp.exp2, "tanh": jnp.tanh, "log": jnp.log,
    "log1p": jnp.log1p, "logistic": jax.nn.sigmoid, "rsqrt": lax.rsqrt,
    "sqrt": jnp.sqrt, "expm1": jnp.expm1, "sin": jnp.sin, "cos": jnp.cos,
    "tan": jnp.tan, "sinh": jnp.sinh, "cosh": jnp.cosh, "asin": jnp.arcsin,
    "acos": jnp.arccos, "atan": jnp.arctan, "asinh": jnp.arcsinh,
    "acosh": lambda u: jnp.arccosh(u + 1), "atanh": jnp.arctanh,
    "erf": jax.scipy.special.erf, "erfc": jax.scipy.special.erfc,
    "cbrt": jnp.cbrt, "floor": lambda u: u * jnp.floor(4 * u),
    "ceil": lambda u: u * jnp.ceil(4 * u),
    "integer_pow": lambda u: u**7 + u**-3 + u**4,
    "stop_gradient": lambda u: u * lax.stop_gradient(u),
    "copy": lambda u: jnp.copy(u) * u,
    "is_finite": lambda u: jnp.where(jnp.isfinite(u / (u - u)), 1.0, u),
}
# Of u and w, 8 numbers each.
BINARY = {
    "add": lambda u, w: (u + w) * w, "sub": lambda u, w: (u - w) * u,
    "mul": lambda u, w: u * w, "div": lambda u, w: u / w,
    "max": jnp.maximum, "min": jnp.minimum, "pow": lambda u, w: u**w,
    "atan2": jnp.arctan2, "rem": lambda u, w: lax.rem(5 * u, w) * w,
    "select_n": lambda u, w: jnp.where(u > w, u * u, w),
    "clamp": lambda u, w: lax.clamp(0.2, u * w, 0.5),
    "gt": lambda u, w: (u > w) * u, "lt": lambda u, w: (u < w) * u,
    "ge": lambda u, w: (u >= w) * u, "le": lambda u, w: (u <= w) * u,
    "eq": lambda u, w: (jnp.floor(4 * u) == jnp.floor(4 * w)) * u,
    "ne": lambda u, w: (jnp.floor(4 * u) != jnp.floor(4 * w)) * u,
    "and": lambda u, w: ((u > 0.4) & (w > 0.4)) * u,
    "or": lambda u, w: ((u > 0.4) | (w > 0.4)) * u,
    "xor": lambda u, w: ((u > 0.4) ^ (w > 0.4)) * u,
    "not": lambda u, w: (~(u > w)) * u + ~jnp.floor(9 * w).astype(int),
    "convert_element_type": lambda u, w: (9 * u).astype(int) * w,
    "logaddexp": jnp.logaddexp,
}
# Of u and w as a matrix (2, 4) each, and an integer k in 0 .. 3.
SHAPED = {
    "transpose": lambda u, w, k: (u.T * w.reshape(4, 2)),
    "reshape": lambda u, w, k: u.reshape(8) * w.T.reshape(8),
    "broadcast_in_dim": lambda u, w, k: u[:, :, None] * w[0],
    "squeeze": lambda u, w, k: lax.squeeze(u[:1] * w[:1], [0]),
    "expand_dims": lambda u, w, k: lax.expand_dims(u, [1]) * w[:, None],
    "concatenate": lambda u, w, k: jnp.concatenate([u, w, u * w]) ** 2,
    "pad": lambda u, w, k: jnp.exp(
        lax.pad(u * w, 0.5, [(1, 2, 1), (0, 1, 2)])),
    "slice": lambda u, w, k: u[:, 1:4:2] * w[1:, ::3],
    "split": lambda u, w, k: jnp.split(u, 2, 1)[1] * jnp.split(w, 2, 1)[0],
    "rev": lambda u, w, k: u[::-1] * jnp.flip(w, 1),
    "iota": lambda u, w, k: u * lax.broadcasted_iota(float, (2, 4), 1) + (
        w * lax.broadcasted_iota(int, (2, 4), 0)),
    "reduce_sum": lambda u, w, k: u.sum(0) * w.sum() + (u * w).sum(1)[0],
    "reduce_max": lambda u, w, k: u.max(1) * w.max() + u.max(0)[0],
    "reduce_min": lambda u, w, k: u.min(1) * w.min() + u.min(0)[0],
    "reduce_and": lambda u, w, k: (u > 0.2).all(1) * w[:, 0],
    "reduce_or": lambda u, w, k: (u > 0.8).any(1) * w[:, 0],
    "argmax": lambda u, w, k: jnp.argmax(u, 1) * w[:, 0],
    "argmin": lambda u, w, k: jnp.argmin(u, 0) * w[0],
    "gather": lambda u, w, k: u[:, k] * w[k - 2, ::2].sum() + u[1, -k],
    "gather clip": lambda u, w, k: jnp.take(
        u, k + 2, axis=1, mode="clip") * w[:, 0],
    "gather fill": lambda u, w, k: u.at[:, k + 2].get(
        mode="fill", fill_value=0.5) * w[:, 0],
    "take_along_axis": lambda u, w, k: jnp.take_along_axis(
        u, jnp.array([[3, 1, 0, 2]]), 1) * w,
    "scatter": lambda u, w, k: (u * w).at[:, k].set(w[:, 0]) ** 2,
    "scatter-add": lambda u, w, k: (u * w).at[1, k].add(u[0, 0]) ** 2,
    "scatter drop": lambda u, w, k: (u * w).at[0, k + 1].add(w[0, 0]) ** 2,
    "dynamic_slice": lambda u, w, k: lax.dynamic_slice(
        u, (0, 1), (2, 2)) * w[:, :2],
    "dynamic_update_slice": lambda u, w, k: lax.dynamic_update_slice(
        u, w[:1, :2], (1, 1)) * w,
    "logsumexp": lambda u, w, k: jax.nn.logsumexp(u + w, axis=1),
    "dot_general": lambda u, w, k: u @ w.T,
    "batched product": lambda u, w, k: jnp.einsum("ij,ij->i", u, w),
    "outer product": lambda u, w, k: jnp.outer(u[0], w[1]),
}


def agree(loss, data, p, d, project=None, size=5, rtol=1e-11):
    """All oracles, on a batch and on all samples, as JAX computes them."""
    rng = np.random.default_rng(3)
    z, x = (rng.uniform(0.1, 0.9, n) for n in (p, d))
    v = rng.standard_normal(p)
    f = Differentiable(loss, data, z, x, project=project)
    assert f.way == "traced"
    rows = slice(0, size)
    first = Differentiable(
        loss, tuple(a[rows] for a in data), z, x, way="callback")
    batches = f.batches(size)
    scale = batches.n_batches * size / f.n_samples
    for batch, exact, weight in ((FULL, f, 1.0), (0, first, scale)):
        for key, n in (("grad_z", p), ("grad_x", d), ("hvp", p),
                       ("cross", d)):
            extra = [v] if key in ("hvp", "cross") else []
            out = np.full(n, np.nan)
            getattr(oracles, key)(batches, batch, z, x, *extra, out)
            expected = weight * getattr(exact, key)(z, x, *extra)
            np.testing.assert_allclose(
                out, expected, rtol=rtol,
                atol=rtol * max(1, np.abs(expected).max()), err_msg=key)
        np.testing.assert_allclose(
            oracles.value(batches, batch, z, x),
            weight * exact.value(z, x), rtol=rtol)
    return f


def samples(n=11):
    rng = np.random.default_rng(1)
    return (rng.uniform(0.5, 1.0, (n, 8)), rng.uniform(0.5, 1.0, (n, 8)),
            rng.integers(0, 4, n))


def test_unary():
    """z_k weighs the k-th function: its gradient says which is wrong."""
    def loss(z, x, a, b, k):
        return sum(z[i] * (b @ f(a * x)) + 0.01 * jnp.sum(f(a * z[i]))
                   for i, f in enumerate(UNARY.values()))

    agree(loss, samples(), len(UNARY), 8)


def test_binary():
    def loss(z, x, a, b, k):
        return sum(z[i] * (b @ f(a * x, b * x[::-1]))
                   + 0.01 * jnp.sum(f(a * z[i], b * x))
                   for i, f in enumerate(BINARY.values()))

    agree(loss, samples(), len(BINARY), 8)


@pytest.mark.parametrize("part", [0, 1, 2])
def test_shaped(part):
    functions = list(SHAPED.values())[part::3]

    def loss(z, x, a, b, k):
        u, w = (a * x).reshape(2, 4), (b * jnp.flip(x)).reshape(2, 4)
        return sum(z[i] * jnp.sum(jnp.sin(f(u, w, k)))
                   + 0.01 * jnp.sum(f(u * z[i], w, k) ** 2)
                   for i, f in enumerate(functions))

    agree(loss, samples(), len(functions), 8)


@settings(max_examples=3, deadline=None)
@given(n=st.integers(1, 300), q=st.integers(1, 20), r=st.integers(1, 20),
       size=st.integers(1, 300), layout=st.integers(0, 3))
def test_products_of_matrices(n, q, r, size, layout):
    """Of any shape and layout, of batches longer than what is done at once."""
    rng = np.random.default_rng(q)

    def loss(z, x, a, y):
        W = x.reshape(q, r) if layout % 2 else x.reshape(r, q).T
        Z = z.reshape(3, q) if layout // 2 else z.reshape(q, 3).T
        hidden = jnp.tanh(W @ a)
        return jnp.sum((Z @ hidden - y) ** 2) + (hidden @ W)[0]

    agree(loss, (rng.standard_normal((n, r)), rng.standard_normal(n)),
          3 * q, q * r, size=min(size, n))


def test_matrices_in_each_sample():
    rng = np.random.default_rng(0)

    def loss(z, x, A, B):
        return jnp.sum((A @ z.reshape(4, 5) @ B) ** 2) + x @ A @ z[:4] + (
            x @ A @ A.T @ x)

    agree(loss, (rng.standard_normal((7, 3, 4)),
                 rng.standard_normal((7, 5, 9))), 20, 3)


@pytest.mark.parametrize("function", [
    jnp.exp, jnp.tanh, jnp.log, jnp.log1p, jax.nn.sigmoid,
    lambda u: jnp.maximum(u, 0.0), lambda u: jnp.minimum(u, 0.0),
    lambda u: jnp.maximum(0.0, u), jnp.abs, jnp.sign, jnp.isfinite])
def test_extreme_values(function):
    """NaN, infinities, the largest and the smallest numbers, near 0 and 1."""
    values = np.array([
        np.nan, np.inf, -np.inf, 0.0, -0.0, 2.3e-308, 1e-20, -1e-20, 1e-9,
        0.5, 1 - 1e-16, 1.0, 1 + 3e-16, 1.5, 19.9, 20.1, 300.0, 709.7,
         710.0, -745.0, -746.0, 1e300, -1e300, -1.0, -0.5, -1 + 1e-16])
    # Samples must be finite, and so is the loss at the start.
    f = Differentiable(
        lambda z, x, a: z @ jnp.where(x == 0, 0.0, function(x)).astype(float),
        (np.zeros(1),), np.zeros(26), np.ones(26))
    out = np.empty(26)
    oracles.grad_z(f.batches(1), 0, np.zeros(26), values, out)
    with np.errstate(all="ignore"), jax.enable_x64(True):
        expected = np.where(values == 0, 0.0, np.asarray(function(
            jnp.asarray(values)), float))
    # XLA flushes subnormal results to 0.
    np.testing.assert_allclose(out, expected, rtol=1e-14, atol=1e-307)


def test_projections_are_translated_too():
    f = agree(lambda z, x, a, b, k: (a @ z - 1) ** 2 + x @ z, samples(), 8, 8,
              project=lambda x: jnp.flip(x) / jnp.maximum(
                  1.0, jnp.linalg.norm(x)))
    assert f._traced.project.equations


def test_none_is_without_a_test():
    """What the translator knows occurs in what is traced above."""
    tested = set()
    for functions, call in (
            (UNARY, lambda f, u, w, k: f(u)),
            (BINARY, lambda f, u, w, k: f(u, w)),
            (SHAPED, lambda f, u, w, k: f(
                u.reshape(2, 4), w.reshape(2, 4), k))):
        for f in functions.values():
            with jax.enable_x64(True):
                jaxpr = jax.make_jaxpr(jax.grad(
                    lambda u, w, k, f=f, call=call: jnp.sum(
                        call(f, u, w, k))))(np.ones(8), np.ones(8), 1)
            tested |= set(re.findall(r"= ([a-z_0-9-]+)\[?", str(jaxpr)))
    assert translate.PRIMITIVES.keys() - tested - UNREACHED == set()


# Other names of what is tested, in other versions of JAX.
UNREACHED = {"copy_p", "lgamma", "stop_gradient", "expand_dims"}


@pytest.mark.parametrize("name, function", [
    ("cumsum", jnp.cumsum), ("sort", jnp.sort),
    ("scan|while", lambda u: lax.fori_loop(0, 3, lambda i, s: s * u, u)),
    ("conv", lambda u: jnp.convolve(u, u))])
def test_what_has_no_translation_is_called_instead(name, function, caplog):
    a, b, k = samples()

    def loss(z, x, a):
        return jnp.sum(function(a * z)) + x @ z

    loss.__name__ = name
    f = Differentiable(loss, (a,), np.zeros(8), np.zeros(8), name=name)
    assert f.way == "callback"
    assert len(caplog.records) == 1
    assert re.search(f"({name})[a-z_]* has no translation", caplog.text)
    # What is asked for by its name is that, or nothing.
    with pytest.raises(ValueError, match=f"way='traced' .*({name})"):
        Differentiable(loss, (a,), np.zeros(8), np.zeros(8), way="traced")
