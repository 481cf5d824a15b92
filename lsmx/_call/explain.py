"""Which backend and which kernel a call would use, and why not the others."""

from __future__ import annotations

from typing import Any, Literal

from lsmx._call.backend import DIRECTIONS
from lsmx._call.functions import every
from lsmx._call.operator import Operator, cast, serving
from lsmx._call.plan import Plan, plan
from lsmx._call.spelling import honest, misspelt
from lsmx._definition.function import Context
from lsmx._definition.shown import shown
from lsmx._errors import BackendError
from lsmx._typing import AnyArray, Axis, DTypeLike


@honest
def explain(
    *arrays: AnyArray,
    function: str = "log_softmax",
    direction: Literal["forward", "backward", "jvp", "jacobian", "backward_z", "jvp_z"] = "forward",
    axis: Axis = -1,
    where: AnyArray | None = None,
    dtype: DTypeLike | None = None,
    **options: Any,
) -> Plan:
    """Say what a call would use, without computing anything: the very plan that the call runs.

    Parameters
    ----------
    *arrays : array
        The arrays of the call: those that the function takes for ``"forward"``, ``grad_output`` or ``tangent`` and the residual for
        ``"backward"`` and ``"jvp"`` (the output may follow where that is no part of it), the residual for ``"jacobian"``. One array
        alone stands for all of them, if they are of one shape.
    function : str, default "log_softmax"
        A registered name.
    direction : str, default "forward"
        ``"forward"``, ``"backward"``, ``"jvp"`` or ``"jacobian"``; ``"backward_z"`` or ``"jvp_z"`` for the derivatives of
        log-softmax at its input, which autograds take in 16 bits.
    axis : int, tuple of int or None, default -1
        The axis or axes of the rows, as in the call.
    where : array of bool, optional
        Mask, as in the call.
    dtype : dtype or str, optional
        What the call casts to first.
    **options : object
        Those of the function, as in the call: ``temperature``, ``label_smoothing``, ``weight``, ...

    Returns
    -------
    Plan
        The backend, what runs, and the kernels that would not with their reasons. Print it.

    Raises
    ------
    BackendError
        No such function or direction, or not its arrays.
    ArgumentError
        An option that the function does not have.
    ArrayTypeError
        Something that is not an array.
    ArgumentValueError
        A ``temperature`` or ``softcap`` that is not positive.
    DTypeError
        A ``dtype`` that is no float dtype.

    See Also
    --------
    backend_for : the backend alone.
    using : compute by a chosen one.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> print(lsmx.explain(np.ones((2, 3))))
    log_softmax forward: backend 'numpy' runs core
    >>> print(lsmx.explain(np.ones((2, 0))))
    log_softmax forward: backend 'numpy' runs the definition in standard operations
      not core: no elements
      not row blocks: 0 elements: no more than one block of 131072
    """
    operator = every().get(function) if isinstance(function, str) else None
    if operator is None:
        raise BackendError(f"function: {shown(function)} is not registered; there are {', '.join(every())}")
    given = options_of_rules(operator, options)
    kind, at, _ = str(direction).partition("_")
    rules = operator.function.narrow if at else operator.function
    if kind not in DIRECTIONS or rules is None or not any(key.split()[0] == direction for key in operator.operations):
        raise BackendError(f"direction: {shown(direction)} is not one of {', '.join(every_direction(operator))}")
    takes, residual = operator.function.takes, rules.residual
    vectors: tuple[str, ...] = {"forward": tuple(takes), "backward": ("grad_output",), "jvp": ("tangent",), "jacobian": ()}[kind]
    names = vectors if direction == "forward" else vectors + residual
    if len(arrays) == 1 and not operator.function.reduces and len(takes) == 1:
        arrays *= len(names)
    if kind in ("backward", "jvp") and "output" not in names and len(arrays) == len(names) + 1:
        arrays = arrays[:-1]  # the output, which the public call is given, too
    if len(arrays) != len(names):
        raise BackendError(f"arrays: {len(arrays)} given, but {function} {direction} takes {', '.join(names)}")
    backend = serving(names[-1], arrays[-1])
    if direction == "forward":
        arrays = arrays if dtype is None else cast(backend, operator, arrays, dtype)
        return plan(operator, direction, backend, Context(), arrays, {"axis": axis, "where": where, **given})
    ctx = Context(*arrays[len(vectors) :], axis=axis, where=where, **given)
    return plan(operator, direction, backend, ctx, arrays[: len(vectors)], {})


def every_direction(operator: Operator) -> list[str]:
    """The directions that a function has, without the arguments along which some of them go."""
    return list(dict.fromkeys(key.split()[0] for key in operator.operations))


def options_of_rules(operator: Operator, options: dict[str, Any]) -> dict[str, Any]:
    """The options of a call as the function's rules take them: an option that is None is not there."""
    known = {**operator.operations["forward"].options, **dict.fromkeys(operator.function.optional)}
    if unknown := options.keys() - known.keys():
        raise misspelt(explain, (), {name: options[name] for name in unknown}, also=sorted(known.keys() - {"elsewhere", "ignores"}))
    if "ignores" in known and "ignore_index" in options and options["ignore_index"] is None:
        options = {**options, "ignores": False}
    for name in ("temperature", "softcap") if options else ():
        from lsmx._call.losses import positive  # which ``import lsmx`` does without

        if options.get(name) is not None and not hasattr(options[name], "shape"):
            positive(name, options[name])
    return {name: value for name, value in options.items() if value is not None}
