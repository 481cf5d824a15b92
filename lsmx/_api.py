"""The public functions.

Their types are in ``_api.pyi``. What a function does not take is caught in ``extra`` and ``unknown``, to be answered by name;
arrays have a default so that one given by keyword is caught there too. ``honest`` shows neither.
"""

from __future__ import annotations

from typing import Never

from lsmx._call.operator import beside_output, enroll, shortcut
from lsmx._call.spelling import honest, misspelt
from lsmx._definition.log_softmax import LogSoftmax
from lsmx._definition.logsumexp import LogSumExp
from lsmx._definition.ops import Array
from lsmx._definition.softmax import Softmax
from lsmx._typing import Axis, DTypeLike

_log_softmax = enroll("log_softmax", LogSoftmax)
_softmax = enroll("softmax", Softmax)
_logsumexp = enroll("logsumexp", LogSumExp)


@honest
def log_softmax(
    z: Array = None,
    /,
    *extra: Never,
    axis: Axis = -1,
    where: Array | None = None,
    dtype: DTypeLike | None = None,
    out: Array | None = None,
    **unknown: Never,
) -> Array:
    """Logarithm of the softmax, ``z - lse(z)``.

    Parameters
    ----------
    z : array
        Logits, of any shape, in float16, bfloat16, float32 or float64: an array of NumPy, PyTorch, JAX, CuPy, Dask, or any other
        library that follows the array API standard.
    axis : int, tuple of int or None, default -1
        The axis or axes over which the probabilities sum to 1; None for all. A 0-d array takes None only.
    where : array of bool, optional
        Mask, broadcastable to the shape of ``z``: False leaves an entry out, as if it were absent.
    dtype : dtype or str, optional
        Cast ``z`` to this dtype before anything else. Needed for integers and bools.
    out : array, optional
        Array for the result, of its shape and dtype; may be ``z`` itself.

    Returns
    -------
    array
        Same shape, library and device as ``z``, dtype of ``z`` or ``dtype``. ``-inf`` where masked. NaN in the whole row if the row
        has a NaN or +inf, or nothing but -inf.

    Raises
    ------
    ArrayTypeError
        ``z`` is not an array, or ``where`` or ``out`` is not one of the same library.
    DTypeError
        ``z`` holds no floats and ``dtype`` is not given, ``dtype`` is no float dtype, or ``where`` does not hold bools.
    AxisError
        ``axis`` is out of range, repeated or missing.
    ShapeError
        ``where`` or ``out`` is of the wrong shape.
    DeviceError
        ``where`` or ``out`` is on another device.
    OutputError
        ``out`` is of the wrong dtype, or cannot be written to.
    ArgumentError
        An option that there is not, or an option given by position.

    See Also
    --------
    softmax : the probabilities themselves.
    log_prob : at chosen classes only, without an array as large as the logits.
    log_softmax_backward : its gradient.
    log_softmax_jvp : its directional derivative.
    log_softmax_jacobian : its Jacobian.

    Notes
    -----
    ``out = (z - m) - L`` with ``m = max(z)`` and ``L = ln(sum(exp(z - m)))``, in lsmx's portable arithmetic: the bits depend on
    the row, the mask and the dtypes only. At most 2 ulp from the exact value where that is at least 2^-90 (float64: 2^-950) in
    magnitude. The shifted form is analysed in [1]_.

    References
    ----------
    .. [1] Blanchard, P., Higham, D. J., Higham, N. J., "Accurately computing the log-sum-exp and softmax functions", IMA Journal of
       Numerical Analysis 41(4), 2021.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> lsmx.log_softmax(np.asarray([[1.0, 2.0, 3.0]], dtype=np.float32))
    array([[-2.407606  , -1.407606  , -0.40760598]], dtype=float32)
    """
    if extra or unknown:
        raise misspelt(log_softmax, extra, unknown)
    short = shortcut("log_softmax", "forward", type(z))
    value = None if short is None else short(z, axis, where, dtype, out)
    return _log_softmax(z, axis=axis, where=where, dtype=dtype, out=out) if value is None else value


@honest
def softmax(
    z: Array = None,
    /,
    *extra: Never,
    axis: Axis = -1,
    where: Array | None = None,
    dtype: DTypeLike | None = None,
    out: Array | None = None,
    **unknown: Never,
) -> Array:
    """Softmax, ``exp(z - lse(z))``.

    Parameters
    ----------
    z : array
        Logits, of any shape, in float16, bfloat16, float32 or float64: an array of NumPy, PyTorch, JAX, CuPy, Dask, or any other
        library that follows the array API standard.
    axis : int, tuple of int or None, default -1
        The axis or axes over which the result sums to 1; None for all. A 0-d array takes None only.
    where : array of bool, optional
        Mask, broadcastable to the shape of ``z``: False leaves an entry out, as if it were absent.
    dtype : dtype or str, optional
        Cast ``z`` to this dtype before anything else. Needed for integers and bools.
    out : array, optional
        Array for the result, of its shape and dtype; may be ``z`` itself.

    Returns
    -------
    array
        Same shape, library and device as ``z``, dtype of ``z`` or ``dtype``; 0 where masked. Zero where the logarithm is below
        about -87 (float64: -708), so that no result is subnormal in the format computed in. NaN as in `log_softmax`.

    Raises
    ------
    ArrayTypeError
        ``z`` is not an array, or ``where`` or ``out`` is not one of the same library.
    DTypeError
        ``z`` holds no floats and ``dtype`` is not given, ``dtype`` is no float dtype, or ``where`` does not hold bools.
    AxisError
        ``axis`` is out of range, repeated or missing.
    ShapeError
        ``where`` or ``out`` is of the wrong shape.
    DeviceError
        ``where`` or ``out`` is on another device.
    OutputError
        ``out`` is of the wrong dtype, or cannot be written to.
    ArgumentError
        An option that there is not, or an option given by position.

    See Also
    --------
    log_softmax : the logarithm, which also tells small probabilities apart.
    softmax_backward : its gradient.
    softmax_jvp : its directional derivative.
    softmax_jacobian : its Jacobian.

    Notes
    -----
    ``s = exp(z - m) / sum(exp(z - m))``, with the reciprocal of the sum by table and polynomial: no division. At most 2 ulp from
    the exact value. Formula: see the reference of `log_softmax`.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> lsmx.softmax(np.asarray([0.0, 0.0, -np.inf]))
    array([0.5, 0.5, 0. ])
    """
    if extra or unknown:
        raise misspelt(softmax, extra, unknown)
    short = shortcut("softmax", "forward", type(z))
    value = None if short is None else short(z, axis, where, dtype, out)
    return _softmax(z, axis=axis, where=where, dtype=dtype, out=out) if value is None else value


@honest
def logsumexp(
    z: Array = None,
    /,
    *extra: Never,
    axis: Axis = -1,
    keepdims: bool = False,
    where: Array | None = None,
    dtype: DTypeLike | None = None,
    out: Array | None = None,
    **unknown: Never,
) -> Array:
    """Logarithm of the sum of exponentials, ``ln(sum(exp(z)))``.

    Parameters
    ----------
    z : array
        Logits, or any numbers, of any shape, in float16, bfloat16, float32 or float64: an array of NumPy, PyTorch, JAX, CuPy, Dask,
        or any other library that follows the array API standard.
    axis : int, tuple of int or None, default -1
        The axis or axes summed over; None for all. A 0-d array takes None only.
    keepdims : bool, default False
        Keep the reduced axes with length 1.
    where : array of bool, optional
        Mask, broadcastable to the shape of ``z``: False leaves an entry out, as if it were absent.
    dtype : dtype or str, optional
        Cast ``z`` to this dtype before anything else. Needed for integers and bools.
    out : array, optional
        Array for the result, of its shape and dtype.

    Returns
    -------
    array
        The shape of ``z`` without the reduced axes, dtype of ``z`` or ``dtype``. -inf for a row of nothing, or of nothing but -inf;
        +inf if the row has +inf; NaN if it has NaN.

    Raises
    ------
    ArrayTypeError
        ``z`` is not an array, or ``where`` or ``out`` is not one of the same library.
    DTypeError
        ``z`` holds no floats and ``dtype`` is not given, ``dtype`` is no float dtype, or ``where`` does not hold bools.
    AxisError
        ``axis`` is out of range, repeated or missing.
    ShapeError
        ``where`` or ``out`` is of the wrong shape.
    DeviceError
        ``where`` or ``out`` is on another device.
    OutputError
        ``out`` is of the wrong dtype, or cannot be written to.
    ArgumentError
        An option that there is not, or an option given by position. ``keepdims`` is not a bool.

    See Also
    --------
    token_stats : it and a log-prob, an entropy and a rank in one call.
    log_softmax : the logits less it.
    logsumexp_backward : its gradient.
    logsumexp_jvp : its directional derivative.

    Notes
    -----
    ``lse = m + ln(sum(exp(z - m)))`` with ``m = max(z)``, the logarithm ``L`` carried in two words. At most 2 ulp
    of the larger of ``|m|`` and ``L`` from the exact value, where that is at least 2^-90 (float64: 2^-950). Results below twice the
    least normal number are 0. Formula: see the reference of `log_softmax`.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> lsmx.logsumexp(np.asarray([[1000.0, 1000.0], [0.0, -np.inf]]))
    array([1000.69314718,    0.        ])
    """
    if extra or unknown:
        raise misspelt(logsumexp, extra, unknown)
    short = shortcut("logsumexp", "forward", type(z))
    value = None if short is None else short(z, axis, where, dtype, out, keepdims)
    return _logsumexp(z, axis=axis, where=where, dtype=dtype, out=out, keepdims=keepdims) if value is None else value


@honest
def log_softmax_backward(
    grad_output: Array = None,
    output: Array = None,
    /,
    *extra: Never,
    axis: Axis = -1,
    where: Array | None = None,
    out: Array | None = None,
    **unknown: Never,
) -> Array:
    """Gradient of `log_softmax`: ``g - exp(output) * sum(g)``.

    Parameters
    ----------
    grad_output : array
        Cotangent ``g`` of the output, of its shape.
    output : array
        What `log_softmax` returned: its residual. Logits are not needed.
    axis : int, tuple of int or None, default -1
        As given to `log_softmax`.
    where : array of bool, optional
        Mask, as given to `log_softmax`.
    out : array, optional
        Array for the gradient, of its shape and dtype; may be one of the others.

    Returns
    -------
    array
        Gradient with respect to the logits, shape and dtype of ``output``. 0 where masked. NaN in the whole row if the row of
        ``output`` is NaN, or an unmasked ``grad_output`` or the sum of them is not finite. Results below twice the least normal
        number are 0.

    Raises
    ------
    ArrayTypeError
        Something that is not an array, or arrays of different libraries.
    DTypeError
        A dtype that does not compute in the format of ``output``, or ``where`` does not hold bools.
    AxisError
        ``axis`` is out of range, repeated or missing.
    ShapeError
        Shapes that do not fit together.
    DeviceError
        Arrays on different devices.
    OutputError
        ``out`` is of the wrong dtype, or cannot be written to.
    ArgumentError
        An option that there is not, or an option given by position.

    See Also
    --------
    log_softmax : the function.
    log_softmax_jvp : the product with the Jacobian from the other side.
    log_prob_backward : from the logits, for chosen classes.

    Notes
    -----
    With ``s = exp(output)``, of each row::

        dz = g - s * sum(g)

    The Jacobian is ``I - 1 s^T``, so the VJP is that: not ``g * (1 - s)``, which keeps the diagonal only. Where ``s`` is near 1 it
    is computed as ``(g - sum(g)) - (s - 1) * sum(g)``, which does not cancel. The sum is exact to 2^-44 (float64: 2^-80) of
    ``max|g|`` for each of its terms.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> out = lsmx.log_softmax(np.asarray([1.0, 2.0, 3.0]))
    >>> lsmx.log_softmax_backward(np.ones(3), out).round(4)
    array([ 0.7299,  0.2658, -0.9957])
    """
    if extra or unknown:
        raise misspelt(log_softmax_backward, extra, unknown)
    short = shortcut("log_softmax", "backward", type(output))
    value = None if short is None else short(grad_output, output, axis, where, None, out)
    if value is not None:
        return value
    return _log_softmax.derivative("backward", {"grad_output": grad_output}, {"output": output}, axis, where, out)


@honest
def softmax_backward(
    grad_output: Array = None,
    output: Array = None,
    /,
    *extra: Never,
    axis: Axis = -1,
    where: Array | None = None,
    out: Array | None = None,
    **unknown: Never,
) -> Array:
    """Gradient of `softmax`: ``s * (g - sum(g * s))``.

    Parameters
    ----------
    grad_output : array
        Cotangent ``g`` of the output, of its shape.
    output : array
        What `softmax` returned, ``s``: its residual.
    axis : int, tuple of int or None, default -1
        As given to `softmax`.
    where : array of bool, optional
        Mask, as given to `softmax`.
    out : array, optional
        Array for the gradient, of its shape and dtype; may be one of the others.

    Returns
    -------
    array
        Gradient with respect to the logits, shape and dtype of ``output``; 0 where masked.

    Raises
    ------
    ArrayTypeError, DTypeError, AxisError, ShapeError, DeviceError, OutputError, ArgumentError
        As `log_softmax_backward`.

    See Also
    --------
    softmax : the function.
    softmax_jvp : the directional derivative, which is the same.

    Notes
    -----
    With ``s = output``, of each row::

        dz = s * (g - sum(g * s))

    The Jacobian is ``S - s s^T`` with ``S = diag(s)``.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> s = lsmx.softmax(np.asarray([0.0, 0.0]))
    >>> lsmx.softmax_backward(np.asarray([1.0, 0.0]), s)
    array([ 0.25, -0.25])
    """
    if extra or unknown:
        raise misspelt(softmax_backward, extra, unknown)
    short = shortcut("softmax", "backward", type(output))
    value = None if short is None else short(grad_output, output, axis, where, None, out)
    if value is not None:
        return value
    return _softmax.derivative("backward", {"grad_output": grad_output}, {"output": output}, axis, where, out)


@honest
def logsumexp_backward(
    grad_output: Array = None,
    z: Array = None,
    output: Array = None,
    /,
    *extra: Never,
    axis: Axis = -1,
    where: Array | None = None,
    out: Array | None = None,
    **unknown: Never,
) -> Array:
    """Gradient of `logsumexp`: ``g * softmax(z)``.

    Parameters
    ----------
    grad_output : array
        Cotangent ``g`` of the output, of its shape, with or without the reduced axes.
    z : array
        The input of `logsumexp`: its residual.
    output : array
        What it returned. The gradient does not depend on it.
    axis : int, tuple of int or None, default -1
        As given to `logsumexp`.
    where : array of bool, optional
        Mask, as given to `logsumexp`.
    out : array, optional
        Array for the gradient, of its shape and dtype; may be one of the others.

    Returns
    -------
    array
        Gradient, shape and dtype of ``z``; 0 where masked, and in a row of nothing but -inf; NaN in a row with NaN or +inf.

    Raises
    ------
    ArrayTypeError, DTypeError, AxisError, ShapeError, DeviceError, OutputError, ArgumentError
        As `log_softmax_backward`.

    See Also
    --------
    logsumexp : the function.
    logsumexp_jvp : its directional derivative.

    Notes
    -----
    Of each row::

        dz = g * softmax(z)

    It has the bits of `softmax` before they are rounded to 16 bits. It is computed from ``z``, so the rounding of ``output`` is no
    part of it.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> z = np.asarray([[0.0, 0.0]])
    >>> lsmx.logsumexp_backward(np.asarray([2.0]), z, lsmx.logsumexp(z))
    array([[1., 1.]])
    """
    if extra or unknown:
        raise misspelt(logsumexp_backward, extra, unknown)
    short = shortcut("logsumexp", "backward", type(z))
    value = None if short is None else beside_output(short, grad_output, z, output, axis, where, None, out, along=False)
    if value is not None:
        return value
    return _logsumexp.derivative("backward", {"grad_output": grad_output}, {"z": z}, axis, where, out, beside={"output": output})


@honest
def log_softmax_jvp(
    tangent: Array = None, output: Array = None, /, *extra: Never, axis: Axis = -1, where: Array | None = None, **unknown: Never
) -> Array:
    """Directional derivative of `log_softmax`: ``v - sum(exp(output) * v)``.

    Parameters
    ----------
    tangent : array
        Direction ``v`` in the logits, of their shape.
    output : array
        What `log_softmax` returned.
    axis : int, tuple of int or None, default -1
        As given to `log_softmax`.
    where : array of bool, optional
        Mask, as given to `log_softmax`.

    Returns
    -------
    array
        The derivative of the output along ``tangent``, shape and dtype of ``output``; 0 where masked.

    Raises
    ------
    ArrayTypeError, DTypeError, AxisError, ShapeError, DeviceError, ArgumentError
        As `log_softmax_backward`.

    See Also
    --------
    log_softmax : the function.
    log_softmax_backward : its gradient.

    Notes
    -----
    With ``s = exp(output)``, of each row::

        v - sum(s * v)

    That is ``(I - 1 s^T) v``.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> out = lsmx.log_softmax(np.asarray([0.0, 0.0]))
    >>> lsmx.log_softmax_jvp(np.asarray([1.0, 0.0]), out)
    array([ 0.5, -0.5])
    """
    if extra or unknown:
        raise misspelt(log_softmax_jvp, extra, unknown)
    short = shortcut("log_softmax", "jvp", type(output))
    value = None if short is None else short(tangent, output, axis, where, None, None)
    return _log_softmax.derivative("jvp", {"tangent": tangent}, {"output": output}, axis, where) if value is None else value


@honest
def softmax_jvp(
    tangent: Array = None, output: Array = None, /, *extra: Never, axis: Axis = -1, where: Array | None = None, **unknown: Never
) -> Array:
    """Directional derivative of `softmax`: ``s * (v - sum(s * v))``.

    Parameters
    ----------
    tangent : array
        Direction ``v`` in the logits, of their shape.
    output : array
        What `softmax` returned, ``s``.
    axis : int, tuple of int or None, default -1
        As given to `softmax`.
    where : array of bool, optional
        Mask, as given to `softmax`.

    Returns
    -------
    array
        The derivative of the output along ``tangent``, shape and dtype of ``output``; 0 where masked.

    Raises
    ------
    ArrayTypeError, DTypeError, AxisError, ShapeError, DeviceError, ArgumentError
        As `log_softmax_backward`.

    See Also
    --------
    softmax : the function.
    softmax_backward : its gradient, which is the same.

    Notes
    -----
    With ``s = output``, of each row::

        s * (v - sum(s * v))

    The Jacobian ``S - s s^T`` is symmetric, so this is `softmax_backward`.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> s = lsmx.softmax(np.asarray([0.0, 0.0]))
    >>> lsmx.softmax_jvp(np.asarray([1.0, 0.0]), s)
    array([ 0.25, -0.25])
    """
    if extra or unknown:
        raise misspelt(softmax_jvp, extra, unknown)
    short = shortcut("softmax", "jvp", type(output))
    value = None if short is None else short(tangent, output, axis, where, None, None)
    return _softmax.derivative("jvp", {"tangent": tangent}, {"output": output}, axis, where) if value is None else value


@honest
def logsumexp_jvp(
    tangent: Array = None,
    z: Array = None,
    output: Array = None,
    /,
    *extra: Never,
    axis: Axis = -1,
    where: Array | None = None,
    **unknown: Never,
) -> Array:
    """Directional derivative of `logsumexp`: ``sum(softmax(z) * v)``.

    Parameters
    ----------
    tangent : array
        Direction ``v`` in ``z``, of its shape.
    z : array
        The input of `logsumexp`.
    output : array
        What it returned, whose shape the result has.
    axis : int, tuple of int or None, default -1
        As given to `logsumexp`.
    where : array of bool, optional
        Mask, as given to `logsumexp`.

    Returns
    -------
    array
        The derivative of the output along ``tangent``, shape of ``output``, dtype of ``z``.

    Raises
    ------
    ArrayTypeError, DTypeError, AxisError, ShapeError, DeviceError, ArgumentError
        As `log_softmax_backward`.

    See Also
    --------
    logsumexp : the function.
    logsumexp_backward : its gradient.

    Notes
    -----
    Of each row::

        sum(softmax(z) * v)

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> z = np.asarray([[0.0, 0.0]])
    >>> lsmx.logsumexp_jvp(np.asarray([[1.0, 2.0]]), z, lsmx.logsumexp(z))
    array([1.5])
    """
    if extra or unknown:
        raise misspelt(logsumexp_jvp, extra, unknown)
    short = shortcut("logsumexp", "jvp", type(z))
    value = None if short is None else beside_output(short, tangent, z, output, axis, where, None, None, along=True)
    if value is not None:
        return value
    return _logsumexp.derivative("jvp", {"tangent": tangent}, {"z": z}, axis, where, beside={"output": output})


@honest
def log_softmax_jacobian(output: Array = None, /, *extra: Never, axis: Axis = -1, **unknown: Never) -> Array:
    """Jacobian of `log_softmax`: ``I - 1 s^T`` with ``s = exp(output)``.

    Parameters
    ----------
    output : array
        What `log_softmax` returned.
    axis : int, tuple of int or None, default -1
        As given to `log_softmax`. Several axes are flattened to one, in order.

    Returns
    -------
    array
        ``J[..., i, j]``, the derivative of output ``i`` by logit ``j``: the other axes of ``output``, then ``n, n``. Dtype of
        ``output``.

    Raises
    ------
    ArrayTypeError, DTypeError, AxisError, ArgumentError
        As `log_softmax_backward`.

    See Also
    --------
    log_softmax_backward : its transpose times a vector, without forming it.
    log_softmax_jvp : it times a vector, without forming it.

    Notes
    -----
    With ``s = exp(output)``, of each row::

        J_ij = (i == j) - s_j

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> lsmx.log_softmax_jacobian(lsmx.log_softmax(np.asarray([0.0, 0.0])))
    array([[ 0.5, -0.5],
           [-0.5,  0.5]])
    """
    if extra or unknown:
        raise misspelt(log_softmax_jacobian, extra, unknown)
    return _log_softmax.derivative("jacobian", {}, {"output": output}, axis)


@honest
def softmax_jacobian(output: Array = None, /, *extra: Never, axis: Axis = -1, **unknown: Never) -> Array:
    """Jacobian of `softmax`: ``S - s s^T`` with ``S = diag(s)``.

    Parameters
    ----------
    output : array
        What `softmax` returned, ``s``.
    axis : int, tuple of int or None, default -1
        As given to `softmax`. Several axes are flattened to one, in order.

    Returns
    -------
    array
        ``J[..., i, j]``, the derivative of output ``i`` by logit ``j``: the other axes of ``output``, then ``n, n``. Dtype of
        ``output``.

    Raises
    ------
    ArrayTypeError, DTypeError, AxisError, ArgumentError
        As `log_softmax_backward`.

    See Also
    --------
    softmax_backward : it times a vector, without forming it.

    Notes
    -----
    Of each row::

        J_ij = s_i * (i == j) - s_i * s_j

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> lsmx.softmax_jacobian(lsmx.softmax(np.asarray([0.0, 0.0])))
    array([[ 0.25, -0.25],
           [-0.25,  0.25]])
    """
    if extra or unknown:
        raise misspelt(softmax_jacobian, extra, unknown)
    return _softmax.derivative("jacobian", {}, {"output": output}, axis)
