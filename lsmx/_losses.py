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
    ignored_by,
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
from lsmx._definition.checks import checked_flag
from lsmx._definition.logits import Scaling
from lsmx._definition.ops import Array
from lsmx._typing import Axis, DTypeLike

Reduction = Literal["none", "mean", "sum"]


class TokenStats(NamedTuple):
    """What `token_stats` returns: one number for each index, or for each row.

    A named tuple, of arrays of the library of the logits, in the format that they are computed in: float64 for float64, else
    float32; or in ``dtype``.

    Attributes
    ----------
    log_prob : array
        Log-prob of the class at each index, of the shape of ``index``.
    entropy : array
        Entropy of each row in nats: the shape of the logits without ``axis``.
    lse : array
        Logsumexp of each row, of the same shape as ``entropy``.
    rank : array of int
        How many logits of the row are greater than the one at the index, in int32, of the shape of ``index``.

    See Also
    --------
    token_stats : which returns it.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> z = np.asarray([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]], dtype=np.float32)
    >>> stats = lsmx.token_stats(z, np.asarray([1, 2]))
    >>> stats.log_prob
    array([-1.407606 , -1.0986123], dtype=float32)
    >>> log_prob, entropy, lse, rank = stats
    >>> lse
    array([3.407606 , 1.0986123], dtype=float32)
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
    """What `cross_entropy` returns with ``return_z_loss=True``: the whole loss, and what of it is ``z_loss``.

    A named tuple of two arrays of the same shape and dtype: 0-d, or one number for each row with ``reduction="none"``, in float32
    or float64, or in ``dtype``.

    Attributes
    ----------
    loss : array
        The loss, with the ``z_loss`` in it.
    z_loss : array
        The part of it that is ``z_loss``, reduced the same.

    See Also
    --------
    cross_entropy : which returns it.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> z = np.asarray([[1.0, 2.0, 3.0]], dtype=np.float32)
    >>> loss, z_loss = lsmx.cross_entropy(
    ...     z, np.asarray([2]), z_loss=1e-4, return_z_loss=True
    ... )
    >>> loss
    array(0.40876716, dtype=float32)
    >>> z_loss
    array(0.00116118, dtype=float32)
    """

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
    z : array
        Logits, of any shape, in float16, bfloat16, float32 or float64.
    index : array of int
        Classes: of the shape of ``z`` without ``axis``, or with any number of them along it.
    axis : int, tuple of int or None, default -1
        The axis or axes over which the probabilities sum to 1; None for all. An index counts along them flattened.
    temperature : float or array, default 1.0
        The logits are divided by it: a positive number, or an array of one for each row.
    softcap : float, optional
        If given, the logits are first capped: ``softcap * tanh(z / softcap)``, before ``temperature``.
    where : array of bool, optional
        Mask, broadcastable to the shape of ``z``: False leaves a class out, as if it were absent.
    support : array of int or tuple of two arrays of int, optional
        The classes that a sampler kept (top-k, top-p), the others are left out: indices, any number of them along ``axis``, with -1
        where a row has fewer; or a pair of values and offsets, of which row ``r`` has ``values[offsets[r]:offsets[r + 1]]``. The
        index is to be among them. The bits are those of a mask.
    row_sums : array, optional
        What `row_sums` returned for the same ``z`` and options, so that it is not computed again; the bits are the same.
    dtype : dtype or str, optional
        Cast ``z`` to this dtype before anything else, and the result too. Without it, 16-bit logits give float32.
    out : array, optional
        Array for the result, of its shape and dtype.

    Returns
    -------
    array
        Of the shape of ``index``, in float32 or float64, or in ``dtype``. ``-inf`` for a class that is masked or has a logit of
        ``-inf``. NaN in a row that has a NaN or +inf, or nothing but -inf, and for an out-of-range index that cannot be checked (on
        a device, under ``jit``).

    Raises
    ------
    ArrayTypeError
        Something that is not an array, or arrays of different libraries.
    DTypeError
        ``z`` holds no floats and ``dtype`` is not given, ``dtype`` is no float dtype, ``index`` does not hold integers, or
        ``where`` does not hold bools.
    AxisError
        ``axis`` is out of range, repeated or missing.
    ShapeError
        Shapes that do not fit together.
    DeviceError
        Arrays on different devices.
    OutputError
        ``out`` is of the wrong dtype, or cannot be written to.
    ArgumentValueError
        An option whose value means nothing: a ``temperature`` or ``softcap`` that is not positive.
    ArgumentError
        An option that there is not, or an option given by position.
    ClassError
        An index that is no class of its row, on the host; elsewhere the result is NaN.

    See Also
    --------
    token_stats : with the entropy, the logsumexp and the rank.
    log_softmax : of all classes.
    linear_log_prob : fused with the model's last product.
    log_prob_backward : its gradient.
    log_prob_jvp : its directional derivative.

    Notes
    -----
    With ``x = softcap tanh(z / softcap) / temperature``, ``m = max(x)`` and ``L = ln(sum(exp(x - m)))``::

        (x_i - m) - L

    These are the bits of ``log_softmax(x)`` at the index before they are rounded to 16 bits, and no array as large as the logits is
    made on the way.

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
    z : array
        Logits, of any shape, in float16, bfloat16, float32 or float64.
    index : array of int
        Classes: of the shape of ``z`` without ``axis``, or with any number of them along it.
    axis : int, tuple of int or None, default -1
        The axis or axes over which the probabilities sum to 1; None for all. An index counts along them flattened.
    temperature : float or array, default 1.0
        The logits are divided by it: a positive number, or an array of one for each row.
    softcap : float, optional
        If given, the logits are first capped: ``softcap * tanh(z / softcap)``, before ``temperature``.
    where : array of bool, optional
        Mask, broadcastable to the shape of ``z``: False leaves a class out, as if it were absent.
    support : array of int or tuple of two arrays of int, optional
        The classes that a sampler kept (top-k, top-p), the others are left out: indices, any number of them along ``axis``, with -1
        where a row has fewer; or a pair of values and offsets, of which row ``r`` has ``values[offsets[r]:offsets[r + 1]]``. The
        index is to be among them. The bits are those of a mask.
    row_sums : array, optional
        What `row_sums` returned for the same ``z`` and options, so that it is not computed again; the bits are the same.
    dtype : dtype or str, optional
        Cast ``z`` to this dtype before anything else, and the result too. Without it, 16-bit logits give float32.

    Returns
    -------
    TokenStats
        ``log_prob`` and ``rank`` of the shape of ``index``; ``entropy`` and ``lse`` one for each row. The rank is how many logits
        are greater than the index's, int32: 0 for the most likely class; ties do not count; -1 in a row with NaN.

    Raises
    ------
    ArrayTypeError
        Something that is not an array, or arrays of different libraries.
    DTypeError
        ``z`` holds no floats and ``dtype`` is not given, ``dtype`` is no float dtype, ``index`` does not hold integers, or
        ``where`` does not hold bools.
    AxisError
        ``axis`` is out of range, repeated or missing.
    ShapeError
        Shapes that do not fit together.
    DeviceError
        Arrays on different devices.
    ArgumentValueError
        An option whose value means nothing: a ``temperature`` or ``softcap`` that is not positive.
    ArgumentError
        An option that there is not, or an option given by position.
    ClassError
        An index that is no class of its row, on the host; elsewhere the result is NaN.

    See Also
    --------
    log_prob : the log-prob alone.
    entropy : the entropy alone.
    logsumexp : of the logits as they are.

    Notes
    -----
    ``log_prob`` and ``entropy`` have the bits that the functions of these names give alone, and ``lse`` those of `logsumexp` before
    it is rounded to 16 bits: for 16-bit logits it is float32. All but the rank have gradients.

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
    if row_sums is None and z.ndim:
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
    z : array
        Logits, of any shape, in float16, bfloat16, float32 or float64.
    axis : int, tuple of int or None, default -1
        The axis or axes over which the probabilities sum to 1; None for all.
    temperature : float or array, default 1.0
        The logits are divided by it: a positive number, or an array of one for each row.
    softcap : float, optional
        If given, the logits are first capped: ``softcap * tanh(z / softcap)``, before ``temperature``.
    where : array of bool, optional
        Mask, broadcastable to the shape of ``z``: False leaves a class out, as if it were absent.
    support : array of int or tuple of two arrays of int, optional
        The classes that a sampler kept (top-k, top-p), the others are left out: indices, any number of them along ``axis``, with -1
        where a row has fewer; or a pair of values and offsets, of which row ``r`` has ``values[offsets[r]:offsets[r + 1]]``. The
        bits are those of a mask.
    row_sums : array, optional
        What `row_sums` returned for the same ``z`` and options, so that it is not computed again; the bits are the same.
    dtype : dtype or str, optional
        Cast ``z`` to this dtype before anything else, and the result too. Without it, 16-bit logits give float32.
    out : array, optional
        Array for the result, of its shape and dtype.

    Returns
    -------
    array
        One number for each row, in float32 or float64, or in ``dtype``: at least 0. NaN in a row that has a NaN or +inf, or nothing
        but -inf.

    Raises
    ------
    ArrayTypeError
        Something that is not an array, or arrays of different libraries.
    DTypeError
        ``z`` holds no floats and ``dtype`` is not given, ``dtype`` is no float dtype, or ``where`` does not hold bools.
    AxisError
        ``axis`` is out of range, repeated or missing.
    ShapeError
        Shapes that do not fit together.
    DeviceError
        Arrays on different devices.
    OutputError
        ``out`` is of the wrong dtype, or cannot be written to.
    ArgumentValueError
        An option whose value means nothing: a ``temperature`` or ``softcap`` that is not positive.
    ArgumentError
        An option that there is not, or an option given by position.
    ClassError
        ``support`` holds what is no class of its row, on the host.

    See Also
    --------
    token_stats : it and the log-prob of a class in one call.
    kl_divergence : of two softmaxes.
    entropy_backward : its gradient.
    entropy_jvp : its directional derivative.

    Notes
    -----
    With ``x`` as in `log_prob`, ``s = softmax(x)``, ``D = max(x) - x`` and ``L = ln(sum(exp(-D)))``::

        H = L + sum(s D)

    These are two numbers of one sign, so that nothing cancels.

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
    """Per-row statistics (maximum, second maximum, sum in two words) that later calls can reuse.

    Parameters
    ----------
    z : array
        Logits, of any shape, in float16, bfloat16, float32 or float64.
    axis : int, tuple of int or None, default -1
        The axis or axes over which the probabilities sum to 1; None for all.
    temperature : float or array, default 1.0
        The logits are divided by it: a positive number, or an array of one for each row.
    softcap : float, optional
        If given, the logits are first capped: ``softcap * tanh(z / softcap)``, before ``temperature``.
    where : array of bool, optional
        Mask, broadcastable to the shape of ``z``: False leaves a class out, as if it were absent.
    support : array of int or tuple of two arrays of int, optional
        The classes that a sampler kept (top-k, top-p), the others are left out: indices, any number of them along ``axis``, with -1
        where a row has fewer; or a pair of values and offsets, of which row ``r`` has ``values[offsets[r]:offsets[r + 1]]``. The
        bits are those of a mask.
    dtype : dtype or str, optional
        Cast ``z`` to this dtype before anything else. Needed for integers and bools.

    Returns
    -------
    array
        In float32 or float64, of the shape of ``z`` with 4 along the last reduced axis, and 1 along the others. Constants for every
        autograd: the functions that are given them know how they move.

    Raises
    ------
    ArrayTypeError
        Something that is not an array, or arrays of different libraries.
    DTypeError
        ``z`` holds no floats and ``dtype`` is not given, ``dtype`` is no float dtype, or ``where`` does not hold bools.
    AxisError
        ``axis`` is out of range, repeated or missing.
    ShapeError
        Shapes that do not fit together.
    DeviceError
        Arrays on different devices.
    ArgumentValueError
        An option whose value means nothing: a ``temperature`` or ``softcap`` that is not positive.
    ArgumentError
        An option that there is not, or an option given by position.
    ClassError
        ``support`` holds what is no class of its row, on the host.

    See Also
    --------
    log_prob, entropy, cross_entropy, log_prob_backward, entropy_backward, cross_entropy_backward : which take it.

    Notes
    -----
    The maximum ``m`` of ``x = softcap tanh(z / softcap) / temperature``, the second largest, and ``R`` in two words, where::

        sum(exp(x - m)) = 1 + R

    Calls that are given the result as ``row_sums=`` are to be given the same ``z`` and options; it saves them two walks over the
    rows. Autograds save it by themselves, in place of anything as large as the logits.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> z = np.asarray([[1.0, 2.0, 3.0]], dtype=np.float32)
    >>> target = np.asarray([2])
    >>> sums = lsmx.row_sums(z)
    >>> sums.shape
    (1, 4)
    >>> lsmx.cross_entropy(z, target, row_sums=sums)
    array(0.40760598, dtype=float32)
    >>> one = np.asarray(1.0, np.float32)
    >>> lsmx.cross_entropy_backward(one, z, target, row_sums=sums).round(3)
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
    z : array
        Logits, of any shape, in float16, bfloat16, float32 or float64.
    target : array of int, or array
        Classes, integers of the shape of ``z`` without ``axis``; or probabilities, floats of the shape of ``z``. That they are
        probabilities is not checked.
    axis : int, tuple of int or None, default -1
        The axis or axes of the classes; None for all. A target counts along them flattened.
    weight : array, optional
        Weight of each class: one number a class.
    ignore_index : int or None, default -100
        Rows with this target, such as padding, count as 0 and have no gradient, whatever they hold; None ignores nothing. For
        classes only.
    label_smoothing : float, default 0.0
        Label smoothing: how much of each target goes to all classes alike, from 0 to 1. Classes that ``where`` leaves out get
        nothing.
    z_loss : float, default 0.0
        ``z_loss * lse**2`` is added to the loss of each row that counts, not weighted by class.
    temperature : float or array, default 1.0
        The logits are divided by it: a positive number, or an array of one for each row.
    softcap : float, optional
        If given, the logits are first capped: ``softcap * tanh(z / softcap)``, before ``temperature``.
    where : array of bool, optional
        Mask, broadcastable to the shape of ``z``: False leaves a class out, as if it were absent.
    reduction : {"none", "mean", "sum"}, default "mean"
        ``"none"`` for one number a row, ``"sum"``, or ``"mean"``: the sum over the weights of the targets (classes) or the number
        of rows (probabilities).
    normalizer : float or array, optional
        Divisor of the mean, instead of the number of rows or the sum of weights: so that micro-batches and ranks add up to the
        whole batch. A number of at least 0, or a 0-d array.
    empty : {"nan", "zero"}, default "nan"
        Result of the mean if no row counts: NaN or 0. Its gradient is 0.
    row_sums : array, optional
        What `row_sums` returned for the same ``z`` and options, so that it is not computed again; the bits are the same.
    dtype : dtype or str, optional
        Cast ``z`` to this dtype before anything else, and the result too. Without it, 16-bit logits give float32.
    return_z_loss : bool, default False
        Return the part of the loss that is ``z_loss`` as well.

    Returns
    -------
    array or CrossEntropyParts
        In float32 or float64, or in ``dtype``: 0-d, or of the shape of ``z`` without ``axis``. ``inf`` where the target is
        impossible. With ``return_z_loss`` a named tuple ``(loss, z_loss)``.

    Raises
    ------
    ArrayTypeError
        Something that is not an array, or arrays of different libraries.
    DTypeError
        ``z`` holds no floats and ``dtype`` is not given, ``dtype`` is no float dtype, or ``where`` does not hold bools.
    AxisError
        ``axis`` is out of range, repeated or missing.
    ShapeError
        Shapes that do not fit together.
    DeviceError
        Arrays on different devices.
    ArgumentValueError
        An option whose value means nothing: a ``temperature`` or ``softcap`` that is not positive, a ``label_smoothing`` that is
        not from 0 to 1, a ``z_loss`` or ``normalizer`` below 0, an unknown ``reduction`` or ``empty``.
    ArgumentError
        An option that there is not, or an option given by position; ``ignore_index`` is no integer; ``normalizer`` without a mean.
    ClassError
        A target that is no class, on the host; elsewhere the loss is NaN.

    See Also
    --------
    linear_cross_entropy : fused with the model's last product.
    log_prob : the log-prob of the target, without options of a loss.
    kl_divergence : of two softmaxes.
    cross_entropy_backward : its gradient.
    cross_entropy_jvp : its directional derivative.

    Notes
    -----
    Of a row with softmax ``s``::

        loss = -sum_c q_c log s_c

    with ``q_c = w_c ((1 - eps) [c = target] + eps / C)``, or ``w_c (p_c (1 - eps) + eps / C)``; ``eps`` is the label smoothing and
    ``C`` the number of classes. The gradient by the logits is ``s sum(q) - q``: with a class ``y`` alone, ``s - y``. It is fused:
    no array as large as the logits is made on the way. Sums over classes and over rows are exact before they are rounded, so the
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
    checked_flag("return_z_loss", return_z_loss)
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
    counted = check_classes("target", target, z, axis, ignored_by(ignored)) if classes else None
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
    z : array
        Logits of ``p``, of any shape, in float16, bfloat16, float32 or float64.
    w : array
        Logits of ``q``, of the shape and dtype of ``z``.
    axis : int, tuple of int or None, default -1
        The axis or axes over which the probabilities sum to 1; None for all.
    temperature : float or array, default 1.0
        Both logits are divided by it: a positive number, or an array of one for each row.
    where : array of bool, optional
        Mask, broadcastable to the shape of ``z``: False leaves a class out of both, as if it were absent.
    reduction : {"none", "mean", "sum"}, default "none"
        ``"none"`` for one number a row, ``"sum"``, or ``"mean"``: the sum over the number of rows.
    normalizer : float or array, optional
        Divisor of the mean, instead of the number of rows: so that micro-batches and ranks add up to the whole batch. A number of
        at least 0, or a 0-d array.
    empty : {"nan", "zero"}, default "nan"
        Result of the mean if no row counts: NaN or 0. Its gradient is 0.
    dtype : dtype or str, optional
        Cast both logits to this dtype before anything else, and the result too. Without it, 16-bit logits give float32.

    Returns
    -------
    array
        In float32 or float64, or in ``dtype``, never negative: of the shape of ``z`` without ``axis``, or 0-d if reduced. ``inf``
        where ``z`` has a class that ``w`` has not.

    Raises
    ------
    ArrayTypeError
        Something that is not an array, or arrays of different libraries.
    DTypeError
        ``z`` holds no floats and ``dtype`` is not given, ``dtype`` is no float dtype, or ``where`` does not hold bools.
    AxisError
        ``axis`` is out of range, repeated or missing.
    ShapeError
        Shapes that do not fit together.
    DeviceError
        Arrays on different devices.
    ArgumentValueError
        An option whose value means nothing: a ``temperature`` that is not positive, a ``normalizer`` below 0, an unknown
        ``reduction`` or ``empty``.
    ArgumentError
        An option that there is not, or an option given by position; ``normalizer`` without a mean.

    See Also
    --------
    js_divergence : symmetric and bounded.
    cross_entropy : with targets that are probabilities.
    kl_divergence_backward : its gradients.
    kl_divergence_jvp : its directional derivative.
    lsmx.testing.compare_distributions : a trainer's log-probs beside a server's.

    Notes
    -----
    With ``d = ln q - ln p``, of each row::

        sum(p (e^d - 1 - d))

    No term is negative, and an error that all ``d`` share enters squared, so it has full relative accuracy however near the two
    are. Gradients to both: ``-p (d + KL)`` and ``q - p``. It is ``torch.nn.functional.kl_div(log q, log p, log_target=True)``,
    which takes ``q`` first.

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
    z : array
        Logits of ``p``, of any shape, in float16, bfloat16, float32 or float64.
    w : array
        Logits of ``q``, of the shape and dtype of ``z``.
    axis : int, tuple of int or None, default -1
        The axis or axes over which the probabilities sum to 1; None for all.
    temperature : float or array, default 1.0
        Both logits are divided by it: a positive number, or an array of one for each row.
    where : array of bool, optional
        Mask, broadcastable to the shape of ``z``: False leaves a class out of both, as if it were absent.
    reduction : {"none", "mean", "sum"}, default "none"
        ``"none"`` for one number a row, ``"sum"``, or ``"mean"``: the sum over the number of rows.
    normalizer : float or array, optional
        Divisor of the mean, instead of the number of rows: so that micro-batches and ranks add up to the whole batch. A number of
        at least 0, or a 0-d array.
    empty : {"nan", "zero"}, default "nan"
        Result of the mean if no row counts: NaN or 0. Its gradient is 0.
    dtype : dtype or str, optional
        Cast both logits to this dtype before anything else, and the result too. Without it, 16-bit logits give float32.

    Returns
    -------
    array
        In float32 or float64, or in ``dtype``, from 0 to ln 2: of the shape of ``z`` without ``axis``, or 0-d if reduced. Swapping
        ``z`` and ``w`` may change the result by an ulp or two.

    Raises
    ------
    ArrayTypeError
        Something that is not an array, or arrays of different libraries.
    DTypeError
        ``z`` holds no floats and ``dtype`` is not given, ``dtype`` is no float dtype, or ``where`` does not hold bools.
    AxisError
        ``axis`` is out of range, repeated or missing.
    ShapeError
        Shapes that do not fit together.
    DeviceError
        Arrays on different devices.
    ArgumentValueError
        An option whose value means nothing: a ``temperature`` that is not positive, a ``normalizer`` below 0, an unknown
        ``reduction`` or ``empty``.
    ArgumentError
        An option that there is not, or an option given by position; ``normalizer`` without a mean.

    See Also
    --------
    kl_divergence : of one from the other.
    js_divergence_backward : its gradients.
    js_divergence_jvp : its directional derivative.

    Notes
    -----
    With ``d = ln q - ln p`` and ``psi(h) = h tanh h - ln cosh h``, of each row::

        sum((p + q)/2 psi(d/2))

    No term is negative.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> z, w = np.asarray([[0.0, -np.inf]]), np.asarray([[-np.inf, 0.0]])
    >>> lsmx.js_divergence(z, w)
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
