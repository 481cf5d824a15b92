"""What an autograd is told: operations on arrays, with VJPs and JVPs that are made of such operations again.

So each derivative of a derivative is known too, and each in the portable arithmetic. An autograd needs one thing for itself:
``bind``, which computes an operation on its own arrays so that it remembers doing so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from lsmx._arithmetic.ops import Array
from lsmx._validate import check_argument, check_mask, float_name, normal_axes

if TYPE_CHECKING:
    from lsmx._calculus import Calculus

Rule = Callable[["Calculus", Array, Mapping[str, Array]], Array]


def alike(name: str, rows: tuple[Any, ...], axes: tuple[int, ...]) -> list[tuple[Any, ...]]:
    """All arguments have one shape."""
    return [rows]


class Compute(Protocol):
    """Computes the value: arrays in, array out, seen by no autograd."""

    def __call__(
        self, arrays: tuple[Array, ...], axis: Any, where: Array | None, options: dict[str, Any], out: Array | None
    ) -> Array:
        """The value; may be put into ``out``."""


@dataclass(frozen=True, eq=False)
class Operation:
    """An operation on arrays, for an autograd.

    Attributes
    ----------
    name
        Unique among the operations of a registry, as ``log_softmax_backward``.
    names
        Of its arguments that are arrays.
    rows
        Index of the one whose rows are walked: ``axis`` and ``where`` refer to it, and the result has its dtype.
    compute
        Called with the arrays, ``axis``, ``where``, the further options, and ``out`` or None.
    shape
        The shape of the result, from the shapes of the arrays, ``axes`` without a negative one, and the options.
    accepts
        The shapes that an argument may have: called with its name, the shape of the rows, and the axes.
    options
        Further options with their defaults.
    saves
        What the rules ask for: names of arguments, or ``"output"`` for the result.
    pull
        By argument: the VJP along it, from the cotangent and what was saved.
    push
        By argument: the share of the JVP that its tangent has.
    family
        The operations of its function, by direction; itself among them.
    """

    name: str
    names: tuple[str, ...]
    rows: int
    compute: Compute
    shape: Callable[..., tuple[Any, ...]]
    accepts: Callable[[str, tuple[Any, ...], tuple[int, ...]], list[tuple[Any, ...]]] = alike
    options: Mapping[str, Any] = field(default_factory=dict)
    saves: tuple[str, ...] = ()
    pull: Mapping[str, Rule] = field(default_factory=dict)
    push: Mapping[str, Rule] = field(default_factory=dict)
    family: Mapping[str, Operation] = field(default_factory=dict)

    def axes(self, arrays: tuple[Array, ...], axis: Any) -> tuple[int, ...]:
        """``axis`` as a tuple of non-negative ints."""
        return normal_axes(axis, len(arrays[self.rows].shape))

    def axis(self, arrays: tuple[Array, ...], axes: Sequence[int]) -> Any:
        """Back from ``axes``: -1 for the last one, which is the quickest to look at, and None for an array that has none."""
        return -1 if list(axes) == [len(arrays[self.rows].shape) - 1] else tuple(axes) or None

    def check(self, arrays: tuple[Array, ...], axis: Any, where: Array | None) -> None:
        """Raise as the computation would, where that is too late: an autograd or a compiler has its own way to fail."""
        rows = arrays[self.rows]
        float_name(self.names[self.rows], rows)
        for name, x in zip(self.names, arrays, strict=True):
            check_argument(name, x, rows.dtype, self.accepts(name, tuple(rows.shape), self.axes(arrays, axis)), tuple(rows.shape))
        if where is not None:
            check_mask(where, tuple(rows.shape))

    def values(self, options: Mapping[str, Any] | None = None) -> list[Any]:
        """The further options in order, each as given or by default."""
        options = options or {}
        if unknown := options.keys() - self.options.keys():
            raise TypeError(f"{self.name}: there is no option {', '.join(sorted(unknown))}")
        return [options.get(name, default) for name, default in self.options.items()]

    def named(self, values: Sequence[Any]) -> dict[str, Any]:
        """Back from ``values``."""
        return dict(zip(self.options, values, strict=True))

    def saved(self, arrays: tuple[Array, ...], result: Array) -> dict[str, Array]:
        """What the rules ask for, of the arguments and the result, by name."""
        at = {"output": result, **dict(zip(self.names, arrays, strict=True))}
        return {name: at[name] for name in self.saves}

    def rule(self, which: str, name: str) -> Rule:
        """``pull`` or ``push`` along an argument; raises if there is none."""
        rule: Rule | None = getattr(self, which).get(name)
        if rule is None:
            raise NotImplementedError(
                f"{self.name}: has no {'VJP' if which == 'pull' else 'JVP'} along {name}; detach {name} from the autograd first"
            )
        return rule
