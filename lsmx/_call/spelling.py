"""Arguments as other libraries spell them: what was given, and what to pass in its place."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from lsmx._definition.shown import is_array, shown
from lsmx._errors import ArgumentError

F = TypeVar("F", bound=Callable[..., Any])

ARRAYS = ("a", "arr", "array", "grad", "input", "logits", "self", "tensor", "x", "y")
OPTIONS = {
    "axes": "axis",
    "dim": "axis",
    "dims": "axis",
    "keep_dims": "keepdims",
    "keepdim": "keepdims",
    "mask": "where",
}
MEANING = {"where": ", True for the entries that take part"}
LEAVE_OUT = {
    "_stacklevel": "it is PyTorch's own",
    "ignore_index": "pass a class that there is for what is ignored, such as 0, and leave its result out",
    "support": "pass a mask of the classes as where=",
    "temperature": "and divide the array by it, as in z / temperature",
    "b": "and add the logarithm of the weights to the array",
    "initial": "what is masked, or empty, needs no value to start from",
    "keepdims": "the shape of the result follows from the arrays",
    "return_sign": "a sum of exponentials has none",
}


def honest(function: F) -> F:
    """Show in the signature what is accepted: not ``extra`` and ``unknown``, which catch the rest, and no defaults of arrays."""
    signature = inspect.signature(function)
    accepted = [p for name, p in signature.parameters.items() if name not in ("extra", "unknown")]
    accepted = [p.replace(default=p.empty) if p.kind is p.POSITIONAL_ONLY else p for p in accepted]
    function.__signature__ = signature.replace(parameters=accepted)  # type: ignore[attr-defined]
    return function


def misspelt(
    function: Callable[..., Any], extra: Sequence[object], unknown: Mapping[str, object], also: Sequence[str] = ()
) -> ArgumentError:
    """The error for a call of a function with an ``honest`` signature, which takes options ``also`` that are not in it."""
    parameters = inspect.signature(function).parameters.values()
    arrays = [str(p).partition(":")[0] for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL)]
    options = [*(p.name for p in parameters if p.kind is p.KEYWORD_ONLY), *also]
    return refused(function.__name__, arrays, options, (*arrays, *extra), unknown)


def refused(
    name: str, arrays: Sequence[str], options: Iterable[str], given: Sequence[object], unknown: Mapping[str, object]
) -> ArgumentError:
    """The error for a call of ``name``, which takes ``arrays`` by position and ``options`` by keyword.

    ``given`` is all that was given by position, and ``unknown`` what was by keyword and is no option.
    """
    left, extra = list(options), given[len(arrays) :]
    accepted = f"{name}({', '.join([*arrays, *(f'{option}=...' for option in left)])})"
    problems = [by_keyword(key, value, arrays, left) for key, value in unknown.items()]
    problems += [by_position(value, left) for value in extra]
    if not problems:
        problems.append(f"{len(given)} of its arrays given, but it takes {', '.join(arrays)}")
    return ArgumentError(f"{name}: {'; '.join(problems)}. Accepted is {accepted}, with arrays by position")


def by_keyword(key: str, value: object, arrays: Sequence[str], left: list[str]) -> str:
    """What to do with a keyword that is none of the options. The option that it stands for is taken from ``left``."""
    if key in arrays or key in ARRAYS:
        return f"{key}=: pass arrays by position, without a name"
    import difflib

    option = OPTIONS.get(key, key)
    if option not in left:
        option = next(iter(difflib.get_close_matches(option, left, 1)), option)
    if option not in left:
        return f"{key}={shown(value)}: leave it out, {LEAVE_OUT.get(option, 'there is no such option here')}"
    left.remove(option)
    return f"{key}={shown(value)}: pass {option}={shown(value)}{MEANING.get(option, '')}"


def by_position(value: object, left: list[str]) -> str:
    """What to do with a value after the arrays. The option that it stands for is taken from ``left``."""
    option = next((option for option in meant(value) if option in left), None)
    if option is None:
        return f"{shown(value)} after the arrays: leave it out, it fits no option here"
    left.remove(option)
    return f"{shown(value)} after the arrays: pass {option}={shown(tuple(value) if isinstance(value, list) else value)}"


def meant(value: object) -> tuple[str, ...]:
    """The options that a value without a name may stand for, the likeliest first."""
    if isinstance(value, bool):
        return ("keepdims",)
    if is_array(value):
        return (("where", "out") if "bool" in str(getattr(value, "dtype", "")) else ("out", "where")) + ("bias",)
    if isinstance(value, str | type) or str(value).rpartition(".")[2].startswith(("float", "bfloat")):
        return ("dtype",)
    return ("axis",) if value is None or isinstance(value, tuple | list) or hasattr(value, "__index__") else ()
