"""Classes that a user could have written, with something missing."""

from __future__ import annotations

from typing import Any

import numpy as np

from lsmx import extend


class Quantity(np.ndarray):
    """Numbers with a unit, as far as NumPy sees."""

    def __array_ufunc__(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError


class Series:
    """What is like an array, and is none."""

    shape, dtype = (3,), np.dtype("float32")


Quantity.__module__ = Series.__module__ = "yours"


class Cube(extend.Function):
    """A function without rules of second derivatives."""

    residual = ("z",)

    @staticmethod
    def forward(ctx: Any, z: Any, /, *, axis: Any = -1, where: Any = None) -> Any:
        """``z^3``."""
        ctx.save_for_backward(z)
        return z**3

    @staticmethod
    def backward(ctx: Any, grad_output: Any, /) -> Any:
        """``3 z^2 g``."""
        (z,) = ctx.saved_tensors
        return grad_output * 3 * z**2


class Saving(Cube):
    """The same with a JVP, saving its output: its second derivatives do not follow from symmetry."""

    residual = ("z", "output")

    @staticmethod
    def forward(ctx: Any, z: Any, /, *, axis: Any = -1, where: Any = None) -> Any:
        """``z^3``."""
        out = z**3
        ctx.save_for_backward(z, out)
        return out

    @staticmethod
    def backward(ctx: Any, grad_output: Any, /) -> Any:
        """``3 z^2 g``."""
        z, _ = ctx.saved_tensors
        return grad_output * 3 * z**2

    jvp = backward


def flat_forward(ctx: Any, z: Any, /) -> Any:
    """``z^3``, without rows."""
    ctx.save_for_backward(z)
    return z**3


def odd_forward(ctx: Any, z: Any, /, *, axis: Any = -1, where: Any = None, powers: Any = (3,)) -> Any:
    """``z^3``, with an option of a type that PyTorch's operators do not take."""
    ctx.save_for_backward(z)
    return z**3


class Moving(Cube):
    """The same with a JVP, and without its second derivative."""

    @staticmethod
    def jvp(ctx: Any, tangent: Any, /) -> Any:
        """``3 z^2 v``."""
        (z,) = ctx.saved_tensors
        return tangent * 3 * z**2


class Scaled(extend.Function):
    """``c z``, with a number for each class."""

    takes = {"z": extend.ROWS, "c": extend.PER_CLASS}  # noqa: RUF012
    gradients = ("z", "c")
    residual = ("z", "c")

    @staticmethod
    def forward(ctx: Any, z: Any, c: Any, /, *, axis: Any = -1, where: Any = None) -> Any:
        """``c z``."""
        ctx.save_for_backward(z, c)
        return z * c

    @staticmethod
    def backward(ctx: Any, grad_output: Any, /) -> Any:
        """``c g`` and ``sum(g z)`` over the rows."""
        z, c = ctx.saved_tensors
        return grad_output * c, (grad_output * z).sum(0)


class Votes:
    """A classifier whose probabilities are not the softmax of its decisions."""

    def decision_function(self, x: Any) -> Any:
        """All classes alike."""
        return np.zeros((len(x), 3))

    def predict_proba(self, x: Any) -> Any:
        """Not all classes alike."""
        return np.asarray([[0.5, 0.25, 0.25]] * len(x))


class Pairs(Votes):
    """One that decides between two classes at a time."""

    def decision_function(self, x: Any) -> Any:
        """For the six pairs of four classes."""
        return np.zeros((len(x), 6))
