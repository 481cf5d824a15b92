"""Called by PyTorch at the end of its import, through the entry-point group ``torch.backends``."""

from __future__ import annotations

import sys


def torch() -> None:
    """Make lsmx's operators known to PyTorch, if lsmx has been imported before it: saved programs name them.

    Where PyTorch comes first, ``import lsmx`` does the same. Where lsmx is not imported, nothing is.
    """
    if "lsmx" in sys.modules:
        from lsmx.extend import backend_of

        backend_of("torch")
