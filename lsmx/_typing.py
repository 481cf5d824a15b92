"""Types for the annotations of public functions. Nothing here imports an array library; NumPy's types are in ``_api.pyi``."""

from __future__ import annotations

from typing import Any, Protocol, SupportsIndex, TypeVar

Axis = SupportsIndex | tuple[SupportsIndex, ...] | None
DTypeLike = object
"""A dtype of the array's library, or its name: the libraries have no type in common."""


class AnyArray(Protocol):
    """An array of any library."""

    @property
    def shape(self) -> Any:
        """Its sizes."""

    @property
    def dtype(self) -> Any:
        """The type of its elements."""

    def __matmul__(self, other: Any, /) -> Any:
        """Arrays have it, and NumPy's scalars do not."""


class Foreign(AnyArray, Protocol):
    """An array of any library but NumPy, whose arrays of floats are no indices: each of the others leaves that to the run time."""

    def __index__(self) -> int:
        """The element of an array of one integer."""


A = TypeVar("A", bound=Foreign)
X = TypeVar("X")


class Of(Protocol[X]):
    """An array of the library whose arrays are ``X``: that is what its negative is, and what it can be compared with.

    It differs from ``X`` where a library has subclasses: the negative of a ``torch.nn.Parameter`` is a ``torch.Tensor``, and so is
    its log-softmax.
    """

    @property
    def shape(self) -> Any:
        """Its sizes."""

    @property
    def dtype(self) -> Any:
        """The type of its elements."""

    def __neg__(self) -> X:
        """The negative."""

    def __le__(self, other: X, /) -> Any:
        """Takes ``X``: so ``X`` is one library's arrays, and not whatever two libraries' arrays have in common."""
