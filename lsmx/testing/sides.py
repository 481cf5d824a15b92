"""What a server or a trainer computed, as it was given: read, checked, and brought to the host."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lsmx import ArgumentError, ArrayTypeError, ClassError, DTypeError, ShapeError, log_prob
from lsmx.extend import Array, dtype_name, float_name, serving

Values = npt.NDArray[Any]
Shape = tuple[int, ...]
ABOVE_ZERO = 1e-3  # nats: more than any rounding of a log-prob


@dataclass(frozen=True)
class Side:
    """The log-prob of each token that counts, and whole rows where they were given; ``said`` is what was given, in words."""

    said: str
    chosen: Values
    rows: Values | None


@dataclass(frozen=True)
class Tokens:
    """The shape of the tokens, the numbers of those that count, and their classes, if they were given."""

    shape: Shape
    kept: Values
    classes: Values | None

    @classmethod
    def of(cls, tokens: Array | None, where: Array | None, like: Array) -> Tokens:
        """Of the arguments; without tokens of the shape of ``like``."""
        if tokens is None:
            shape = tuple(getattr(like, "shape", ()))
            return cls(shape, counted(where, shape), None)
        drawn = to_host("tokens", tokens)
        if drawn.dtype.kind not in "iu":
            raise DTypeError(f"tokens: dtype {dtype_name(tokens.dtype)}, but classes are integers: cast them")
        kept = counted(where, drawn.shape)
        return cls(drawn.shape, kept, drawn.ravel()[kept])

    def at(self, i: int) -> Shape:
        """The index of one of those that count."""
        return tuple(int(k) for k in np.unravel_index(int(self.kept[i]), self.shape))


def counted(where: Array | None, shape: Shape) -> Values:
    """The numbers of the tokens that count."""
    if where is None:
        return np.arange(int(np.prod(shape)))
    mask = to_host("where", where)
    if mask.dtype != np.bool_:
        raise DTypeError(f"where: dtype {dtype_name(where.dtype)}, but a mask is bool: pass mask == 1")
    if mask.shape != shape:
        whole = "; these are whole rows if their last axis is the classes, and need tokens=" if mask.shape == shape[:-1] else ""
        raise ShapeError(f"where: shape {mask.shape}, but the tokens have {shape}; give a bool for each{whole}")
    return np.flatnonzero(mask)


def to_host(name: str, x: Array) -> Values:
    """An array of any library as NumPy's."""
    backend = serving(name, x)
    try:
        return np.asarray(backend.to_numpy(x))
    except Exception as error:  # whatever a library raises about numbers that are not there, or not in one piece
        said = " ".join(str(error).split())
        raise ArrayTypeError(f"{name}: cannot be brought to the host ({said}); convert it to an array of NumPy first") from error


def on_host(name: str, x: Array) -> Values:
    """Floats of any library as NumPy's, in their own dtype; bfloat16 as float32, which is exact."""
    serving(name, x)
    if (given := dtype_name(x.dtype)).startswith(("int", "uint")):
        bfloat16 = "; bits of bfloat16 are to be viewed as such first" if given == "uint16" else ""
        raise DTypeError(f"{name}: dtype {given}, but logits and log-probs are floats{bfloat16}")
    wide = np.dtype("float32" if float_name(name, x) == "bfloat16" else float_name(name, x))
    return to_host(name, x).astype(wide, copy=False)


def read(name: str, x: Array, tokens: Tokens, rows: str, temperature: Any) -> Side:
    """One side, at the tokens that count."""
    values, dtype = on_host(name, x), float_name(name, x)
    if values.shape == tokens.shape:
        return Side(f"{dtype} log-probs of tokens {values.shape}", negative(name, values.ravel()[tokens.kept]), None)
    if tokens.classes is None or values.shape[:-1] != tokens.shape:
        whole = "" if tokens.classes is None else f", or ({', '.join([*map(str, tokens.shape), 'classes'])}) for whole rows"
        raise ShapeError(f"{name}: shape {values.shape}; accepted are {tokens.shape} for the log-probs of tokens{whole}")
    size = values.shape[-1]
    if len(tokens.kept) and not size:
        raise ShapeError(f"{name}: rows of 0 classes, in which there is no token")
    if (wrong := np.flatnonzero((tokens.classes < 0) | (tokens.classes >= size))).size:
        raise ClassError(
            f"tokens: {tokens.classes[wrong[0]]} at {tokens.at(wrong[0])} is no class of the rows of {name}; accepted are 0 to "
            f"{size - 1}, or anything where the mask (where=) is False"
        )
    flat = values.reshape(math.prod(tokens.shape), size)
    flat = flat if len(tokens.kept) == len(flat) else flat[tokens.kept]
    if rows == "log_probs":
        return Side(f"{dtype} rows of log-probs {values.shape}", negative(name, flat[np.arange(len(flat)), tokens.classes]), flat)
    return Side(f"{dtype} logits {values.shape}", chosen_of(flat, tokens, temperature), flat)


def chosen_of(rows: Values, tokens: Tokens, temperature: Any, dtype: Any = np.float32) -> Values:
    """The log-probs of tokens in rows of logits, computed in their format or a wider one."""
    wide = np.result_type(rows, dtype, np.float32)
    assert tokens.classes is not None
    return log_prob(rows.astype(wide, copy=False), tokens.classes, temperature=in_format(temperature, wide))


def in_format(temperature: Any, dtype: Any) -> Any:
    """The temperatures of tokens in the format of the logits; a number as it is."""
    return temperature.astype(dtype) if isinstance(temperature, np.ndarray) else temperature


def negative(name: str, chosen: Values) -> Values:
    """Log-probs, if they can be."""
    if (chosen > ABOVE_ZERO).any():
        raise ArgumentError(
            f"{name}: {chosen[chosen > ABOVE_ZERO][0]:.6g} among the log-probs of tokens, which are at most 0; give natural "
            "logarithms of probabilities (no probabilities, no losses), or whole rows of logits with tokens="
        )
    return chosen


def per_token(temperature: Any, tokens: Tokens) -> Any:
    """A number, or one for each token that counts."""
    if not hasattr(temperature, "shape"):
        return temperature
    values = on_host("temperature", temperature)
    if not values.shape:
        return values.item()
    if values.shape != tokens.shape:
        raise ShapeError(f"temperature: shape {values.shape}, but the tokens have {tokens.shape}; give a number, or one for each")
    return values.ravel()[tokens.kept]
