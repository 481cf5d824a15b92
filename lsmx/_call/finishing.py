"""Operations on a part of rows that kernels can do once the sums of whole rows are known, as they need nothing else of other parts.

An index may be ``elsewhere``, in another part of its row: a forward pass then gives -inf (or +inf for a loss), and the largest
value (the least) of all parts is that of the row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lsmx._call.functions import every
from lsmx._call.operation import Operation, Options
from lsmx._definition.checks import ops_of
from lsmx._definition.function import OfParts
from lsmx._definition.kinds import INDEX, INDICES
from lsmx._definition.ops import NAN, Array
from lsmx._definition.parts import Arrays, Part
from lsmx._definition.rows import together
from lsmx._definition.words import Words


@dataclass(frozen=True)
class Finish:
    """How a direction is finished.

    Attributes
    ----------
    find
        The operation that gives `row_sums`, from the logits and what it takes beside them; None if they are among the arrays
        already.
    rest
        The operation itself in the variant that takes the sums as its last array.
    beside
        How many of the last arrays go to ``find``, too: the temperature.
    at
        Which of the arrays is an index into the row, if one is.
    of_parts
        How the values of all parts become that of the row: the largest or the least of them in a forward pass with an index.
    total
        Whether it is ``g - s sum(g)`` and asks for the sum of its vector, too: then ``rest`` is `RowGradient`.
    """

    find: Operation | None
    rest: Operation
    beside: int
    at: int | None
    of_parts: OfParts
    total: bool = False


def finish_of(operation: Operation) -> Finish | None:
    """How kernels finish an operation, if it needs nothing of whole rows but their sums; else None.

    Parameters
    ----------
    operation : Operation
        A direction of a registered function.

    Returns
    -------
    object or None
        The operations that find the sums and that do the rest.
    """
    forward = operation.family.get("forward")
    name, *given = [""] if forward is None else forward.name.split("_with_")
    operator = every().get(name)
    direction = next((key for key, one in operation.family.items() if one is operation), "")
    if operator is not None and direction in operator.function.by_total:
        at_logits, row_gradient = operator.function.by_total[direction], every()["row_gradient"]
        find = every()["row_sums"].operations["forward"] if at_logits and "row_sums" not in given else None
        rest = row_gradient.variants[("row_sums",) if at_logits else ()].operations["forward"]
        return Finish(find, rest, 0, None, OfParts.EACH_ITS_OWN, total=True)
    if operator is None or direction not in operator.function.by_sums or "weight" in given:
        return None
    temperature = tuple(option for option in given if option == "temperature")
    index = [i for i, kind in enumerate(operation.takes.values()) if kind in (INDEX, INDICES)]
    of_parts = operator.function.by_sums[direction]
    if "row_sums" in given:
        return Finish(None, operation, 0, index[0] if index else None, of_parts)
    find = every()["row_sums"].variants[temperature].operations["forward"]
    rest = operator.variants[(*given, "row_sums")].operations[direction]
    return Finish(find, rest, len(temperature), index[0] if index else None, of_parts)


def takes(finish: Finish, part: Part, arrays: Arrays, axis: Any, options: Options) -> bool:
    """Whether kernels can finish a call: they know no classes of other parts, and indices count along one axis.

    Where parts answer in rounds, the definition asks for the picked elements in the same round as for the sums: kernels would need
    one more round.
    """
    if options.get("label_smoothing") or (finish.at is not None and len(finish.rest.axes(arrays, axis)) != 1):
        return False
    return not (finish.of_parts and part.adapted is not None) and not (finish.total and part.row_sum is None)


def with_total(operation: Operation, arrays: Arrays, axis: Any, total: Words) -> Arrays:
    """The arrays of a gradient with the sum of its vector over whole rows, as `RowGradient` takes them."""
    g, at, *sums = arrays
    axes, ndim = operation.axes(arrays, axis), len(at.shape)
    ops = ops_of(at)
    return (at, g, together(ops, total, max(axes), ndim), *sums)


def finished(finish: Finish, part: Part, arrays: Arrays, axis: Any, where: Array | None, options: Options) -> Array:
    """The direction on a part of rows, with their sums among the arrays."""
    rest = finish.rest
    if finish.at is None:
        return rest.compute(arrays, axis, where, options, None)
    z, (a,) = arrays[rest.at], rest.axes(arrays, axis)
    ops = ops_of(z)
    xp, index, start = ops.xp, ops.integer(arrays[finish.at]), part.start[a]
    inside, here = (index >= 0) & (index < part.shape[a]), (index >= start) & (index < start + z.shape[a])
    every_option = {**rest.options, **options}
    ignored = every_option.get("ignore_index") if every_option.get("ignores") else None
    local, options = xp.where(here, index - start, xp.full_like(index, -1)), {**options, "elsewhere": True}
    if ignored is not None:  # in the part it is another number, which no class of the part has
        local, inside = xp.where(index == ignored, xp.full_like(index, -2), local), inside | (index == ignored)
        options["ignore_index"] = -2
    given = list(arrays)
    given[finish.at] = local
    if finish.of_parts is OfParts.EACH_ITS_OWN:  # the gradient of a row whose index is outside of the whole row is NaN
        g = given[0]
        given[0] = xp.where(xp.reshape(inside, g.shape), g, xp.full_like(g, NAN))
        return rest.compute(tuple(given), axis, where, options, None)
    value = rest.compute(tuple(given), axis, where, options, None)
    sign = finish.of_parts.value
    (largest,) = part.merged("max", (sign * value,))
    return xp.asarray(ops.where(inside, sign * largest, NAN))
