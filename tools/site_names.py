"""Which names are public, and which of them the reference leaves out."""

from __future__ import annotations

import importlib
from collections.abc import Iterable

ADAPTERS = ("array_api_extra", "optax", "scipy", "sklearn", "torchtitan", "transformers", "trl")
MODULES = ("lsmx", "lsmx.extend", "lsmx.testing", "lsmx_torch.parallel", *(f"lsmx.adapters.{name}" for name in ADAPTERS))
"""The modules whose names are for others to use. Each has an ``__all__``."""


def public_names(modules: Iterable[str] = MODULES) -> set[str]:
    """All public names, each with its module."""
    return {f"{module}.{name}" for module in modules for name in importlib.import_module(module).__all__}


def faults(documented: Iterable[str], modules: Iterable[str] = MODULES) -> list[str]:
    """What is public and not documented, and what is documented directly in one of the modules without being public."""
    modules, documented = tuple(modules), set(documented)
    public = public_names(modules)
    direct = {name for name in documented if name.rpartition(".")[0] in modules and name not in modules}
    return [
        *(f"the reference has no entry for {name}" for name in sorted(public - documented)),
        *(f"the reference has an entry for {name}, which is not public" for name in sorted(direct - public)),
    ]
