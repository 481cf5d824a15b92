"""A Sphinx extension: pictures in two versions, as pages have them for a git host, as the two images that a theme switches between.

A page has

    <picture>
    <source media="(prefers-color-scheme: dark)" srcset="pictures/NAME-dark.svg">
    <img alt="..." src="pictures/NAME-light.svg">
    </picture>

Sphinx does not copy what raw HTML names, and a theme's switch between light and dark is not the browser's preference. So each is
read as two images with the classes ``only-light`` and ``only-dark``, which furo and pydata-sphinx-theme know.
"""

from __future__ import annotations

import html
import re
from typing import Any

PICTURE = re.compile(
    r'^<picture>\n<source media="\(prefers-color-scheme: dark\)" srcset="(?P<dark>[^"]+)">\n'
    r'<img alt="(?P<alt>[^"]+)" src="(?P<light>[^"]+)">\n</picture>$',
    re.MULTILINE,
)


def images(page: str) -> str:
    """A page's text, with MyST's directives in place of its pictures."""

    def two(found: re.Match[str]) -> str:
        alt = html.unescape(found["alt"])
        return "\n\n".join(f"```{{image}} {found[theme]}\n:alt: {alt}\n:class: only-{theme}\n```" for theme in ("light", "dark"))

    return PICTURE.sub(two, page)


def read(app: Any, name: str, source: list[str]) -> None:
    """What Sphinx calls with the text of a page."""
    source[0] = images(source[0])


def setup(app: Any) -> dict[str, bool]:
    """Be told of every page that is read."""
    app.connect("source-read", read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
