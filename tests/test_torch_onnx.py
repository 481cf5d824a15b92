"""Models exported to ONNX by PyTorch's exporter with nothing but its plain call, and run by onnxruntime.

PyTorch's own functions in their place are what the values are compared with: a few ulp. The definition has equal bits there too.
"""

from __future__ import annotations

import contextlib
import io
import math
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import lsmx
from lsmx import extend
from lsmx.testing import differing

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of the exporter and its libraries, about themselves

Program = Callable[..., torch.Tensor]
RNG = np.random.default_rng(44)
Z = torch.from_numpy((3 * RNG.standard_normal((4, 5, 7))).astype(np.float32))
HARD = Z.clone()
HARD[0, 0], HARD[1, 1, 3], HARD[2, 2, 2], HARD[3, 0, :3] = -math.inf, math.nan, math.inf, -math.inf
MASK = torch.from_numpy(RNG.random((5, 7)) < 0.7)
MASK[2] = False  # a row of nothing
FUNCTIONS = ("log_softmax", "softmax", "logsumexp")
OWN = {"log_softmax": "LogSoftmax", "softmax": "Softmax", "logsumexp": "Log"}
ULP = {"float16": 2.0**-10, "float32": 2.0**-23, "float64": 2.0**-52}


class Model(torch.nn.Module):
    """A module of a function."""

    def __init__(self, f: Program) -> None:
        super().__init__()
        self.f = f

    def forward(self, *arrays: torch.Tensor) -> torch.Tensor:
        return self.f(*arrays)


@pytest.fixture
def run(tmp_path: pathlib.Path) -> Callable[..., Any]:
    """Exports, and gives what runs the file and which operators it has."""

    def export(f: Any, *arrays: torch.Tensor, **options: Any) -> tuple[Callable[..., np.ndarray], list[str]]:
        path = str(tmp_path / "model.onnx")
        model = f if isinstance(f, torch.export.ExportedProgram) else Model(f)
        with contextlib.redirect_stdout(io.StringIO()):
            torch.onnx.export(model, arrays, path, **{"dynamo": True, "verbose": False, **options})
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

        def call(*given: torch.Tensor) -> np.ndarray:
            feeds = {x.name: y.numpy() for x, y in zip(session.get_inputs(), given, strict=True)}
            result: np.ndarray = session.run(None, feeds)[0]
            return result

        return call, [node.op_type for node in onnx.load(path).graph.node]

    return export


def close(got: np.ndarray, want: torch.Tensor, dtype: str = "float32") -> None:
    """To eight ulp, of 1 where the value is smaller; the same where it is not finite."""
    w = want.detach().numpy()
    assert (got.shape, got.dtype) == (w.shape, w.dtype)
    finite = np.isfinite(w)
    assert np.array_equal(got[~finite], w[~finite], equal_nan=True)
    g, w = got[finite].astype(np.float64), w[finite].astype(np.float64)
    assert (np.abs(g - w) <= 8 * ULP[dtype] * np.maximum(np.abs(w), 1.0)).all()


OPTIONS: list[dict[str, Any]] = [
    {},
    {"axis": 0},
    {"axis": (0, 2)},
    {"axis": None},
    {"where": MASK},
    {"where": MASK[:, :1], "axis": 1},
]


@pytest.mark.one_in(10, slow=3)
@pytest.mark.parametrize("options", OPTIONS, ids=["last", "axis 0", "axes 0 and 2", "all", "mask", "mask of another axis"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_values(function: str, options: dict[str, Any], run: Any) -> None:
    """Of the operator that ONNX has, where one axis is reduced; with infinities, NaN, and rows of nothing."""
    f = getattr(lsmx, function)
    call, operators = run(lambda z: f(z, **options), Z)
    if function == "logsumexp" or not isinstance(options.get("axis", -1), (tuple, type(None))):
        assert OWN[function] in operators
    close(call(Z), f(Z, **options))
    close(call(HARD), f(HARD, **options))


def test_logsumexp_with_kept_axes(run: Any) -> None:
    call, _ = run(lambda z: lsmx.logsumexp(z, axis=(0, 1), keepdims=True), Z)
    close(call(Z), lsmx.logsumexp(Z, axis=(0, 1), keepdims=True))


@pytest.mark.one_in(3)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_mask_that_is_computed_and_one_that_is_given(function: str, run: Any) -> None:
    f = getattr(lsmx, function)
    call, _ = run(lambda z: f(z, where=z < 1.5), Z)
    close(call(HARD), f(HARD, where=HARD < 1.5))
    call, _ = run(lambda z, mask: f(z, where=mask), Z, MASK)
    for mask in (MASK, ~MASK):
        close(call(Z, mask), f(Z, where=mask))


@pytest.mark.one_in(3)
@pytest.mark.parametrize("dtype", ["float16", "float64"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_dtypes(function: str, dtype: str, run: Any) -> None:
    """float16 is computed in float32, as everywhere."""
    f, z = getattr(lsmx, function), Z.to(getattr(torch, dtype))
    call, _ = run(f, z)
    close(call(z), f(z), dtype)


def test_a_cast(run: Any) -> None:
    call, _ = run(lambda z: lsmx.softmax(z, dtype="float64"), Z)
    close(call(Z), lsmx.softmax(Z, dtype="float64"), "float64")


@pytest.mark.one_in(3)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_sizes_of_any_batch_and_of_any_row(function: str, run: Any) -> None:
    f = getattr(lsmx, function)
    sizes = ({0: torch.export.Dim("batch"), 2: torch.export.Dim("classes")},)
    for axis in (-1, (1, 2)):
        call, _ = run(lambda z, axis=axis: f(z, axis=axis), Z, dynamic_shapes=(sizes,))
        for shape in ((4, 5, 7), (9, 5, 11)):
            z = torch.from_numpy(RNG.standard_normal(shape).astype(np.float32))
            close(call(z), f(z, axis=axis))


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    ("function", "way"),
    [
        ("log_softmax", "no_grad"),
        ("softmax", "inference_mode"),
        ("log_softmax", "torchscript"),
        ("logsumexp", "torchscript"),
        ("softmax", "opset 21"),
        ("logsumexp", "exported before"),
        ("softmax", "exported before"),
    ],
)
def test_ways_to_export(function: str, way: str, run: Any) -> None:
    f = getattr(lsmx, function)
    if way == "torchscript":
        call, _ = run(f, Z, dynamo=False)
    elif way == "opset 21":
        call, _ = run(f, Z, opset_version=21)
    elif way == "exported before":
        call, _ = run(torch.export.export(Model(f), (Z,)), Z)
    else:
        with getattr(torch, way)():
            call, _ = run(f, Z)
    close(call(Z), f(Z))


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"axis": 0, "where": MASK}], ids=["plain", "masked"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_definition_has_equal_bits(function: str, options: dict[str, Any], run: Any) -> None:
    """Exported inside ``using("reference")``: two hundred operators of ONNX, each of which rounds as everywhere."""
    f = getattr(lsmx, function)
    with lsmx.using("reference"):
        call, operators = run(lambda z: f(z, **options), Z)
    assert len(operators) > 100
    for z in (Z, HARD):
        assert differing(call(z), f(z, **options).numpy()) is None


@pytest.mark.slow
def test_derivatives_are_exported_as_the_definition(run: Any) -> None:
    g = torch.from_numpy(RNG.standard_normal(Z.shape).astype(np.float32))
    out, s = lsmx.log_softmax(Z), lsmx.softmax(Z)
    for f, arrays in (
        (lambda g, out: lsmx.log_softmax_backward(g, out), (g, out)),
        (lambda v, s: lsmx.softmax_jvp(v, s, axis=-1), (g, s)),
        (lambda g, z: lsmx.logsumexp_backward(g, z, z[..., 0]), (g[..., 0], Z)),
        (lambda s: lsmx.softmax_jacobian(s), (s,)),
    ):
        call, _ = run(f, *arrays)
        assert differing(call(*arrays), f(*arrays).numpy()) is None


def test_a_function_of_ones_own_is_exported_by_its_formula(run: Any) -> None:
    class Square(extend.Function):
        residual = ("z",)

        @staticmethod
        def forward(ctx: Any, z: Any, /, *, axis: Any = -1, where: Any = None, scale: float = 1.0) -> Any:
            ctx.save_for_backward(z)
            return z * z * scale

        @staticmethod
        def backward(ctx: Any, grad_output: Any, /) -> Any:
            (z,) = ctx.saved_tensors
            return 2 * z * grad_output

    square = extend.register("square", Square)
    try:
        call, operators = run(lambda z: square(z, scale=3.0), Z)
        assert operators == ["Mul", "Mul"]
        assert differing(call(Z), square(Z, scale=3.0).numpy()) is None
    finally:
        extend.unregister("square")


def test_nothing_of_an_export_is_left_behind(run: Any) -> None:
    """Numbers that were made for it are not taken for tensors later, nor does it go on for other calls."""
    with lsmx.using("reference"):
        run(lsmx.log_softmax, Z)
        assert differing(lsmx.log_softmax(Z).numpy(), lsmx.log_softmax(Z.numpy())) is None
    graph = torch.export.export(Model(lsmx.log_softmax), (Z,)).graph
    assert [str(node.target) for node in graph.nodes if node.op == "call_function"] == ["lsmx.log_softmax.default"]
