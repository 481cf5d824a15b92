"""From arrays to rows: rows that lie one after the other are taken as they are, all others through tiles.

A tile is one row per lane, laid out so that a vector holds one element of each. It is filled from any strides, and is small enough
to stay in the cache.
"""

from lsmx._fused.vectors import (
    STACK,
    inlined,
    integer,
    load,
    load_one,
    shift,
    stack,
    store,
    store_one,
    tile_at,
)


@inlined
def over_rows(rule, a, b, c, out, n, start, stop, sa, sb, sc, so):
    """Rows of ``n`` elements that are neighbours; the rows of an operand are so many elements apart."""
    for row in range(start, stop):
        rule(shift(a, row * sa), shift(b, row * sb), shift(c, row * sc), shift(out, row * so), n, True, sa)


@inlined
def offset(row, inner, outer_stride, inner_stride):
    """Where a row begins: rows are numbered along two axes that are kept."""
    if inner == 1:
        return row * outer_stride
    return (row // inner) * outer_stride + (row % inner) * inner_stride


@inlined
def gather(x, tile, n, start, last, inner, strides):
    """Fill a tile with the rows from ``start`` on; past the last one, with the last one again."""
    W = integer(tile, "lanes")
    outer_stride, inner_stride, along = strides
    if inner_stride == 1 and start % inner + W <= inner and start + W - 1 <= last:
        source = shift(x, offset(start, inner, outer_stride, inner_stride))
        for j in range(n):
            store(tile, j * W, load(source, j * along))
    else:
        for i in range(W):
            source = shift(x, offset(min(start + i, last), inner, outer_stride, inner_stride))
            for j in range(n):
                store_one(tile, j * W + i, load_one(source, j * along))


@inlined
def scatter(tile, x, n, start, last, inner, strides):
    """Write the rows of a tile."""
    W = integer(tile, "lanes")
    outer_stride, inner_stride, along = strides
    if inner_stride == 1 and start % inner + W <= inner and start + W - 1 <= last:
        target = shift(x, offset(start, inner, outer_stride, inner_stride))
        for j in range(n):
            store(target, j * along, load(tile, j * W))
    else:
        for i in range(min(W, last + 1 - start)):
            target = shift(x, offset(start + i, inner, outer_stride, inner_stride))
            for j in range(n):
                store_one(target, j * along, load_one(tile, j * W + i))


@inlined
def over_tiles(rule, a, b, c, out, na, nb, nc, nout, n, inner, start, stop, scratch, sa, sb, sc, so):
    """Rows at any strides: those of an operand are of the two axes that are kept, and of the one that is reduced, in elements."""
    W = integer(a, "lanes")
    size = 64
    if size * (na + nb + nc + nout) <= STACK:
        scratch = stack()
    ta = tile_at(scratch, a)
    tb = tile_at(scratch + size * na, a)
    tc = tile_at(scratch + size * (na + nb), a)
    to = tile_at(scratch + size * (na + nb + nc), a)
    for row in range(start, stop, W):
        gather(a, ta, na, row, stop - 1, inner, sa)
        gather(b, tb, nb, row, stop - 1, inner, sb)
        gather(c, tc, nc, row, stop - 1, inner, sc)
        rule(ta, tb, tc, to, n * W, False, 0)
        scatter(to, out, nout, row, stop - 1, inner, so)
