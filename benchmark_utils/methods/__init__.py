"""What solvers share: a piece is here because two of them need it.

- ``solver``: the base class, with all that is not the algorithm;
- ``sampling``: the order of the mini-batches;
- ``estimators``, ``sarah``, ``hypergradients``: directions, with and without
  Neumann series, and their recursive estimates;
- ``memory``: estimates from the last value on every mini-batch;
- ``adaptive``: step sizes that a method finds by itself;
- ``penalty``: steps of the methods that need first derivatives alone;
- ``linear_systems``, ``subspaces``: the adjoint variable, by Neumann series,
  by conjugate gradient, in a Krylov space;
- ``exact_oracles``, ``quasi_newton``, ``black_box``: h and its gradient by
  SciPy's solvers; ``boxes``: whether these can keep to the feasible set;
- ``adaptive_step``, ``error_bounds``: what to do where both are inexact.

Nothing here knows of a kind of function: ``functions.oracles`` is the door.
"""
