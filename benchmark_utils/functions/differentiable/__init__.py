"""A loss of the user's own, in JAX or PyTorch: everything else is derived.

- ``function``: the function in NumPy's arrays, computed by either;
- ``losses``: what JAX makes of a loss; ``torch_losses``: what PyTorch does;
- ``bad_input``: what is wrong with it;
- ``kernels``: for solvers, calls of C functions, whatever these are made of;
- ``callback``: C functions that call JAX or PyTorch;
- ``traced``: C functions of loops, from what JAX has traced: ``equations``
  lists it, ``writer`` writes loops over arrays, and ``translate`` says what
  each primitive becomes, with ``views``, ``products`` and ``indices``.

``jax``, ``jnp`` and ``torch`` are imported when first used: a dataset that
takes them from here can be read, and skipped with a reason, where they are
missing.
"""
from benchmark_utils.functions.differentiable.function import Differentiable
from benchmark_utils.functions.differentiable.losses import jax, jnp
from benchmark_utils.functions.differentiable.torch_losses import torch

__all__ = ["Differentiable", "jax", "jnp", "torch"]
