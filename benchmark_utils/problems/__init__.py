"""What datasets share.

- ``problem``: a bilevel problem, which solvers and metrics are given;
- ``dataset``: the base class of what makes one, the paths of a user's own
  data, and starts;
- ``libsvm``, ``handwritten``: reading of LIBSVM's sets, and of images of
  digits; ``images``, ``multiclass``: problems that are made of them;
- ``classifier``: the loss of a linear model of classes, in jax.numpy;
- ``loading``: from the name of a dataset to its problem, in Python;
- ``digest``: what was read, as part of the key of results that are kept.
"""
