"""What the site does beyond Sphinx and its extensions: links of the pages, and that no public name is missing.

Everything wrong is a warning, and ``sphinx-build -W`` fails for a warning.
"""

from __future__ import annotations

import importlib
import inspect
import pathlib
import sys
from typing import Any

import site_names
from site_links import site_text
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

HOME = pathlib.Path(__file__).parents[1]
logger = logging.getLogger(__name__)


def pages_of(app: Sphinx) -> dict[str, str]:
    """The files of the repository that are pages of the site."""
    root = pathlib.Path(app.srcdir)
    own = {path.relative_to(app.config.site_home).as_posix(): path.name for path in root.glob("*.md")}
    return {**own, **app.config.site_pages}


def change(app: Sphinx, path: pathlib.Path, content: list[str]) -> None:
    """The links of a file that is read."""
    home = pathlib.Path(app.config.site_home)
    here = path.resolve().relative_to(home).as_posix()
    content[0], faults = site_text(content[0], here, home, app.config.site_source, pages_of(app))
    for fault in faults:
        logger.warning(fault, type="site", subtype="link")


def on_source(app: Sphinx, page: str, content: list[str]) -> None:
    """A page of the site."""
    path = pathlib.Path(app.env.doc2path(page))
    if path.suffix == ".md":
        change(app, path, content)


def on_include(app: Sphinx, path: pathlib.Path, page: str, content: list[str]) -> None:
    """A page of another folder that is included by one of the site: its links are seen from there."""
    if path.suffix == ".md":
        change(app, pathlib.Path(app.srcdir) / path, content)


def on_consistency(app: Sphinx, env: BuildEnvironment) -> None:
    """Every public name has an entry."""
    for fault in site_names.faults(env.domaindata["py"]["objects"], app.config.site_modules):
        logger.warning(fault, type="site", subtype="name")


def on_member(app: Sphinx, what: str, name: str, member: object, skip: bool, options: Any) -> bool | None:
    """Fields of named tuples are left to the description of the tuple: Python's own says nothing but their number."""
    return True if (getattr(member, "__doc__", None) or "").startswith("Alias for field number") else None


def on_imported(app: Sphinx, module: str, name: str) -> str | None:
    """The module whose source has a function that says it is of the package."""
    try:
        found = inspect.unwrap(getattr(importlib.import_module(module), name))
        path = found.__code__.co_filename
    except (AttributeError, ImportError):
        return None
    return next((of for of, loaded in sys.modules.items() if getattr(loaded, "__file__", None) == path), None)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_config_value("site_home", str(HOME), "env")
    app.add_config_value("site_source", "", "env")
    app.add_config_value("site_pages", {}, "env")
    app.add_config_value("site_modules", site_names.MODULES, "env")
    app.connect("source-read", on_source)
    app.connect("include-read", on_include)
    if "sphinx.ext.autodoc" in app.extensions:
        app.connect("autodoc-skip-member", on_member)
    if "sphinx.ext.viewcode" in app.extensions:
        app.connect("viewcode-follow-imported", on_imported)
    app.connect("env-check-consistency", on_consistency)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
