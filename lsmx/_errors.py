"""Exceptions. Each derives from the standard one that a caller would expect."""

from __future__ import annotations


class LsmxError(Exception):
    """Base of all errors that lsmx raises itself.

    Each of them is also one of Python's own, such as ``TypeError`` or ``ValueError``, so that either can be caught. The message
    begins with the name of the argument; then come what was given, what is accepted, and what to do.

    Examples
    --------
    >>> import lsmx, numpy as np
    >>> try:
    ...     lsmx.log_softmax(np.ones((2, 3)), axis=2)
    ... except lsmx.LsmxError as error:
    ...     print(type(error).__name__, isinstance(error, ValueError))
    ...     print(error)
    AxisError True
    axis: 2 is out of range for an array with 2 axes; accepted are -2 to 1
    """


class ArrayTypeError(LsmxError, TypeError):
    """Not an array, or arrays of different libraries.

    Raised for a list or a scalar in place of an array, ``None`` for a missing one, or a target in another library than the logits.
    """


class ArgumentError(LsmxError, TypeError):
    """An argument that is not taken: an axis by position, another library's name for an option, a flag that is no bool.

    Raised for ``log_softmax(z, dim=1)`` or ``log_softmax(z, 1)``; the message says what to pass.
    """


class ArgumentValueError(ArgumentError, ValueError):
    """An option with a value that means nothing.

    Raised for ``temperature=0``, ``reduction="avg"``, ``label_smoothing=1.5``.
    """


class DTypeError(LsmxError, TypeError):
    """A dtype that the function does not compute in.

    Raised for logits of integers without ``dtype=``, complex numbers, a mask that is not bool, an index that is not of integers, or
    float32 beside float64.
    """


class ShapeError(LsmxError, ValueError):
    """Shapes that do not fit together, or a row too long for the device's integers.

    Raised for a mask that does not broadcast to the logits, a target with another number of rows, an ``out=`` of another shape.
    """


class AxisError(LsmxError, ValueError, IndexError):
    """An axis that is out of range, repeated, or missing.

    Raised for ``axis=2`` of two axes, ``axis=(0, 0)``, ``axis=()``, or the default ``axis=-1`` of a 0-d array.
    """


class ClassError(LsmxError, IndexError, ValueError):
    """An index that is no class of its row.

    Raised by `log_prob`, `cross_entropy` and their kin for an index below 0 or beyond the row, where it can be looked at; on a
    device or under ``jit`` the result is NaN.
    """


class PartError(LsmxError, ValueError):
    """Parts of rows that do not make whole rows, or that belong to different calls.

    Raised by `partial`, `merge` and `finish`, and where processes disagree in a call that is divided among them.
    """


class DeviceError(LsmxError, ValueError):
    """Arrays on different devices.

    Raised where logits, targets, masks or ``out=`` are of one library, and some of them on another device.
    """


class OutputError(LsmxError, ValueError):
    """An ``out=`` that the result cannot be written to.

    Raised if it has another dtype than the result, or is read-only or broadcast.
    """


class BackendError(LsmxError, ValueError):
    """A backend or a function that is not valid, or a library that cannot compute the call.

    Raised by `using`, `explain`, `lsmx.extend.register` and `lsmx.extend.register_backend`; by any call with arrays of another
    backend inside `using`, or of a library that lacks what the array API standard asks for.
    """


class BackendWarning(UserWarning):
    """A plugin that could not be loaded: it is left out, and nothing else is affected.

    Issued when an array first asks for the plugin.
    """


class ThreadsError(LsmxError, ValueError):
    """Something given as a number of threads that is not an integer of at least 1.

    Raised by `set_num_threads`, and for such a value of the environment's ``LSMX_NUM_THREADS``.
    """


class TargetError(LsmxError, ValueError):
    """A target for the compiled core that this machine lacks.

    Raised if the environment's ``LSMX_CPU`` names one.
    """


class CoreWarning(UserWarning):
    """The compiled core is missing: bits stay the same, calls take longer.

    Issued once, by the first call that would use it.
    """
