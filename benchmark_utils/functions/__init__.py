"""What is differentiated: the oracles, and one kind of function a file.

- ``oracles``: the table of derivatives that a solver may ask for, and how a
  compiled call finds the kernel of the function at hand;
- ``indirect``: calls of kernels by their addresses;
- ``quadratic``, ``logistic``, ``sparse_logistic``, ``multinomial``,
  ``sparse_multinomial``, ``hyper_representation``: the kinds. Each is the
  function in NumPy, which the metrics are computed from, and its
  ``..._kernels``, which the solvers call; both multinomial ones share theirs;
- ``expansion``: a function at a point, for the metrics: value, gradient, and
  products with the Hessian;
- ``batches``, ``chunks``, ``multinomial_layout``: mini-batches, and layouts of
  samples;
- ``products``, ``vectors``, ``apart``: products of samples with several
  vectors, in registers, and kernels that are called out of line;
- ``derivatives``: the check of every derivative of a problem, for its author.

Nothing here knows of a solver, a dataset or benchopt.
"""
