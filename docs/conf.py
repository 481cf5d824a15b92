"""The site: ``sphinx-build -W --keep-going -n docs build/site``, with what ``pip install -e ".[docs]"`` brings.

Below docs/ it writes ``reference/`` and ``tutorials/``, the pages that are made of docstrings and of the examples.
"""

from __future__ import annotations

import os
import pathlib
import sys
import tomllib

HOME = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HOME / folder) for folder in (".", "backends", "tools", "docs/pictures")]
os.environ.setdefault("OMP_NUM_THREADS", "1")
PROJECT = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project, release = PROJECT["name"], PROJECT["version"]
author = project_copyright = PROJECT["authors"][0]["name"]
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "site_extension",
    *(["for_sphinx"] if (HOME / "docs" / "pictures" / "for_sphinx.py").exists() else []),
]
exclude_patterns = ["pictures/*.md", "tutorials/index.rst"]  # tutorials.md is that
templates_path = ["_templates"]
nitpicky = True
smartquotes = False  # an option is --compare, not an en dash
nitpick_ignore = [
    *(("py:obj", f"Row{name}") for name in ("Sums", "Top", "Digits", "Magnitude", "Integer", "Gradient")),  # not public
    ("py:obj", "row_sums"),  # lsmx.row_sums, as rules call it
]
default_role = "py:obj"
highlight_language = "none"  # of blocks that do not say theirs: commands, trees of files
suppress_warnings = ["config.cache"]  # of sphinx_gallery_conf, whose order of examples is a function

# pages
myst_enable_extensions = ["attrs_inline", "dollarmath"]
myst_heading_anchors = 4
site_source = PROJECT["urls"]["Source"]
site_pages = {
    "backends/README.md": "backends.md",
    "CONTRIBUTING.md": "contributing.md",
    "RELEASING.md": "releasing.md",
    "CHANGELOG.md": "changes.md",
    **{f"examples/{path.name}": f"tutorials/{path.stem}.rst" for path in (HOME / "examples").glob("*.py")},
}

# the reference
autosummary_generate = True
autodoc_typehints = "none"  # the docstrings say what is taken
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_validation_checks: set[str] = set()

# tutorials
sphinx_gallery_conf = {
    "examples_dirs": str(HOME / "examples"),
    "gallery_dirs": "tutorials",
    "filename_pattern": r"\.py$",  # all are executed
    "abort_on_example_error": True,
    "capture_repr": (),
    "reset_modules": (),
    "min_reported_time": 1e9,  # pages do not change with the machine
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "download_all_examples": False,
    "remove_config_comments": True,
}

# the look
html_theme = "furo"
html_title = f"{project} {release}"
html_theme_options = {"light_css_variables": {"color-code-background": "#f5f7fa"}}
html_sidebars = {
    "**": [
        *("sidebar/brand.html", "sidebar/search.html", "sidebar/scroll-start.html", "sidebar/navigation.html"),
        *("sidebar/about.html", "sidebar/scroll-end.html"),
    ]
}
html_context = {"source": site_source, "license": PROJECT["license"]}
html_search_scorer = str(HOME / "docs" / "scorer.js")
mathjax_path = "https://cdn.jsdelivr.net/npm/mathjax@4.1.3/tex-mml-chtml.js"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
pygments_style, pygments_dark_style = "a11y-high-contrast-light", "a11y-high-contrast-dark"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
