"""From results tables to choices, figures and claims.

Two commands, each with ``--help``:

- ``tune``: the parameters of methods on a dataset, by the same rules for each
  (``grids``: what is tried; ``selection``: which are the best);
- ``compare``: figures (``figures``), tables with intervals (``report``,
  ``intervals``), ranks over datasets (``overview``), a dashboard (``pages``)
  and a record of where it all comes from (``record``).

Both run benchopt in stages that are kept (``running``), on what the suite has
(``suite``). ``summary`` and ``selection`` print the same for tables that are
there.

What plots and commands share: ``tables`` reads results and tells runs apart,
``runs`` has their curves and medians, ``views`` says which are shown,
``styles`` how, ``profiles`` and ``tuning_cost`` what is drawn of many.
"""
