"""What solvers share: a piece is here because two of them need it.

- ``solver``: the base class, with all that is not the algorithm;
- ``sampling``: the order of the mini-batches;
- ``estimators``, ``sarah``, ``hypergradients``: directions, with and without
  Neumann series, and their recursive estimates;
- ``memory``: estimates from the last value on every mini-batch;
- ``adaptive``: step sizes that a method finds by itself;
- ``penalty``: steps of the methods that need first derivatives alone;
- ``linear_systems``: the adjoint variable, by Neumann series or conjugate
  gradient;
- ``exact_oracles``, ``black_box``: h and its gradient by SciPy's solvers.

Nothing here knows of a kind of function: ``functions.oracles`` is the door.
"""
