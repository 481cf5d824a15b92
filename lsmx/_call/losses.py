"""What the losses do before and after their rules: check options and classes, and take the mean over rows."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from lsmx._call.division import rows_are_divided, whole_length
from lsmx._call.family import FEW_ELEMENTS
from lsmx._call.operator import enroll, in_dtype, namespace_of, place_of, serving, shape_of, shortcut, together
from lsmx._call.registry import shortcuts
from lsmx._definition.capped_logits import CappedLogits
from lsmx._definition.checks import check_number, dtype_name, float_name, integer, is_bool, normal_axes, reduced_shape
from lsmx._definition.cross_entropy import CrossEntropy
from lsmx._definition.cross_entropy_of import CrossEntropyOf
from lsmx._definition.divergence import JSDivergence, KLDivergence
from lsmx._definition.divided_logits import DividedLogits
from lsmx._definition.entropy import Entropy
from lsmx._definition.formats import FORMAT_OF
from lsmx._definition.log_prob import LogProb
from lsmx._definition.mean import Mean
from lsmx._definition.ops import Array
from lsmx._definition.rank import Rank
from lsmx._definition.row_parts import RowDigits, RowTop
from lsmx._definition.row_sums import RowSums
from lsmx._definition.row_values import RowGradient, RowInteger, RowMagnitude
from lsmx._definition.scaled_logsumexp import ScaledLogSumExp
from lsmx._definition.shown import shown, type_name
from lsmx._definition.targets import ProbabilitiesTotal, TargetTotal, TargetWeight
from lsmx._errors import ArgumentError, ArgumentValueError, ArrayTypeError, ClassError, DTypeError, ShapeError
from lsmx._typing import Axis

LOG_PROB = enroll("log_prob", LogProb)
ENTROPY = enroll("entropy", Entropy)
RANK = enroll("rank", Rank)
ROW_SUMS = enroll("row_sums", RowSums)
enroll("row_top", RowTop)
enroll("row_digits", RowDigits)
enroll("row_magnitude", RowMagnitude)
enroll("row_integer", RowInteger)
enroll("row_gradient", RowGradient)
LSE = enroll("scaled_logsumexp", ScaledLogSumExp)
CROSS_ENTROPY = enroll("cross_entropy", CrossEntropy)
CROSS_ENTROPY_OF = enroll("cross_entropy_of", CrossEntropyOf)
TARGET_WEIGHT = enroll("target_weight", TargetWeight)
enroll("target_total", TargetTotal)
enroll("probabilities_total", ProbabilitiesTotal)
KL = enroll("kl_divergence", KLDivergence)
JS = enroll("js_divergence", JSDivergence)
enroll("capped_logits", CappedLogits)
enroll("divided_logits", DividedLogits)
MEAN = enroll("mean_of_rows", Mean)


def positive(name: str, value: object) -> float:
    """A number that is positive and finite."""
    number = number_of(value)
    if not 0.0 < number < math.inf:
        raise ArgumentValueError(
            f"{name}: {shown(value)} is not a positive finite number; pass {known_now(value)}, or leave {name} out"
        )
    return number


def number_of(value: object) -> float:
    """An option as a float; NaN if it is not a number, or beyond the range of floats."""
    try:
        return math.nan if is_bool(value) or isinstance(value, str) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan


def known_now(value: object) -> str:
    """What to pass in place of a value that is no number: of a tracer, one that does not depend on what is traced."""
    if isinstance(value, list | tuple):
        return "one, or an array with one for each row"
    traced = getattr(value, "shape", None) == () and type(value).__module__ != "numpy"
    return "one that is known when the call is traced, as a static argument" if traced else "one"


def are_numbers(given: tuple[Any, ...], wanted: tuple[float, ...]) -> bool:
    """Whether options are these numbers, of their types."""
    return all(type(x) is type(y) and x == y for x, y in zip(given, wanted, strict=True))


def scaling(z: Array, axis: Axis, temperature: Any, softcap: Any, row_sums: Any = None, dtype: Any = None) -> dict[str, Any]:
    """``temperature``, ``softcap`` and ``row_sums`` as the rules take them, those only that are not at their defaults."""
    options = {} if row_sums is None else {"row_sums": checked_sums(row_sums, z, dtype)}
    if softcap is not None:
        options["softcap"] = positive("softcap", softcap)
    shape = getattr(temperature, "shape", None)
    if shape is None or isinstance(temperature, np.generic):
        number = positive("temperature", temperature)
        return options if number == 1.0 else options | {"temperature": number}
    backend = serving("temperature", temperature)
    if backend.seen is not None and backend.seen(temperature):
        float_name("temperature", temperature)
        values = np.asarray(backend.to_numpy(temperature))
        bad = ~((values > 0) & (values < np.inf))
        if bad.any():
            raise ArgumentValueError(
                f"temperature: {shown(values[bad][0])} {where_is(bad)}is not a positive finite number; pass one for each row"
            )
    if not tuple(shape) and len(z.shape) > len(axes := normal_axes(axis, len(z.shape))):
        to = reduced_shape(tuple(z.shape), axes, keepdims=False)
        temperature = namespace_of(backend, temperature).broadcast_to(temperature, to)
    return options | {"temperature": temperature}


def checked_sums(sums: Any, z: Array, dtype: Any) -> Array:
    """Raise unless the numbers are in the format that ``z`` is computed in, as `row_sums` gives them."""
    if not hasattr(sums, "shape"):
        raise ArrayTypeError(f"row_sums: {type_name(type(sums))} is not an array; pass what lsmx.row_sums returns")
    own, wanted = dtype_name(sums.dtype), FORMAT_OF[float_name("z", z) if dtype is None else dtype_name(dtype)].dtype
    if own != wanted:
        raise DTypeError(
            f"row_sums: dtype {own}, but the sums of these rows are in {wanted}; pass what lsmx.row_sums returns for them"
        )
    return sums


def of_a_row(options: dict[str, Any]) -> tuple[dict[str, Array], dict[str, Any]]:
    """Options that are arrays of one number a row, and the others."""
    each = {name: value for name, value in options.items() if hasattr(value, "shape")}
    return each, {name: value for name, value in options.items() if name not in each}


def where_is(bad: Any) -> str:
    """The index of the first True, in words for a message."""
    return f"at {', '.join(map(str, np.argwhere(bad)[0]))} " if bad.ndim else ""


def check_classes(name: str, index: Array, z: Array, axis: Axis, ignored: int | None = None) -> int | None:
    """Raise if an index is outside of its row, and return how many are not ignored.

    None, without a check, where the values cannot be read now: results are NaN there. None also if other ranks have more rows.
    """
    serving("z", z)
    backend = serving(name, index)
    if backend.seen is None or not backend.seen(index) or dtype_name(index.dtype)[:3] not in ("int", "uin"):
        return None
    if (shape := shape_of(z)) is None:
        return None
    n = whole_length(shape, normal_axes(axis, len(shape)))
    values = np.asarray(backend.to_numpy(index))
    counts = None if ignored is None else values != ignored
    bad = (values < 0) | (values >= n)
    if counts is not None:
        bad &= counts
    if bad.any():
        masked = name == "index" and values[bad][0] < 0
        padding = "; where a row has none (padding), pass 0 and leave the result out" if masked else ""
        also = padding if ignored is None else f", or ignore_index={ignored}"
        raise ClassError(f"{name}: {values[bad][0]} {where_is(bad)}is no class of a row of {n}; accepted are 0 to {n - 1}{also}")
    if rows_are_divided():
        return None
    return values.size if counts is None else int(np.count_nonzero(counts))


def targets_are_classes(target: Array) -> bool:
    """Whether targets are classes, and not probabilities: by their dtype."""
    serving("target", target)
    given = dtype_name(target.dtype)
    if given == "bool":
        raise DTypeError("target: dtype bool, but classes are integers, and probabilities are floats; cast it")
    return given[:3] in ("int", "uin")


class Reduced(NamedTuple):
    """How one number a row becomes the result."""

    reduction: str
    divisor: Any = None  # of a mean: a number, or an array
    empty: str = "nan"

    def forward(self, v: Array) -> Array:
        """The rows' numbers as they are, their sum, or their sum over the divisor."""
        if self.reduction == "none":
            return v
        options = {"zero_if_empty": True} if self.empty == "zero" else {}
        return MEAN(v, self.over(v), axis=None, **options)

    def backward(self, g: Array, z: Array, axis: Axis) -> Array:
        """The cotangent of each row of ``z``."""
        if self.reduction == "none":
            return g
        xp, axes = namespace_of(serving("grad_output", g), g), normal_axes(axis, len(z.shape))
        if math.prod(g.shape) != 1:
            raise ShapeError(
                f"grad_output: shape {tuple(g.shape)}, but with reduction={self.reduction!r} the loss is one number: pass shape ()"
            )
        float_name("grad_output", g)
        v = xp.broadcast_to(g, reduced_shape(tuple(z.shape), axes, keepdims=False))
        return MEAN.derivative("backward", {"grad_output": g}, {"v": v, "divisor": self.over(v)}, None)

    def over(self, v: Array) -> Array:
        """The divisor of the sum, as an array that goes with ``v``."""
        divisor: Any = self.divisor if self.reduction == "mean" else 1.0
        if not hasattr(divisor, "shape"):
            return full_like(v, divisor)
        together("z", v, normalizer=divisor)
        wide, own = FORMAT_OF[float_name("v", v)].dtype, dtype_name(divisor.dtype)
        return divisor if own == wide else in_dtype(serving("v", v), divisor, wide, "normalizer")


def checked_normalizer(normalizer: Any, reduction: str) -> Any:
    """What a mean divides by: a number, or an array of one."""
    if normalizer is None:
        return None
    if reduction != "mean":
        raise ArgumentError(f'normalizer: given with reduction={reduction!r}, but it is for reduction="mean"')
    if hasattr(normalizer, "shape") and not isinstance(normalizer, np.generic):
        if tuple(normalizer.shape):
            raise ShapeError(f"normalizer: shape {tuple(normalizer.shape)}, but a mean has one divisor: shape ()")
        check_number("normalizer", dtype_name(normalizer.dtype))
        if is_bool(normalizer):
            raise DTypeError("normalizer: dtype bool, but a mean is divided by a number; pass one")
        return normalizer
    return nonnegative("normalizer", normalizer.item() if isinstance(normalizer, np.generic) else normalizer)


def class_weights(name: str, weight: Any) -> dict[str, Array]:
    """The class weights as the rules take them."""
    if weight is None:
        return {}
    if not hasattr(weight, "shape"):
        raise ArrayTypeError(
            f"{name}: {shown(weight)} is not an array; pass one of the logits' library with one number for each class"
        )
    return {"weight": weight}


def one_tangent(name: str) -> ArgumentError:
    """The error for two tangents, or none."""
    return ArgumentError(
        f"{name}_jvp: one of the two tangents is None, the other an array; the derivative along both is the sum of two calls"
    )


def full_like(v: Array, value: float) -> Array:
    """A 0-d array of a number, that goes with another array."""
    xp, device = place_of(serving("v", v), v)
    return xp.asarray(float(value), dtype=v.dtype, device=device)


def logits_in(z: Array, dtype: Any) -> Array:
    """Logits in the ``dtype=`` that was asked for."""
    return z if dtype is None else in_dtype(serving("z", z), z, dtype, "z")


def where_not_zero(counted: Array, x: Array) -> Array:
    """``x``, 0 where ``counted`` is."""
    xp = namespace_of(serving("x", x), x)
    return xp.where(counted != 0, x, xp.zeros_like(x))


def ranks(counts: Array) -> Array:
    """Counts as integers."""
    xp = namespace_of(serving("rank", counts), counts)
    return xp.astype(counts, xp.int32)


def short_stats(z: Array, index: Array, axis: Axis, where: Array | None) -> tuple[Array, Array, Array, Array] | None:
    """What `token_stats` returns, by the short ways of its four functions; None if there are none, or for large logits."""
    kind = type(z)
    short = shortcut("rank", "forward", kind)
    if short is None or (shape := shape_of(z)) is None or math.prod(shape) >= FEW_ELEMENTS:
        return None
    if dtype_name(z.dtype) not in ("float32", "float64"):
        return None
    counts = short(z, index, axis, where, None, None)
    if counts is None:
        return None
    log_prob, entropy, lse = (shortcuts[name, "forward", kind] for name in ("log_prob", "entropy", "logsumexp"))
    parts = log_prob(z, index, axis, where, None, None), entropy(z, axis, where, None, None), lse(z, axis, where, None, None)
    return None if any(x is None for x in parts) else (*parts, ranks(counts))


def check_choice(name: str, value: object, *choices: str) -> None:
    """Raise unless an option is one of a few words."""
    if not isinstance(value, str) or value not in choices:
        raise ArgumentValueError(f"{name}: {shown(value)} is none of {', '.join(map(repr, choices))}")


def fraction(name: str, value: object) -> float:
    """A number from 0 to 1."""
    number = number_of(value)
    if not 0.0 <= number <= 1.0:
        raise ArgumentValueError(f"{name}: {shown(value)} is not a number from 0 to 1; pass {known_now(value)}")
    return number


def nonnegative(name: str, value: object) -> float:
    """A finite number that is not negative."""
    number = number_of(value)
    if not 0.0 <= number < math.inf:
        raise ArgumentValueError(f"{name}: {shown(value)} is not a finite number of at least 0; pass {known_now(value)}")
    return number


def ignoring(ignore_index: object) -> dict[str, Any]:
    """``ignore_index`` as the rule takes it."""
    if ignore_index is None:
        return {"ignores": False}
    number = integer(ignore_index)
    if number is None:
        raise ArgumentError(f"ignore_index: {shown(ignore_index)} is not an integer; pass one, or None to ignore nothing")
    if not -(2**63) <= number < 2**63:
        raise ArgumentValueError(
            f"ignore_index: {number} is beyond 64 bits; pass an integer that is not, or None to ignore nothing"
        )
    return {} if number == -100 else {"ignore_index": number}


def ignored_by(rule: dict[str, Any]) -> int | None:
    """The index that is ignored, by what `ignoring` has found."""
    return rule.get("ignore_index", -100) if rule.get("ignores", True) else None


def rows_of(z: Array, axis: Axis) -> Any:
    """How many rows there are."""
    shape = reduced_shape(tuple(z.shape), normal_axes(axis, len(z.shape)), keepdims=False)
    if rows_are_divided():
        xp, device = place_of(serving("z", z), z)
        dtype = getattr(xp, FORMAT_OF[float_name("z", z)].dtype)
        return Reduced("sum").forward(xp.ones(shape, dtype=dtype, device=device))
    return math.prod(shape)
