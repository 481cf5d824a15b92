"""Programs that PyTorch saves: by ``torch.export``, ``torch.jit`` and ``torch.fx``, loaded in fresh processes."""

from __future__ import annotations

import os
import pathlib
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torch.fx

import lsmx
from lsmx import extend
from lsmx.testing import differing

HERE = pathlib.Path(__file__).parent
PATH = os.pathsep.join(map(str, (HERE.parent, HERE.parent / "backends", HERE / "programs")))
RNG = np.random.default_rng(43)
Z, G = (torch.from_numpy(x) for x in RNG.standard_normal((2, 3, 5)).astype(np.float32))
MASK = torch.from_numpy(RNG.random((3, 5)) < 0.7)
IMPORTS = ["import torch, lsmx", "import lsmx, torch", "import lsmx_torch", "import lsmx"]
FORWARD: dict[str, Callable[..., torch.Tensor]] = {
    "log_softmax": lambda x: lsmx.log_softmax(x),
    "softmax": lambda x: lsmx.softmax(x, axis=0),
    "logsumexp": lambda x: lsmx.logsumexp(x, axis=(0, 1), keepdims=True),
    "all axes": lambda x: lsmx.softmax(x, axis=None),
    "mask": lambda x: lsmx.log_softmax(x, where=x > 0),
    "kept mask": lambda x: lsmx.logsumexp(x, where=MASK, axis=0),
    "dtype": lambda x: lsmx.softmax(x, dtype="float64"),
    "backward": lambda x: lsmx.softmax_backward(x, lsmx.softmax(x)),
    "jvp": lambda x: lsmx.logsumexp_jvp(x, x, lsmx.logsumexp(x)),
}


class Model(torch.nn.Module):
    """A layer with a parameter, and ``f``."""

    def __init__(self, f: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.f = f
        self.weight = torch.nn.Parameter(torch.linspace(0.5, 1.5, 5))

    def forward(self, x):  # type: ignore[no-untyped-def]  # torch.fx cannot write down annotations that are strings
        return self.f(x * self.weight)


def same(got: torch.Tensor, want: torch.Tensor) -> None:
    assert got.dtype == want.dtype
    assert differing(got.detach().double().numpy(), want.detach().double().numpy()) is None


def value_and_gradient(model: Any, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    out = model(z)
    (grad,) = torch.autograd.grad(out, list(model.parameters()), torch.cos(out.detach()))
    return out.detach(), grad


def fresh(program: str, folder: pathlib.Path) -> None:
    """Run it where nothing of lsmx is imported yet."""
    env = {**os.environ, "PYTHONPATH": PATH, "FOLDER": str(folder)}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr


LOADING = """
import glob, os, pathlib
{imports}
import torch
load = {load}
files = sorted(pathlib.Path(os.environ["FOLDER"]).glob("*.program"))
assert len(files) == {count}
for path in files:
    if "own function" in path.name:
        import saved_functions
    z, out, grad = torch.load(path.with_suffix(".data"))
    model = load(path)
    got = model(z)
    (dw,) = torch.autograd.grad(got, list(model.parameters()), torch.cos(got.detach()))
    assert got.dtype == out.dtype and torch.equal(got, out) and torch.equal(dw, grad), path.name
"""


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Callable[..., torch.Tensor]]]:
    """All of them, with one that a user has registered."""
    monkeypatch.syspath_prepend(str(HERE / "programs"))
    import saved_functions

    yield FORWARD | {"own function": lambda x: saved_functions.saved_cube(x, sharp=2.0)}
    extend.unregister("saved_cube")
    del sys.modules["saved_functions"]


def exported(model: Model, path: pathlib.Path) -> None:
    program = torch.export.export(model, (Z,))
    found = [str(node.target) for node in program.graph.nodes if "lsmx" in str(node.target) and node.users]
    assert found
    assert [str(node.target) for node in program.run_decompositions().graph.nodes if "lsmx" in str(node.target)] == found
    same(program.module()(Z), model(Z))
    torch.export.save(program, path)


def traced(model: Model, path: pathlib.Path) -> None:
    program = torch.jit.trace(model, (Z,))  # type: ignore[no-untyped-call]
    same(program(Z), model(Z))
    program.save(str(path))


@pytest.mark.one_in(0, slow=2)
@pytest.mark.filterwarnings("ignore:`torch.jit.*:DeprecationWarning", "ignore:.*treespec, LeafSpec:FutureWarning")
@pytest.mark.parametrize(
    ("save", "load"),
    [(exported, "lambda path: torch.export.load(path).module()"), (traced, "torch.jit.load")],
    ids=["torch.export", "torch.jit"],
)
def test_saved_programs_are_loaded_after_either_import(
    functions: dict[str, Callable[..., torch.Tensor]], save: Callable[..., None], load: str, tmp_path: pathlib.Path
) -> None:
    for name, f in functions.items():
        model = Model(f)
        save(model, tmp_path / f"{name}.program")
        torch.save((Z, *value_and_gradient(model, Z)), tmp_path / f"{name}.data")
    for imports in IMPORTS:
        fresh(LOADING.format(imports=imports, load=load, count=len(functions)), tmp_path)


def test_exported_with_sizes_of_any_batch() -> None:
    model = Model(FORWARD["mask"])
    program = torch.export.export(model, (Z,), dynamic_shapes=({0: torch.export.Dim("batch")},)).module()
    for n in (1, 2, 17):
        z = torch.from_numpy(RNG.standard_normal((n, 5)).astype(np.float32))
        for got, want in zip(value_and_gradient(program, z), value_and_gradient(model, z), strict=True):
            same(got, want)


@pytest.mark.parametrize("strict", [False, True])
def test_both_ways_to_export(strict: bool) -> None:
    model = Model(FORWARD["log_softmax"])
    program = torch.export.export(model, (Z,), strict=strict)
    assert [n.target for n in program.graph.nodes if "lsmx" in str(n.target)] == [torch.ops.lsmx.log_softmax.default]
    for got, want in zip(value_and_gradient(program.module(), Z), value_and_gradient(model, Z), strict=True):
        same(got, want)


@pytest.mark.slow
def test_looking_for_pytorch_is_not_importing_it(tmp_path: pathlib.Path) -> None:
    """The notice waits for the import itself, leaves nothing behind, and is in nobody's way."""
    program = """
import importlib.util, sys
import lsmx
assert "torch" not in sys.modules
before = [type(finder).__module__ for finder in sys.meta_path]
assert before.count("lsmx._call.notice") == 1
spec = importlib.util.find_spec("torch")
assert spec.loader.get_filename("torch").endswith("__init__.py") and "lsmx_torch" not in sys.modules
import torch
assert "lsmx_torch" in sys.modules and torch.ops.lsmx.softmax.default
assert type(torch.__spec__.loader) is type(torch.__loader__) is type(torch.fx.__loader__)
assert not any(type(finder).__module__ == "lsmx._call.notice" for finder in sys.meta_path)
"""
    fresh(program, tmp_path)


@pytest.mark.slow
def test_an_import_of_pytorch_that_fails_can_be_tried_again(tmp_path: pathlib.Path) -> None:
    broken = tmp_path / "torch"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ImportError('not today')")
    program = """
import os, sys
import lsmx
sys.path.insert(0, os.environ["FOLDER"])
try:
    import torch
except ImportError as error:
    assert str(error) == "not today"
assert "lsmx_torch" not in sys.modules
del sys.path[0]
import torch
assert torch.ops.lsmx.softmax.default
"""
    fresh(program, tmp_path)


def test_without_pytorch_nothing_is_missing(tmp_path: pathlib.Path) -> None:
    program = """
import sys
import lsmx
sys.path[:] = [p for p in sys.path if "site-packages" not in p]
try:
    import torch
except ModuleNotFoundError as error:
    assert error.name == "torch"
else:
    raise AssertionError
"""
    fresh(program, tmp_path)


# --- torch.fx ------------------------------------------------------------------------------------------------------------------

TRACED: dict[str, tuple[Callable[..., torch.Tensor], list[Callable[..., Any]]]] = {
    "plain": (lambda x: lsmx.log_softmax(x + 1) * 2, [lsmx.log_softmax]),
    "axis": (lambda x: lsmx.softmax(x, axis=0), [lsmx.softmax]),
    "all axes": (lambda x: lsmx.softmax(x, axis=None), [lsmx.softmax]),
    "options": (lambda x: lsmx.logsumexp(x, axis=(0, 1), keepdims=True), [lsmx.logsumexp]),
    "axis that is traced": (lambda x: lsmx.softmax(x, axis=x.dim() - 2), [lsmx.softmax]),
    "dtype": (lambda x: lsmx.softmax(x, dtype=torch.float64), [lsmx.softmax]),
    "mask": (lambda x: lsmx.log_softmax(x, where=x > 0), [lsmx.log_softmax]),
    "kept mask": (lambda x: lsmx.logsumexp(x, where=MASK), [lsmx.logsumexp]),
    "mask alone": (lambda x: lsmx.softmax(Z, where=x > 0), [lsmx.softmax]),
    "out": (lambda x: lsmx.softmax(x, out=torch.empty_like(x)), [lsmx.softmax]),
    "backward": (lambda x: lsmx.log_softmax_backward(G, lsmx.log_softmax(x)), [lsmx.log_softmax, lsmx.log_softmax_backward]),
    "cotangent alone": (lambda x: lsmx.log_softmax_backward(x, Z, axis=0), [lsmx.log_softmax_backward]),
    "jacobian": (lambda x: lsmx.softmax_jacobian(lsmx.softmax(x)), [lsmx.softmax, lsmx.softmax_jacobian]),
}


def calls(graph: torch.fx.Graph) -> list[Any]:
    return [node.target for node in graph.nodes if node.target in vars(lsmx).values()]


@pytest.mark.parametrize("name", TRACED)
def test_a_call_is_one_node_of_a_trace(name: str) -> None:
    f, targets = TRACED[name]
    model = torch.fx.symbolic_trace(f)
    assert calls(model.graph) == targets
    model.graph.lint()
    again = torch.fx.symbolic_trace(model)
    assert calls(again.graph) == targets
    for g in (model, again, pickle.loads(pickle.dumps(model))):
        same(g(Z), f(Z))


def test_a_trace_is_differentiated_as_the_model_is() -> None:
    model = Model(FORWARD["mask"])
    for got, want in zip(value_and_gradient(torch.fx.symbolic_trace(model), Z), value_and_gradient(model, Z), strict=True):
        same(got, want)


@pytest.mark.slow
def test_traces_are_loaded_in_a_fresh_process(functions: dict[str, Callable[..., torch.Tensor]], tmp_path: pathlib.Path) -> None:
    for name, f in functions.items():
        model = torch.fx.symbolic_trace(Model(f))
        torch.save(model, tmp_path / f"{name}.program")
        torch.save((Z, *value_and_gradient(model, Z)), tmp_path / f"{name}.data")
    load = "lambda path: torch.load(path, weights_only=False)"
    fresh(LOADING.format(imports="", load=load, count=len(functions)), tmp_path)


def test_what_is_no_array_and_takes_nothing_over_is_refused() -> None:
    with pytest.raises(lsmx.ArrayTypeError, match=r"^z: str is not an array"):
        lsmx.softmax("logits")  # type: ignore[type-var]
    with pytest.raises(lsmx.ArrayTypeError, match=r"^where: a numpy\.ndarray, but z is a torch\.Tensor"):
        lsmx.softmax(Z, where=MASK.numpy())
