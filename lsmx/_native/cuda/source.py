"""The CUDA source of a pass in a dtype, as one text: for NVRTC, and in the tests for a C++ compiler of the host."""

from __future__ import annotations

import functools
import re

from lsmx._native.memory import WIDTH

PASSES = {
    "log_softmax_forward": "LogSoftmaxForward",
    "log_softmax_backward": "LogSoftmaxBackward",
    "log_softmax_backward_z": "LogSoftmaxBackwardZ",
    "log_softmax_jvp": "LogSoftmaxJvp",
    "log_softmax_jvp_z": "LogSoftmaxJvpZ",
    "softmax_forward": "SoftmaxForward",
    "softmax_backward": "SoftmaxBackward",
    "logsumexp_forward": "LogSumExpForward",
    "logsumexp_backward": "LogSumExpBackward",
    "logsumexp_jvp": "LogSumExpJvp",
}
"""What passes.cuh calls them."""
LOSSES = {
    "row_sums_forward": "RowSumsForward",
    "row_top_forward": "RowTopForward",
    "row_digits_forward": "RowDigitsForward",
    "row_magnitude_forward": "RowMagnitudeForward",
    "row_integer_forward": "RowIntegerForward",
    "row_gradient_backward": "RowGradientBackward",
    "log_prob_forward": "LogProbForward",
    "log_prob_backward": "LogProbBackward",
    "cross_entropy_forward": "CrossEntropyForward",
    "cross_entropy_backward": "CrossEntropyBackward",
    "entropy_forward": "EntropyForward",
    "entropy_backward": "EntropyBackward",
    "rank_forward": "RankForward",
    "scaled_logsumexp_forward": "ScaledLogSumExpForward",
    "scaled_logsumexp_backward": "ScaledLogSumExpBackward",
    "kl_forward": "KlForward",
    "kl_backward_z": "KlBackwardZ",
    "kl_backward_w": "KlBackwardW",
    "js_forward": "JsForward",
    "js_backward_z": "JsBackwardZ",
    "js_backward_w": "JsBackwardW",
    "weighted_cross_entropy_forward": "WeightedForward",
    "weighted_cross_entropy_backward": "WeightedBackward",
    "cross_entropy_of_forward": "OfForward",
    "cross_entropy_of_backward_z": "OfBackwardZ",
    "cross_entropy_of_backward_target": "OfBackwardTarget",
    "log_probs_backward": "LogProbsBackward",
}
"""What losses.cuh, class_losses.cuh and divergence.cuh call those of the losses."""
ELEMENTS = {"float16": "lsmx::Half", "bfloat16": "lsmx::Bfloat", "float32": "float", "float64": "double"}
LAW = ("numbers.h", "constants.h", "law.h")
FILES = ("elements.cuh", "team.cuh", "rows.cuh", "sums.cuh", "passes.cuh", "kernels.cuh")
OF_LOSSES = ("loss_law.h", "pair.h"), ("beside.cuh", "losses.cuh", "class_losses.cuh", "divergence.cuh", "loss_kernels.cuh")
JOINED = re.compile(r'^#(pragma once|include "[\w.]+")\n', re.MULTILINE)
"""Lines of headers that are left out, as the headers are joined to one text."""
THREADS = 512
"""The most threads of a block."""
RESIDENT = {"float16": 2, "bfloat16": 2, "float32": 2, "float64": 1}
"""Blocks of ``THREADS`` that a multiprocessor must have registers for: two hide each other's waiting; float64 needs all for one."""
OPTIONS = ("--std=c++17", "--fmad=false")
"""What NVRTC is told, besides the architecture."""


@functools.cache
def common(device: bool, losses: bool = False) -> str:
    """Everything but the kernels; what only a device understands is left out for the host."""
    from importlib import resources  # which only those who compile need

    native = resources.files("lsmx") / "_native"
    more = OF_LOSSES if losses else ((), ())
    law = [JOINED.sub("", (native / "include" / "lsmx" / name).read_text(encoding="utf-8")) for name in (*LAW, *more[0])]
    files = [(native / "cuda" / name).read_text(encoding="utf-8") for name in (*FILES, *more[1])]
    first = [(native / "cuda" / "device.cuh").read_text(encoding="utf-8")] if device else []
    return "\n".join([*first, *law, *files])


def kernel_name(passname: str, dtype: str, held: bool, pack: int) -> str:
    """The name of a kernel: whether a thread holds its elements, and how many lie together."""
    return f"{passname}_{dtype}_{'held' if held else 'walked'}_{pack}"


def packs(dtype: str) -> tuple[int, int]:
    """Elements that are loaded together: 16 bytes, or one."""
    return 16 // WIDTH[dtype], 1


def kernels(passname: str, dtype: str) -> str:
    """The kernels of a pass."""
    macro, name = ("LSMX_LOSS_KERNEL", LOSSES[passname]) if passname in LOSSES else ("LSMX_KERNEL", PASSES[passname])
    return "\n".join(
        f"{macro}({kernel_name(passname, dtype, held, pack)}, {THREADS}, {RESIDENT[dtype]}, {name}, "
        f"{ELEMENTS[dtype]}, {pack}, {'true' if held else 'false'})"
        for held in (True, False)
        for pack in packs(dtype)
    )


def source(passname: str, dtype: str, device: bool = True) -> str:
    """The whole source of a pass.

    Parameters
    ----------
    passname : str
        The name of the pass, as `CudaDevice` is asked to launch it.
    dtype : str
        The name of the dtype of the arrays.
    device : bool, default True
        Whether it is for a device; otherwise for a compiler of the host.

    Returns
    -------
    str
        C++, as one text.
    """
    return "\n".join([common(device, passname in LOSSES), kernels(passname, dtype), ""])
