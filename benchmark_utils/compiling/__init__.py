"""All that speaks to Numba's internals or to LLVM.

- ``compiled``: the decorators ``jit``, ``kernel`` and ``inlined``, and the few
  loops that all compiled code needs;
- ``cache``: where compiled code is kept, and when it may be used again;
- ``indirect``, ``apart``: calls of kernels by their addresses, by solvers and
  among kernels;
- ``target``: what Numba compiles for;
- ``vectors``: registers of vectors, for kernels that hold sums in them;
- ``numbers``, ``elementary``: code of LLVM for numbers and their functions;
- ``loops``, ``library``: C functions of it, without Numba.

Nothing here knows what is differentiated.
"""
