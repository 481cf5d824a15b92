"""From arrays to rows: rows that lie one after the other are taken as they are, all others through tiles.

A tile is one row per lane, laid out so that a vector holds one element of each. It is filled from any strides, and is small enough
to stay in the cache.
"""

from lsmx._fused.transpose import turn_in, turn_out
from lsmx._fused.vectors import (
    distance,
    inlined,
    integer,
    load,
    load_integer,
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
        rule(shift(a, row * sa), shift(b, row * sb), shift(c, row * sc), shift(out, row * so), n, True, (sa, sb, 0))


@inlined
def offset(row, inner, outer_stride, inner_stride):
    """Where a row begins: rows are numbered along two axes that are kept."""
    if inner == 1:
        return row * outer_stride
    return (row // inner) * outer_stride + (row % inner) * inner_stride


@inlined
def together(start, count, inner, inner_stride):
    """Whether rows lie side by side, so that a vector holds one element of each."""
    return inner_stride == 1 and start % inner + count <= inner


@inlined
def gather(x, tile, n, start, last, inner, strides, group):
    """Fill neighbouring tiles with the rows from ``start`` on; past the last one, with the last one again."""
    W = integer(tile, "lanes")
    outer_stride, inner_stride, along = strides
    if start + W * group - 1 <= last and together(start, W * group, inner, inner_stride):
        source = shift(x, offset(start, inner, outer_stride, inner_stride))
        for j in range(n):
            for t in range(group):
                store(tile, (t * n + j) * W, load(source, j * along + t * W))
    elif along == 1 and inner == 1:
        for t in range(group):
            for j in range(0, n, W):
                turn_in(x, shift(tile, t * n * W), start + t * W, last, outer_stride, j, min(W, n - j))
    else:
        for i in range(W * group):
            source = shift(x, offset(min(start + i, last), inner, outer_stride, inner_stride))
            target = shift(tile, i // W * n * W + i % W)
            for j in range(n):
                store_one(target, j * W, load_one(source, j * along))


@inlined
def scatter(tile, x, n, start, last, inner, strides, group):
    """Write the rows of neighbouring tiles."""
    W = integer(tile, "lanes")
    outer_stride, inner_stride, along = strides
    if start + W * group - 1 <= last and together(start, W * group, inner, inner_stride):
        target = shift(x, offset(start, inner, outer_stride, inner_stride))
        for j in range(n):
            for t in range(group):
                store(target, j * along + t * W, load(tile, (t * n + j) * W))
    elif along == 1 and inner == 1:
        for t in range(group):
            for j in range(0, n, W):
                turn_out(shift(tile, t * n * W), x, start + t * W, last, outer_stride, j, min(W, n - j))
    else:
        for i in range(min(W * group, last + 1 - start)):
            target = shift(x, offset(start + i, inner, outer_stride, inner_stride))
            source = shift(tile, i // W * n * W + i % W)
            for j in range(n):
                store_one(target, j * along, load_one(source, j * W))


@inlined
def over_tiles(rule, a, b, c, out, na, nb, nc, nout, n, start, stop, table):
    """Rows at any strides. Of each row, an operand has ``n`` elements, or 1, or none.

    The table holds how many tiles to fill at a time, how many rows there are along the inner one of the two axes that are kept, the
    address of scratch memory, and for every operand its strides along the outer axis, the inner one, and the one that is reduced,
    in elements. It is 0 for rows that lie one after the other and need no more than the ``STACK``.
    """
    group, inner, scratch = 1, 1, stack()
    sa, sb, sc, so = (na, 0, 1), (nb, 0, 1), (nc, 0, 1), (nout, 0, 1)
    if table != 0:
        group, inner, scratch = load_integer(table, 0), load_integer(table, 1), load_integer(table, 2)
        sa, sb, sc, so = strides(table, 3), strides(table, 6), strides(table, 9), strides(table, 12)
    W = integer(a, "lanes")
    size = 64 * group
    ta = tile_at(scratch, a)
    tb = tile_at(scratch + size * na, a)
    tc = tile_at(scratch + size * (na + nb), a)
    # a rule is done with an element before it writes there
    to = ta if nout == na else tb if nout == nb else tile_at(scratch + size * (na + nb + nc), a)
    for row in range(start, stop, W * group):
        gather(a, ta, na, row, stop - 1, inner, sa, group)
        gather(b, tb, nb, row, stop - 1, inner, sb, group)
        gather(c, tc, nc, row, stop - 1, inner, sc, group)
        for t in range(group):
            at = t * W
            x, y, z, o = shift(ta, at * na), shift(tb, at * nb), shift(tc, at * nc), shift(to, at * nout)
            there = row + at
            ahead = (
                distance(x, a, (there + W * group) * sa[0]) if inner == 1 else 0,
                distance(y, b, (there + W * group) * sb[0]) if inner == 1 else 0,
                distance(o, out, there * so[0]) if inner == 1 else 0,
            )
            rule(x, y, z, o, n * W, False, ahead)
        scatter(to, out, nout, row, stop - 1, inner, so, group)


@inlined
def strides(table, i):
    return load_integer(table, i), load_integer(table, i + 1), load_integer(table, i + 2)
