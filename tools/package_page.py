"""The text of the package's page: the README with addresses in place of paths. scikit-build-core asks for it while it builds."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Mapping
from typing import Any

ELSEWHERE = r"https?://|#|mailto:"  # what such links start with leads somewhere from any page
PATH_IN_LINK = re.compile(rf"```.*?```|(?<=\]\()(?!{ELSEWHERE})[^)\s]+", re.DOTALL)
PICTURES = (".png", ".svg", ".jpg", ".gif")


def page(readme: str, source: str) -> str:
    """The README with each path as its address under ``source``; code stays as it is."""

    def address(found: re.Match[str]) -> str:
        path = found.group()
        if path.startswith("```"):
            return path
        kind = "raw" if path.endswith(PICTURES) else "blob"
        return f"{source}/{kind}/main/{path}"

    return PATH_IN_LINK.sub(address, readme)


def dynamic_metadata(settings: Mapping[str, Any], project: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in ``project.readme``."""
    readme = pathlib.Path("README.md").read_text(encoding="utf-8")  # a build runs where pyproject.toml is
    return {"readme": {"content-type": "text/markdown", "text": page(readme, project["urls"]["Source"])}}
