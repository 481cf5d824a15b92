from typing import Any, Never, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from lsmx._losses import Reduction, _Classes, _Mask, _Narrow, _Number, _Numpy
from lsmx._typing import A, Axis, Of

# The overloads are in the order of those in _losses.pyi; gradients have the shape and dtype of ``z``.

_S = TypeVar("_S", bound=tuple[Any, ...])
_D = TypeVar("_D", bound=np.dtype[Any])

@overload
def log_prob_backward(
    grad_output: object,
    z: Never,
    index: object,
    /,
    *,
    axis: Axis = -1,
    temperature: object = 1.0,
    softcap: float | None = None,
    where: object = None,
    row_sums: object = None,
) -> Any: ...
@overload
def log_prob_backward(
    grad_output: _Numpy,
    z: np.ndarray[_S, _D],
    index: _Classes,
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    where: _Mask | None = None,
    row_sums: _Numpy | None = None,
) -> np.ndarray[_S, _D]: ...
@overload
def log_prob_backward(
    grad_output: Of[A],
    z: Of[A],
    index: Of[A],
    /,
    *,
    axis: Axis = -1,
    temperature: float | A = 1.0,
    softcap: float | None = None,
    where: A | None = None,
    row_sums: A | None = None,
) -> A: ...
@overload
def log_prob_jvp(
    tangent: object,
    z: Never,
    index: object,
    /,
    *,
    axis: Axis = -1,
    temperature: object = 1.0,
    softcap: float | None = None,
    where: object = None,
    row_sums: object = None,
) -> Any: ...
@overload
def log_prob_jvp(
    tangent: _Numpy,
    z: NDArray[np.float64],
    index: _Classes,
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    where: _Mask | None = None,
    row_sums: _Numpy | None = None,
) -> NDArray[np.float64]: ...
@overload
def log_prob_jvp(
    tangent: _Numpy,
    z: _Narrow,
    index: _Classes,
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    where: _Mask | None = None,
    row_sums: _Numpy | None = None,
) -> NDArray[np.float32]: ...
@overload
def log_prob_jvp(
    tangent: _Numpy,
    z: _Numpy,
    index: _Classes,
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    where: _Mask | None = None,
    row_sums: _Numpy | None = None,
) -> NDArray[Any]: ...
@overload
def log_prob_jvp(
    tangent: Of[A],
    z: Of[A],
    index: Of[A],
    /,
    *,
    axis: Axis = -1,
    temperature: float | A = 1.0,
    softcap: float | None = None,
    where: A | None = None,
    row_sums: A | None = None,
) -> A: ...
@overload
def entropy_backward(
    grad_output: object,
    z: Never,
    /,
    *,
    axis: Axis = -1,
    temperature: object = 1.0,
    softcap: float | None = None,
    where: object = None,
    row_sums: object = None,
) -> Any: ...
@overload
def entropy_backward(
    grad_output: _Numpy,
    z: np.ndarray[_S, _D],
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    where: _Mask | None = None,
    row_sums: _Numpy | None = None,
) -> np.ndarray[_S, _D]: ...
@overload
def entropy_backward(
    grad_output: Of[A],
    z: Of[A],
    /,
    *,
    axis: Axis = -1,
    temperature: float | A = 1.0,
    softcap: float | None = None,
    where: A | None = None,
    row_sums: A | None = None,
) -> A: ...
@overload
def entropy_jvp(
    tangent: object,
    z: Never,
    /,
    *,
    axis: Axis = -1,
    temperature: object = 1.0,
    softcap: float | None = None,
    where: object = None,
    row_sums: object = None,
) -> Any: ...
@overload
def entropy_jvp(
    tangent: _Numpy,
    z: NDArray[np.float64],
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    where: _Mask | None = None,
    row_sums: _Numpy | None = None,
) -> NDArray[np.float64]: ...
@overload
def entropy_jvp(
    tangent: _Numpy,
    z: _Narrow,
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    where: _Mask | None = None,
    row_sums: _Numpy | None = None,
) -> NDArray[np.float32]: ...
@overload
def entropy_jvp(
    tangent: _Numpy,
    z: _Numpy,
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    where: _Mask | None = None,
    row_sums: _Numpy | None = None,
) -> NDArray[Any]: ...
@overload
def entropy_jvp(
    tangent: Of[A],
    z: Of[A],
    /,
    *,
    axis: Axis = -1,
    temperature: float | A = 1.0,
    softcap: float | None = None,
    where: A | None = None,
    row_sums: A | None = None,
) -> A: ...
@overload
def cross_entropy_backward(
    grad_output: object,
    z: Never,
    target: object,
    /,
    *,
    axis: Axis = -1,
    weight: object = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    temperature: object = 1.0,
    softcap: float | None = None,
    where: object = None,
    reduction: Reduction = "mean",
    normalizer: object = None,
    row_sums: object = None,
) -> Any: ...
@overload
def cross_entropy_backward(
    grad_output: _Numpy,
    z: np.ndarray[_S, _D],
    target: _Numpy,
    /,
    *,
    axis: Axis = -1,
    weight: _Numpy | None = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    where: _Mask | None = None,
    reduction: Reduction = "mean",
    normalizer: _Number | _Numpy | None = None,
    row_sums: _Numpy | None = None,
) -> np.ndarray[_S, _D]: ...
@overload
def cross_entropy_backward(
    grad_output: Of[A],
    z: Of[A],
    target: Of[A],
    /,
    *,
    axis: Axis = -1,
    weight: A | None = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    temperature: float | A = 1.0,
    softcap: float | None = None,
    where: A | None = None,
    reduction: Reduction = "mean",
    normalizer: float | A | None = None,
    row_sums: A | None = None,
) -> A: ...
@overload
def cross_entropy_jvp(
    tangent: object,
    z: Never,
    target: object,
    /,
    *,
    axis: Axis = -1,
    weight: object = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    temperature: object = 1.0,
    softcap: float | None = None,
    where: object = None,
    reduction: Reduction = "mean",
    normalizer: object = None,
    row_sums: object = None,
) -> Any: ...
@overload
def cross_entropy_jvp(
    tangent: _Numpy,
    z: NDArray[np.float64],
    target: _Numpy,
    /,
    *,
    axis: Axis = -1,
    weight: _Numpy | None = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    where: _Mask | None = None,
    reduction: Reduction = "mean",
    normalizer: _Number | _Numpy | None = None,
    row_sums: _Numpy | None = None,
) -> NDArray[np.float64]: ...
@overload
def cross_entropy_jvp(
    tangent: _Numpy,
    z: _Narrow,
    target: _Numpy,
    /,
    *,
    axis: Axis = -1,
    weight: _Numpy | None = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    where: _Mask | None = None,
    reduction: Reduction = "mean",
    normalizer: _Number | _Numpy | None = None,
    row_sums: _Numpy | None = None,
) -> NDArray[np.float32]: ...
@overload
def cross_entropy_jvp(
    tangent: _Numpy,
    z: _Numpy,
    target: _Numpy,
    /,
    *,
    axis: Axis = -1,
    weight: _Numpy | None = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    where: _Mask | None = None,
    reduction: Reduction = "mean",
    normalizer: _Number | _Numpy | None = None,
    row_sums: _Numpy | None = None,
) -> NDArray[Any]: ...
@overload
def cross_entropy_jvp(
    tangent: Of[A],
    z: Of[A],
    target: Of[A],
    /,
    *,
    axis: Axis = -1,
    weight: A | None = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    temperature: float | A = 1.0,
    softcap: float | None = None,
    where: A | None = None,
    reduction: Reduction = "mean",
    normalizer: float | A | None = None,
    row_sums: A | None = None,
) -> A: ...
@overload
def kl_divergence_backward(
    grad_output: object, z: Never, w: object, /, *, axis: Axis = -1, temperature: object = 1.0, where: object = None
) -> tuple[Any, Any]: ...
@overload
def kl_divergence_backward(
    grad_output: _Numpy,
    z: np.ndarray[_S, _D],
    w: np.ndarray[_S, _D],
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    where: _Mask | None = None,
) -> tuple[np.ndarray[_S, _D], np.ndarray[_S, _D]]: ...
@overload
def kl_divergence_backward(
    grad_output: Of[A], z: Of[A], w: Of[A], /, *, axis: Axis = -1, temperature: float | A = 1.0, where: A | None = None
) -> tuple[A, A]: ...
@overload
def kl_divergence_jvp(
    tangent_z: object,
    tangent_w: object,
    z: Never,
    w: object,
    /,
    *,
    axis: Axis = -1,
    temperature: object = 1.0,
    where: object = None,
) -> Any: ...
@overload
def kl_divergence_jvp(
    tangent_z: _Numpy | None,
    tangent_w: _Numpy | None,
    z: NDArray[np.float64],
    w: NDArray[np.float64],
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    where: _Mask | None = None,
) -> NDArray[np.float64]: ...
@overload
def kl_divergence_jvp(
    tangent_z: _Numpy | None,
    tangent_w: _Numpy | None,
    z: _Narrow,
    w: _Narrow,
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    where: _Mask | None = None,
) -> NDArray[np.float32]: ...
@overload
def kl_divergence_jvp(
    tangent_z: _Numpy | None,
    tangent_w: _Numpy | None,
    z: _Numpy,
    w: _Numpy,
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    where: _Mask | None = None,
) -> NDArray[Any]: ...
@overload
def kl_divergence_jvp(
    tangent_z: Of[A] | None,
    tangent_w: Of[A] | None,
    z: Of[A],
    w: Of[A],
    /,
    *,
    axis: Axis = -1,
    temperature: float | A = 1.0,
    where: A | None = None,
) -> A: ...
@overload
def js_divergence_backward(
    grad_output: object, z: Never, w: object, /, *, axis: Axis = -1, temperature: object = 1.0, where: object = None
) -> tuple[Any, Any]: ...
@overload
def js_divergence_backward(
    grad_output: _Numpy,
    z: np.ndarray[_S, _D],
    w: np.ndarray[_S, _D],
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    where: _Mask | None = None,
) -> tuple[np.ndarray[_S, _D], np.ndarray[_S, _D]]: ...
@overload
def js_divergence_backward(
    grad_output: Of[A], z: Of[A], w: Of[A], /, *, axis: Axis = -1, temperature: float | A = 1.0, where: A | None = None
) -> tuple[A, A]: ...
@overload
def js_divergence_jvp(
    tangent_z: object,
    tangent_w: object,
    z: Never,
    w: object,
    /,
    *,
    axis: Axis = -1,
    temperature: object = 1.0,
    where: object = None,
) -> Any: ...
@overload
def js_divergence_jvp(
    tangent_z: _Numpy | None,
    tangent_w: _Numpy | None,
    z: NDArray[np.float64],
    w: NDArray[np.float64],
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    where: _Mask | None = None,
) -> NDArray[np.float64]: ...
@overload
def js_divergence_jvp(
    tangent_z: _Numpy | None,
    tangent_w: _Numpy | None,
    z: _Narrow,
    w: _Narrow,
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    where: _Mask | None = None,
) -> NDArray[np.float32]: ...
@overload
def js_divergence_jvp(
    tangent_z: _Numpy | None,
    tangent_w: _Numpy | None,
    z: _Numpy,
    w: _Numpy,
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    where: _Mask | None = None,
) -> NDArray[Any]: ...
@overload
def js_divergence_jvp(
    tangent_z: Of[A] | None,
    tangent_w: Of[A] | None,
    z: Of[A],
    w: Of[A],
    /,
    *,
    axis: Axis = -1,
    temperature: float | A = 1.0,
    where: A | None = None,
) -> A: ...
