from typing import Any, Generic, Literal, NamedTuple, Never, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from lsmx._typing import A, Axis, DTypeLike, Of

# Each function has these overloads, in this order:
# 1. Of an array that a checker knows nothing of it learns nothing: what is Any goes for Never too, and nothing else does.
# 2. NumPy's arrays have their dtype in their type. The result is in dtype= where that is given, and in float32 for 16 bits.
# 3. Any other library's arrays have not, and the result is an array of that library.

_F = TypeVar("_F", bound=np.floating[Any])
_Numpy = np.ndarray[Any, np.dtype[Any]]
_Mask = np.ndarray[Any, np.dtype[np.bool]]
_Classes = np.ndarray[Any, np.dtype[np.integer[Any]]]
_Narrow = np.ndarray[Any, np.dtype[np.float32 | np.float16]]
_Number = float | np.floating[Any] | np.integer[Any]
_Float = type[_F] | np.dtype[_F]

_X = TypeVar("_X")
_R = TypeVar("_R")

Reduction = Literal["none", "mean", "sum"]

class TokenStats(NamedTuple, Generic[_X, _R]):
    log_prob: _X
    entropy: _X
    lse: _X
    rank: _R

class CrossEntropyParts(NamedTuple, Generic[_X]):
    loss: _X
    z_loss: _X

@overload
def log_prob(
    z: Never,
    index: object,
    /,
    *,
    axis: Axis = -1,
    temperature: object = 1.0,
    softcap: float | None = None,
    where: object = None,
    support: object = None,
    row_sums: object = None,
    dtype: DTypeLike | None = None,
    out: object = None,
) -> Any: ...
@overload
def log_prob(
    z: _Numpy,
    index: _Classes,
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    where: _Mask | None = None,
    support: _Classes | tuple[_Classes, _Classes] | None = None,
    row_sums: _Numpy | None = None,
    dtype: _Float[_F],
    out: _Numpy | None = None,
) -> NDArray[_F]: ...
@overload
def log_prob(
    z: NDArray[np.float64],
    index: _Classes,
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    where: _Mask | None = None,
    support: _Classes | tuple[_Classes, _Classes] | None = None,
    row_sums: _Numpy | None = None,
    dtype: None = None,
    out: _Numpy | None = None,
) -> NDArray[np.float64]: ...
@overload
def log_prob(
    z: _Narrow,
    index: _Classes,
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    where: _Mask | None = None,
    support: _Classes | tuple[_Classes, _Classes] | None = None,
    row_sums: _Numpy | None = None,
    dtype: None = None,
    out: _Numpy | None = None,
) -> NDArray[np.float32]: ...
@overload
def log_prob(
    z: _Numpy,
    index: _Classes,
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    where: _Mask | None = None,
    support: _Classes | tuple[_Classes, _Classes] | None = None,
    row_sums: _Numpy | None = None,
    dtype: DTypeLike | None = None,
    out: _Numpy | None = None,
) -> NDArray[Any]: ...
@overload
def log_prob(
    z: Of[A],
    index: Of[A],
    /,
    *,
    axis: Axis = -1,
    temperature: float | A = 1.0,
    softcap: float | None = None,
    where: A | None = None,
    support: A | tuple[A, A] | None = None,
    row_sums: A | None = None,
    dtype: DTypeLike | None = None,
    out: A | None = None,
) -> A: ...
@overload
def token_stats(
    z: Never,
    index: object,
    /,
    *,
    axis: Axis = -1,
    temperature: object = 1.0,
    softcap: float | None = None,
    where: object = None,
    support: object = None,
    row_sums: object = None,
    dtype: DTypeLike | None = None,
) -> TokenStats[Any, Any]: ...
@overload
def token_stats(
    z: _Numpy,
    index: _Classes,
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    where: _Mask | None = None,
    support: _Classes | tuple[_Classes, _Classes] | None = None,
    row_sums: _Numpy | None = None,
    dtype: _Float[_F],
) -> TokenStats[NDArray[_F], NDArray[np.int32]]: ...
@overload
def token_stats(
    z: NDArray[np.float64],
    index: _Classes,
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    where: _Mask | None = None,
    support: _Classes | tuple[_Classes, _Classes] | None = None,
    row_sums: _Numpy | None = None,
    dtype: None = None,
) -> TokenStats[NDArray[np.float64], NDArray[np.int32]]: ...
@overload
def token_stats(
    z: _Narrow,
    index: _Classes,
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    where: _Mask | None = None,
    support: _Classes | tuple[_Classes, _Classes] | None = None,
    row_sums: _Numpy | None = None,
    dtype: None = None,
) -> TokenStats[NDArray[np.float32], NDArray[np.int32]]: ...
@overload
def token_stats(
    z: _Numpy,
    index: _Classes,
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    where: _Mask | None = None,
    support: _Classes | tuple[_Classes, _Classes] | None = None,
    row_sums: _Numpy | None = None,
    dtype: DTypeLike | None = None,
) -> TokenStats[NDArray[Any], NDArray[np.int32]]: ...
@overload
def token_stats(
    z: Of[A],
    index: Of[A],
    /,
    *,
    axis: Axis = -1,
    temperature: float | A = 1.0,
    softcap: float | None = None,
    where: A | None = None,
    support: A | tuple[A, A] | None = None,
    row_sums: A | None = None,
    dtype: DTypeLike | None = None,
) -> TokenStats[A, A]: ...
@overload
def entropy(
    z: Never,
    /,
    *,
    axis: Axis = -1,
    temperature: object = 1.0,
    softcap: float | None = None,
    where: object = None,
    support: object = None,
    row_sums: object = None,
    dtype: DTypeLike | None = None,
    out: object = None,
) -> Any: ...
@overload
def entropy(
    z: _Numpy,
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    where: _Mask | None = None,
    support: _Classes | tuple[_Classes, _Classes] | None = None,
    row_sums: _Numpy | None = None,
    dtype: _Float[_F],
    out: _Numpy | None = None,
) -> NDArray[_F]: ...
@overload
def entropy(
    z: NDArray[np.float64],
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    where: _Mask | None = None,
    support: _Classes | tuple[_Classes, _Classes] | None = None,
    row_sums: _Numpy | None = None,
    dtype: None = None,
    out: _Numpy | None = None,
) -> NDArray[np.float64]: ...
@overload
def entropy(
    z: _Narrow,
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    where: _Mask | None = None,
    support: _Classes | tuple[_Classes, _Classes] | None = None,
    row_sums: _Numpy | None = None,
    dtype: None = None,
    out: _Numpy | None = None,
) -> NDArray[np.float32]: ...
@overload
def entropy(
    z: _Numpy,
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    where: _Mask | None = None,
    support: _Classes | tuple[_Classes, _Classes] | None = None,
    row_sums: _Numpy | None = None,
    dtype: DTypeLike | None = None,
    out: _Numpy | None = None,
) -> NDArray[Any]: ...
@overload
def entropy(
    z: Of[A],
    /,
    *,
    axis: Axis = -1,
    temperature: float | A = 1.0,
    softcap: float | None = None,
    where: A | None = None,
    support: A | tuple[A, A] | None = None,
    row_sums: A | None = None,
    dtype: DTypeLike | None = None,
    out: A | None = None,
) -> A: ...
@overload
def row_sums(
    z: Never,
    /,
    *,
    axis: Axis = -1,
    temperature: object = 1.0,
    softcap: float | None = None,
    where: object = None,
    support: object = None,
    dtype: DTypeLike | None = None,
) -> Any: ...
@overload
def row_sums(
    z: NDArray[np.float64],
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    where: _Mask | None = None,
    support: _Classes | tuple[_Classes, _Classes] | None = None,
    dtype: None = None,
) -> NDArray[np.float64]: ...
@overload
def row_sums(
    z: _Narrow,
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    where: _Mask | None = None,
    support: _Classes | tuple[_Classes, _Classes] | None = None,
    dtype: None = None,
) -> NDArray[np.float32]: ...
@overload
def row_sums(
    z: _Numpy,
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    softcap: float | None = None,
    where: _Mask | None = None,
    support: _Classes | tuple[_Classes, _Classes] | None = None,
    dtype: DTypeLike | None = None,
) -> NDArray[Any]: ...
@overload
def row_sums(
    z: Of[A],
    /,
    *,
    axis: Axis = -1,
    temperature: float | A = 1.0,
    softcap: float | None = None,
    where: A | None = None,
    support: A | tuple[A, A] | None = None,
    dtype: DTypeLike | None = None,
) -> A: ...
@overload
def cross_entropy(
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
    empty: Literal["nan", "zero"] = "nan",
    row_sums: object = None,
    dtype: DTypeLike | None = None,
    return_z_loss: Literal[False] = False,
) -> Any: ...
@overload
def cross_entropy(
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
    empty: Literal["nan", "zero"] = "nan",
    row_sums: _Numpy | None = None,
    dtype: _Float[_F],
    return_z_loss: Literal[False] = False,
) -> NDArray[_F]: ...
@overload
def cross_entropy(
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
    empty: Literal["nan", "zero"] = "nan",
    row_sums: _Numpy | None = None,
    dtype: None = None,
    return_z_loss: Literal[False] = False,
) -> NDArray[np.float64]: ...
@overload
def cross_entropy(
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
    empty: Literal["nan", "zero"] = "nan",
    row_sums: _Numpy | None = None,
    dtype: None = None,
    return_z_loss: Literal[False] = False,
) -> NDArray[np.float32]: ...
@overload
def cross_entropy(
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
    empty: Literal["nan", "zero"] = "nan",
    row_sums: _Numpy | None = None,
    dtype: DTypeLike | None = None,
    return_z_loss: Literal[False] = False,
) -> NDArray[Any]: ...
@overload
def cross_entropy(
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
    empty: Literal["nan", "zero"] = "nan",
    row_sums: A | None = None,
    dtype: DTypeLike | None = None,
    return_z_loss: Literal[False] = False,
) -> A: ...
@overload
def cross_entropy(
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
    empty: Literal["nan", "zero"] = "nan",
    row_sums: object = None,
    dtype: DTypeLike | None = None,
    return_z_loss: Literal[True],
) -> CrossEntropyParts[Any]: ...
@overload
def cross_entropy(
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
    empty: Literal["nan", "zero"] = "nan",
    row_sums: _Numpy | None = None,
    dtype: _Float[_F],
    return_z_loss: Literal[True],
) -> CrossEntropyParts[NDArray[_F]]: ...
@overload
def cross_entropy(
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
    empty: Literal["nan", "zero"] = "nan",
    row_sums: _Numpy | None = None,
    dtype: None = None,
    return_z_loss: Literal[True],
) -> CrossEntropyParts[NDArray[np.float64]]: ...
@overload
def cross_entropy(
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
    empty: Literal["nan", "zero"] = "nan",
    row_sums: _Numpy | None = None,
    dtype: None = None,
    return_z_loss: Literal[True],
) -> CrossEntropyParts[NDArray[np.float32]]: ...
@overload
def cross_entropy(
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
    empty: Literal["nan", "zero"] = "nan",
    row_sums: _Numpy | None = None,
    dtype: DTypeLike | None = None,
    return_z_loss: Literal[True],
) -> CrossEntropyParts[NDArray[Any]]: ...
@overload
def cross_entropy(
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
    empty: Literal["nan", "zero"] = "nan",
    row_sums: A | None = None,
    dtype: DTypeLike | None = None,
    return_z_loss: Literal[True],
) -> CrossEntropyParts[A]: ...
@overload
def kl_divergence(
    z: Never,
    w: object,
    /,
    *,
    axis: Axis = -1,
    temperature: object = 1.0,
    where: object = None,
    reduction: Reduction = "none",
    normalizer: object = None,
    empty: Literal["nan", "zero"] = "nan",
    dtype: DTypeLike | None = None,
) -> Any: ...
@overload
def kl_divergence(
    z: _Numpy,
    w: _Numpy,
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    where: _Mask | None = None,
    reduction: Reduction = "none",
    normalizer: _Number | _Numpy | None = None,
    empty: Literal["nan", "zero"] = "nan",
    dtype: _Float[_F],
) -> NDArray[_F]: ...
@overload
def kl_divergence(
    z: NDArray[np.float64],
    w: NDArray[np.float64],
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    where: _Mask | None = None,
    reduction: Reduction = "none",
    normalizer: _Number | _Numpy | None = None,
    empty: Literal["nan", "zero"] = "nan",
    dtype: None = None,
) -> NDArray[np.float64]: ...
@overload
def kl_divergence(
    z: _Narrow,
    w: _Narrow,
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    where: _Mask | None = None,
    reduction: Reduction = "none",
    normalizer: _Number | _Numpy | None = None,
    empty: Literal["nan", "zero"] = "nan",
    dtype: None = None,
) -> NDArray[np.float32]: ...
@overload
def kl_divergence(
    z: _Numpy,
    w: _Numpy,
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    where: _Mask | None = None,
    reduction: Reduction = "none",
    normalizer: _Number | _Numpy | None = None,
    empty: Literal["nan", "zero"] = "nan",
    dtype: DTypeLike | None = None,
) -> NDArray[Any]: ...
@overload
def kl_divergence(
    z: Of[A],
    w: Of[A],
    /,
    *,
    axis: Axis = -1,
    temperature: float | A = 1.0,
    where: A | None = None,
    reduction: Reduction = "none",
    normalizer: float | A | None = None,
    empty: Literal["nan", "zero"] = "nan",
    dtype: DTypeLike | None = None,
) -> A: ...
@overload
def js_divergence(
    z: Never,
    w: object,
    /,
    *,
    axis: Axis = -1,
    temperature: object = 1.0,
    where: object = None,
    reduction: Reduction = "none",
    normalizer: object = None,
    empty: Literal["nan", "zero"] = "nan",
    dtype: DTypeLike | None = None,
) -> Any: ...
@overload
def js_divergence(
    z: _Numpy,
    w: _Numpy,
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    where: _Mask | None = None,
    reduction: Reduction = "none",
    normalizer: _Number | _Numpy | None = None,
    empty: Literal["nan", "zero"] = "nan",
    dtype: _Float[_F],
) -> NDArray[_F]: ...
@overload
def js_divergence(
    z: NDArray[np.float64],
    w: NDArray[np.float64],
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    where: _Mask | None = None,
    reduction: Reduction = "none",
    normalizer: _Number | _Numpy | None = None,
    empty: Literal["nan", "zero"] = "nan",
    dtype: None = None,
) -> NDArray[np.float64]: ...
@overload
def js_divergence(
    z: _Narrow,
    w: _Narrow,
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    where: _Mask | None = None,
    reduction: Reduction = "none",
    normalizer: _Number | _Numpy | None = None,
    empty: Literal["nan", "zero"] = "nan",
    dtype: None = None,
) -> NDArray[np.float32]: ...
@overload
def js_divergence(
    z: _Numpy,
    w: _Numpy,
    /,
    *,
    axis: Axis = -1,
    temperature: _Number | _Numpy = 1.0,
    where: _Mask | None = None,
    reduction: Reduction = "none",
    normalizer: _Number | _Numpy | None = None,
    empty: Literal["nan", "zero"] = "nan",
    dtype: DTypeLike | None = None,
) -> NDArray[Any]: ...
@overload
def js_divergence(
    z: Of[A],
    w: Of[A],
    /,
    *,
    axis: Axis = -1,
    temperature: float | A = 1.0,
    where: A | None = None,
    reduction: Reduction = "none",
    normalizer: float | A | None = None,
    empty: Literal["nan", "zero"] = "nan",
    dtype: DTypeLike | None = None,
) -> A: ...

class RowsOfCrossEntropy(NamedTuple):
    classes: bool
    options: dict[str, Any]
    ignored: dict[str, Any]
    divisor: Any
