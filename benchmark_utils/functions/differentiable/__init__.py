"""A loss of the user's own, in jax.numpy: everything else is derived.

- ``function``: the function in NumPy's arrays, computed by JAX;
- ``losses``: what JAX makes of a loss; ``bad_input``: what is wrong with it;
- ``kernels``: for solvers, calls of C functions, whatever these are made of;
- ``callback``: C functions that call JAX;
- ``traced``: C functions of loops, from what JAX has traced: ``equations``
  lists it, ``writer`` writes loops over arrays, and ``translate`` says what
  each primitive becomes, with ``views``, ``products`` and ``indices``.

``jax`` and ``jnp`` are imported when first used: a dataset that takes them
from here can be read, and skipped with a reason, where JAX is missing.
"""
from benchmark_utils.functions.differentiable.function import Differentiable
from benchmark_utils.functions.differentiable.losses import jax, jnp

__all__ = ["Differentiable", "jax", "jnp"]
