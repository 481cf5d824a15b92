"""Logits, masks and cotangents that are the same on every machine: integers of SplitMix64, scaled exactly.

SplitMix64: G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

BLOCK = 2**16  # elements of a caller's logits that are taken at a time, and of their Jacobians
JACOBIAN_LIMIT = 64  # columns of the largest Jacobian that is formed
Values = npt.NDArray[np.float64]


def words(seed: int, n: int, start: int = 0) -> npt.NDArray[np.uint64]:
    """``n`` words of SplitMix64 after the first ``start``."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(start + 1, start + n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(seed: int, *shape: int, start: int = 0) -> Values:
    """Multiples of 2^-40 in [0, 1)."""
    n = math.prod(shape)
    return ((words(seed, n, start) >> np.uint64(24)).astype(np.float64) * 2.0**-40).reshape(shape)


def normal(seed: int, *shape: int) -> Values:
    """Nearly normal: twelve uniforms added, less their mean. Exact."""
    total = np.zeros(shape)
    for i in range(12):
        total += uniform(seed, *shape, start=i * total.size)
    return total - 6.0


@dataclass(frozen=True)
class Case:
    """One input of the conformance kit: logits, the axis, a mask perhaps, and the seed of its cotangents.

    Attributes
    ----------
    name : str
        What it is called in the names of tests, and of digests.
    z : numpy.ndarray
        Logits in float64; a target rounds them to the dtype that is tried.
    axis : int, tuple of int or None, default -1
        The axis or axes of the rows.
    where : numpy.ndarray of bool, optional
        Mask, broadcastable to ``z``.
    seed : int, default 0
        Of the cotangents, tangents, and all else that is drawn.
    options : mapping, optional
        Those of the functions that know them: a number; for an array its kind, so that it is drawn; for an index how many there are
        along the axis.

    See Also
    --------
    cases : all that are generated.
    evaluate : run a function on one.

    Examples
    --------
    >>> import numpy as np
    >>> from lsmx.testing import Case
    >>> case = Case("own", np.asarray([[1.0, 2.0, 3.0]]), seed=7)
    >>> case.vector((1, 3)).shape
    (1, 3)
    """

    name: str
    z: Values
    axis: Any = -1
    where: npt.NDArray[np.bool_] | None = None
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    drawn: dict[tuple[int, ...], Values] = field(default_factory=dict, init=False, repr=False, compare=False)

    def vector(self, shape: tuple[int, ...]) -> Values:
        """A cotangent or tangent, drawn once for each shape; not to be written to.

        Parameters
        ----------
        shape : tuple of int
            Of the result, or of the argument that moves.

        Returns
        -------
        numpy.ndarray
            Numbers in float64.
        """
        if shape not in self.drawn:
            self.drawn[shape] = self.draw(shape)
            self.drawn[shape].flags.writeable = False
        return self.drawn[shape]

    def draw(self, shape: tuple[int, ...]) -> Values:
        """Some rows are one-hot, zero, tiny and wide in range.

        Parameters
        ----------
        shape : tuple of int
            Of the result, or of the argument that moves.

        Returns
        -------
        numpy.ndarray
            Numbers in float64, drawn anew.
        """
        n = shape[-1] if shape else 1
        g = np.array(normal(self.seed + 1000, *shape))
        flat = g.reshape(math.prod(shape[:-1]), n)
        flat[::6] = np.where(np.arange(n) == n // 2, -1.0, 0.0)
        flat[3::6] *= 0.0
        flat[4::6] *= 2.0**-100
        flat[5::6] *= 2.0 ** np.round(20 * flat[5::6])
        return g


def dominated(seed: int, rows: int, n: int) -> Values:
    """One logit leads the others by 5 to 30."""
    z = normal(seed, rows, n)
    z[np.arange(rows), np.arange(rows) % n] = z.max(axis=-1) + 5.0 + 25.0 * uniform(seed + 1, rows)
    return z


def far(seed: int, n: int) -> Values:
    """One logit leads the others, or two do, by up to 90, where their exponentials become 0; the maximum is ordinary, 0 or tiny."""
    lead = np.concatenate([np.arange(30.0, 90.0, 4.0), np.arange(86.0, 88.5, 0.25)])
    z = normal(seed, 4 * lead.size, n) * 0.25
    z[::2] *= 0.0
    z -= np.tile(lead, 4)[:, None]
    z[:, n // 2] = np.repeat([0.0, 1e-40, 1.5, 0.0], lead.size)
    z[3 * lead.size :, 0] = 0.0
    return z


def nasty() -> Values:
    """Rows that other implementations get wrong: infinities, NaN, huge and tiny numbers, ties."""
    inf, nan = np.inf, np.nan
    rows = [
        [1e8, 1e8, 0.0, -1e8],
        [nan, 1.0, 2.0, 3.0],
        [1.0, -nan, -inf, inf],
        [inf, 1.0, 2.0, 3.0],
        [-inf, 1.0, 2.0, -inf],
        [-inf, -inf, -inf, -inf],
        [-inf, -inf, -inf, 5.0],
        [0.0, -0.0, 0.0, -0.0],
        [3e38, -3e38, 3e38, 0.0],
        [1e-40, -1e-40, 1e-45, 0.0],
        [2.0**-126, 2.0**-127, -(2.0**-126), 0.0],
        [65504.0, -65504.0, 65500.0, 6e-8],
        [88.0, 0.0, -88.0, -104.0],
        [0.0, -87.0, -87.5, -86.5],
        [0.0, -16.6, -17.3, -1e30],
        [20.000001, 0.1234, -3.0, 0.77],
        [0.1, 0.1, 0.1, 0.1],
        [-708.5, -707.5, 0.0, -745.0],
        [1e300, 1e300, -1e300, 1.0],
        [5e-324, 0.0, -5e-324, 2.0**-1022],
    ]
    return np.asarray(rows)


def cases() -> list[Case]:
    """All generated inputs, small and large.

    Returns
    -------
    list of Case
        Ordinary rows and wide ones, masks, every place of the axis, infinities and NaN, empty arrays, a long row.

    See Also
    --------
    logits_cases : cases of logits of your own.
    evaluate : run a function on one.
    wanted : what it has to give.

    Examples
    --------
    >>> from lsmx.testing import cases
    >>> [(case.name, case.z.shape) for case in cases()][:3]
    [('normal', (17, 129)), ('wide', (9, 257)), ('dominated', (26, 100))]
    """
    mask = uniform(7, 12, 40) < 0.7
    mask[3], mask[4] = False, True
    masked = 6 * normal(8, 12, 40)
    masked[5, ::3] = np.where(mask[5, ::3], -np.inf, np.nan)
    block = 3 * normal(9, 4, 5, 6)
    near = 10 + uniform(5, 5, 300) * 2.0**-8
    return [
        Case("normal", 4 * normal(1, 17, 129), seed=1),
        Case("wide", 160 * uniform(2, 9, 257) - 80, seed=2),
        Case("dominated", dominated(3, 26, 100), seed=3),
        Case("far", far(19, 12), seed=19),
        Case("near-equal", near, seed=4),
        Case("short", 5 * normal(6, 200, 10), seed=5),
        Case("single", normal(10, 7, 1), seed=6),
        Case("pairs", np.stack([4 * normal(11, 64), 20 * normal(12, 64)], axis=-1), seed=7),
        Case("nasty", nasty(), seed=8),
        Case("masked", masked, where=mask, seed=9),
        Case("masked-row", 5 * normal(13, 6, 30), where=mask[:1, :30], seed=10),
        Case("axis-0", block, axis=0, seed=11),
        Case("axis-1", block, axis=1, seed=12),
        Case("axes-0-2", block, axis=(0, 2), seed=13),
        Case("axes-all", block, axis=None, seed=14),
        Case("scalar", np.asarray(1.25), axis=None, seed=15),
        Case("no-entries", np.zeros((3, 0)), seed=16),
        Case("no-rows", np.zeros((0, 3)), seed=17),
        Case("long", 3 * normal(14, 3, 128256), seed=18),
    ]


@dataclass(frozen=True)
class Logits:
    """A caller's own logits, reduced over the last axis, as cases of a few rows each that are made when they are asked for.

    Attributes
    ----------
    z
        An array, or what has ``shape`` and ``dtype`` and gives arrays for indices, such as a file that is read in parts.
    name
        Begins the names of the cases.
    step
        Rows of a case.
    """

    z: Any
    name: str
    step: int

    @property
    def rows(self) -> int:
        """How many there are."""
        return math.prod(self.z.shape[:-1])

    def __len__(self) -> int:
        return -(-self.rows // self.step)

    def __iter__(self) -> Iterator[Case]:
        for start in range(0, self.rows, self.step):
            stop = min(start + self.step, self.rows)
            values = np.array(self.read(start, stop), dtype=np.float64)
            yield Case(f"{self.name} rows {start} to {stop - 1}", values, seed=99 + start)

    def read(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Some rows, in C order of the axes before the last, without a look at the others."""
        *kept, n = self.z.shape
        if len(kept) == 1:
            part = self.z[start:stop]
        else:
            part = self.z[np.unravel_index(np.arange(start, stop), kept)] if kept else self.z[:]
        return np.asarray(part).reshape(stop - start, n)


def logits_cases(z: Any, name: str) -> Logits:
    """A caller's own logits, reduced over the last axis, in blocks of rows that fit into memory many times over.

    Parameters
    ----------
    z : array
        An array of real numbers, or what has ``shape`` and ``dtype`` and gives arrays for indices, such as a memory map.
    name : str
        Begins the names of the cases.

    Returns
    -------
    Logits
        An iterable of `Case`. Each is made when its turn comes, in every iteration anew.

    Raises
    ------
    ValueError
        They are not real numbers, or have no axis.

    See Also
    --------
    cases : all that are generated.

    Examples
    --------
    >>> import numpy as np
    >>> from lsmx.testing import logits_cases
    >>> [case.name for case in logits_cases(np.zeros((3, 40000)), "z")]
    ['z rows 0 to 0', 'z rows 1 to 1', 'z rows 2 to 2']
    """
    if z.dtype.kind not in "fiu" or z.dtype.itemsize > 8:
        raise ValueError(f"{name}: an array of {z.dtype}; logits are real numbers of at most 64 bits")
    if not z.shape:
        raise ValueError(f"{name}: an array with 0 axes; logits have rows along the last of at least one axis")
    n = z.shape[-1]
    return Logits(z, name, max(1, BLOCK // max(1, n * n if n <= JACOBIAN_LIMIT else n)))
