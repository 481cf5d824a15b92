"""The operation that is computed on each block, by name, so that it can be sent to another process."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from lsmx import using
from lsmx.extend import Operation, by_full_name, forced


@dataclass(frozen=True)
class Task:
    """An operation, called with the blocks of its arrays, of which the last is the mask if it is ``masked``."""

    function: str
    direction: str
    masked: bool
    axis: Any
    options: tuple[tuple[str, Any], ...]
    reference: bool

    @classmethod
    def of(cls, operation: Operation, masked: bool, axis: Any, options: Any) -> Task:
        """The task of an operation as it is asked for here and now."""
        direction = next(direction for direction, one in operation.family.items() if one is operation)
        name = operation.family["forward"].name
        return cls(name, direction, masked, axis, tuple(options.items()), forced() == "reference")

    @property
    def operation(self) -> Operation:
        """The operation of this name, in the process where the task runs."""
        found: Operation = by_full_name()[self.function].operations[self.direction]
        return found

    def __call__(self, *blocks: Any) -> Any:
        """The block of the result."""
        arrays = list(map(alone, blocks))
        where = arrays.pop() if self.masked else None
        with using("reference") if self.reference else nullcontext():
            return self.operation.compute(tuple(arrays), self.axis, where, dict(self.options), None)


def alone(block: Any) -> Any:
    """The block in a list, or in lists of lists: along an axis that the result lacks there is one only."""
    while isinstance(block, list):
        (block,) = block
    return block
