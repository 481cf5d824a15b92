from typing import Any, Literal, Never, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from lsmx._losses import _F, Reduction, _Classes, _Float, _Narrow, _Number, _Numpy
from lsmx._typing import A, DTypeLike, Of

# The overloads are in the order of those in _losses.pyi; gradients have the shape and dtype of ``h``, ``weight`` and ``bias``.

_S = TypeVar("_S", bound=tuple[Any, ...])
_D = TypeVar("_D", bound=np.dtype[Any])
_S2 = TypeVar("_S2", bound=tuple[Any, ...])
_D2 = TypeVar("_D2", bound=np.dtype[Any])
_S3 = TypeVar("_S3", bound=tuple[Any, ...])
_D3 = TypeVar("_D3", bound=np.dtype[Any])

@overload
def linear_log_prob(
    h: Never,
    weight: object,
    index: object,
    /,
    *,
    bias: object = None,
    chunk: int | None = None,
    temperature: object = 1.0,
    softcap: float | None = None,
    dtype: DTypeLike | None = None,
) -> Any: ...
@overload
def linear_log_prob(
    h: _Numpy,
    weight: _Numpy,
    index: _Classes,
    /,
    *,
    bias: _Numpy | None = None,
    chunk: int | None = None,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    dtype: _Float[_F],
) -> NDArray[_F]: ...
@overload
def linear_log_prob(
    h: NDArray[np.float64],
    weight: _Numpy,
    index: _Classes,
    /,
    *,
    bias: _Numpy | None = None,
    chunk: int | None = None,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    dtype: None = None,
) -> NDArray[np.float64]: ...
@overload
def linear_log_prob(
    h: _Narrow,
    weight: _Numpy,
    index: _Classes,
    /,
    *,
    bias: _Numpy | None = None,
    chunk: int | None = None,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    dtype: None = None,
) -> NDArray[np.float32]: ...
@overload
def linear_log_prob(
    h: _Numpy,
    weight: _Numpy,
    index: _Classes,
    /,
    *,
    bias: _Numpy | None = None,
    chunk: int | None = None,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    dtype: DTypeLike | None = None,
) -> NDArray[Any]: ...
@overload
def linear_log_prob(
    h: Of[A],
    weight: Of[A],
    index: Of[A],
    /,
    *,
    bias: A | None = None,
    chunk: int | None = None,
    temperature: float | A = 1.0,
    softcap: float | None = None,
    dtype: DTypeLike | None = None,
) -> A: ...
@overload
def linear_cross_entropy(
    h: Never,
    weight: object,
    target: object,
    /,
    *,
    bias: object = None,
    chunk: int | None = None,
    class_weight: object = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    temperature: object = 1.0,
    softcap: float | None = None,
    reduction: Reduction = "mean",
    normalizer: object = None,
    empty: Literal["nan", "zero"] = "nan",
    dtype: DTypeLike | None = None,
) -> Any: ...
@overload
def linear_cross_entropy(
    h: _Numpy,
    weight: _Numpy,
    target: _Classes,
    /,
    *,
    bias: _Numpy | None = None,
    chunk: int | None = None,
    class_weight: _Numpy | None = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    reduction: Reduction = "mean",
    normalizer: _Number | _Numpy | None = None,
    empty: Literal["nan", "zero"] = "nan",
    dtype: _Float[_F],
) -> NDArray[_F]: ...
@overload
def linear_cross_entropy(
    h: NDArray[np.float64],
    weight: _Numpy,
    target: _Classes,
    /,
    *,
    bias: _Numpy | None = None,
    chunk: int | None = None,
    class_weight: _Numpy | None = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    reduction: Reduction = "mean",
    normalizer: _Number | _Numpy | None = None,
    empty: Literal["nan", "zero"] = "nan",
    dtype: None = None,
) -> NDArray[np.float64]: ...
@overload
def linear_cross_entropy(
    h: _Narrow,
    weight: _Numpy,
    target: _Classes,
    /,
    *,
    bias: _Numpy | None = None,
    chunk: int | None = None,
    class_weight: _Numpy | None = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    reduction: Reduction = "mean",
    normalizer: _Number | _Numpy | None = None,
    empty: Literal["nan", "zero"] = "nan",
    dtype: None = None,
) -> NDArray[np.float32]: ...
@overload
def linear_cross_entropy(
    h: _Numpy,
    weight: _Numpy,
    target: _Classes,
    /,
    *,
    bias: _Numpy | None = None,
    chunk: int | None = None,
    class_weight: _Numpy | None = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    reduction: Reduction = "mean",
    normalizer: _Number | _Numpy | None = None,
    empty: Literal["nan", "zero"] = "nan",
    dtype: DTypeLike | None = None,
) -> NDArray[Any]: ...
@overload
def linear_cross_entropy(
    h: Of[A],
    weight: Of[A],
    target: Of[A],
    /,
    *,
    bias: A | None = None,
    chunk: int | None = None,
    class_weight: A | None = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    temperature: float | A = 1.0,
    softcap: float | None = None,
    reduction: Reduction = "mean",
    normalizer: float | A | None = None,
    empty: Literal["nan", "zero"] = "nan",
    dtype: DTypeLike | None = None,
) -> A: ...
@overload
def linear_cross_entropy_backward(
    grad_output: object,
    h: Never,
    weight: object,
    target: object,
    /,
    *,
    bias: object = None,
    chunk: int | None = None,
    class_weight: object = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    temperature: object = 1.0,
    softcap: float | None = None,
    reduction: Reduction = "mean",
    normalizer: object = None,
) -> tuple[Any, Any, Any]: ...
@overload
def linear_cross_entropy_backward(
    grad_output: _Numpy,
    h: np.ndarray[_S, _D],
    weight: np.ndarray[_S2, _D2],
    target: _Classes,
    /,
    *,
    bias: None = None,
    chunk: int | None = None,
    class_weight: _Numpy | None = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    reduction: Reduction = "mean",
    normalizer: _Number | _Numpy | None = None,
) -> tuple[np.ndarray[_S, _D], np.ndarray[_S2, _D2], None]: ...
@overload
def linear_cross_entropy_backward(
    grad_output: _Numpy,
    h: np.ndarray[_S, _D],
    weight: np.ndarray[_S2, _D2],
    target: _Classes,
    /,
    *,
    bias: np.ndarray[_S3, _D3],
    chunk: int | None = None,
    class_weight: _Numpy | None = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    reduction: Reduction = "mean",
    normalizer: _Number | _Numpy | None = None,
) -> tuple[np.ndarray[_S, _D], np.ndarray[_S2, _D2], np.ndarray[_S3, _D3]]: ...
@overload
def linear_cross_entropy_backward(
    grad_output: Of[A],
    h: Of[A],
    weight: Of[A],
    target: Of[A],
    /,
    *,
    bias: None = None,
    chunk: int | None = None,
    class_weight: A | None = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    temperature: float | A = 1.0,
    softcap: float | None = None,
    reduction: Reduction = "mean",
    normalizer: float | A | None = None,
) -> tuple[A, A, None]: ...
@overload
def linear_cross_entropy_backward(
    grad_output: Of[A],
    h: Of[A],
    weight: Of[A],
    target: Of[A],
    /,
    *,
    bias: A,
    chunk: int | None = None,
    class_weight: A | None = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    temperature: float | A = 1.0,
    softcap: float | None = None,
    reduction: Reduction = "mean",
    normalizer: float | A | None = None,
) -> tuple[A, A, A]: ...
