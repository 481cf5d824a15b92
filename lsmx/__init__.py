"""lsmx: log-softmax, softmax, logsumexp and losses, forward and backward, on any array, with the same bits everywhere.

PYTEST_DONT_REWRITE: a plugin for pytest in the distribution is no reason for pytest to look into this package.
"""

import importlib as _importlib
import typing as _t

from lsmx._api import (
    log_softmax,
    log_softmax_backward,
    log_softmax_jacobian,
    log_softmax_jvp,
    logsumexp,
    logsumexp_backward,
    logsumexp_jvp,
    softmax,
    softmax_backward,
    softmax_jacobian,
    softmax_jvp,
)
from lsmx._call.deferred import publish as _publish
from lsmx._call.explain import explain
from lsmx._call.functions import later as _later
from lsmx._call.functions import registered
from lsmx._call.notice import when_imported as _when_imported
from lsmx._call.registry import backend_for
from lsmx._call.registry import backend_of as _backend_of
from lsmx._call.using import using
from lsmx._definition.formats import ARITHMETIC_VERSION
from lsmx._errors import (
    ArgumentError,
    ArgumentValueError,
    ArrayTypeError,
    AxisError,
    BackendError,
    BackendWarning,
    ClassError,
    CoreWarning,
    DeviceError,
    DTypeError,
    LsmxError,
    OutputError,
    PartError,
    ShapeError,
    TargetError,
    ThreadsError,
)
from lsmx._native.threads import get_num_threads, set_num_threads

if _t.TYPE_CHECKING:
    from lsmx._linear import linear_cross_entropy, linear_cross_entropy_backward, linear_log_prob
    from lsmx._loss_gradients import (
        cross_entropy_backward,
        cross_entropy_jvp,
        entropy_backward,
        entropy_jvp,
        js_divergence_backward,
        js_divergence_jvp,
        kl_divergence_backward,
        kl_divergence_jvp,
        log_prob_backward,
        log_prob_jvp,
    )
    from lsmx._losses import (
        CrossEntropyParts,
        TokenStats,
        cross_entropy,
        entropy,
        js_divergence,
        kl_divergence,
        log_prob,
        row_sums,
        token_stats,
    )
    from lsmx._parts import Partial, finish, merge, partial

__all__ = [
    "ARITHMETIC_VERSION",
    "ArgumentError",
    "ArgumentValueError",
    "ArrayTypeError",
    "AxisError",
    "BackendError",
    "BackendWarning",
    "ClassError",
    "CoreWarning",
    "CrossEntropyParts",
    "DTypeError",
    "DeviceError",
    "LsmxError",
    "OutputError",
    "PartError",
    "Partial",
    "ShapeError",
    "TargetError",
    "ThreadsError",
    "TokenStats",
    "__version__",
    "backend_for",
    "cross_entropy",
    "cross_entropy_backward",
    "cross_entropy_jvp",
    "entropy",
    "entropy_backward",
    "entropy_jvp",
    "explain",
    "finish",
    "get_num_threads",
    "js_divergence",
    "js_divergence_backward",
    "js_divergence_jvp",
    "kl_divergence",
    "kl_divergence_backward",
    "kl_divergence_jvp",
    "linear_cross_entropy",
    "linear_cross_entropy_backward",
    "linear_log_prob",
    "log_prob",
    "log_prob_backward",
    "log_prob_jvp",
    "log_softmax",
    "log_softmax_backward",
    "log_softmax_jacobian",
    "log_softmax_jvp",
    "logsumexp",
    "logsumexp_backward",
    "logsumexp_jvp",
    "merge",
    "partial",
    "registered",
    "row_sums",
    "set_num_threads",
    "softmax",
    "softmax_backward",
    "softmax_jacobian",
    "softmax_jvp",
    "token_stats",
    "using",
]


_LATER = {
    **dict.fromkeys(("CrossEntropyParts", "TokenStats"), "lsmx._losses"),
    **dict.fromkeys(
        ("cross_entropy", "entropy", "js_divergence", "kl_divergence", "log_prob", "row_sums", "token_stats"), "lsmx._losses"
    ),
    **dict.fromkeys(
        (
            "cross_entropy_backward",
            "cross_entropy_jvp",
            "entropy_backward",
            "entropy_jvp",
            "js_divergence_backward",
            "js_divergence_jvp",
            "kl_divergence_backward",
            "kl_divergence_jvp",
            "log_prob_backward",
            "log_prob_jvp",
        ),
        "lsmx._loss_gradients",
    ),
    **dict.fromkeys(("Partial", "finish", "merge", "partial"), "lsmx._parts"),
    **dict.fromkeys(("linear_cross_entropy", "linear_cross_entropy_backward", "linear_log_prob"), "lsmx._linear"),
}
"""Names that are looked up when they are asked for, and their modules."""


def __getattr__(name: str) -> _t.Any:
    """The losses, and ``__version__``: importing them, or looking it up, takes longer than all the rest."""
    if name in _LATER:
        value = globals()[name] = getattr(_importlib.import_module(_LATER[name]), name)
        return value
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import metadata

    try:
        return metadata.version("lsmx")
    except metadata.PackageNotFoundError:  # a bare clone, not installed
        return "0+unknown"


def __dir__() -> list[str]:
    """What there is, also of what has not been looked up."""
    return sorted({*globals(), *__all__})


_publish(
    log_softmax,
    log_softmax_backward,
    log_softmax_jacobian,
    log_softmax_jvp,
    logsumexp,
    logsumexp_backward,
    logsumexp_jvp,
    softmax,
    softmax_backward,
    softmax_jacobian,
    softmax_jvp,
)
_later.append(lambda: _importlib.import_module("lsmx._losses"))
_when_imported("torch", lambda: _backend_of("torch"))  # a program that it has saved names our operators
