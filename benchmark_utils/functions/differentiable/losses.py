"""What JAX makes of a loss: the function of a batch, and its derivatives.

``torch_losses`` has what PyTorch makes of it, by the same names: all that
``function``, ``callback`` and ``bad_input`` know of either.
"""
import re
from typing import NamedTuple

import numpy as np

from benchmark_utils.optional import Later

jax, jnp = Later("jax"), Later("jax.numpy")

NAME, OLDEST, INSTALL = "JAX", (0, 4, 35), "pip install 'jax>=0.4.35'"


class Trace(NamedTuple):
    """What is known of a function of the user's before it is computed.

    Attributes
    ----------
    outputs : list of (str, tuple of int)
        Types and shapes of what it returns.
    effects : list of str
        What it does beside that.
    text : tuple
        What is the same for the same function.
    uses : list of bool
        Whether the result depends on each variable.
    """

    outputs: list
    effects: list
    text: tuple
    uses: list


def version():
    """That of JAX; ImportError without it."""
    return jax.version.__version__


def in_double():
    """A context in which JAX has 64 bits; the user's setting stays."""
    try:
        context = jax.enable_x64
    except ImportError:  # Before JAX 0.8.
        context = jax.experimental.enable_x64
    return context(True)


def instead_of_branches(error):
    """What to write where code has asked for a value that is traced."""
    if isinstance(error, jax.errors.ConcretizationTypeError):
        return "jnp.where or jax.lax.cond"
    return None


def ravel(tree):
    """A tree of arrays as one."""
    return jax.flatten_util.ravel_pytree(tree)[0]


def unraveling(tree):
    """The function of a flat array that makes a tree like this one of it."""
    return jax.flatten_util.ravel_pytree(jax.tree.map(
        lambda a: jnp.asarray(a, float), tree))[1]


def on_flat(function, *unravel):
    """A function of flat variables, from one of those that the user has.

    Parameters
    ----------
    function : callable
        (*variables, *sample) -> number or array.
    *unravel : function
        From ``unraveling``, one a variable.

    Returns
    -------
    function
        (*flat variables, *sample) -> the same.
    """
    return lambda *arguments: function(
        *(f(a) for f, a in zip(unravel, arguments, strict=False)),
        *arguments[len(unravel):])


#: Sets of x that have a name.
PROJECTIONS = {
    "nonnegative": lambda a: jnp.maximum(a, 0.0),
    "unit_interval": lambda a: jnp.minimum(jnp.maximum(a, 0.0), 1.0),
}


def trace(function, variables, sample=()):
    """What a function does with its arguments, as its jaxpr says."""
    # A function that JAX has not seen is traced anew.
    closed = jax.make_jaxpr(
        lambda *arguments: function(*arguments))(*variables, *sample)
    code = re.sub(r"0x[0-9a-f]+", "", str(closed.jaxpr))
    return Trace(
        [(str(out.dtype), out.shape) for out in closed.out_avals],
        sorted(map(str, closed.effects)),
        (code, [np.asarray(c).tobytes() for c in closed.consts]),
        [_uses(closed, k) for k in range(len(variables))])


def _uses(closed, position):
    """Whether the result of a jaxpr depends on one of its arguments."""
    known = {closed.jaxpr.invars[position]}
    for equation in closed.jaxpr.eqns:
        if any(not hasattr(v, "val") and v in known for v in equation.invars):
            known.update(equation.outvars)
    return any(not hasattr(v, "val") and v in known
               for v in closed.jaxpr.outvars)


def on_each(loss):
    """The function (z, x, weights, samples) -> loss of each sample."""
    return lambda z, x, weights, samples: jax.vmap(
        lambda *sample: loss(z, x, *sample))(*samples)


def weighted(losses, penalty):
    """The function (z, x, weights, samples) -> value.

    The losses of samples, from ``on_each``, are weighted, the penalty is
    counted once.
    """
    def value(z, x, weights, samples):
        total = weights @ losses(z, x, weights, samples)
        return total if penalty is None else total + penalty(z, x)

    return value


def derivatives(value):
    """Functions (z, x, v, *rest) -> tuple of arrays, by oracle.

    Parameters
    ----------
    value : function
        (z, x, *rest) -> number.
    """
    gradient = jax.grad(value, (0, 1))

    def directions(z, x, v, *rest):
        (grad_z, _), (hvp, cross) = jax.jvp(
            lambda z: gradient(z, x, *rest), (z,), (v,))
        return grad_z, hvp, cross

    return by_oracle(value, gradient, directions)


def by_oracle(value, gradient, directions):
    """All oracles from three; what is not returned is not computed."""
    return {
        "value": lambda z, x, v, *rest: (value(z, x, *rest)[None],),
        "grad_z": lambda z, x, v, *rest: gradient(z, x, *rest)[:1],
        "grad_x": lambda z, x, v, *rest: gradient(z, x, *rest)[1:],
        "hvp": lambda *arguments: directions(*arguments)[1:2],
        "cross": lambda *arguments: directions(*arguments)[2:],
        "gradients": lambda z, x, v, *rest: gradient(z, x, *rest),
        "directions": directions,
    }


def columns_of_hessian(value):
    """The function (z, x, directions, *rest) -> products, one a row."""
    def product(z, x, v, *rest):
        return jax.jvp(lambda z: jax.grad(value)(z, x, *rest), (z,), (v,))[1]

    return lambda z, x, directions, *rest: jax.vmap(
        lambda v: product(z, x, v, *rest))(directions)


def put(arrays):
    """A tree of arrays as JAX has them."""
    return jax.device_put(arrays)


def jit(function):
    """The same function, compiled by JAX for each shape."""
    return jax.jit(function)


def packed(oracle, p, d):
    """An oracle on one batch, of one array (batch, z, x, v).

    JAX takes some 5 us for each array that is handed to it.
    """
    def call(arguments, weights, blocks):
        k = arguments[0].astype(int)
        z, x, v = jnp.split(arguments[1:], [p, p + d])
        if not v.size:
            v = None
        return jnp.concatenate(oracle(
            z, x, v, weights[k], tuple(block[k] for block in blocks)))

    return jax.jit(call)
