"""Derivatives of the losses by hand, for code without an autograd: from the logits, with the options of the loss."""

from __future__ import annotations

from typing import Any, Never

from lsmx._call.deferred import publish
from lsmx._call.losses import (
    CROSS_ENTROPY,
    CROSS_ENTROPY_OF,
    ENTROPY,
    JS,
    KL,
    LOG_PROB,
    Reduced,
    are_numbers,
    check_classes,
    one_tangent,
    scaling,
)
from lsmx._call.operator import Operator, shortcut
from lsmx._call.spelling import honest, misspelt
from lsmx._definition.ops import Array
from lsmx._losses import Reduction, rows_of_cross_entropy
from lsmx._typing import Axis


@honest
def log_prob_backward(
    grad_output: Array = None,
    z: Array = None,
    index: Array = None,
    /,
    *extra: Never,
    axis: Axis = -1,
    temperature: Any = 1.0,
    softcap: float | None = None,
    where: Array | None = None,
    row_sums: Array | None = None,
    **unknown: Never,
) -> Array:
    """Gradient of `log_prob`: ``g (1[c = i] - s)``.

    Parameters
    ----------
    grad_output : array
        Cotangent ``g``, of the shape of ``index``.
    z : array
        Logits, as given to `log_prob`.
    index : array of int
        Classes, as given to `log_prob`.
    axis : int, tuple of int or None, default -1
        The axis or axes of the classes, as given to `log_prob`.
    temperature : float or array, default 1.0
        What the logits are divided by, as given to `log_prob`.
    softcap : float, optional
        Cap of the logits, as given to `log_prob`.
    where : array of bool, optional
        Mask of the classes, as given to `log_prob`.
    row_sums : array, optional
        What `row_sums` returned for the same ``z`` and options, so that it is not computed again.

    Returns
    -------
    array
        Gradient, shape and dtype of ``z``; 0 where masked. NaN in a row where `log_prob` is undefined.

    Raises
    ------
    ArrayTypeError, DTypeError, AxisError, ShapeError, DeviceError, ArgumentValueError, ArgumentError, ClassError
        As `log_prob`; or a shape that does not go with ``z``.

    See Also
    --------
    log_prob : the function.
    log_prob_jvp : its directional derivative.
    log_softmax_backward : from the output of `log_softmax`.

    Notes
    -----
    With ``x = softcap tanh(z / softcap) / temperature`` and ``s = softmax(x)``, by ``x``, of each class ``c``::

        dx_c = g_c - s_c * sum(g)

    where ``g_c`` is the sum of the class's cotangents; at the maximum, where that is more likely than not, ``(g_c - G) + (1 - s_c)
    G`` with ``G = sum(g)``. It is nearer to the exact gradient than `log_softmax_backward`, which starts from a rounded output, and
    has not its bits.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> z, index = np.asarray([[0.0, 0.0]]), np.asarray([1])
    >>> lsmx.log_prob_backward(np.asarray([2.0]), z, index)
    array([[-1.,  1.]])
    """
    if extra or unknown:
        raise misspelt(log_prob_backward, extra, unknown)
    if softcap is row_sums is None and are_numbers((temperature,), (1.0,)):
        short = shortcut("log_prob", "backward", type(z))
        if short is not None and (value := short(grad_output, z, index, axis, where, None, None)) is not None:
            return value
    check_classes("index", index, z, axis)
    given = {"z": z, "index": index}
    options = scaling(z, axis, temperature, softcap, row_sums)
    return LOG_PROB.derivative("backward", {"grad_output": grad_output}, given, axis, where, options=options)


@honest
def log_prob_jvp(
    tangent: Array = None,
    z: Array = None,
    index: Array = None,
    /,
    *extra: Never,
    axis: Axis = -1,
    temperature: Any = 1.0,
    softcap: float | None = None,
    where: Array | None = None,
    row_sums: Array | None = None,
    **unknown: Never,
) -> Array:
    """Directional derivative of `log_prob`: ``v_i - sum(s v)``.

    Parameters
    ----------
    tangent : array
        Direction ``v`` in the logits, of their shape.
    z : array
        Logits, as given to `log_prob`.
    index : array of int
        Classes, as given to `log_prob`.
    axis : int, tuple of int or None, default -1
        The axis or axes of the classes, as given to `log_prob`.
    temperature : float or array, default 1.0
        What the logits are divided by, as given to `log_prob`.
    softcap : float, optional
        Cap of the logits, as given to `log_prob`.
    where : array of bool, optional
        Mask of the classes, as given to `log_prob`.
    row_sums : array, optional
        What `row_sums` returned for the same ``z`` and options, so that it is not computed again.

    Returns
    -------
    array
        Of the shape of ``index``, in float32 or float64.

    Raises
    ------
    ArrayTypeError, DTypeError, AxisError, ShapeError, DeviceError, ArgumentValueError, ArgumentError, ClassError
        As `log_prob`; or a shape that does not go with ``z``.

    See Also
    --------
    log_prob : the function.
    log_prob_backward : its gradient.

    Notes
    -----
    With ``x = softcap tanh(z / softcap) / temperature`` and ``s = softmax(x)``, along ``v`` in ``x``, at an index ``i``::

        v_i - sum(s * v)

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> z, index = np.asarray([[0.0, 0.0]]), np.asarray([0])
    >>> lsmx.log_prob_jvp(np.asarray([[1.0, 0.0]]), z, index)
    array([0.5])
    """
    if extra or unknown:
        raise misspelt(log_prob_jvp, extra, unknown)
    check_classes("index", index, z, axis)
    given = {"z": z, "index": index}
    return LOG_PROB.derivative(
        "jvp", {"tangent": tangent}, given, axis, where, options=scaling(z, axis, temperature, softcap, row_sums)
    )


@honest
def entropy_backward(
    grad_output: Array = None,
    z: Array = None,
    /,
    *extra: Never,
    axis: Axis = -1,
    temperature: Any = 1.0,
    softcap: float | None = None,
    where: Array | None = None,
    row_sums: Array | None = None,
    **unknown: Never,
) -> Array:
    """Gradient of `entropy`: ``-g s (log s + H)``, as ``g s (D - sum(s D))`` with ``D = max(x) - x``.

    Parameters
    ----------
    grad_output : array
        Cotangent ``g``, one number for each row.
    z : array
        Logits, as given to `entropy`.
    axis : int, tuple of int or None, default -1
        The axis or axes of the classes, as given to `entropy`.
    temperature : float or array, default 1.0
        What the logits are divided by, as given to `entropy`.
    softcap : float, optional
        Cap of the logits, as given to `entropy`.
    where : array of bool, optional
        Mask of the classes, as given to `entropy`.
    row_sums : array, optional
        What `row_sums` returned for the same ``z`` and options, so that it is not computed again.

    Returns
    -------
    array
        Gradient, shape and dtype of ``z``; 0 where masked.

    Raises
    ------
    ArrayTypeError, DTypeError, AxisError, ShapeError, DeviceError, ArgumentValueError, ArgumentError
        As `entropy`; or a shape that does not go with ``z``.

    See Also
    --------
    entropy : the function.
    entropy_jvp : its directional derivative.

    Notes
    -----
    With ``x = softcap tanh(z / softcap) / temperature`` and ``s = softmax(x)``, ``D = max(x) - x``, by ``x``, of each row::

        dx = g * s * (D - sum(s * D))

    which is ``-g s (log s + H)`` without a difference of large numbers.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> lsmx.entropy_backward(np.asarray([1.0]), np.asarray([[0.0, 1.0]])).round(6)
    array([[ 0.196612, -0.196612]])
    """
    if extra or unknown:
        raise misspelt(entropy_backward, extra, unknown)
    if softcap is row_sums is None and are_numbers((temperature,), (1.0,)):
        short = shortcut("entropy", "backward", type(z))
        if short is not None and (value := short(grad_output, z, axis, where, None, None)) is not None:
            return value
    options = scaling(z, axis, temperature, softcap, row_sums)
    return ENTROPY.derivative("backward", {"grad_output": grad_output}, {"z": z}, axis, where, options=options)


@honest
def entropy_jvp(
    tangent: Array = None,
    z: Array = None,
    /,
    *extra: Never,
    axis: Axis = -1,
    temperature: Any = 1.0,
    softcap: float | None = None,
    where: Array | None = None,
    row_sums: Array | None = None,
    **unknown: Never,
) -> Array:
    """Directional derivative of `entropy`: ``sum(s (D - sum(s D)) v)``.

    Parameters
    ----------
    tangent : array
        Direction ``v`` in the logits, of their shape.
    z : array
        Logits, as given to `entropy`.
    axis : int, tuple of int or None, default -1
        The axis or axes of the classes, as given to `entropy`.
    temperature : float or array, default 1.0
        What the logits are divided by, as given to `entropy`.
    softcap : float, optional
        Cap of the logits, as given to `entropy`.
    where : array of bool, optional
        Mask of the classes, as given to `entropy`.
    row_sums : array, optional
        What `row_sums` returned for the same ``z`` and options, so that it is not computed again.

    Returns
    -------
    array
        One number for each row, in float32 or float64.

    Raises
    ------
    ArrayTypeError, DTypeError, AxisError, ShapeError, DeviceError, ArgumentValueError, ArgumentError
        As `entropy`; or a shape that does not go with ``z``.

    See Also
    --------
    entropy : the function.
    entropy_backward : its gradient.

    Notes
    -----
    With ``x = softcap tanh(z / softcap) / temperature`` and ``s = softmax(x)``, ``D = max(x) - x``, along ``v`` in ``x``, of each
    row::

        sum(s * (D - sum(s * D)) * v)

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> lsmx.entropy_jvp(np.asarray([[1.0, 1.0]]), np.asarray([[0.0, 1.0]]))
    array([0.])
    """
    if extra or unknown:
        raise misspelt(entropy_jvp, extra, unknown)
    options = scaling(z, axis, temperature, softcap, row_sums)
    return ENTROPY.derivative("jvp", {"tangent": tangent}, {"z": z}, axis, where, options=options)


@honest
def cross_entropy_backward(
    grad_output: Array = None,
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
    row_sums: Array | None = None,
    **unknown: Never,
) -> Array:
    """Gradient of `cross_entropy` by the logits: ``u (s sum(q) - q)``; with a class ``y`` alone, ``u (s - y)``.

    Parameters
    ----------
    grad_output : array
        Cotangent of the loss: 0-d, or one number for each row with ``reduction="none"``.
    z : array
        Logits, as given to `cross_entropy`.
    target : array of int, or array
        Classes or probabilities, as given to `cross_entropy`.
    axis : int, tuple of int or None, default -1
        The axis or axes of the classes, as given to `cross_entropy`.
    weight : array, optional
        Weight of each class, as given to `cross_entropy`.
    ignore_index : int or None, default -100
        The target, such as that of padding, whose rows do not count, as given to `cross_entropy`.
    label_smoothing : float, default 0.0
        Label smoothing, as given to `cross_entropy`.
    z_loss : float, default 0.0
        Factor of ``lse**2`` in the loss, as given to `cross_entropy`.
    temperature : float or array, default 1.0
        What the logits are divided by, as given to `cross_entropy`.
    softcap : float, optional
        Cap of the logits, as given to `cross_entropy`.
    where : array of bool, optional
        Mask of the classes, as given to `cross_entropy`.
    reduction : {"none", "mean", "sum"}, default "mean"
        How the losses of the rows were reduced, as given to `cross_entropy`.
    normalizer : float or array, optional
        Divisor of the mean, as given to `cross_entropy`.
    row_sums : array, optional
        What `row_sums` returned for the same ``z`` and options, so that it is not computed again.

    Returns
    -------
    array
        Gradient, shape and dtype of ``z``; 0 where masked, and in rows that are ignored.

    Raises
    ------
    ArrayTypeError, DTypeError, AxisError, ShapeError, DeviceError, ArgumentValueError, ArgumentError, ClassError
        As `cross_entropy`; or a shape that does not go with ``z``.

    See Also
    --------
    cross_entropy : the function.
    cross_entropy_jvp : its directional derivative.
    linear_cross_entropy_backward : fused with the model's last product.

    Notes
    -----
    With ``x = softcap tanh(z / softcap) / temperature`` and ``s = softmax(x)``, and ``q`` as in `cross_entropy`, by ``x``, of each
    row::

        dx = u * (s * sum(q) - q) + u * 2 * z_loss * lse * s

    ``u`` is the row's cotangent: ``grad_output`` over the mean's divisor, rounded once. With a class ``y`` alone it is ``u (s -
    y)``.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> z, target = np.asarray([[0.0, 0.0]]), np.asarray([1])
    >>> lsmx.cross_entropy_backward(np.asarray(1.0), z, target)
    array([[ 0.5, -0.5]])
    """
    if extra or unknown:
        raise misspelt(cross_entropy_backward, extra, unknown)
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
        None,
    )
    operator, direction = (CROSS_ENTROPY, "backward") if found.classes else (CROSS_ENTROPY_OF, "backward z")
    u = Reduced(reduction, found.divisor).backward(grad_output, z, axis)
    return operator.derivative(direction, {"grad_output": u}, {"z": z, "target": target}, axis, where, options=found.options)


@honest
def cross_entropy_jvp(
    tangent: Array = None,
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
    row_sums: Array | None = None,
    **unknown: Never,
) -> Array:
    """Directional derivative of `cross_entropy` along the logits: ``sum((s sum(q) - q) v)`` of each row, reduced.

    Parameters
    ----------
    tangent : array
        Direction ``v`` in the logits, of their shape.
    z : array
        Logits, as given to `cross_entropy`.
    target : array of int, or array
        Classes or probabilities, as given to `cross_entropy`.
    axis : int, tuple of int or None, default -1
        The axis or axes of the classes, as given to `cross_entropy`.
    weight : array, optional
        Weight of each class, as given to `cross_entropy`.
    ignore_index : int or None, default -100
        The target, such as that of padding, whose rows do not count, as given to `cross_entropy`.
    label_smoothing : float, default 0.0
        Label smoothing, as given to `cross_entropy`.
    z_loss : float, default 0.0
        Factor of ``lse**2`` in the loss, as given to `cross_entropy`.
    temperature : float or array, default 1.0
        What the logits are divided by, as given to `cross_entropy`.
    softcap : float, optional
        Cap of the logits, as given to `cross_entropy`.
    where : array of bool, optional
        Mask of the classes, as given to `cross_entropy`.
    reduction : {"none", "mean", "sum"}, default "mean"
        How the losses of the rows were reduced, as given to `cross_entropy`.
    normalizer : float or array, optional
        Divisor of the mean, as given to `cross_entropy`.
    row_sums : array, optional
        What `row_sums` returned for the same ``z`` and options, so that it is not computed again.

    Returns
    -------
    array
        Of the shape of the loss, in float32 or float64.

    Raises
    ------
    ArrayTypeError, DTypeError, AxisError, ShapeError, DeviceError, ArgumentValueError, ArgumentError, ClassError
        As `cross_entropy`; or a shape that does not go with ``z``.

    See Also
    --------
    cross_entropy : the function.
    cross_entropy_backward : its gradient.

    Notes
    -----
    With ``x = softcap tanh(z / softcap) / temperature`` and ``s = softmax(x)``, and ``q`` as in `cross_entropy`, along ``v`` in
    ``x``, of each row, then reduced as the loss is::

        sum((s * sum(q) - q + 2 * z_loss * lse * s) * v)

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> z, target = np.asarray([[0.0, 0.0]]), np.asarray([1])
    >>> lsmx.cross_entropy_jvp(np.asarray([[0.0, 1.0]]), z, target)
    array(-0.5)
    """
    if extra or unknown:
        raise misspelt(cross_entropy_jvp, extra, unknown)
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
        None,
    )
    operator, direction = (CROSS_ENTROPY, "jvp") if found.classes else (CROSS_ENTROPY_OF, "jvp z")
    rows = operator.derivative(direction, {"tangent": tangent}, {"z": z, "target": target}, axis, where, options=found.options)
    return Reduced(reduction, found.divisor, "zero").forward(rows)


@honest
def kl_divergence_backward(
    grad_output: Array = None,
    z: Array = None,
    w: Array = None,
    /,
    *extra: Never,
    axis: Axis = -1,
    temperature: Any = 1.0,
    where: Array | None = None,
    **unknown: Never,
) -> tuple[Array, Array]:
    """Gradients of `kl_divergence`: ``-g p (d + KL)`` by ``z``, and ``g (q - p)`` by ``w``.

    Parameters
    ----------
    grad_output : array
        Cotangent ``g``, one number for each row: of the divergence with ``reduction="none"``.
    z : array
        Logits of ``p``, as given to `kl_divergence`.
    w : array
        Logits of ``q``, as given to `kl_divergence`.
    axis : int, tuple of int or None, default -1
        The axis or axes of the classes, as given to `kl_divergence`.
    temperature : float or array, default 1.0
        What the logits are divided by, as given to `kl_divergence`.
    where : array of bool, optional
        Mask of the classes, as given to `kl_divergence`.

    Returns
    -------
    tuple of array
        Both gradients, shape and dtype of ``z`` and of ``w``; 0 where masked.

    Raises
    ------
    ArrayTypeError, DTypeError, AxisError, ShapeError, DeviceError, ArgumentValueError, ArgumentError
        As `kl_divergence`; or a shape that does not go with ``z``.

    See Also
    --------
    kl_divergence : the function.
    kl_divergence_jvp : its directional derivative.

    Notes
    -----
    With ``p = softmax(z)``, ``q = softmax(w)``, ``d = ln q - ln p``, of each row without a temperature::

        dz = -g * p * (d + KL)
        dw = g * (q - p)

    A temperature ``T`` divides both, as they are by ``z / T`` and ``w / T``.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> z, w = np.asarray([[0.0, 0.0]]), np.log(np.asarray([[1.0, 3.0]]))
    >>> lsmx.kl_divergence_backward(np.asarray([1.0]), z, w)[1]
    array([[-0.25,  0.25]])
    """
    if extra or unknown:
        raise misspelt(kl_divergence_backward, extra, unknown)
    return both(KL, grad_output, z, w, axis, temperature, where)


@honest
def kl_divergence_jvp(
    tangent_z: Array | None = None,
    tangent_w: Array | None = None,
    z: Array = None,
    w: Array = None,
    /,
    *extra: Never,
    axis: Axis = -1,
    temperature: Any = 1.0,
    where: Array | None = None,
    **unknown: Never,
) -> Array:
    """Directional derivative of `kl_divergence` along one of its arguments.

    Parameters
    ----------
    tangent_z : array or None
        Direction ``v`` in ``z``, of its shape; None for the derivative along ``w``.
    tangent_w : array or None
        Direction ``u`` in ``w``, of its shape; None for the derivative along ``z``.
    z : array
        Logits of ``p``, as given to `kl_divergence`.
    w : array
        Logits of ``q``, as given to `kl_divergence`.
    axis : int, tuple of int or None, default -1
        The axis or axes of the classes, as given to `kl_divergence`.
    temperature : float or array, default 1.0
        What the logits are divided by, as given to `kl_divergence`.
    where : array of bool, optional
        Mask of the classes, as given to `kl_divergence`.

    Returns
    -------
    array
        One number for each row, in float32 or float64.

    Raises
    ------
    ArrayTypeError, DTypeError, AxisError, ShapeError, DeviceError, ArgumentValueError, ArgumentError
        As `kl_divergence`; or both tangents are arrays, or neither.

    See Also
    --------
    kl_divergence : the function.
    kl_divergence_backward : its gradients.

    Notes
    -----
    With ``p = softmax(z)``, ``q = softmax(w)``, ``d = ln q - ln p``, of each row, along ``v`` in ``z`` or along ``u`` in ``w``::

        -sum(p * (d + KL) * v)
        sum((q - p) * u)

    The derivative along both is the sum of the two.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> z, w = np.asarray([[0.0, 0.0]]), np.log(np.asarray([[1.0, 3.0]]))
    >>> lsmx.kl_divergence_jvp(None, np.asarray([[0.0, 1.0]]), z, w)
    array([0.25])
    """
    if extra or unknown:
        raise misspelt(kl_divergence_jvp, extra, unknown)
    return along(KL, tangent_z, tangent_w, z, w, axis, temperature, where)


@honest
def js_divergence_backward(
    grad_output: Array = None,
    z: Array = None,
    w: Array = None,
    /,
    *extra: Never,
    axis: Axis = -1,
    temperature: Any = 1.0,
    where: Array | None = None,
    **unknown: Never,
) -> tuple[Array, Array]:
    """Gradients of `js_divergence`: ``g p (v - sum(p v))`` with ``v = ln(p / m) / 2``, ``m = (p + q) / 2``; and that with ``q``.

    Parameters
    ----------
    grad_output : array
        Cotangent ``g``, one number for each row: of the divergence with ``reduction="none"``.
    z : array
        Logits of ``p``, as given to `js_divergence`.
    w : array
        Logits of ``q``, as given to `js_divergence`.
    axis : int, tuple of int or None, default -1
        The axis or axes of the classes, as given to `js_divergence`.
    temperature : float or array, default 1.0
        What the logits are divided by, as given to `js_divergence`.
    where : array of bool, optional
        Mask of the classes, as given to `js_divergence`.

    Returns
    -------
    tuple of array
        Both gradients, shape and dtype of ``z`` and of ``w``; 0 where masked.

    Raises
    ------
    ArrayTypeError, DTypeError, AxisError, ShapeError, DeviceError, ArgumentValueError, ArgumentError
        As `js_divergence`; or a shape that does not go with ``z``.

    See Also
    --------
    js_divergence : the function.
    js_divergence_jvp : its directional derivative.

    Notes
    -----
    With ``p = softmax(z)``, ``q = softmax(w)``, ``m = (p + q) / 2``, of each row without a temperature::

        dz = g * p * (v - sum(p * v)),  v = ln(p / m) / 2
        dw = g * q * (u - sum(q * u)),  u = ln(q / m) / 2

    A temperature divides both.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> z = np.asarray([[0.0, 1.0]])
    >>> lsmx.js_divergence_backward(np.asarray([1.0]), z, z)[0]
    array([[0., 0.]])
    """
    if extra or unknown:
        raise misspelt(js_divergence_backward, extra, unknown)
    return both(JS, grad_output, z, w, axis, temperature, where)


@honest
def js_divergence_jvp(
    tangent_z: Array | None = None,
    tangent_w: Array | None = None,
    z: Array = None,
    w: Array = None,
    /,
    *extra: Never,
    axis: Axis = -1,
    temperature: Any = 1.0,
    where: Array | None = None,
    **unknown: Never,
) -> Array:
    """Directional derivative of `js_divergence` along one of its arguments.

    Parameters
    ----------
    tangent_z : array or None
        Direction ``v`` in ``z``, of its shape; None for the derivative along ``w``.
    tangent_w : array or None
        Direction ``u`` in ``w``, of its shape; None for the derivative along ``z``.
    z : array
        Logits of ``p``, as given to `js_divergence`.
    w : array
        Logits of ``q``, as given to `js_divergence`.
    axis : int, tuple of int or None, default -1
        The axis or axes of the classes, as given to `js_divergence`.
    temperature : float or array, default 1.0
        What the logits are divided by, as given to `js_divergence`.
    where : array of bool, optional
        Mask of the classes, as given to `js_divergence`.

    Returns
    -------
    array
        One number for each row, in float32 or float64.

    Raises
    ------
    ArrayTypeError, DTypeError, AxisError, ShapeError, DeviceError, ArgumentValueError, ArgumentError
        As `js_divergence`; or both tangents are arrays, or neither.

    See Also
    --------
    js_divergence : the function.
    js_divergence_backward : its gradients.

    Notes
    -----
    With ``p = softmax(z)``, ``q = softmax(w)``, ``m = (p + q) / 2``, of each row, along ``v`` in ``z`` or along ``u`` in ``w``::

        sum(p * (a - sum(p * a)) * v),  a = ln(p / m) / 2
        sum(q * (b - sum(q * b)) * u),  b = ln(q / m) / 2

    The derivative along both is the sum of the two.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> z = np.asarray([[0.0, 1.0]])
    >>> lsmx.js_divergence_jvp(np.asarray([[1.0, 0.0]]), None, z, z)
    array([0.])
    """
    if extra or unknown:
        raise misspelt(js_divergence_jvp, extra, unknown)
    return along(JS, tangent_z, tangent_w, z, w, axis, temperature, where)


def both(operator: Operator, g: Array, z: Array, w: Array, axis: Axis, temperature: Any, where: Any) -> tuple[Array, Array]:
    """The gradients of a divergence."""
    options, vectors, residual = scaling(z, axis, temperature, None), {"grad_output": g}, {"z": z, "w": w}
    by_z, by_w = (operator.derivative(f"backward {x}", vectors, residual, axis, where, options=options) for x in ("z", "w"))
    return by_z, by_w


def along(operator: Operator, v: Any, u: Any, z: Array, w: Array, axis: Axis, temperature: Any, where: Any) -> Array:
    """The derivative of a divergence along one of its arguments."""
    if (v is None) == (u is None):
        raise one_tangent(operator.name)
    by, tangent = ("z", v) if u is None else ("w", u)
    options = scaling(z, axis, temperature, None)
    return operator.derivative(f"jvp {by}", {"tangent": tangent}, {"z": z, "w": w}, axis, where, options=options)


publish(
    cross_entropy_backward,
    cross_entropy_jvp,
    entropy_backward,
    entropy_jvp,
    js_divergence_backward,
    js_divergence_jvp,
    kl_divergence_backward,
    kl_divergence_jvp,
    log_prob_backward,
    log_prob_jvp,
)
