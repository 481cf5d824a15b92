"""Somebody's own gradient, called on probes: what it gave, what it harmed, and how far it is from given lines."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lsmx import ArrayTypeError, backend_for, registered, using
from lsmx.extend import Array, Context, described, dtype_name
from lsmx.testing.bits import bits, differing, quantise
from lsmx.testing.gradients import correct, evaluate_lines
from lsmx.testing.inputs import Values
from lsmx.testing.probes import Probe
from lsmx.testing.tasks import Target, target_like

ULPS = 8  # why so many: in the docstring of ``diagnose``
EPS_AND_TINY = {  # one ulp of 1, and the smallest normal number, below which libraries may flush
    "float16": (2.0**-10, 2.0**-14),
    "bfloat16": (2.0**-7, 2.0**-126),
    "float32": (2.0**-23, 2.0**-126),
    "float64": (2.0**-52, 2.0**-1022),
}


@dataclass(frozen=True)
class Answer:
    """What a candidate gave for a probe: an array, or why there is none. ``lines`` are those that are right."""

    probe: Probe
    lines: str
    given: dict[str, Any]
    dtype: str
    got: npt.NDArray[Any] | None = None
    raised: str = ""
    faults: tuple[tuple[str, str], ...] = ()  # the name of a mistake, and a sentence
    equal_bits: bool = False

    @property
    def right(self) -> bool:
        """Whether it is."""
        return self.apart(self.lines) <= ULPS

    def errors(self, lines: str) -> Values | None:
        """The distance of each entry from what ``lines`` give, in ulp; None if one of the two has no such entries."""
        want = evaluate_lines(lines, self.given)
        if self.got is None or isinstance(want, Exception) or self.got.shape != want[0].shape:
            return None
        return distance(self.got.astype(np.float64), *want, self.dtype)

    def apart(self, lines: str) -> float:
        """The largest of them; 0 if ``lines`` raise as the candidate did."""
        errors = self.errors(lines)
        if errors is None:
            return 0.0 if self.raised and isinstance(evaluate_lines(lines, self.given), Exception) else np.inf
        return float(errors.max())


def distance(got: Values, want: Values, size: Values, dtype: str) -> Values:
    """``|got - want|`` in ulp of ``size``; 0 for two NaN or equal infinities."""
    eps, tiny = EPS_AND_TINY[dtype]
    with np.errstate(all="ignore"):
        apart = np.abs(got - want) / (eps * size + tiny)
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    return np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart))


def slack(z: Values, axis: int) -> Values:
    """By how much more than an ``exp`` an ``exp(z - lse)`` is off: by half an ulp of ``z - lse`` and of ``lse``, which is small."""
    z = np.where(np.isfinite(z), z, 0.0)
    relative: Values = 1.0 + (4.0 + np.abs(z - np.max(z, axis=axis, keepdims=True))) / (2 * ULPS)
    return relative


def unusable(result: Any, z: Array) -> str | None:
    """Why a result is no gradient of ``z`` at all, or None."""
    try:
        if backend_for(result) is backend_for(z):
            return None
    except ArrayTypeError:
        return f"It returns a {described(result)}, not an array: return the gradient itself."
    return f"It returns a {described(result)} for a {described(z)}: stay within the library."


@dataclass(frozen=True)
class Candidate:
    """A gradient, and how it is to be called."""

    backward: Callable[..., Any]
    function: str
    where: Target
    dtype: str
    saves: tuple[str, ...]
    axis: str | None
    masks: bool

    @classmethod
    def of(cls, backward: Callable[..., Any], function: str, like: Array, saves: tuple[str, ...]) -> Candidate:
        """Read the signature; a callable that shows none gets arrays only."""
        named = keywords(backward)
        if [p.name for p in parameters(backward)[:1]] == ["ctx"]:
            rule, named = backward, set()

            def backward(g: Array, *saved: Array) -> Array:
                return rule(Context(*saved, axis=-1, dim=-1), g)

        axis = next((name for name in ("axis", "dim") if name in named), "axis" if "**" in named else None)
        return cls(
            backward, function, target_like(like), dtype_name(like.dtype), saves, axis, not named.isdisjoint({"where", "**"})
        )

    def made(self, values: npt.NDArray[Any]) -> Array:
        """A new array of the library."""
        return self.where.from_numpy(quantise(values, self.dtype), self.dtype)

    def answer(self, probe: Probe) -> Answer:
        """Call it on one probe."""
        operator, axis = registered()[self.function], probe.axis
        mask = None if probe.where is None else self.where.from_numpy(probe.where.copy(), "bool")
        z, g = self.made(probe.z), self.made(probe.g)
        with using("reference"):  # the same bits as a kernel's, and nothing to compile
            known = {"z": z, "output": operator(z, axis=axis, where=mask)}
            residual = {name: known[name] for name in operator.function.residual}
            own = np.array(self.where.to_numpy(operator.derivative("backward", {"grad_output": g}, residual, axis, mask)))
        lines = correct(self.function, self.saves, masked=mask is not None)

        handed = {"grad_output": g, **{name: known[name] for name in self.saves}}
        options = {} if self.axis is None else {self.axis: axis}
        options |= {} if mask is None else {"where": mask}
        watched = handed if mask is None else handed | {"where": mask}
        before = {name: np.array(self.where.to_numpy(x)) for name, x in watched.items()}
        exact = {name: np.array(self.where.to_numpy(x), dtype=np.float64) for name, x in (("g", g), *known.items())}
        given = {"g": exact["g"], "z": exact["z"], "out": exact["output"], "axis": axis, "where": probe.where}
        given["slack"] = 1.0 if self.saves == ("output",) else slack(exact["z"], axis)

        def changed() -> list[tuple[str, str]]:
            now = {name: np.array(self.where.to_numpy(x)) for name, x in watched.items()}
            harmed = [name for name in now if (word(now[name]) != word(before[name])).any()]
            return [("inputs changed", f"It changes {name} in place: work on a copy.") for name in harmed]

        try:
            with np.errstate(all="ignore"):
                result = self.backward(*handed.values(), **options)
        except Exception as error:  # whatever somebody's own code raises belongs to the diagnosis
            return Answer(probe, lines, given, self.dtype, None, f"{type(error).__name__}: {error}", tuple(changed()))
        reason = unusable(result, z)
        if reason is not None:
            return Answer(probe, lines, given, self.dtype, None, "", (("no gradient", reason), *changed()))
        got, faults = np.array(self.where.to_numpy(result)), []
        if got.shape != own.shape:
            faults.append(("wrong shape", f"It returns shape {got.shape} for logits of shape {own.shape}."))
        if result.dtype != z.dtype:
            faults.append(("wrong dtype", f"It returns {dtype_name(result.dtype)} for logits of {self.dtype}."))
            if dtype_name(result.dtype) not in EPS_AND_TINY:
                return Answer(probe, lines, given, self.dtype, None, "", (*faults, *changed()))
        coarser = max(self.dtype, dtype_name(result.dtype), key=lambda name: EPS_AND_TINY[name])
        return Answer(probe, lines, given, coarser, got, "", (*faults, *changed()), differing(got, own) is None)


def word(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Bit patterns of floats; masks as they are."""
    return x if x.dtype == bool else bits(x)


def parameters(call: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of a callable; none if it does not tell."""
    try:
        return list(inspect.signature(call).parameters.values())
    except (TypeError, ValueError):
        return []


def keywords(call: Callable[..., Any]) -> set[str]:
    """The names that a callable takes as keywords, ``**`` if it takes any."""
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    names = {p.name for p in parameters(call) if p.kind in by_name}
    return names | {"**" for p in parameters(call) if p.kind is inspect.Parameter.VAR_KEYWORD}
