from typing import Any, Never, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from lsmx._typing import A, Axis, DTypeLike, Of

# Each function has these overloads, in this order:
# 1. Of an array that a checker knows nothing of it learns nothing: what is Any goes for Never too, and nothing else does.
# 2. NumPy's arrays have their shape and dtype in their type. The result has those of the array, unless dtype= is given.
# 3. Any other library's arrays have not, and the result is an array of that library.

_S = TypeVar("_S", bound=tuple[Any, ...])
_D = TypeVar("_D", bound=np.dtype[Any])
_T = TypeVar("_T", bound=np.generic)
_F = TypeVar("_F", bound=np.floating[Any])
_Numpy = np.ndarray[Any, np.dtype[Any]]
_Mask = np.ndarray[Any, np.dtype[np.bool]]
_Float = type[_F] | np.dtype[_F]

@overload
def log_softmax(
    z: Never, /, *, axis: Axis = -1, where: object = None, dtype: DTypeLike | None = None, out: object = None
) -> Any: ...
@overload
def log_softmax(
    z: np.ndarray[_S, Any], /, *, axis: Axis = -1, where: _Mask | None = None, dtype: _Float[_F], out: _Numpy | None = None
) -> np.ndarray[_S, np.dtype[_F]]: ...
@overload
def log_softmax(
    z: np.ndarray[_S, _D], /, *, axis: Axis = -1, where: _Mask | None = None, dtype: None = None, out: _Numpy | None = None
) -> np.ndarray[_S, _D]: ...
@overload
def log_softmax(
    z: np.ndarray[_S, Any], /, *, axis: Axis = -1, where: _Mask | None = None, dtype: DTypeLike, out: _Numpy | None = None
) -> np.ndarray[_S, np.dtype[Any]]: ...
@overload
def log_softmax(
    z: Of[A], /, *, axis: Axis = -1, where: A | None = None, dtype: DTypeLike | None = None, out: A | None = None
) -> A: ...
@overload
def softmax(z: Never, /, *, axis: Axis = -1, where: object = None, dtype: DTypeLike | None = None, out: object = None) -> Any: ...
@overload
def softmax(
    z: np.ndarray[_S, Any], /, *, axis: Axis = -1, where: _Mask | None = None, dtype: _Float[_F], out: _Numpy | None = None
) -> np.ndarray[_S, np.dtype[_F]]: ...
@overload
def softmax(
    z: np.ndarray[_S, _D], /, *, axis: Axis = -1, where: _Mask | None = None, dtype: None = None, out: _Numpy | None = None
) -> np.ndarray[_S, _D]: ...
@overload
def softmax(
    z: np.ndarray[_S, Any], /, *, axis: Axis = -1, where: _Mask | None = None, dtype: DTypeLike, out: _Numpy | None = None
) -> np.ndarray[_S, np.dtype[Any]]: ...
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
    z: _Numpy,
    /,
    *,
    axis: Axis = -1,
    keepdims: bool = False,
    where: _Mask | None = None,
    dtype: _Float[_F],
    out: _Numpy | None = None,
) -> NDArray[_F]: ...
@overload
def logsumexp(
    z: np.ndarray[Any, np.dtype[_T]],
    /,
    *,
    axis: Axis = -1,
    keepdims: bool = False,
    where: _Mask | None = None,
    dtype: None = None,
    out: _Numpy | None = None,
) -> NDArray[_T]: ...
@overload
def logsumexp(
    z: _Numpy,
    /,
    *,
    axis: Axis = -1,
    keepdims: bool = False,
    where: _Mask | None = None,
    dtype: DTypeLike,
    out: _Numpy | None = None,
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
    grad_output: _Numpy, output: np.ndarray[_S, _D], /, *, axis: Axis = -1, where: _Mask | None = None, out: _Numpy | None = None
) -> np.ndarray[_S, _D]: ...
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
    grad_output: _Numpy, output: np.ndarray[_S, _D], /, *, axis: Axis = -1, where: _Mask | None = None, out: _Numpy | None = None
) -> np.ndarray[_S, _D]: ...
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
    grad_output: _Numpy,
    z: np.ndarray[_S, _D],
    output: _Numpy,
    /,
    *,
    axis: Axis = -1,
    where: _Mask | None = None,
    out: _Numpy | None = None,
) -> np.ndarray[_S, _D]: ...
@overload
def logsumexp_backward(
    grad_output: Of[A], z: Of[A], output: Of[A], /, *, axis: Axis = -1, where: A | None = None, out: A | None = None
) -> A: ...
@overload
def log_softmax_jvp(tangent: object, output: Never, /, *, axis: Axis = -1, where: object = None) -> Any: ...
@overload
def log_softmax_jvp(
    tangent: _Numpy, output: np.ndarray[_S, _D], /, *, axis: Axis = -1, where: _Mask | None = None
) -> np.ndarray[_S, _D]: ...
@overload
def log_softmax_jvp(tangent: Of[A], output: Of[A], /, *, axis: Axis = -1, where: A | None = None) -> A: ...
@overload
def softmax_jvp(tangent: object, output: Never, /, *, axis: Axis = -1, where: object = None) -> Any: ...
@overload
def softmax_jvp(
    tangent: _Numpy, output: np.ndarray[_S, _D], /, *, axis: Axis = -1, where: _Mask | None = None
) -> np.ndarray[_S, _D]: ...
@overload
def softmax_jvp(tangent: Of[A], output: Of[A], /, *, axis: Axis = -1, where: A | None = None) -> A: ...
@overload
def logsumexp_jvp(tangent: object, z: Never, output: object, /, *, axis: Axis = -1, where: object = None) -> Any: ...
@overload
def logsumexp_jvp(
    tangent: _Numpy, z: np.ndarray[Any, np.dtype[_T]], output: _Numpy, /, *, axis: Axis = -1, where: _Mask | None = None
) -> NDArray[_T]: ...
@overload
def logsumexp_jvp(tangent: Of[A], z: Of[A], output: Of[A], /, *, axis: Axis = -1, where: A | None = None) -> A: ...
@overload
def log_softmax_jacobian(output: Never, /, *, axis: Axis = -1) -> Any: ...
@overload
def log_softmax_jacobian(output: np.ndarray[Any, np.dtype[_T]], /, *, axis: Axis = -1) -> NDArray[_T]: ...
@overload
def log_softmax_jacobian(output: Of[A], /, *, axis: Axis = -1) -> A: ...
@overload
def softmax_jacobian(output: Never, /, *, axis: Axis = -1) -> Any: ...
@overload
def softmax_jacobian(output: np.ndarray[Any, np.dtype[_T]], /, *, axis: Axis = -1) -> NDArray[_T]: ...
@overload
def softmax_jacobian(output: Of[A], /, *, axis: Axis = -1) -> A: ...
