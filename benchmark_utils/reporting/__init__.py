"""From results tables to choices, figures and claims.

Two commands, each with ``--help``:

- ``tune``: the parameters of methods on a dataset, by the same rules for each
  (``spaces``: where they are; ``search``: how they are found);
- ``compare``: figures (``figures``), tables with intervals (``report``,
  ``intervals``), ranks over datasets (``overview``, ``ranks``) and what these
  separate (``separation``), a dashboard (``pages``) and a record of where it
  all comes from (``record``, ``conditions``). Parameters are those that were
  ``chosen``, in ``configs``.

Both run benchopt in stages that are kept (``running``, ``killed``), on what
the suite has (``suite``), here or on a ``cluster``, by rules and on seeds that
every table names (``protocol``, ``seeds``). ``summary`` prints the same for
tables that are there.

What plots and commands share: ``tables`` reads results and tells runs apart,
``runs`` has their curves and medians, from ``references``, ``views`` says
which are shown, ``styles`` how, in colours that all can see (``vision``),
``profiles`` and ``tuning_cost`` what is drawn of many, ``markup`` and
``prints`` how it is written, ``files`` and ``written`` where.
"""
