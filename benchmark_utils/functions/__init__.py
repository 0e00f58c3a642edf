"""What is differentiated: the oracles, and one kind of function a file.

- ``oracles``: the table of derivatives that a solver may ask for, and how a
  compiled call finds the kernel of the function at hand;
- ``quadratic``, ``logistic``, ``sparse_logistic``, ``multinomial``,
  ``hyper_representation``: the kinds. Each is two files: the function in
  NumPy, which the metrics are computed from, and its ``..._kernels``, which
  the solvers call;
- ``products``: products of dense samples with several vectors;
- ``batches``, ``chunks``: mini-batches, and the layout of dense samples;
- ``derivatives``: the check of every derivative of a problem, for its author.

Nothing here knows of a solver, a dataset or benchopt.
"""
