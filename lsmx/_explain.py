"""Which backend and which kernel a call would use, and why not the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Never

from lsmx._backend import DIRECTIONS
from lsmx._errors import BackendError
from lsmx._function import Context
from lsmx._operator import cast, registered, serving
from lsmx._spelling import honest, misspelt
from lsmx._typing import AnyArray, Axis, DTypeLike


@dataclass(frozen=True)
class Explanation:
    """What would run. Print it, or read its fields.

    Attributes
    ----------
    function, direction
        What was asked about.
    backend
        The name of the backend that serves the array.
    runs
        The kernel that would run, or the definition.
    passed
        The kernels before it, each with the reason why it would not.
    """

    function: str
    direction: str
    backend: str
    runs: str
    passed: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        lines = [f"{self.function} {self.direction}: backend {self.backend!r} runs {self.runs}"]
        lines += [f"  not {name}: {reason}" for name, reason in self.passed]
        if not self.passed and self.runs.startswith("the definition"):
            lines.append(f"  backend {self.backend!r} has no kernel for it")
        return "\n".join(lines)


@honest
def explain(
    *arrays: AnyArray,
    function: str = "log_softmax",
    direction: Literal["forward", "backward", "jvp", "jacobian"] = "forward",
    axis: Axis = -1,
    where: AnyArray | None = None,
    dtype: DTypeLike | None = None,
    **unknown: Never,
) -> Explanation:
    """Say what a call would use, without computing anything.

    Parameters
    ----------
    *arrays
        The arrays of the call: ``z`` for ``"forward"``, ``grad_output`` or ``tangent`` and the residual for ``"backward"`` and
        ``"jvp"``, the residual for ``"jacobian"``. One array alone stands for all of them, if they are of one shape.
    function
        A registered name.
    direction
        ``"forward"``, ``"backward"``, ``"jvp"`` or ``"jacobian"``.
    axis, where, dtype
        As in the call.

    Returns
    -------
    Explanation
        The backend, what runs, and the kernels that would not with their reasons.

    Raises
    ------
    BackendError
        A ``ValueError``: no such function or direction, or not its arrays.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> print(lsmx.explain(np.ones((2, 3))))
    log_softmax forward: backend 'numpy' runs fused
    >>> print(lsmx.explain(np.ones((2, 3, 4)), axis=(0, 2)))
    log_softmax forward: backend 'numpy' runs the definition in standard operations
      not fused: the reduced axes do not lie in memory as one
      not numpy blocks: 24 elements: fewer than 4096
      not row blocks: 24 elements: no more than one block of 131072
    """
    if unknown:
        raise misspelt(explain, (), unknown)
    operator = registered().get(function)
    if operator is None:
        raise BackendError(f"function: {function!r} is not registered; there are {', '.join(registered())}")
    if direction not in DIRECTIONS:
        raise BackendError(f"direction: {direction!r} is not one of {', '.join(DIRECTIONS)}")
    vectors = {"forward": ("z",), "backward": ("grad_output",), "jvp": ("tangent",), "jacobian": ()}[direction]
    names = vectors if direction == "forward" else vectors + operator.function.residual
    if len(arrays) == 1 and "z" not in names[1:]:
        arrays *= len(names)
    if len(arrays) != len(names):
        raise BackendError(f"arrays: {len(arrays)} given, but {function} {direction} takes {', '.join(names)}")
    backend = serving(names[-1], arrays[-1])
    given = {} if direction == "forward" else {"axis": axis, "where": where}
    ctx = Context(*arrays[len(vectors) :], **given)
    if dtype is not None and direction == "forward":
        arrays = (cast(backend, arrays[0], dtype),)
    options = {"axis": axis, "where": where} if direction == "forward" else {}
    kernel, passed = operator.choose(direction, backend, ctx, arrays[: len(vectors)], options)
    runs = "the definition in standard operations" if kernel is None else kernel.name
    return Explanation(function, direction, backend.name, runs, tuple(passed))
