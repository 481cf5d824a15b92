"""Exceptions. Each derives from the standard one that a caller would expect."""

from __future__ import annotations


class LsmxError(Exception):
    """Base of all errors that lsmx raises itself."""


class ArrayTypeError(LsmxError, TypeError):
    """Not an array, or arrays of different libraries."""


class ArgumentError(LsmxError, TypeError):
    """An argument that is not taken: an axis by position, another library's name for an option, a flag that is no bool."""


class ArgumentValueError(ArgumentError, ValueError):
    """An option with a value that means nothing."""


class DTypeError(LsmxError, TypeError):
    """A dtype that the function does not compute in."""


class ShapeError(LsmxError, ValueError):
    """Shapes that do not fit together, or a row too long for the device's integers."""


class AxisError(LsmxError, ValueError, IndexError):
    """An axis that is out of range, repeated, or missing."""


class ClassError(LsmxError, IndexError, ValueError):
    """An index that is no class of its row."""


class PartError(LsmxError, ValueError):
    """Parts of rows that do not make whole rows, or that belong to different calls."""


class DeviceError(LsmxError, ValueError):
    """Arrays on different devices."""


class OutputError(LsmxError, ValueError):
    """An ``out=`` that the result cannot be written to."""


class BackendError(LsmxError, ValueError):
    """A backend or a function that is not valid, or a library that cannot compute the call."""


class BackendWarning(UserWarning):
    """A plugin that could not be loaded: it is left out, and nothing else is affected."""


class ThreadsError(LsmxError, ValueError):
    """Something given as a number of threads that is not an integer of at least 1."""


class TargetError(LsmxError, ValueError):
    """A target for the compiled core that this machine lacks."""


class CoreWarning(UserWarning):
    """The compiled core is missing: bits stay the same, calls take longer."""
