"""The losses of optax, on JAX's arrays."""

from __future__ import annotations

from typing import Any

import lsmx
from lsmx.adapters._library import library

__all__ = ["softmax_cross_entropy", "softmax_cross_entropy_with_integer_labels"]


def softmax_cross_entropy(logits: Any, labels: Any, axis: Any = -1, where: Any = None) -> Any:
    """Cross-entropy of logits and probabilities, one number a row, as ``optax.softmax_cross_entropy`` [1]_.

    Parameters
    ----------
    logits : jax.Array
        Floats of any shape.
    labels : jax.Array
        Probabilities of the classes, broadcastable to the shape of ``logits``.
    axis : int, tuple of int or None, default -1
        The axis or axes of the classes; None for all.
    where : jax.Array of bool, optional
        Mask: of the shape of ``logits``, False leaves a class out; of the shape without ``axis``, False leaves a row out.

    Returns
    -------
    jax.Array
        Of the shape of ``logits`` without ``axis``, in the dtype of ``logits`` and ``labels`` together; 0 for a row that is left
        out. NaN for a row of 0 classes, where optax gives -0.0.

    Raises
    ------
    DTypeError, AxisError, ShapeError
        As `lsmx.cross_entropy`.
    ImportError
        Without JAX.

    Notes
    -----
    ``-sum(labels * log_softmax(logits))``, where a label of 0 adds 0 also at a logit of ``-inf``, where optax gives NaN.

    References
    ----------
    .. [1] https://optax.readthedocs.io/en/latest/api/losses.html

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from lsmx.adapters.optax import softmax_cross_entropy
    >>> logits = jnp.asarray([[0, 0, -jnp.inf]], "float32")
    >>> softmax_cross_entropy(logits, jnp.asarray([[0.5, 0.5, 0]], "float32"))
    Array([0.6931472], dtype=float32)
    """
    jnp = library("jax.numpy", "jax")
    logits = jnp.asarray(logits)
    if not jnp.issubdtype(logits.dtype, jnp.floating):
        raise lsmx.DTypeError(f"logits: dtype {logits.dtype}, but logits are floats; cast them")
    dtype = jnp.result_type(logits, labels)
    labels = spread("labels", jnp.asarray(labels, dtype), logits)
    return rows(logits.astype(dtype), labels, axis, mask(where, logits, axis)).astype(dtype)


def softmax_cross_entropy_with_integer_labels(logits: Any, labels: Any, axis: Any = -1, where: Any = None) -> Any:
    """Cross-entropy of logits and classes, one number a row, as ``optax.softmax_cross_entropy_with_integer_labels`` [1]_.

    Parameters
    ----------
    logits : jax.Array
        Floats of any shape.
    labels : jax.Array of int
        Classes, of the shape of ``logits`` without ``axis``.
    axis : int, tuple of int or None, default -1
        The axis or axes of the classes. A class counts along them flattened, in the order that they have in ``axis``.
    where : jax.Array of bool, optional
        Mask: of the shape of ``logits``, False leaves a class out; of the shape without ``axis``, False leaves a row out.

    Returns
    -------
    jax.Array
        Of the shape of ``labels``, in the dtype of ``logits``; 0 for a row that is left out, whatever its label is, and inf for a
        class that is.

    Raises
    ------
    DTypeError, AxisError, ShapeError
        As `lsmx.cross_entropy`.
    ClassError
        A label that is no class, in a row that is not left out and where labels can be looked at; inside ``jax.jit`` the loss is
        NaN. Labels below 0 do not count from the end as in optax.
    ImportError
        Without JAX.

    References
    ----------
    .. [1] https://optax.readthedocs.io/en/latest/api/losses.html

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from lsmx.adapters import optax
    >>> logits, labels = jnp.zeros((2, 4), "float32"), jnp.asarray([0, 3])
    >>> optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    Array([1.3862944, 1.3862944], dtype=float32)
    """
    jnp = library("jax.numpy", "jax")
    logits, labels = jnp.asarray(logits), jnp.asarray(labels)
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        raise lsmx.DTypeError(f"labels: dtype {labels.dtype}, but classes are integers; softmax_cross_entropy takes probabilities")
    where = mask(where, logits, axis)
    if isinstance(axis, tuple):  # classes count along them in this order
        last = tuple(range(-len(axis), 0))
        logits, where, axis = jnp.moveaxis(logits, axis, last), where if where is None else jnp.moveaxis(where, axis, last), last
    return rows(logits, labels, axis, where, ignore_index=None).astype(logits.dtype)


def spread(name: str, x: Any, logits: Any) -> Any:
    """An array in the shape of the logits."""
    try:
        return library("jax.numpy", "jax").broadcast_to(x, logits.shape)
    except ValueError as error:
        raise lsmx.ShapeError(f"{name}: shape {x.shape} does not broadcast to the logits' {logits.shape}") from error


def mask(where: Any, logits: Any, axis: Any) -> Any:
    """A mask in the shape of the logits."""
    jnp = library("jax.numpy", "jax")
    if where is None:
        return None
    return spread("where", where if jnp.ndim(where) == logits.ndim else jnp.expand_dims(where, axis), logits)


def rows(logits: Any, labels: Any, axis: Any, where: Any, **options: Any) -> Any:
    """The loss of each row; of one that is left out 0, whatever its class is."""
    jnp = library("jax.numpy", "jax")
    kept = where if where is None else jnp.any(where, axis)
    if kept is not None and kept.shape == labels.shape:
        labels = jnp.where(kept, labels, 0)
    loss = lsmx.cross_entropy(logits, labels, axis=axis, where=where, reduction="none", **options)
    return loss if kept is None else jnp.where(kept, loss, 0)
