"""What is differentiated: the oracles, and one kind of function a folder.

- ``oracles``: the table of derivatives that a solver may ask for, and how a
  compiled call finds the kernel of the function at hand;
- ``logistic``, ``multinomial``, ``quadratic``, ``hyper_representation``: the
  kinds. Each is the function in NumPy, which the metrics are computed from,
  and its kernels, which the solvers call;
- ``differentiable``: the same of a loss of the user's own, in jax.numpy;
- ``expansion``: a function at a point, for the metrics: value, gradient, and
  products with the Hessian;
- ``batches``, ``chunks``: mini-batches, and the layout of dense samples;
- ``derivatives``: the check of every derivative of a problem, for its author.

Nothing here knows of a solver, a dataset or benchopt.
"""
