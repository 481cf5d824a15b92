"""The compiled core's kernels for arrays in the host's memory: whether they take a call, and what they are given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from lsmx._call.backend import Kernel
from lsmx._call.cross_entropy_kernels import cross_entropy_plans
from lsmx._call.kernels import FUNCTIONS
from lsmx._call.loss_kernels import Operands, Runner, loss_plans
from lsmx._definition.checks import check_mask, normal_axes, reduced_shape, same_shape
from lsmx._definition.function import keep, recall
from lsmx._definition.kinds import ROW_SUMS, Axes
from lsmx._definition.mean import Mean
from lsmx._definition.ops import Array
from lsmx._errors import LsmxError
from lsmx._native.compiled import core, missing
from lsmx._native.host import BOOL, FLOAT32, FLOAT64, INT32, INT64, SWAPPED, HostMemory, View

NAME = "core"
IN_FORMAT = ("z", "w", "one", "numbers", "probabilities", "weight")
Found = str | Callable[[], Array]


def core_kernels(memory: HostMemory) -> tuple[Kernel, ...]:
    """The passes of the compiled core, for arrays in a memory: all directions of the library's own functions but Jacobians.

    Softmax's Jacobian is symmetric, so that its JVP is its backward pass.

    Parameters
    ----------
    memory : HostMemory
        How the library's arrays lie in the host's memory.

    Returns
    -------
    tuple of Kernel
        For a `Backend`.
    """
    tasks = [(name, direction, f"{name}_{direction}") for name in FUNCTIONS for direction in ("forward", "backward", "jvp")]
    tasks += [("log_softmax", direction, f"log_softmax_{direction}") for direction in ("backward_z", "jvp_z")]
    kernels = []
    for name, direction, passname in tasks:
        passname = passname.replace("softmax_jvp", "softmax_backward") if name == "softmax" else passname
        plan = forward(memory, name, passname) if direction == "forward" else derivative(memory, name, direction, passname)
        direct = partial(short_way, memory, passname)
        kernels.append(Kernel(NAME, name, direction, plan, warns=False, direct=direct, unavailable=without))
    passes = runner(memory)
    for (name, direction), plan in (loss_plans(passes) | cross_entropy_plans(passes)).items():
        way = partial(short_way, memory, f"{name}_{direction}")
        kernels.append(Kernel(NAME, name, direction, plan, warns=True, direct=way, unavailable=without))
    for direction, plan in mean_plans(memory).items():
        way = partial(short_way, memory, f"mean_of_rows_{direction}")
        kernels.append(Kernel(NAME, "mean_of_rows", direction, plan, warns=False, direct=way, unavailable=without))
    return tuple(kernels)


def mean_plans(memory: HostMemory) -> dict[str, Callable[..., Found]]:
    """The plans of the sum of one number a row over a divisor, and of its VJP, by direction."""

    def check(x: Array, divisor: Array, axis: Any, ndim: int, where: Array | None) -> tuple[View, View] | str:
        views = views_of(memory, (x, divisor), where)
        if core() is None or isinstance(views, str):
            return missing() or "no core" if core() is None else str(views)
        if where is not None:
            return "a mask"
        if views[0][1] not in (FLOAT32, FLOAT64) or views[1][1] != views[0][1]:
            return "numbers that are not of the format that is computed in"
        step = x.dtype.itemsize
        for n, stride in zip(views[0][2][::-1], views[0][3][::-1], strict=True):
            if stride != step and n != 1:
                return "numbers that do not lie one after the other"
            step *= n
        if not ndim or len(normal_axes(axis, ndim)) < ndim or tuple(divisor.shape):
            return "a mean of several rows, or none"
        return views[0], views[1]

    def mean(views: tuple[View, View], shape: tuple[int, ...], like: Array, zero_if_empty: bool) -> Array:
        module, out = core(), memory.empty(shape, like)
        assert module is not None
        module.mean(*views, memory.view(out), zero_if_empty)
        return out

    def forward(
        ctx: Any, v: Array, divisor: Array, /, *, axis: Any = -1, where: Array | None = None, zero_if_empty: bool = False
    ) -> Found:
        found = check(v, divisor, axis, len(v.shape), where)
        if isinstance(found, str):
            return found

        def run() -> Array:
            out = mean(found, (), v, zero_if_empty)
            keep(ctx, Mean, (v, divisor), out, axis, where)
            return out

        return run

    def backward(ctx: Any, g: Array, /) -> Found:
        v, divisor = ctx.saved_tensors
        axis, where = recall(ctx)
        if 0 in v.shape:
            return "no elements"
        if tuple(g.shape) or g.dtype != v.dtype:
            return "a cotangent of another shape or dtype"
        found = check(g, divisor, axis, len(v.shape), where)
        return found if isinstance(found, str) else (lambda: mean(found, tuple(v.shape), v, True))  # of a single number

    return {"forward": forward, "backward": backward}


def runner(memory: HostMemory) -> Runner:
    """How the passes of the losses are run on arrays in a memory."""

    def views(given: Operands) -> tuple[dict[str, View], View | None, View | None, View | None] | str:
        """Views of the arrays of numbers and of the mask, by name; of the index; of the temperatures; of ``row_sums``."""
        floats = {name: x for name in IN_FORMAT if (x := getattr(given, name)) is not None}
        listed = views_of(memory, list(floats.values()), given.where)
        if isinstance(listed, str):
            return listed
        found = dict(zip((*floats, "where"), listed, strict=False))
        index = None if given.index is None else memory.view(given.index)
        if isinstance(index, str) or (index is not None and index[1] % SWAPPED not in (INT32, INT64)):
            return index if isinstance(index, str) else "an index of neither int32 nor int64"
        each = memory.view(given.temperature) if hasattr(given.temperature, "shape") else None
        sums = None if given.row_sums is None else memory.view(given.row_sums)
        if isinstance(each, str) or isinstance(sums, str):
            return each if isinstance(each, str) else str(sums)
        if sums is not None and sums[1] != (FLOAT64 if found["z"][1] % SWAPPED == FLOAT64 else FLOAT32):
            return "row_sums that are not of the format that is computed in"
        return found, index, each, sums

    def refuse(given: Operands) -> str | None:
        if core() is None:
            return missing() or "no core"
        found = views(given)
        return found if isinstance(found, str) else None

    def run(passname: str, given: Operands, shape: tuple[int, ...], out: Array | None) -> Array:
        module, found = core(), views(given)
        assert module is not None
        assert not isinstance(found, str)
        arrays, index, each, sums = found
        z, one = arrays["z"], arrays.get("one")
        reduces, double = "_backward" not in passname, z[1] % SWAPPED == FLOAT64
        if "numbers" in arrays:  # several numbers a row, one after the other: the core is given the first
            address, kind, sizes, strides = arrays["numbers"]
            one = address, kind, sizes[:-1], strides[:-1]
        number = None
        if each is None and given.temperature != 1.0:
            number = np.full(1, given.temperature, np.float64 if double else np.float32)
            to = reduced_shape(tuple(given.z.shape), given.axes, False)
            each = number.ctypes.data, FLOAT64 if double else FLOAT32, to, (0,) * len(to)
        a, b = (z, arrays.get("w")) if one is None or "w" in arrays else (None, z)
        if "probabilities" in arrays:
            a, b = arrays["probabilities"], z
        result = memory.empty(shape, given.z, reduces)
        beside = index, each, sums, arrays.get("weight"), given.ignored, given.softcap, given.smoothing
        to_view, threads = memory.view(result), memory.threads()
        module.run(module.passes[passname], double, given.axes, a, b, one, arrays.get("where"), to_view, threads, *beside)
        return result

    return Runner(refuse, run)


def without() -> str | None:
    """Why there is no kernel, in few words."""
    return None if missing() is None else "the compiled core is missing"


def short_way(memory: HostMemory, passname: str) -> Callable[..., Array | None] | None:
    """The pass as one function of the core, for the commonest calls, if the core has one."""
    module = core()
    return None if module is None or not hasattr(module, passname) else memory.direct(module, passname)


def views_of(memory: HostMemory, arrays: Sequence[Array], mask: Array | None) -> list[View] | str:
    """The arrays and the mask as the core reads them, or why it cannot: they are computed in one format."""
    found: list[View] = []
    for x in arrays if mask is None else (*arrays, mask):
        view = memory.view(x)
        if isinstance(view, str):
            return view
        if view[1] != BOOL if x is mask else view[1] % SWAPPED > FLOAT64:
            return "not floats, with bools for a mask"
        found.append(view)
    doubles = {view[1] % SWAPPED == FLOAT64 for view in found[: len(arrays)]}
    return found if len(doubles) == 1 else "dtypes that are computed in different formats"


def offered(
    memory: HostMemory, module: Any, out: Array | None, shape: tuple[int, ...], like: View, read: list[View]
) -> View | None:
    """The caller's ``out``, if the result can be written there while the others are read: the same elements may be, no others."""
    if out is None or tuple(out.shape) != shape or not memory.is_writable(out):
        return None
    view = memory.view(out)
    if isinstance(view, str) or view[1] % SWAPPED != like[1] % SWAPPED or module.overlaps_itself(view):
        return None
    return None if any(module.overlap(x, view) for x in read) else view


def planned(
    memory: HostMemory,
    passname: str,
    ctx: Any,
    arrays: tuple[Array, ...],
    check: Callable[[Axes, Array | None], tuple[int, ...]],
    axis: Any,
    where: Array | None,
    one: bool,
    row_sums: Array | None = None,
) -> Found:
    """The plan of a pass on arrays, the last of which has the rows; ``check`` raises, or returns the shape of the result."""
    module = core()
    if module is None:
        return missing() or "no core"
    rows = arrays[-1]
    views = views_of(memory, arrays, where)
    if isinstance(views, str):
        return views
    if 0 in rows.shape:
        return "no elements"
    try:
        axes = normal_axes(axis, len(rows.shape))
        if where is not None:
            check_mask(where, tuple(rows.shape))
        shape = check(axes, where)
        if row_sums is not None:
            ROW_SUMS.check("row_sums", row_sums, rows.dtype, tuple(rows.shape), axes)
    except LsmxError as error:
        return str(error)
    like = views[len(arrays) - 1]
    out = offered(memory, module, ctx.out, shape, like, views)
    mask = None if where is None else views[-1]
    a, b = views[0], views[1] if len(arrays) > 1 else None
    operands = (None, b, a) if one else (a, b, None)
    sums = None if row_sums is None else memory.view(row_sums)
    if isinstance(sums, str):
        return sums
    beside = () if sums is None else (None, None, sums, None, None, 0.0, 0.0)

    def run() -> Array:
        result = memory.empty(shape, rows) if out is None else ctx.out
        to = memory.view(result) if out is None else out
        module.run(module.passes[passname], like[1] % SWAPPED == FLOAT64, axes, *operands, mask, to, memory.threads(), *beside)
        return result

    return run


def forward(memory: HostMemory, name: str, passname: str) -> Callable[..., Found]:
    """The plan of a forward pass."""
    function = FUNCTIONS[name]

    def plan(
        ctx: Any,
        z: Array,
        /,
        *,
        axis: Any = -1,
        where: Array | None = None,
        keepdims: bool = False,
        row_sums: Array | None = None,
    ) -> Found:
        def result(axes: Axes, where: Array | None) -> tuple[int, ...]:
            return reduced_shape(tuple(z.shape), axes, keepdims) if function.reduces else tuple(z.shape)

        found = planned(memory, passname, ctx, (z,), result, axis, where, False, row_sums)
        if isinstance(found, str):
            return found

        def run() -> Array:
            value = found()
            known = {} if row_sums is None else {"row_sums": row_sums}
            keep(ctx, function, (z,), value, axis, where, **({"keepdims": True} if keepdims else {}), **known)
            return value

        return run

    return plan


def derivative(memory: HostMemory, name: str, direction: str, passname: str) -> Callable[..., Found]:
    """The plan of a backward pass or a JVP, at the one array of a residual."""
    kind = direction.partition("_")[0]
    each = FUNCTIONS[name].reduces
    vector = "grad_output" if kind == "backward" else "tangent"

    def plan(ctx: Any, v: Array, /) -> Found:
        (y,) = ctx.saved_tensors
        shape = tuple(y.shape)

        def result(axes: Axes, where: Array | None) -> tuple[int, ...]:
            reduced = [reduced_shape(shape, axes, keepdims) for keepdims in (False, True)]
            same_shape(vector, tuple(v.shape), *(reduced if each and kind == "backward" else [shape]), of="the rows")
            return reduced[getattr(ctx, "keepdims", False)] if each and kind == "jvp" else shape

        known = getattr(ctx, "row_sums", None) if direction.endswith("_z") else None
        return planned(memory, passname, ctx, (v, y), result, *recall(ctx), each and kind == "backward", known)

    return plan
