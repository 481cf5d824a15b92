"""What a server or a trainer computed, as it was given: read, checked, and brought to the host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lsmx import ArgumentError, ClassError, DTypeError, ShapeError, log_prob
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
        drawn = serving("tokens", tokens).to_numpy(tokens)
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
    mask = serving("where", where).to_numpy(where)
    if mask.dtype != np.bool_:
        raise DTypeError(f"where: dtype {dtype_name(where.dtype)}, but a mask is bool: pass mask == 1")
    if mask.shape != shape:
        whole = "; these are whole rows if their last axis is the classes, and need tokens=" if mask.shape == shape[:-1] else ""
        raise ShapeError(f"where: shape {mask.shape}, but the tokens have {shape}; give a bool for each{whole}")
    return np.flatnonzero(mask)


def on_host(name: str, x: Array) -> Values:
    """Floats of any library as NumPy's, in their own dtype; bfloat16 as float32, which is exact."""
    backend = serving(name, x)
    if (given := dtype_name(x.dtype)).startswith(("int", "uint")):
        bfloat16 = "; bits of bfloat16 are to be viewed as such first" if given == "uint16" else ""
        raise DTypeError(f"{name}: dtype {given}, but logits and log-probs are floats{bfloat16}")
    wide = np.dtype("float32" if float_name(name, x) == "bfloat16" else float_name(name, x))
    return np.asarray(backend.to_numpy(x), wide)


def read(name: str, x: Array, tokens: Tokens, rows: str, temperature: Any) -> Side:
    """One side, at the tokens that count."""
    values, dtype = on_host(name, x), float_name(name, x)
    if values.shape == tokens.shape:
        return Side(f"{dtype} log-probs of tokens {values.shape}", negative(name, values.ravel()[tokens.kept]), None)
    if tokens.classes is None or values.shape[:-1] != tokens.shape:
        whole = "" if tokens.classes is None else f", or ({', '.join([*map(str, tokens.shape), 'classes'])}) for whole rows"
        raise ShapeError(f"{name}: shape {values.shape}; accepted are {tokens.shape} for the log-probs of tokens{whole}")
    size = values.shape[-1]
    if (wrong := np.flatnonzero((tokens.classes < 0) | (tokens.classes >= size))).size:
        raise ClassError(
            f"tokens: {tokens.classes[wrong[0]]} at {tokens.at(wrong[0])} is no class of the rows of {name}; accepted are 0 to "
            f"{size - 1}, or anything where the mask (where=) is False"
        )
    flat = values.reshape(-1, size)
    flat = flat if len(tokens.kept) == len(flat) else flat[tokens.kept]
    if rows == "log_probs":
        return Side(f"{dtype} rows of log-probs {values.shape}", negative(name, flat[np.arange(len(flat)), tokens.classes]), flat)
    return Side(f"{dtype} logits {values.shape}", log_prob(flat, tokens.classes, temperature=temperature), flat)


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
    if not getattr(temperature, "shape", ()):
        return temperature
    values = on_host("temperature", temperature)
    if values.shape != tokens.shape:
        raise ShapeError(f"temperature: shape {values.shape}, but the tokens have {tokens.shape}; give a number, or one for each")
    return values.ravel()[tokens.kept]
