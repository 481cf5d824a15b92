r"""The digest of an array: a number that the order in which the elements are seen, and the parts they come in, do not change.

Element ``i`` in C order, from 0, with the bits ``b_i`` as an unsigned integer, gives in integers modulo 2^64

    h_i = mix(i G + b_i H),                      A = sum h_i
    k_i = last(h_i),                             B = sum k_i

    mix(x):   x ^= x >> 30, x *= P;  x ^= x >> 27, x *= Q;  x ^= x >> 31
    last(h):  h ^= h >> 32, h *= R;  h ^= h >> 29

and the digest is A and B in hexadecimal. Sums of integers are associative. ``mix`` is the finaliser "Mix13" of D. Stafford
("Better bit mixing: improving on MurmurHash3's 64-bit finalizer", 2011), which is that of SplitMix64 (Steele, Lea, Flood, "Fast
splittable pseudorandom number generators", OOPSLA 2014), as ``G`` is its increment; ``R`` is a multiplier of MurmurHash3 (A.
Appleby). ``H`` is odd, so that another ``b_i`` is another ``h_i``: one changed element always changes the digest. Where more have
changed, chance alone could keep it.

It is against accidents, not against people: who wants to can find two arrays with one digest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

G, H = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
P, Q, R = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB), np.uint64(0xFF51AFD7ED558CCD)
MODULUS = 2**64
TILE = 2**15  # elements that are mixed at a time, in cache


class Sums:
    """``A`` and ``B`` of some elements; those of disjoint parts add up."""

    def __init__(self, a: int = 0, b: int = 0) -> None:
        self.a, self.b = a % MODULUS, b % MODULUS

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.a + other.a, self.b + other.b)

    def __str__(self) -> str:
        return f"{self.a:016x}{self.b:016x}"


def sums_of(part: npt.NDArray[Any], at: Sequence[int], shape: Sequence[int]) -> Sums:
    """The sums of a part of an array.

    Parameters
    ----------
    part
        Its elements, of at most 8 bytes each.
    at
        The place of its first element in the array.
    shape
        Of the array.
    """
    bits = bits_of(part)
    if not bits.size:
        return Sums()
    inner = bits.shape[-1]
    strides = [int(np.prod(shape[a + 1 :], dtype=object)) for a in range(len(shape))]
    first = np.full(bits.shape[:-1], sum(i * s for i, s in zip(at, strides, strict=True)), np.uint64)  # of each inner row
    for a, n in enumerate(part.shape[:-1]):
        steps = np.arange(n, dtype=np.uint64) * np.uint64(strides[a])
        first += steps.reshape(-1, *[1] * (first.ndim - 1 - a))
    many = min(inner, TILE)
    rows = max(1, TILE // many)
    flat, starts = bits.reshape(-1, inner), first.reshape(-1, 1) * G
    along = np.arange(inner, dtype=np.uint64) * G
    total = Sums()
    for r in range(0, len(flat), rows):
        for c in range(0, inner, many):
            total += mixed(flat[r : r + rows, c : c + many], starts[r : r + rows], along[c : c + many])
    return total


def bits_of(part: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The bits of each element as an unsigned integer, of an array with one axis at least."""
    native = np.ascontiguousarray(part, dtype=part.dtype.newbyteorder("="))  # a 0-d array gets an axis
    return native.view(f"u{native.dtype.itemsize}")


def mixed(bits: npt.NDArray[Any], starts: Words, along: Words) -> Sums:
    """The sums of a tile: ``starts`` are ``i G`` of the first element of each row, ``along`` what is added from there on."""
    x = bits * H
    x += starts
    x += along
    y = np.empty_like(x)
    for shift, factor in ((30, P), (27, Q)):
        fold(x, shift, y)
        x *= factor
    fold(x, 31, y)
    a = int(x.sum(dtype=np.uint64))
    fold(x, 32, y)
    x *= R
    fold(x, 29, y)
    return Sums(a, int(x.sum(dtype=np.uint64)))


def fold(x: Words, shift: int, y: Words) -> None:
    """``x ^= x >> shift``, in place."""
    np.right_shift(x, np.uint64(shift), out=y)
    np.bitwise_xor(x, y, out=x)
