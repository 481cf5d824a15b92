"""Links of the pages as the site needs them: to its own pages where it has them, to the repository for everything else.

The pages are written for a git host, where ``../tests/test_parts.py`` is a file. `site_text` changes such paths while Sphinx reads,
and says which lead nowhere. It also takes away the empty line at the end of a block of code, which doctests need.
"""

from __future__ import annotations

import pathlib
import posixpath
import re
from collections.abc import Mapping

from package_page import ELSEWHERE

FENCED = r"^(?P<fence>(?P<mark>`{3,}|~{3,})[^\n]*\n(?:.*?\n)??)\s*^(?P=mark)[`~]*[ \t]*$"
TICKED = r"(?P<ticks>(?<!`)`+(?!`))(?:(?!\n\n).)+?(?<!`)(?P=ticks)(?!`)"
COMMENT = r"<!--.*?-->"
LINK = rf"(?<=\]\()(?!{ELSEWHERE})(?P<path>[^)\s#]+)(?P<anchor>#[^)\s]*)?(?=\))"
WANTED = re.compile(f"{FENCED}|{TICKED}|{COMMENT}|{LINK}", re.DOTALL | re.MULTILINE)


def site_text(text: str, here: str, home: pathlib.Path, source: str, pages: Mapping[str, str]) -> tuple[str, list[str]]:
    """A page with its links changed, and what is wrong with them.

    Parameters
    ----------
    text
        The page, in Markdown.
    here
        Its path in the repository, such as ``docs/losses.md``.
    home
        The root of the repository.
    source
        Its address.
    pages
        Which files are pages of the site: from their paths to the files that Sphinx knows them by, seen from the site's root.
    """
    faults = []
    folder = posixpath.dirname(here)

    def changed(found: re.Match[str]) -> str:
        if found["fence"]:
            return f"{found['fence']}{found['mark']}"
        if not found["path"]:
            return found.group()  # code, or a comment
        path, anchor = posixpath.normpath(posixpath.join(folder, found["path"])), found["anchor"] or ""
        if path.startswith("..") or not (home / path).exists():
            faults.append(f"{here}: a link that leads nowhere: {found.group()}")
            return found.group()
        if path in pages:
            return pages[path] + anchor
        return f"{source}/{'tree' if (home / path).is_dir() else 'blob'}/main/{path}{anchor}"

    return WANTED.sub(changed, text), faults
