"""The site: these pages, and one page a method and a problem.

- ``__main__``: the command, ``python -m docs.site OUTPUT``;
- ``results``: what the committed tables say of each method, and its figures;
- ``methods``, ``problems``: the pages that are generated;
- ``sources``: the pages that are written, with links as the site has them;
- ``markdown``: tables, and docstrings as text.

It reads what the suite has and what the reporting package makes of results.
Nothing imports it.
"""
