"""What Numba compiles, when it is first called, and keeps on disk: for each pass, one function over rows and one over tiles.

All arguments are integers: addresses, counts, and strides in elements. ``tag`` begins with the dtype. It ends with a digest of the
source, as Numba looks for changes in this file only, and would otherwise take from disk what older sources gave.
"""

import hashlib
from importlib import resources

import numba

from lsmx._fused import backward, forward
from lsmx._fused.vectors import pointer
from lsmx._fused.walks import over_rows, over_tiles

compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


def digest() -> str:
    """Of everything that the kernels are made from."""
    sha = hashlib.sha256()
    for package in ("lsmx._fused", "lsmx._definition"):
        for file in sorted(resources.files(package).iterdir(), key=lambda f: f.name):
            if file.name.endswith(".py"):
                sha.update(file.read_bytes())
    return sha.hexdigest()[:16]


def log_softmax_forward(tag):
    @compiled
    def rows(a, b, c, out, n, start, stop, sa, sb, sc, so):
        a, b, c, out = pointer(a, tag), pointer(b, tag), pointer(c, tag), pointer(out, tag)
        over_rows(forward.log_softmax, a, b, c, out, n, start, stop, sa, sb, sc, so)

    @compiled
    def tiles(a, b, c, out, n, start, stop, table):
        a, b, c, out = pointer(a, tag), pointer(b, tag), pointer(c, tag), pointer(out, tag)
        over_tiles(forward.log_softmax, a, b, c, out, n, 0, 0, n, n, start, stop, table)

    return rows, tiles


def softmax_forward(tag):
    @compiled
    def rows(a, b, c, out, n, start, stop, sa, sb, sc, so):
        a, b, c, out = pointer(a, tag), pointer(b, tag), pointer(c, tag), pointer(out, tag)
        over_rows(forward.softmax, a, b, c, out, n, start, stop, sa, sb, sc, so)

    @compiled
    def tiles(a, b, c, out, n, start, stop, table):
        a, b, c, out = pointer(a, tag), pointer(b, tag), pointer(c, tag), pointer(out, tag)
        over_tiles(forward.softmax, a, b, c, out, n, 0, 0, n, n, start, stop, table)

    return rows, tiles


def logsumexp_forward(tag):
    @compiled
    def rows(a, b, c, out, n, start, stop, sa, sb, sc, so):
        a, b, c, out = pointer(a, tag), pointer(b, tag), pointer(c, tag), pointer(out, tag)
        over_rows(forward.logsumexp, a, b, c, out, n, start, stop, sa, sb, sc, so)

    @compiled
    def tiles(a, b, c, out, n, start, stop, table):
        a, b, c, out = pointer(a, tag), pointer(b, tag), pointer(c, tag), pointer(out, tag)
        over_tiles(forward.logsumexp, a, b, c, out, n, 0, 0, 1, n, start, stop, table)

    return rows, tiles


def log_softmax_backward(tag):
    @compiled
    def rows(a, b, c, out, n, start, stop, sa, sb, sc, so):
        a, b, c, out = pointer(a, tag), pointer(b, tag), pointer(c, tag), pointer(out, tag)
        over_rows(backward.log_softmax, a, b, c, out, n, start, stop, sa, sb, sc, so)

    @compiled
    def tiles(a, b, c, out, n, start, stop, table):
        a, b, c, out = pointer(a, tag), pointer(b, tag), pointer(c, tag), pointer(out, tag)
        over_tiles(backward.log_softmax, a, b, c, out, n, n, 0, n, n, start, stop, table)

    return rows, tiles


def softmax_backward(tag):
    @compiled
    def rows(a, b, c, out, n, start, stop, sa, sb, sc, so):
        a, b, c, out = pointer(a, tag), pointer(b, tag), pointer(c, tag), pointer(out, tag)
        over_rows(backward.softmax, a, b, c, out, n, start, stop, sa, sb, sc, so)

    @compiled
    def tiles(a, b, c, out, n, start, stop, table):
        a, b, c, out = pointer(a, tag), pointer(b, tag), pointer(c, tag), pointer(out, tag)
        over_tiles(backward.softmax, a, b, c, out, n, n, 0, n, n, start, stop, table)

    return rows, tiles


def logsumexp_backward(tag):
    @compiled
    def rows(a, b, c, out, n, start, stop, sa, sb, sc, so):
        a, b, c, out = pointer(a, tag), pointer(b, tag), pointer(c, tag), pointer(out, tag)
        over_rows(backward.logsumexp, a, b, c, out, n, start, stop, sa, sb, sc, so)

    @compiled
    def tiles(a, b, c, out, n, start, stop, table):
        a, b, c, out = pointer(a, tag), pointer(b, tag), pointer(c, tag), pointer(out, tag)
        over_tiles(backward.logsumexp, a, b, c, out, 1, n, 1, n, n, start, stop, table)

    return rows, tiles
