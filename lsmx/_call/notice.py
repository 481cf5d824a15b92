"""Notices that a library is imported after lsmx, so that it learns of lsmx's operators before it is asked for them.

A saved program of PyTorch names the operators that it calls, and they have to be defined when it is loaded, perhaps before the
first call of lsmx. This must work whichever of the two is imported first, and however lsmx is installed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


def when_imported(name: str, tell: Callable[[], object]) -> None:
    """Call ``tell`` as soon as the top-level module ``name`` has been imported: now, if it has been already."""
    if name in sys.modules:
        tell()
    else:
        sys.meta_path.insert(0, Notice(name, tell))


class Notice:
    """A finder for one module, which asks the others, and removes itself once the module has been imported."""

    def __init__(self, name: str, tell: Callable[[], object]) -> None:
        self.name, self.tell = name, tell

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        """What the others find; nothing for any other module."""
        if name != self.name:
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        spec: Any = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec is not None:
            spec.loader = Told(spec.loader, self)
        return spec


class Told:
    """A module's loader, up to the moment when the module's own code has run."""

    def __init__(self, loader: Any, notice: Notice) -> None:
        self.loader, self.notice = loader, notice

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As the loader itself."""
        module: ModuleType | None = self.loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """As the loader itself, and the notice after it."""
        assert module.__spec__ is not None
        module.__spec__.loader = module.__loader__ = self.loader
        self.loader.exec_module(module)
        if self.notice in sys.meta_path:
            sys.meta_path.remove(self.notice)
            self.notice.tell()
