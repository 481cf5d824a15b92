"""What a call runs: the first kernel that takes it, or the definition. `explain` prints the plan that the call runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Never

from lsmx._call.backend import Backend
from lsmx._call.registry import _forced
from lsmx._definition.function import Function
from lsmx._definition.ops import Array
from lsmx._definition.parts import present
from lsmx._definition.shown import shown
from lsmx._errors import ArgumentError

if TYPE_CHECKING:
    from lsmx._call.operator import Operator

IN_PARTS = "for whole rows, of which there are parts here"
DEFINITION = "the definition in standard operations"


@dataclass(slots=True)
class Plan:
    """What runs. Print it, or read its fields.

    Attributes
    ----------
    function, direction : str
        What is computed.
    backend : str
        The name of the backend that serves the arrays.
    runs : str
        The kernel that runs, or the definition.
    passed : tuple of tuple of str
        The kernels before it, each with the reason why it does not.
    run : callable
        Computes the value.
    """

    function: str
    direction: str
    backend: str
    runs: str
    passed: tuple[tuple[str, str], ...]
    run: Callable[[], Array] = field(repr=False, compare=False)

    def __str__(self) -> str:
        lines = [f"{self.function} {self.direction}: backend {self.backend!r} runs {self.runs}"]
        lines += [f"  not {name}: {reason}" for name, reason in self.passed]
        if not self.passed and self.runs == DEFINITION:
            lines.append(f"  backend {self.backend!r} has no kernel for it")
        return "\n".join(lines)


def plan(
    operator: Operator, direction: str, backend: Backend, ctx: Any, arrays: tuple[Array | None, ...], options: dict[str, Any]
) -> Plan:
    """How a direction of a function is computed, for the arguments of its static method."""
    kernels = backend.by_task.get((operator.name, direction), ())
    passed: tuple[tuple[str, str], ...] = ()
    without = 'inside using("reference")' if _forced.get() == "reference" else IN_PARTS if present.get() is not None else None
    if kernels and without is not None:
        passed = tuple((kernel.name, without) for kernel in kernels)
        kernels = ()
    for kernel in kernels:
        found = kernel.plan(ctx, *arrays, **options)
        if not isinstance(found, str):
            run = quietly(backend, found) if kernel.warns else found
            return Plan(operator.name, direction, backend.name, kernel.name, passed, run)
        passed = (*passed, (kernel.name, found))
    rule = partial(given_rule(operator, direction), ctx, *arrays, **accepted(operator, options))
    return Plan(operator.name, direction, backend.name, DEFINITION, passed, quietly(backend, rule))


def given_rule(operator: Operator, direction: str) -> Callable[..., Array]:
    """The static method of a direction; if the function does not give it, a stand-in that says so when it is called."""
    rule, name = operator.rule(direction), direction.partition("_")[0]
    return partial(lacking, operator, name) if rule is getattr(Function, name) else rule


def lacking(operator: Operator, name: str, *_: Any, **__: Any) -> Never:
    """Stands for a rule that a function does not give."""
    raise NotImplementedError(
        f"{operator.name}: {operator.function.__name__} gives no {name}, which is asked for; add it to the class"
    )


def quietly(backend: Backend, compute: Callable[[], Array]) -> Callable[[], Array]:
    """The computation inside ``Backend.quiet``, without warnings about values that are defined."""
    if backend.quiet is nullcontext:
        return compute

    def run() -> Array:
        with backend.quiet():
            return compute()

    return run


def accepted(operator: Operator, options: dict[str, Any]) -> dict[str, Any]:
    """The options that the rule takes; those that it does not know have to be at their defaults."""
    unknown = operator.unknown
    if not unknown or not options:
        return options
    for name, default in (("axis", -1), ("where", None)):
        given = options.get(name, default)
        if name in unknown and given is not default and not (type(given) is int and given == default):
            raise ArgumentError(f"{operator.name}: {name}={shown(given)}, but its forward pass takes no {name}; leave it out")
    return {name: value for name, value in options.items() if name not in unknown}
