"""Settings of Sphinx for the site that ``python -m docs.site`` builds."""
from pathlib import Path

project = "Benchmark of bilevel optimisation"
html_title = "Bilevel benchmark"
extensions = ["myst_parser"]
myst_heading_anchors = 4
# Nothing is loaded from a network: the theme has no fonts of its own.
html_theme = "furo"
html_static_path = [str(Path(__file__).parent / "site" / "static")]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
# It would load each page that is found, which a browser refuses on a disk.
html_show_search_summary = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1a6fb5",
                            "color-brand-content": "#1a6fb5"},
    "dark_css_variables": {"color-brand-primary": "#7cb9f0",
                           "color-brand-content": "#7cb9f0"},
}
pygments_dark_style = "monokai"
