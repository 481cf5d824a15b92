"""Log-probs and cross-entropy fused with the last product of a model: ``z = h W^T + b``, in chunks of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Never

from lsmx._call.chunks import check_beside, check_product, chunk_of, in_chunks, product
from lsmx._call.deferred import publish
from lsmx._call.losses import (
    CROSS_ENTROPY,
    LOG_PROB,
    TARGET_WEIGHT,
    Reduced,
    check_choice,
    check_classes,
    checked_normalizer,
    class_weights,
    ignored_by,
    of_a_row,
    scaling,
)
from lsmx._call.operator import namespace_of, serving, together
from lsmx._call.spelling import honest, misspelt
from lsmx._definition.checks import check_dtype_like, float_name, same_shape
from lsmx._definition.ops import Array
from lsmx._losses import Reduction, options_of_cross_entropy
from lsmx._typing import DTypeLike


@honest
def linear_log_prob(
    h: Array = None,
    weight: Array = None,
    index: Array = None,
    /,
    *extra: Never,
    bias: Array | None = None,
    chunk: int | None = None,
    temperature: Any = 1.0,
    softcap: float | None = None,
    dtype: DTypeLike | None = None,
    **unknown: Never,
) -> Array:
    """`log_prob` of the logits ``h W^T + b``, fused with that product: the logits are never there all at once.

    Parameters
    ----------
    h : array
        Hidden states, of any shape ``(..., D)``.
    weight : array
        The last layer's weights ``W``, of shape ``(classes, D)``.
    index : array of int
        Classes, of the shape of ``h`` without its last axis.
    bias : array, optional
        The last layer's bias ``b``, of shape ``(classes,)``.
    chunk : int, optional
        How many rows of logits are computed at a time; 1024 by default.
    temperature : float or array, default 1.0
        The logits are divided by it: a positive number, or an array of one for each row.
    softcap : float, optional
        If given, the logits are first capped: ``softcap * tanh(z / softcap)``, before ``temperature``.
    dtype : dtype or str, optional
        Cast the logits to this dtype before anything else, and the result too. Without it, 16-bit logits give float32.

    Returns
    -------
    array
        Of the shape of ``index``, in float32 or float64, or in ``dtype``.

    Raises
    ------
    ArrayTypeError
        Something that is not an array, or arrays of different libraries.
    DTypeError
        Hidden states or weights that hold no floats, a ``dtype`` that is no float dtype, or ``index`` does not hold integers.
    ShapeError
        Shapes that do not fit together.
    DeviceError
        Arrays on different devices.
    ArgumentValueError
        An option whose value means nothing: a ``temperature`` or ``softcap`` that is not positive, a ``chunk`` below 1.
    ArgumentError
        An option that there is not, or an option given by position.
    ClassError
        An index that is no class, on the host; elsewhere the result is NaN.

    See Also
    --------
    log_prob : of logits that are there.
    linear_cross_entropy : the loss, fused in the same way.

    Notes
    -----
    The product is the library's own, and may round differently for another chunk: bits are promised from the logits on. Its
    derivatives compute each chunk's logits again, so that two chunks are all that is held.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> h = np.ones((4, 2), np.float32)
    >>> weight = np.asarray([[1, 0], [0, 1], [1, 1]], np.float32)
    >>> index = np.asarray([0, 1, 2, 2])
    >>> found = lsmx.linear_log_prob(h, weight, index, chunk=2)
    >>> np.array_equal(found, lsmx.log_prob(h @ weight.T, index))
    True
    """
    if extra or unknown:
        raise misspelt(linear_log_prob, extra, unknown)
    check_product(h, weight, index, "index", bias)
    scaled = scaling(of_rows(h), -1, temperature, softcap)
    check_classes("index", index, weight, 0)
    each, options = of_a_row(scaled)
    check_beside(h, weight, each.get("temperature"))

    def f(z: Array, index: Array, *given: Any) -> tuple[Array]:
        return (LOG_PROB(z, index, axis=-1, dtype=dtype, **options, **dict(zip(each, given, strict=True))),)

    return in_chunks(f, h, weight, bias, (index, *each.values()), chunk_of(chunk))[0]


@honest
def linear_cross_entropy(
    h: Array = None,
    weight: Array = None,
    target: Array = None,
    /,
    *extra: Never,
    bias: Array | None = None,
    chunk: int | None = None,
    class_weight: Array | None = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    temperature: Any = 1.0,
    softcap: float | None = None,
    reduction: Reduction = "mean",
    normalizer: Any = None,
    empty: Literal["nan", "zero"] = "nan",
    dtype: DTypeLike | None = None,
    **unknown: Never,
) -> Array:
    """`cross_entropy` of the logits ``h W^T + b``, fused with that product: the logits are never there all at once.

    It has gradients to ``h``, ``W`` and ``b``.

    Parameters
    ----------
    h : array
        Hidden states, of any shape ``(..., D)``.
    weight : array
        The last layer's weights ``W``, of shape ``(classes, D)``.
    target : array of int
        Classes, of the shape of ``h`` without its last axis.
    bias : array, optional
        The last layer's bias ``b``, of shape ``(classes,)``.
    chunk : int, optional
        How many rows of logits are computed at a time; 1024 by default.
    class_weight : array, optional
        Weight of each class, one number a class: the ``weight`` of `cross_entropy`.
    ignore_index : int or None, default -100
        Rows with this target, such as padding, count as 0 and have no gradient, whatever they hold; None ignores nothing.
    label_smoothing : float, default 0.0
        Label smoothing: how much of each target goes to all classes alike, from 0 to 1.
    z_loss : float, default 0.0
        ``z_loss * lse**2`` is added to the loss of each row that counts, not weighted by class.
    temperature : float or array, default 1.0
        The logits are divided by it: a positive number, or an array of one for each row.
    softcap : float, optional
        If given, the logits are first capped: ``softcap * tanh(z / softcap)``, before ``temperature``.
    reduction : {"none", "mean", "sum"}, default "mean"
        ``"none"`` for one number a row, ``"sum"``, or ``"mean"``: the sum over the weights of the targets.
    normalizer : float or array, optional
        Divisor of the mean, instead of the number of rows or the sum of weights: so that micro-batches and ranks add up to the
        whole batch. A number of at least 0, or a 0-d array.
    empty : {"nan", "zero"}, default "nan"
        Result of the mean if no row counts: NaN or 0. Its gradient is 0.
    dtype : dtype or str, optional
        Cast the logits to this dtype before anything else, and the result too. Without it, 16-bit logits give float32.

    Returns
    -------
    array
        In float32 or float64, or in ``dtype``: 0-d, or of the shape of ``target`` with ``reduction="none"``. ``inf`` where the
        target is impossible.

    Raises
    ------
    ArrayTypeError
        Something that is not an array, or arrays of different libraries.
    DTypeError
        Hidden states or weights that hold no floats, a ``dtype`` that is no float dtype, or ``target`` does not hold integers.
    ShapeError
        Shapes that do not fit together.
    DeviceError
        Arrays on different devices.
    ArgumentValueError
        An option whose value means nothing: a ``temperature`` or ``softcap`` that is not positive, a ``label_smoothing`` that is
        not from 0 to 1, a ``z_loss`` or ``normalizer`` below 0, an unknown ``reduction`` or ``empty``, a ``chunk`` below 1.
    ArgumentError
        An option that there is not, or an option given by position; ``ignore_index`` is no integer; ``normalizer`` without a mean.
    ClassError
        A target that is no class, on the host; elsewhere the loss is NaN.

    See Also
    --------
    cross_entropy : of logits that are there.
    linear_cross_entropy_backward : its gradients.
    linear_log_prob : log-probs, fused in the same way.

    Notes
    -----
    The product is the library's own, and may round differently for another chunk: bits are promised from the logits on. Its
    derivatives compute each chunk's logits again, so that two chunks are all that is held: the logits and their gradient.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> h = np.ones((4, 2), np.float32)
    >>> weight = np.asarray([[1, 0], [0, 1], [1, 1]], np.float32)
    >>> target = np.asarray([0, 1, 2, -100])
    >>> loss = lsmx.linear_cross_entropy(h, weight, target, chunk=2)
    >>> bool(loss == lsmx.cross_entropy(h @ weight.T, target))
    True
    """
    if extra or unknown:
        raise misspelt(linear_cross_entropy, extra, unknown)
    check_choice("empty", empty, "nan", "zero")
    check_product(h, weight, target, "target", bias)
    found = loss_of_product(
        h, weight, target, class_weight, ignore_index, label_smoothing, z_loss, temperature, softcap, reduction, normalizer
    )

    def f(z: Array, target: Array, *rows: Any) -> tuple[Array, ...]:
        loss = CROSS_ENTROPY(z, target, axis=-1, dtype=dtype, **found.options, **dict(zip(found.each, rows, strict=True)))
        return loss, TARGET_WEIGHT(z, target, axis=-1, dtype=dtype, **found.counted)

    loss, counted = in_chunks(f, h, weight, bias, (target, *found.each.values()), chunk_of(chunk))
    return Reduced(reduction, found.divisor_of(lambda: counted), empty).forward(loss)


class LossOfProduct(NamedTuple):
    """How cross-entropy is computed of each chunk, and reduced."""

    options: dict[str, Any]
    each: dict[str, Array]  # options that are arrays with one number for each row
    counted: dict[str, Any]  # options that determine how much each row counts
    reduction: str
    normalizer: Any

    def divisor_of(self, counted: Callable[[], Array]) -> Any:
        """What a mean divides by: what was given, or how much all rows count."""
        return Reduced("sum").forward(counted()) if self.normalizer is None and self.reduction == "mean" else self.normalizer


def loss_of_product(
    h: Array,
    weight: Array,
    target: Array,
    class_weight: Array | None,
    ignore_index: int | None,
    label_smoothing: float,
    z_loss: float,
    temperature: Any,
    softcap: float | None,
    reduction: str,
    normalizer: Any,
) -> LossOfProduct:
    """The options as the rules take them."""
    check_choice("reduction", reduction, "none", "mean", "sum")
    scaled = scaling(of_rows(h), -1, temperature, softcap)
    given, ignored = options_of_cross_entropy(True, ignore_index, label_smoothing, z_loss)
    check_classes("target", target, weight, 0, ignored_by(ignored))
    weights = class_weights("class_weight", class_weight)
    each, options = of_a_row(scaled)
    check_beside(h, weight, each.get("temperature"), class_weight)
    return LossOfProduct(options | given | weights, each, weights | ignored, reduction, checked_normalizer(normalizer, reduction))


@honest
def linear_cross_entropy_backward(
    grad_output: Array = None,
    h: Array = None,
    weight: Array = None,
    target: Array = None,
    /,
    *extra: Never,
    bias: Array | None = None,
    chunk: int | None = None,
    class_weight: Array | None = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    temperature: Any = 1.0,
    softcap: float | None = None,
    reduction: Reduction = "mean",
    normalizer: Any = None,
    **unknown: Never,
) -> tuple[Array, Array, Array | None]:
    """Gradients of `linear_cross_entropy`: ``dz W`` by ``h``, ``dz^T h`` by ``W``, and the sum of ``dz`` over the rows by ``b``.

    Parameters
    ----------
    grad_output : array
        Cotangent of the loss: 0-d, or one number for each row with ``reduction="none"``.
    h : array
        Hidden states, as given to `linear_cross_entropy`.
    weight : array
        The last layer's weights ``W``, as given to `linear_cross_entropy`.
    target : array of int
        Classes, as given to `linear_cross_entropy`.
    bias : array, optional
        The last layer's bias ``b``, as given to `linear_cross_entropy`.
    chunk : int, optional
        How many rows of logits are computed at a time; 1024 by default.
    class_weight : array, optional
        Weight of each class, as given to `linear_cross_entropy`.
    ignore_index : int or None, default -100
        The target, such as that of padding, whose rows do not count, as given to `linear_cross_entropy`.
    label_smoothing : float, default 0.0
        Label smoothing, as given to `linear_cross_entropy`.
    z_loss : float, default 0.0
        Factor of ``lse**2`` in the loss, as given to `linear_cross_entropy`.
    temperature : float or array, default 1.0
        What the logits are divided by, as given to `linear_cross_entropy`.
    softcap : float, optional
        Cap of the logits, as given to `linear_cross_entropy`.
    reduction : {"none", "mean", "sum"}, default "mean"
        How the losses of the rows were reduced, as given to `linear_cross_entropy`.
    normalizer : float or array, optional
        Divisor of the mean, as given to `linear_cross_entropy`.

    Returns
    -------
    tuple of array
        The gradients by ``h``, ``weight`` and ``bias``, each of its shape and dtype; None for the last if there is no bias.

    Raises
    ------
    ArrayTypeError, DTypeError, ShapeError, DeviceError, ArgumentValueError, ArgumentError, ClassError
        As `linear_cross_entropy`; or ``grad_output`` is not of the loss's shape.

    See Also
    --------
    linear_cross_entropy : the function.
    cross_entropy_backward : by the logits.

    Notes
    -----
    With ``dz`` of one chunk at a time, from `cross_entropy_backward`::

        dh = dz W
        dW = dz^T h
        db = sum(dz over rows)

    What is added up over chunks is float32 for 16 bits.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> h, weight, target = np.ones((1, 2)), np.zeros((2, 2)), np.asarray([1])
    >>> one = np.asarray(1.0)
    >>> dh, dw, _ = lsmx.linear_cross_entropy_backward(one, h, weight, target)
    >>> dw
    array([[ 0.5,  0.5],
           [-0.5, -0.5]])
    """
    if extra or unknown:
        raise misspelt(linear_cross_entropy_backward, extra, unknown)
    check_product(h, weight, target, "target", bias)
    found = loss_of_product(
        h, weight, target, class_weight, ignore_index, label_smoothing, z_loss, temperature, softcap, reduction, normalizer
    )
    xp, step, shape = namespace_of(serving("h", h), h), chunk_of(chunk), tuple(h.shape)
    check_grad_output(grad_output, h, reduction)
    flat, targets = xp.reshape(h, (-1, shape[-1])), xp.reshape(target, (-1,))
    rows = {name: xp.reshape(x, (-1,)) for name, x in found.each.items()}
    chunks = [slice(i, min(i + step, flat.shape[0])) for i in range(0, max(flat.shape[0], 1), step)]

    def counted() -> Array:
        """How much each row counts, found from arrays of the logits' shape without computing logits."""
        parts = []
        for at in chunks:
            like = xp.broadcast_to(of_rows(flat[at, :]), (targets[at].shape[0], weight.shape[0]))
            parts.append(TARGET_WEIGHT(like, targets[at], axis=-1, **found.counted))
        return xp.concat(parts, axis=0)

    reduced = Reduced(reduction, found.divisor_of(counted))
    wide = xp.float64 if float_name("h", h) == "float64" else xp.float32
    dh, dw, db = [], xp.zeros_like(weight, dtype=wide), None if bias is None else xp.zeros_like(bias, dtype=wide)
    for at in chunks:
        z = product(flat[at, :], weight, bias)
        u = reduced.backward(xp.reshape(grad_output, (-1,))[at] if reduction == "none" else grad_output, z, -1)
        beside = {**found.options, **{name: x[at] for name, x in rows.items()}}
        dz = CROSS_ENTROPY.derivative("backward", {"grad_output": u}, {"z": z, "target": targets[at]}, -1, options=beside)
        dh.append(dz @ weight)
        dw = dw + xp.astype(dz.T @ flat[at, :], wide)
        db = None if db is None else db + xp.sum(xp.astype(dz, wide), axis=0)
        del z, dz  # before those of the next chunk are made
    by_h = xp.reshape(xp.concat(dh, axis=0), shape)
    return by_h, xp.astype(dw, weight.dtype), None if bias is None else xp.astype(db, bias.dtype)


def check_grad_output(grad_output: Array, h: Array, reduction: str) -> None:
    """Raise unless it is the cotangent of a loss of the rows of ``h``: one number, or one for each row."""
    together("h", h, grad_output=grad_output)
    check_dtype_like("grad_output", grad_output, h.dtype)
    rows = tuple(h.shape[:-1])
    wanted = [rows, (*rows, 1)] if reduction == "none" else [(), (1,)]
    same_shape("grad_output", tuple(grad_output.shape), *wanted, of=f"reduction={reduction!r}")


def of_rows(h: Array) -> Array:
    """An array with a row of one number for each of ``h``, to check options of one number a row against."""
    return h[..., :1]


publish(linear_cross_entropy, linear_cross_entropy_backward, linear_log_prob)
