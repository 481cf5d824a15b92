"""The text of the package's page: the README with addresses in place of paths. Hatchling calls this while it builds."""

from __future__ import annotations

import pathlib
import re
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

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


class PackagePage(MetadataHookInterface):
    """Fills in ``project.readme``."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set what ``dynamic`` announces."""
        readme = pathlib.Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": page(readme, metadata["urls"]["Source"])}
