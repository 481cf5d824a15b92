"""What log-softmax is used for: log-probs of chosen classes, entropy, cross-entropy, divergences."""

from __future__ import annotations

from types import GenericAlias
from typing import Any, Literal, NamedTuple, Never

from lsmx._call.deferred import publish
from lsmx._call.losses import (
    CROSS_ENTROPY,
    CROSS_ENTROPY_OF,
    ENTROPY,
    JS,
    KL,
    LOG_PROB,
    LSE,
    RANK,
    ROW_SUMS,
    TARGET_WEIGHT,
    Reduced,
    are_numbers,
    check_choice,
    check_classes,
    checked_normalizer,
    class_weights,
    fraction,
    ignoring,
    logits_in,
    nonnegative,
    ranks,
    rows_of,
    scaling,
    short_stats,
    targets_are_classes,
    where_not_zero,
)
from lsmx._call.operator import shortcut
from lsmx._call.spelling import honest, misspelt
from lsmx._call.support import kept
from lsmx._definition.logits import Scaling
from lsmx._definition.ops import Array
from lsmx._typing import Axis, DTypeLike

Reduction = Literal["none", "mean", "sum"]


class TokenStats(NamedTuple):
    """What `token_stats` returns: one number for each index, or for each row.

    ``log_prob`` and ``rank`` are those of the class at the index, ``entropy`` and ``lse``, the logsumexp, those of its row.
    """

    log_prob: Any
    entropy: Any
    lse: Any
    rank: Any

    @classmethod
    def __class_getitem__(cls, kinds: Any, /) -> GenericAlias:
        """Its type for checkers: that of the arrays of floats, and that of the ranks."""
        return GenericAlias(cls, kinds)


class CrossEntropyParts(NamedTuple):
    """What `cross_entropy` returns on request: the whole loss, and what of it is ``z_loss``."""

    loss: Any
    z_loss: Any

    @classmethod
    def __class_getitem__(cls, kind: Any, /) -> GenericAlias:
        """Its type for checkers: that of both arrays."""
        return GenericAlias(cls, kind)


@honest
def log_prob(
    z: Array = None,
    index: Array = None,
    /,
    *extra: Never,
    axis: Axis = -1,
    temperature: Any = 1.0,
    softcap: float | None = None,
    where: Array | None = None,
    support: Any = None,
    row_sums: Array | None = None,
    dtype: DTypeLike | None = None,
    out: Array | None = None,
    **unknown: Never,
) -> Array:
    """Logarithm of the probability of chosen classes: ``log_softmax(z)`` at an index.

    Parameters
    ----------
    z
        Logits, of any shape, in float16, bfloat16, float32 or float64.
    index
        Classes, integers: of the shape of ``z`` without ``axis``, or with any number of them along it.
    axis
        The axis or axes over which the probabilities sum to 1; None for all. An index counts along them flattened.
    temperature
        What the logits are divided by: a positive number, or an array of one per row.
    softcap
        If given, logits are ``softcap * tanh(z / softcap)`` first.
    where
        Mask, bool, broadcastable to the shape of ``z``: False leaves a class out.
    support
        The classes that a sampler kept, the others are left out: indices, any number of them along ``axis``, with -1 where a row
        has fewer; or a pair of values and offsets, of which row ``r`` has ``values[offsets[r]:offsets[r + 1]]``. The index is to be
        among them. The bits are those of a mask.
    row_sums
        What `row_sums` returned for the same ``z`` and options: the rows are not walked for it again, and the bits are the same.
    dtype
        Cast ``z`` to this dtype before anything else, and the result too. Without it, 16-bit logits give float32.
    out
        Array for the result, of its shape and dtype.

    Returns
    -------
    Array
        Of the shape of ``index``, in float32 or float64. ``-inf`` for a class that is masked or has a logit of ``-inf``. NaN in a
        row that has a NaN or +inf, or nothing but -inf, and where an index cannot be looked at and is none of the row.

    Raises
    ------
    TypeError
        As `log_softmax`; or ``index`` holds no integers.
    ValueError
        As `log_softmax`; or a temperature that is not positive.
    IndexError
        An index that is no class of its row, on the host.

    See Also
    --------
    token_stats : with the entropy, the logsumexp and the rank.
    log_prob_backward : its gradient.

    Notes
    -----
    ``(x_i - m) - L`` with ``x = softcap tanh(z / softcap) / temperature``, ``m = max(x)``, ``L = ln(sum(exp(x - m)))``: the bits of
    ``log_softmax(x)`` at the index before they are rounded to 16 bits, and no array as large as the logits on the way.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> z = np.asarray([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]], dtype=np.float32)
    >>> lsmx.log_prob(z, np.asarray([2, 0]))
    array([-0.40760598, -1.0986123 ], dtype=float32)
    >>> lsmx.log_prob(z, np.asarray([[2, 1], [0, 1]])).shape
    (2, 2)
    """
    if extra or unknown:
        raise misspelt(log_prob, extra, unknown)
    if softcap is support is row_sums is None and are_numbers((temperature,), (1.0,)):
        short = shortcut("log_prob", "forward", type(z))
        if short is not None and (value := short(z, index, axis, where, dtype, out)) is not None:
            return value
    options = scaling(z, axis, temperature, softcap, row_sums, dtype)
    check_classes("index", index, z, axis)
    if support is not None:
        z, index, where = kept(logits_in(z, dtype), index, support, axis, where)
    return LOG_PROB(z, index, axis=axis, where=where, dtype=dtype, out=out, **options)


@honest
def token_stats(
    z: Array = None,
    index: Array = None,
    /,
    *extra: Never,
    axis: Axis = -1,
    temperature: Any = 1.0,
    softcap: float | None = None,
    where: Array | None = None,
    support: Any = None,
    row_sums: Array | None = None,
    dtype: DTypeLike | None = None,
    **unknown: Never,
) -> TokenStats:
    """What a sampler or a trainer reports of a token: its log-prob, the entropy, the logsumexp, and its rank.

    Parameters
    ----------
    z, index, axis, temperature, softcap, where, support, row_sums, dtype
        As in `log_prob`.

    Returns
    -------
    TokenStats
        ``log_prob`` and ``rank`` of the shape of ``index``; ``entropy`` and ``lse`` one for each row. The rank is how many logits
        are greater than the index's, int32: 0 for the most likely class; ties do not count; -1 in a row with NaN.

    Raises
    ------
    TypeError, ValueError, IndexError
        As `log_prob`.

    Notes
    -----
    Each has the bits that it has alone. All but the rank have gradients.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> stats = lsmx.token_stats(np.asarray([[1.0, 2.0, 3.0]]), np.asarray([1]))
    >>> stats.rank
    array([1], dtype=int32)
    >>> stats.entropy.round(6)
    array([0.832396])
    """
    if extra or unknown:
        raise misspelt(token_stats, extra, unknown)
    if softcap is support is row_sums is dtype is None and are_numbers((temperature,), (1.0,)):
        found = short_stats(z, index, axis, where)
        if found is not None:
            return TokenStats(*found)
    scaled = scaling(z, axis, temperature, softcap, row_sums, dtype)
    check_classes("index", index, z, axis)
    if support is not None:
        z, index, where = kept(logits_in(z, dtype), index, support, axis, where)
    options = scaled | {"axis": axis, "where": where, "dtype": dtype}
    if row_sums is None and len(z.shape):
        options["row_sums"] = ROW_SUMS(logits_in(z, dtype), **options | {"dtype": None})
    rank = ranks(RANK(logits_in(z, dtype), index, **options | {"dtype": None}))
    return TokenStats(LOG_PROB(z, index, **options), ENTROPY(z, **options), LSE(z, **options), rank)


@honest
def entropy(
    z: Array = None,
    /,
    *extra: Never,
    axis: Axis = -1,
    temperature: Any = 1.0,
    softcap: float | None = None,
    where: Array | None = None,
    support: Any = None,
    row_sums: Array | None = None,
    dtype: DTypeLike | None = None,
    out: Array | None = None,
    **unknown: Never,
) -> Array:
    """Entropy of the softmax, in nats: ``-sum(s log s)``.

    Parameters
    ----------
    z, axis, temperature, softcap, where, support, row_sums, dtype, out
        As in `log_prob`.

    Returns
    -------
    Array
        One number for each row, in float32 or float64: at least 0. NaN where `log_prob` would be.

    Raises
    ------
    TypeError, ValueError
        As `log_prob`.

    Notes
    -----
    ``H = L + sum(s D)`` with ``D = max(x) - x``: two numbers of one sign, so that nothing cancels. Its gradient by ``x`` is
    ``s (D - sum(s D))``.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> lsmx.entropy(np.asarray([[0.0, 0.0], [0.0, -50.0]], dtype=np.float32))
    array([6.931472e-01, 9.836624e-21], dtype=float32)
    """
    if extra or unknown:
        raise misspelt(entropy, extra, unknown)
    if softcap is support is row_sums is None and are_numbers((temperature,), (1.0,)):
        short = shortcut("entropy", "forward", type(z))
        if short is not None and (value := short(z, axis, where, dtype, out)) is not None:
            return value
    options = scaling(z, axis, temperature, softcap, row_sums, dtype)
    if support is not None:
        z, _, where = kept(logits_in(z, dtype), None, support, axis, where)
    return ENTROPY(z, axis=axis, where=where, dtype=dtype, out=out, **options)


@honest
def row_sums(
    z: Array = None,
    /,
    *extra: Never,
    axis: Axis = -1,
    temperature: Any = 1.0,
    softcap: float | None = None,
    where: Array | None = None,
    support: Any = None,
    dtype: DTypeLike | None = None,
    **unknown: Never,
) -> Array:
    """What `log_prob` and the others need of the rows as a whole: four numbers a row, which save later calls two walks over them.

    Parameters
    ----------
    z, axis, temperature, softcap, where, support, dtype
        As in `log_prob`. Calls that are given the result are to be given the same.

    Returns
    -------
    Array
        In float32 or float64, of the shape of ``z`` with 4 along the last reduced axis, and 1 along the others. Constants for
        every autograd: the functions that are given them know how they move.

    Raises
    ------
    TypeError, ValueError
        As `log_prob`.

    See Also
    --------
    log_prob, entropy, cross_entropy, log_prob_backward, entropy_backward, cross_entropy_backward : which take it.

    Notes
    -----
    The maximum ``m`` of ``x = softcap tanh(z / softcap) / temperature``, the second largest, and ``R`` in two words, where
    ``sum(exp(x - m)) = 1 + R``. Autograds save it by themselves, in place of anything as large as the logits.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> z, target = np.asarray([[1.0, 2.0, 3.0]], dtype=np.float32), np.asarray([2])
    >>> sums = lsmx.row_sums(z)
    >>> sums.shape
    (1, 4)
    >>> lsmx.cross_entropy(z, target, row_sums=sums)
    array(0.40760598, dtype=float32)
    >>> lsmx.cross_entropy_backward(np.asarray(1.0, np.float32), z, target, row_sums=sums).round(3)
    array([[ 0.09 ,  0.245, -0.335]], dtype=float32)
    """
    if extra or unknown:
        raise misspelt(row_sums, extra, unknown)
    options = scaling(z, axis, temperature, softcap)
    if support is not None:
        z, _, where = kept(z, None, support, axis, where)
    return ROW_SUMS(logits_in(z, dtype), axis=axis, where=where, **options)


@honest
def cross_entropy(
    z: Array = None,
    target: Array = None,
    /,
    *extra: Never,
    axis: Axis = -1,
    weight: Array | None = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    temperature: Any = 1.0,
    softcap: float | None = None,
    where: Array | None = None,
    reduction: Reduction = "mean",
    normalizer: Any = None,
    empty: Literal["nan", "zero"] = "nan",
    row_sums: Array | None = None,
    dtype: DTypeLike | None = None,
    return_z_loss: bool = False,
    **unknown: Never,
) -> Any:
    """Cross-entropy of logits and targets: ``-sum_c q_c log s_c`` of each row, and their mean.

    Parameters
    ----------
    z
        Logits, of any shape, in float16, bfloat16, float32 or float64.
    target
        Classes, integers of the shape of ``z`` without ``axis``; or probabilities, floats of the shape of ``z``. That they are
        probabilities is not checked.
    axis
        The axis or axes of the classes; None for all.
    weight
        One number for each class, or none.
    ignore_index
        Rows with this target count as 0 and have no gradient, whatever they hold; None ignores nothing. For classes only.
    label_smoothing
        How much of each target goes to all classes alike, from 0 to 1.
    z_loss
        ``z_loss * lse**2`` is added to the loss of each row that counts, not weighted by class.
    temperature, softcap, where, row_sums
        As in `log_prob`. Classes that are left out have no part in the smoothing.
    reduction
        ``"none"`` for one number a row, ``"sum"``, or ``"mean"``: the sum over the weights of the targets (classes) or the number
        of rows (probabilities).
    normalizer
        What a mean divides by in place of that: so that micro-batches and ranks add up to the whole batch.
    empty
        What a mean over nothing is: NaN, or ``"zero"``. Its gradient is 0.
    dtype
        Cast ``z`` to this dtype before anything else, and the result too. Without it, 16-bit logits give float32.
    return_z_loss
        Return the part that is ``z_loss`` as well.

    Returns
    -------
    Array or CrossEntropyParts
        In float32 or float64: 0-d, or of the shape of ``z`` without ``axis``. ``inf`` where the target is impossible. With
        ``return_z_loss`` a named tuple ``(loss, z_loss)``.

    Raises
    ------
    TypeError
        As `log_softmax`.
    ValueError
        As `log_softmax`; an option out of its range.
    IndexError
        A target that is no class, on the host; elsewhere the loss is NaN.

    See Also
    --------
    cross_entropy_backward : its gradient.

    Notes
    -----
    ``q_c = w_c ((1 - eps) [c = target] + eps / C)``, or ``w_c (p_c (1 - eps) + eps / C)``. The gradient by the logits is
    ``s sum(q) - q``: with a class ``y`` alone, ``s - y``. Sums over classes and over rows are exact before they are rounded, so the
    order of neither matters. Options as in ``torch.nn.functional.cross_entropy`` [1]_, where they are called the same.

    References
    ----------
    .. [1] https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> z = np.asarray([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]], dtype=np.float32)
    >>> lsmx.cross_entropy(z, np.asarray([2, 0]))
    array(0.75310916, dtype=float32)
    >>> lsmx.cross_entropy(z, np.asarray([2, -100]), reduction="none")
    array([0.40760598, 0.        ], dtype=float32)
    """
    if extra or unknown:
        raise misspelt(cross_entropy, extra, unknown)
    check_choice("empty", empty, "nan", "zero")
    plain = weight is softcap is normalizer is row_sums is None and not return_z_loss
    plain = plain and type(reduction) is str and reduction in ("none", "mean", "sum")
    if plain and are_numbers((temperature, label_smoothing, z_loss, ignore_index), (1.0, 0.0, 0.0, -100)):
        short = shortcut("cross_entropy", "forward", type(z))
        total = () if reduction == "none" else (reduction == "mean", empty == "zero")
        if short is not None and (value := short(z, target, axis, where, dtype, None, *total)) is not None:
            return value
    found = rows_of_cross_entropy(
        z,
        target,
        axis,
        weight,
        ignore_index,
        label_smoothing,
        z_loss,
        temperature,
        softcap,
        where,
        reduction,
        normalizer,
        row_sums,
        dtype,
    )
    reduced = Reduced(reduction, found.divisor, empty)
    rows = (CROSS_ENTROPY if found.classes else CROSS_ENTROPY_OF)(z, target, axis=axis, where=where, dtype=dtype, **found.options)
    loss = reduced.forward(rows)
    if not return_z_loss:
        return loss
    scaled = {name: value for name, value in found.options.items() if name in Scaling._fields}
    lse = LSE(z, axis=axis, where=where, dtype=dtype, **scaled)
    part = (lse * lse) * float(z_loss)
    if found.classes:
        part = where_not_zero(TARGET_WEIGHT(z, target, axis=axis, dtype=dtype, **found.ignored), part)
    return CrossEntropyParts(loss, reduced.forward(part))


class RowsOfCrossEntropy(NamedTuple):
    """How the losses of the rows are computed and reduced."""

    classes: bool  # whether targets are classes
    options: dict[str, Any]
    ignored: dict[str, Any]  # of those what says which rows are ignored
    divisor: Any


def rows_of_cross_entropy(
    z: Array,
    target: Array,
    axis: Axis,
    weight: Array | None,
    ignore_index: int | None,
    label_smoothing: float,
    z_loss: float,
    temperature: Any,
    softcap: float | None,
    where: Array | None,
    reduction: str,
    normalizer: Any,
    row_sums: Array | None,
    dtype: Any,
) -> RowsOfCrossEntropy:
    """The options as the rules take them, those only that are not at their defaults, and what a mean divides by."""
    check_choice("reduction", reduction, "none", "mean", "sum")
    classes, scaled = targets_are_classes(target), scaling(z, axis, temperature, softcap, row_sums, dtype)
    options, ignored = options_of_cross_entropy(classes, ignore_index, label_smoothing, z_loss)
    weights = class_weights("weight", weight)
    counted = check_classes("target", target, z, axis, ignore_index) if classes else None
    divisor = checked_normalizer(normalizer, reduction)
    if divisor is None and reduction == "mean":
        divisor = counted if classes else rows_of(z, axis)
        if classes and (divisor is None or weights):
            divisor = Reduced("sum").forward(TARGET_WEIGHT(z, target, axis=axis, dtype=dtype, **weights, **ignored))
    return RowsOfCrossEntropy(classes, scaled | options | weights, ignored, divisor)


def options_of_cross_entropy(
    classes: bool, ignore_index: int | None, label_smoothing: float, z_loss: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of targets as the rules take them, those only that are not at their defaults; and of those what ignores rows."""
    smoothing, zl = fraction("label_smoothing", label_smoothing), nonnegative("z_loss", z_loss)
    ignored = ignoring(ignore_index) if classes else {}
    return ({"label_smoothing": smoothing} if smoothing else {}) | ({"z_loss": zl} if zl else {}) | ignored, ignored


@honest
def kl_divergence(
    z: Array = None,
    w: Array = None,
    /,
    *extra: Never,
    axis: Axis = -1,
    temperature: Any = 1.0,
    where: Array | None = None,
    reduction: Reduction = "none",
    normalizer: Any = None,
    empty: Literal["nan", "zero"] = "nan",
    dtype: DTypeLike | None = None,
    **unknown: Never,
) -> Array:
    """Kullback-Leibler divergence of two softmaxes: ``sum(p ln(p / q))`` with ``p = softmax(z)``, ``q = softmax(w)``.

    Parameters
    ----------
    z, w
        Logits of ``p`` and of ``q``, of one shape and dtype.
    axis, temperature, where, dtype
        As in `log_prob`, for both.
    reduction
        ``"none"`` for one number a row, ``"sum"``, or ``"mean"``: the sum over the number of rows.
    normalizer, empty
        As in `cross_entropy`.

    Returns
    -------
    Array
        In float32 or float64, never negative. ``inf`` where ``z`` has a class that ``w`` has not.

    Raises
    ------
    TypeError, ValueError
        As `log_prob`; or ``z`` and ``w`` of different shapes.

    Notes
    -----
    ``sum(p (e^d - 1 - d))`` with ``d = ln q - ln p``: no term is negative, and an error that all ``d`` share enters squared, so it
    has full relative accuracy however near the two are. Gradients to both: ``-p (d + KL)`` and ``q - p``. It is
    ``torch.nn.functional.kl_div(log q, log p, log_target=True)``, which takes ``q`` first.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> z = np.asarray([[1.0, 2.0, 3.0]], dtype=np.float32)
    >>> lsmx.kl_divergence(z, z + np.asarray([1e-4, 0, 0], dtype=np.float32))
    array([4.0977252e-10], dtype=float32)
    """
    if extra or unknown:
        raise misspelt(kl_divergence, extra, unknown)
    return divergence(KL, z, w, axis, temperature, where, reduction, normalizer, empty, dtype)


@honest
def js_divergence(
    z: Array = None,
    w: Array = None,
    /,
    *extra: Never,
    axis: Axis = -1,
    temperature: Any = 1.0,
    where: Array | None = None,
    reduction: Reduction = "none",
    normalizer: Any = None,
    empty: Literal["nan", "zero"] = "nan",
    dtype: DTypeLike | None = None,
    **unknown: Never,
) -> Array:
    """Jensen-Shannon divergence of two softmaxes: the mean of the divergences of each from ``(p + q) / 2``.

    Parameters
    ----------
    z, w, axis, temperature, where, reduction, normalizer, empty, dtype
        As in `kl_divergence`.

    Returns
    -------
    Array
        In float32 or float64, from 0 to ln 2. With ``z`` and ``w`` in each other's place it may differ by an ulp or two.

    Raises
    ------
    TypeError, ValueError
        As `kl_divergence`.

    Notes
    -----
    ``sum((p + q)/2 psi(d/2))`` with ``d = ln q - ln p`` and ``psi(h) = h tanh h - ln cosh h``: no term is negative.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> z = np.asarray([[0.0, -np.inf]]), np.asarray([[-np.inf, 0.0]])
    >>> lsmx.js_divergence(*z)
    array([0.69314718])
    """
    if extra or unknown:
        raise misspelt(js_divergence, extra, unknown)
    return divergence(JS, z, w, axis, temperature, where, reduction, normalizer, empty, dtype)


def divergence(
    of: Any, z: Array, w: Array, axis: Axis, temperature: Any, where: Any, reduction: str, normalizer: Any, empty: str, dtype: Any
) -> Array:
    """One of the two, reduced."""
    check_choice("reduction", reduction, "none", "mean", "sum")
    check_choice("empty", empty, "nan", "zero")
    rows = of(z, w, axis=axis, where=where, dtype=dtype, **scaling(z, axis, temperature, None))
    divisor = checked_normalizer(normalizer, reduction)
    return Reduced(reduction, rows_of(z, axis) if divisor is None else divisor, empty).forward(rows)


publish(cross_entropy, entropy, js_divergence, kl_divergence, log_prob, row_sums, token_stats)
