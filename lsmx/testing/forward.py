"""Somebody's own forward pass of a loss, checked on probes in the way of a gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

import lsmx
from lsmx.extend import Array, dtype_name
from lsmx.testing import options
from lsmx.testing.candidate import Candidate
from lsmx.testing.probes import Probe


@dataclass(frozen=True)
class Forward(Candidate):
    """The function itself, of logits and a class for each row."""

    part: ClassVar[str] = "forward pass"
    gives: ClassVar[str] = "result"

    def lines(self, probe: Probe) -> str:
        """The right ones."""
        return options.forward(self.function, probe.options, probe.z.shape[probe.axis], probe.where is not None)

    def handed(self, g: Array, known: dict[str, Array]) -> dict[str, Array]:
        """Logits and classes."""
        return {"z": known["z"], "target": known["target"]}

    def accepts(self, dtype: str, given: Array) -> bool:
        """Whether its result may have this dtype: losses of 16-bit logits may be in float32."""
        own = dtype_name(given.dtype)
        return dtype == own or (own in ("float16", "bfloat16") and dtype == "float32")

    def own(self, probe: Probe, g: Array, z: Array, mask: Array | None) -> npt.NDArray[Any]:
        """The value with the bits of lsmx."""
        given = {name: self.option(name, value) for name, value in probe.options.items()}
        if self.function == "cross_entropy":
            given.setdefault("reduction", "none")
        target = self.where.from_numpy(probe.target, self.integers)
        return np.array(self.where.to_numpy(getattr(lsmx, self.function)(z, target, axis=probe.axis, where=mask, **given)))
