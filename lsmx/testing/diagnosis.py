"""Says whether a gradient of one's own is right, and if not, which known mistake it makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lsmx.extend import Array, float_name, serving
from lsmx.testing import probes
from lsmx.testing.arguments import Shapes, checked, checked_options
from lsmx.testing.candidate import Candidate
from lsmx.testing.forward import Forward
from lsmx.testing.gradients import OF_CLASSES
from lsmx.testing.options import OF_NUMBERS
from lsmx.testing.signatures import parameters
from lsmx.testing.verdict import Diagnosis, examine

LOGITS = ("z", "x", "logits", "input", "inputs")  # what users call them
ONE_HOT = "it is read as taking one-hot targets, not class numbers"


def diagnose(
    backward: Callable[..., Array] | None = None,
    /,
    *,
    forward: Callable[..., Array] | None = None,
    function: str = "log_softmax",
    like: Array | None = None,
    saves: str | Sequence[str] | None = None,
    shapes: Shapes | None = None,
    options: Mapping[str, Any] | None = None,
) -> Diagnosis:
    """Say whether a gradient is right, and where it is not, which known mistake it makes.

    Parameters
    ----------
    backward : callable, optional
        Your gradient, called as ``backward(grad_output, output)`` for log-softmax and softmax, as
        ``backward(grad_output, z, output)`` for logsumexp, and as ``backward(grad_output, z, target)`` for cross-entropy. Where a
        row becomes one number, ``grad_output`` and ``output`` lack its axis. If it takes a keyword ``axis`` (or ``dim``), it is
        tried along every axis, otherwise along the last; if it takes ``where`` (or ``mask``), with masks, true for what is kept.
        With a first argument called ``ctx`` it is called as ``backward(ctx, grad_output)``, along the last axis, finds the rest
        in ``ctx.saved_tensors``, and may return ``None`` for what has no gradient. Put anything else into a lambda.
        That of cross-entropy is tried with ``reduction``, ``ignore_index``, ``label_smoothing``, ``weight`` and ``temperature``, as
        `lsmx.cross_entropy` has them, that of log-probs with ``temperature``: with each that it takes by keyword.
    forward : callable, optional
        Your forward pass of cross-entropy or log-probs, called as ``forward(z, target)``, with the same keywords. It is looked at
        before the gradient, or alone.
    function : str, default "log_softmax"
        ``"log_softmax"``, ``"softmax"``, ``"logsumexp"``, ``"log_prob"`` (of one class a row) or ``"cross_entropy"``: the loss of
        each row, unless ``options`` or a keyword say otherwise; the mean's ``1 / n`` comes with ``grad_output``. Targets are class
        numbers, or one-hot rows if your gradient takes those.
    like : array, optional
        An array of the library, dtype and device to try it on. By default NumPy, float64.
    saves : str or sequence of str, optional
        What your forward pass saves for it, if that is something else: ``"z"``, ``"output"``, or ``("z", "output")`` for both. For
        cross-entropy ``"z"``, ``"output"`` (the log-probabilities) or ``"softmax"`` (the probabilities); by default the name of
        the second argument tells, such as ``z``, ``log_probs`` or ``probs``.
    shapes : sequence of tuple of int, optional
        Of the logits to try, with two axes or more: some square and some not, as mistakes hide in squares. By default of two and
        three axes, for cross-entropy and log-probs of two.
    options : mapping, optional
        Those that yours always has, as ``{"reduction": "mean", "ignore_index": 0}``; ``weight`` is to be a keyword. With a mean or
        a sum ``grad_output`` is one number for all rows.

    Returns
    -------
    Diagnosis
        Print it. Where no known mistake, or two of them together, give what your gradient gave, its ``why`` says in which entries
        it is off, and by how much.

    Raises
    ------
    TypeError
        ``backward`` or ``forward`` is not callable.
    ArrayTypeError, DTypeError
        ``like`` is not an array, or not one of floats.
    ValueError
        ``function``, ``saves``, ``shapes`` or ``options`` is none of those accepted, or ``forward`` not of such a function.

    See Also
    --------
    Diagnosis : the record that it returns.
    evaluate : all directions of a registered function.

    Notes
    -----
    Right is what is nowhere more than 8 ulp off, in ulp of the magnitudes that are added up: ``|g| + s * sum(|g|)`` for
    log-softmax. In the arithmetic of an array library the sum of a short row takes up to 3 ulp, ``exp`` 1 or 2, the product and
    the difference 1/2 each. Equal bits are asked of lsmx's own backends, not of yours.

    Examples
    --------
    >>> import numpy as np
    >>> from lsmx.testing import diagnose
    >>> print(diagnose(lambda g, out: g * (1 - np.exp(out))))
    gradient of log_softmax: wrong: row sum missing
      That is the diagonal of the Jacobian I - 1 s^T: every logit moves all
      outputs of its row.
      first seen on logits of shape (5, 7), axis=-1
      first difference at (0, 0): yours is 0.57709675, right is -3.8574686
      as if    s = np.exp(out); dz = g * (1 - s)
      correct  s = np.exp(out); dz = g - s * np.sum(g, axis=axis, keepdims=True)
    >>> def right(g, out):
    ...     return g - np.exp(out) * g.sum(axis=-1, keepdims=True)
    >>> bool(diagnose(right))
    True
    >>> def fused(g, probs, y):
    ...     return (y - probs) / len(y)
    >>> diagnose(fused, function="cross_entropy").mistake
    'cotangent ignored and sign'
    >>> def loss(z, y):
    ...     s = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    ...     return -np.log(s)[range(len(y)), y]
    >>> diagnose(forward=loss, function="cross_entropy").mistake
    'log of softmax'
    >>> def off(g, out):
    ...     return 1.25 * g - np.exp(out) * g.sum(axis=-1, keepdims=True)
    >>> print(diagnose(off))
    gradient of log_softmax: wrong: none of the known mistakes
      It is off in every entry, by up to 0.732, where the right values are up
      to 4.83. It is 1.25 times g less 1 times
      s * np.sum(g, axis=axis, keepdims=True).
      first seen on logits of shape (5, 7), axis=-1
      first difference at (0, 0): yours is -3.5783868, right is -3.8574686
      correct  s = np.exp(out); dz = g - s * np.sum(g, axis=axis, keepdims=True)
    """
    if shapes is None:
        shapes = probes.MATRICES if function in OF_CLASSES else probes.SHAPES
    saved = checked(backward, forward, function, saves, shapes)
    built_in = checked_options(options, function)
    like = np.zeros(()) if like is None else like
    serving("like", like)
    float_name("like", like)
    if forward is not None:
        found = examine(Forward.of(forward, function, like, saved, built_in=built_in), shapes)
        if not found.right or backward is None:
            return found
    assert backward is not None
    found = read(backward, function, like, saved, shapes, built_in)
    return replace(found, notes=(*found.notes, *renamed(backward, function, saved))) if found.right else found


def read(
    backward: Callable[..., Array], function: str, like: Array, saved: tuple[str, ...], shapes: Shapes, built_in: Mapping[str, Any]
) -> Diagnosis:
    """Examine it; a rule with targets with class numbers or one-hot ones, whichever it takes, or both if it takes both."""
    candidates = [Candidate.of(backward, function, like, saved, built_in=built_in)]
    if function in OF_CLASSES and not OF_NUMBERS & set(built_in):
        candidates.append(replace(candidates[0], one_hot=True))
        raising = [candidate.raises(shapes) for candidate in candidates]
        candidates = [candidate for candidate, n in zip(candidates, raising, strict=True) if n == min(raising)]
    tried = []
    for candidate in candidates:
        found = examine(candidate, shapes)
        tried.append(replace(found, notes=(*found.notes, ONE_HOT)) if candidate.one_hot else found)
        if found.right or found.as_if:
            return tried[-1]
    return tried[0]


def renamed(backward: Callable[..., Array], function: str, saved: tuple[str, ...]) -> list[str]:
    """A word about an argument that is called as if it were the logits, but was given the output."""
    if saved != ("output",):
        return []
    what = "the log-probabilities" if function in OF_CLASSES else "the output"
    ask = 'if your engine hands it the logits, ask again with saves="z"'
    return [f"its argument {p.name} was given {what}; {ask}" for p in parameters(backward)[1:2] if p.name in LOGITS]
