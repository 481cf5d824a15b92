from typing import Any, Never, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from lsmx._typing import A, Axis, DTypeLike, Of

# Each function has these overloads, in this order:
# 1. Of an array that a checker knows nothing of it learns nothing: what is Any goes for Never too, and nothing else does.
# 2. NumPy's arrays have their shape and dtype in their type. The result has those of the array, unless dtype= is given.
# 3. Any other library's arrays have not, and the result is an array of that library.

S = TypeVar("S", bound=tuple[Any, ...])
D = TypeVar("D", bound=np.dtype[Any])
T = TypeVar("T", bound=np.generic)
F = TypeVar("F", bound=np.floating[Any])
Numpy = np.ndarray[Any, np.dtype[Any]]
Mask = np.ndarray[Any, np.dtype[np.bool]]
Float = type[F] | np.dtype[F]

@overload
def log_softmax(
    z: Never, /, *, axis: Axis = -1, where: object = None, dtype: DTypeLike | None = None, out: object = None
) -> Any: ...
@overload
def log_softmax(
    z: np.ndarray[S, Any], /, *, axis: Axis = -1, where: Mask | None = None, dtype: Float[F], out: Numpy | None = None
) -> np.ndarray[S, np.dtype[F]]: ...
@overload
def log_softmax(
    z: np.ndarray[S, D], /, *, axis: Axis = -1, where: Mask | None = None, dtype: None = None, out: Numpy | None = None
) -> np.ndarray[S, D]: ...
@overload
def log_softmax(
    z: np.ndarray[S, Any], /, *, axis: Axis = -1, where: Mask | None = None, dtype: DTypeLike, out: Numpy | None = None
) -> np.ndarray[S, np.dtype[Any]]: ...
@overload
def log_softmax(
    z: Of[A], /, *, axis: Axis = -1, where: A | None = None, dtype: DTypeLike | None = None, out: A | None = None
) -> A: ...
@overload
def softmax(z: Never, /, *, axis: Axis = -1, where: object = None, dtype: DTypeLike | None = None, out: object = None) -> Any: ...
@overload
def softmax(
    z: np.ndarray[S, Any], /, *, axis: Axis = -1, where: Mask | None = None, dtype: Float[F], out: Numpy | None = None
) -> np.ndarray[S, np.dtype[F]]: ...
@overload
def softmax(
    z: np.ndarray[S, D], /, *, axis: Axis = -1, where: Mask | None = None, dtype: None = None, out: Numpy | None = None
) -> np.ndarray[S, D]: ...
@overload
def softmax(
    z: np.ndarray[S, Any], /, *, axis: Axis = -1, where: Mask | None = None, dtype: DTypeLike, out: Numpy | None = None
) -> np.ndarray[S, np.dtype[Any]]: ...
@overload
def softmax(z: Of[A], /, *, axis: Axis = -1, where: A | None = None, dtype: DTypeLike | None = None, out: A | None = None) -> A: ...
@overload
def logsumexp(
    z: Never,
    /,
    *,
    axis: Axis = -1,
    keepdims: bool = False,
    where: object = None,
    dtype: DTypeLike | None = None,
    out: object = None,
) -> Any: ...
@overload
def logsumexp(
    z: Numpy, /, *, axis: Axis = -1, keepdims: bool = False, where: Mask | None = None, dtype: Float[F], out: Numpy | None = None
) -> NDArray[F]: ...
@overload
def logsumexp(
    z: np.ndarray[Any, np.dtype[T]],
    /,
    *,
    axis: Axis = -1,
    keepdims: bool = False,
    where: Mask | None = None,
    dtype: None = None,
    out: Numpy | None = None,
) -> NDArray[T]: ...
@overload
def logsumexp(
    z: Numpy, /, *, axis: Axis = -1, keepdims: bool = False, where: Mask | None = None, dtype: DTypeLike, out: Numpy | None = None
) -> NDArray[Any]: ...
@overload
def logsumexp(
    z: Of[A],
    /,
    *,
    axis: Axis = -1,
    keepdims: bool = False,
    where: A | None = None,
    dtype: DTypeLike | None = None,
    out: A | None = None,
) -> A: ...
@overload
def log_softmax_backward(
    grad_output: object, output: Never, /, *, axis: Axis = -1, where: object = None, out: object = None
) -> Any: ...
@overload
def log_softmax_backward(
    grad_output: Numpy, output: np.ndarray[S, D], /, *, axis: Axis = -1, where: Mask | None = None, out: Numpy | None = None
) -> np.ndarray[S, D]: ...
@overload
def log_softmax_backward(
    grad_output: Of[A], output: Of[A], /, *, axis: Axis = -1, where: A | None = None, out: A | None = None
) -> A: ...
@overload
def softmax_backward(
    grad_output: object, output: Never, /, *, axis: Axis = -1, where: object = None, out: object = None
) -> Any: ...
@overload
def softmax_backward(
    grad_output: Numpy, output: np.ndarray[S, D], /, *, axis: Axis = -1, where: Mask | None = None, out: Numpy | None = None
) -> np.ndarray[S, D]: ...
@overload
def softmax_backward(
    grad_output: Of[A], output: Of[A], /, *, axis: Axis = -1, where: A | None = None, out: A | None = None
) -> A: ...
@overload
def logsumexp_backward(
    grad_output: object, z: Never, output: object, /, *, axis: Axis = -1, where: object = None, out: object = None
) -> Any: ...
@overload
def logsumexp_backward(
    grad_output: Numpy,
    z: np.ndarray[S, D],
    output: Numpy,
    /,
    *,
    axis: Axis = -1,
    where: Mask | None = None,
    out: Numpy | None = None,
) -> np.ndarray[S, D]: ...
@overload
def logsumexp_backward(
    grad_output: Of[A], z: Of[A], output: Of[A], /, *, axis: Axis = -1, where: A | None = None, out: A | None = None
) -> A: ...
@overload
def log_softmax_jvp(tangent: object, output: Never, /, *, axis: Axis = -1, where: object = None) -> Any: ...
@overload
def log_softmax_jvp(
    tangent: Numpy, output: np.ndarray[S, D], /, *, axis: Axis = -1, where: Mask | None = None
) -> np.ndarray[S, D]: ...
@overload
def log_softmax_jvp(tangent: Of[A], output: Of[A], /, *, axis: Axis = -1, where: A | None = None) -> A: ...
@overload
def softmax_jvp(tangent: object, output: Never, /, *, axis: Axis = -1, where: object = None) -> Any: ...
@overload
def softmax_jvp(tangent: Numpy, output: np.ndarray[S, D], /, *, axis: Axis = -1, where: Mask | None = None) -> np.ndarray[S, D]: ...
@overload
def softmax_jvp(tangent: Of[A], output: Of[A], /, *, axis: Axis = -1, where: A | None = None) -> A: ...
@overload
def logsumexp_jvp(tangent: object, z: Never, output: object, /, *, axis: Axis = -1, where: object = None) -> Any: ...
@overload
def logsumexp_jvp(
    tangent: Numpy, z: np.ndarray[Any, np.dtype[T]], output: Numpy, /, *, axis: Axis = -1, where: Mask | None = None
) -> NDArray[T]: ...
@overload
def logsumexp_jvp(tangent: Of[A], z: Of[A], output: Of[A], /, *, axis: Axis = -1, where: A | None = None) -> A: ...
@overload
def log_softmax_jacobian(output: Never, /, *, axis: Axis = -1) -> Any: ...
@overload
def log_softmax_jacobian(output: np.ndarray[Any, np.dtype[T]], /, *, axis: Axis = -1) -> NDArray[T]: ...
@overload
def log_softmax_jacobian(output: Of[A], /, *, axis: Axis = -1) -> A: ...
@overload
def softmax_jacobian(output: Never, /, *, axis: Axis = -1) -> Any: ...
@overload
def softmax_jacobian(output: np.ndarray[Any, np.dtype[T]], /, *, axis: Axis = -1) -> NDArray[T]: ...
@overload
def softmax_jacobian(output: Of[A], /, *, axis: Axis = -1) -> A: ...
