"""What PyTorch makes of a loss: the functions of ``losses``, by their names.

``torch.func`` differentiates, and ``make_fx`` records the operations, once
for each size of a batch: to repeat them takes a third of the time of
differentiating anew, and what depends on values is refused, as by JAX.
"""
import contextlib

import numpy as np

from benchmark_utils.functions.differentiable.losses import (
    Trace,
    by_oracle,
)
from benchmark_utils.optional import Later

torch, pytree = Later("torch"), Later("torch.utils._pytree")
fx = Later("torch.fx.experimental.proxy_tensor")

# The first for NumPy 2, which this suite needs.
NAME, OLDEST, INSTALL = "PyTorch", (2, 4), "pip install 'torch>=2.4'"


def version():
    """That of PyTorch; ImportError without it."""
    return torch.version.__version__


@contextlib.contextmanager
def in_double():
    """A context of float64 and one thread; the user's settings stay.

    More threads round differently, and would take turns with the solver.
    """
    dtype, n_threads = torch.get_default_dtype(), torch.get_num_threads()
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_num_threads(n_threads)


def instead_of_branches(error):
    """What to write where code has asked for the value of a tensor."""
    return "torch.where" if "data-dependent" in str(error) else None


def ravel(tree):
    """A tree of tensors, parameters or arrays as one tensor.

    Dictionaries are in their own order, that of the layers of a network; JAX
    sorts them.
    """
    return torch.cat([torch.zeros(0, dtype=torch.int8), *(
        (a if isinstance(a, torch.Tensor) else torch.tensor(a)).reshape(-1)
        for a in pytree.tree_leaves(tree))])


def unraveling(tree):
    """The function of a flat tensor that makes a tree like this one of it."""
    leaves, kind = pytree.tree_flatten(tree)
    shapes = [np.shape(a) for a in leaves]
    sizes = [int(np.prod(shape)) for shape in shapes]
    return lambda flat: pytree.tree_unflatten([
        a.reshape(shape) for a, shape in zip(
            flat.split(sizes), shapes, strict=True)], kind)


#: Sets of x that have a name.
PROJECTIONS = {
    "nonnegative": lambda a: a.clamp(min=0.0),
    "unit_interval": lambda a: a.clamp(0.0, 1.0),
}


def trace(function, variables, sample=()):
    """What a function does with its arguments, as its operations say."""
    arguments = [torch.tensor(a) for a in variables]
    rows = [torch.tensor(a)[None] for a in sample]
    n, results = len(arguments), []

    def record(*arguments):
        z_x, rows = arguments[:n], arguments[n:]
        # As solvers will call it: within ``vmap``, data may be an index.
        results[:] = pytree.tree_leaves(function(*z_x)) if not rows else [
            a[0] for a in pytree.tree_leaves(torch.func.vmap(
                lambda *sample: function(*z_x, *sample))(*rows))]
        return list(results)

    module = fx.make_fx(record)(*arguments, *rows)
    *nodes, output = module.graph.nodes
    effects = [f"random numbers: {node.name}" for node in nodes
               if torch.Tag.nondeterministic_seeded in getattr(
                   node.target, "tags", ())]
    # PyTorch counts what is written to a tensor, by its views too.
    if any(a._version for a in (*arguments, *rows)):
        effects.append("it changes its arguments")
    known = [{argument} for argument in nodes[:n]]
    for node in (*nodes, output):
        for reached in known:
            if reached.intersection(node.all_input_nodes):
                reached.add(node)
    return Trace(
        [(str(getattr(a, "dtype", type(a).__name__)).removeprefix("torch."),
          np.shape(a)) for a in results],
        effects, (module.code, [
            a.detach().numpy().tobytes()
            for a in module.state_dict().values()]),
        [output in reached for reached in known])


def on_each(loss):
    """The function (z, x, weights, samples) -> loss of each sample."""
    return lambda z, x, weights, samples: torch.func.vmap(
        lambda *sample: loss(z, x, *sample))(*samples).double()


def derivatives(value):
    """Functions (z, x, v, *rest) -> tuple of tensors, by oracle.

    Products with v are gradients of <grad_z, v>: the Hessian is symmetric,
    and forward derivatives cost PyTorch four times as much.
    """
    gradient = torch.func.grad(value, (0, 1))

    def directions(z, x, v, *rest):
        grad_z, pull = torch.func.vjp(
            lambda *variables: gradient(*variables, *rest)[0], z, x)
        return grad_z, *pull(v)

    return by_oracle(value, gradient, directions)


def columns_of_hessian(value):
    """The function (z, x, directions, *rest) -> products, one a row."""
    return lambda z, x, directions, *rest: torch.func.vmap(torch.func.vjp(
        lambda z: torch.func.grad(value)(z, x, *rest), z)[1])(directions)[0]


def put(arrays):
    """A tree of arrays as tensors: copies, which nothing else changes."""
    return pytree.tree_map(torch.tensor, arrays)


def jit(function):
    """A function of arrays that is recorded for each shape, and repeated.

    What it returns is NumPy's, and may be memory of its arguments.
    """
    recorded = {}

    def call(*arguments):
        arguments = [torch.tensor(a) if isinstance(a, np.ndarray) else a
                     for a in arguments]
        # Samples, a tuple, are as many as their weights.
        shapes = tuple(getattr(a, "shape", None) for a in arguments)
        if shapes not in recorded:
            module = fx.make_fx(function)(*arguments)
            module.graph.eliminate_dead_code()
            module.recompile()
            recorded[shapes] = module.forward
        return recorded[shapes](*arguments).numpy()

    return call


def packed(oracle, p, d):
    """An oracle on one batch, of one array (batch, z, x, v)."""
    def compute(variables, weights, samples):
        z, x, v = variables.tensor_split((p, p + d))
        return torch.cat(oracle(z, x, v, weights, samples))

    run = jit(compute)

    def call(arguments, weights, blocks):
        k = int(arguments[0])
        return run(arguments[1:], weights[k], tuple(b[k] for b in blocks))

    return call
