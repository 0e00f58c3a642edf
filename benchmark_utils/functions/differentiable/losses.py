"""What JAX makes of a loss: the function of a batch, and its derivatives."""
from benchmark_utils.optional import Later

jax, jnp = Later("jax"), Later("jax.numpy")


def in_double():
    """A context in which JAX has 64 bits; the user's setting stays."""
    try:
        context = jax.enable_x64
    except ImportError:  # Before JAX 0.8.
        context = jax.experimental.enable_x64
    return context(True)


def on_flat(function, *variables):
    """A function of flat variables, from one of those that the user has.

    Parameters
    ----------
    function : callable
        (*variables, *sample) -> number or array.
    *variables : pytree of arrays

    Returns
    -------
    function
        (*flat variables, *sample) -> the same, flat.
    """
    n = len(variables)
    unravel = [jax.flatten_util.ravel_pytree(jax.tree.map(
        lambda a: jnp.asarray(a, float), variable))[1]
        for variable in variables]

    def on_flat_arguments(*arguments):
        trees = [f(a) for f, a in zip(unravel, arguments, strict=False)]
        return function(*trees, *arguments[n:])

    return on_flat_arguments


#: Sets of x that have a name.
PROJECTIONS = {
    "nonnegative": lambda a: jnp.maximum(a, 0.0),
    "unit_interval": lambda a: jnp.minimum(jnp.maximum(a, 0.0), 1.0),
}


def projection(project, x):
    """The function of flat x, from one of x, or the name of a set."""
    if isinstance(project, str):
        return PROJECTIONS[project]
    on_flat_x = on_flat(project, x)
    return lambda x: jax.flatten_util.ravel_pytree(on_flat_x(x))[0]


def on_each(loss):
    """The function (z, x, weights, samples) -> loss of each sample."""
    return lambda z, x, weights, samples: jax.vmap(
        lambda *sample: loss(z, x, *sample))(*samples)


def weighted(loss, penalty):
    """The function (z, x, weights, samples) -> value.

    The losses of samples are weighted, the penalty is counted once.
    """
    def value(z, x, weights, samples):
        total = weights @ on_each(loss)(z, x, weights, samples)
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
