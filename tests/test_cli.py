"""The command, as a user types it."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

import lsmx
from lsmx import extend
from lsmx._cli import main
from lsmx.testing import cases

HOME = pathlib.Path(lsmx.__file__).parents[1]


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.startswith(("numpy", "torch", "jax", "autograd", "cupy"))]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four of the generated cases, to be quick."""
    chosen = [case for case in cases() if case.name in ("short", "nasty", "masked", "axes-0-2")]
    monkeypatch.setattr("lsmx._cli.cases", lambda: chosen)


@pytest.mark.usefixtures("few")
def test_verify(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    table = rows(text)
    equal = {(r[0], r[1], r[2]): r[3] for r in table if r[-1] == "equal"}
    assert {k for k in equal if k[0] == "numpy"} == {
        ("numpy", f, d) for f in ("log_softmax", "softmax", "logsumexp") for d in ("float16", "float32", "float64")
    }
    for (name, function, dtype), mark in equal.items():
        assert re.fullmatch("[0-9a-f]{12}", mark)
        if name == "torch" and dtype != "bfloat16":
            assert mark == equal["numpy", function, dtype]
    assert ["torch", "log_softmax", "bfloat16"] in [r[:3] for r in table if r[-1] == "equal"]
    assert "numpy has no bfloat16" in text
    assert text.splitlines()[-1] == f"OK: {len(equal)} equal, 0 differs, {len(table) - len(equal)} unavailable"


@pytest.mark.usefixtures("few")
def test_verify_fails_on_a_wrong_kernel(capsys: pytest.CaptureFixture[str]) -> None:
    def wrong(ctx: object, g: np.ndarray) -> np.ndarray:
        return g * (1 - np.exp(ctx.saved_tensors[0]))  # type: ignore[attr-defined]

    numpy = lsmx.backend_for(np.zeros(1))
    fields = {f: getattr(numpy, f) for f in numpy.__dataclass_fields__ if f not in ("by_task", "direct", "kernels")}
    kernel = extend.Kernel("wrong", "log_softmax", "backward", lambda ctx, g: lambda: wrong(ctx, g))
    planted = extend.register_backend(extend.Backend(**fields, kernels=(kernel,)))
    try:
        assert main(["verify"]) == 1
    finally:
        extend.unregister_backend(planted)
    text = capsys.readouterr().out
    assert [r[1] for r in rows(text) if r[0] == "numpy" and r[-1] == "differs"] == ["log_softmax"] * 3
    assert re.search(r"backward: \d+ of \d+ differ, first at \(", text)
    assert text.splitlines()[-1].startswith("FAILED: ")
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.usefixtures("few")
def test_verify_fails_on_another_arithmetic(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The definition changed everywhere alike: only the stored digests can tell."""
    import dataclasses

    from lsmx._definition import formats

    coefficients = (*formats.SINGLE.exp[:-2], formats.SINGLE.exp[-2] * (1 + 2.0**-22), formats.SINGLE.exp[-1])
    other = dataclasses.replace(formats.SINGLE, exp=coefficients)
    monkeypatch.setitem(formats.FORMAT_OF, "float32", other)
    assert main(["verify"]) == 1
    text = capsys.readouterr().out
    assert ["numpy", "log_softmax", "float32"] in [r[:3] for r in rows(text) if r[-1] == "differs"]
    assert re.search("digest [0-9a-f]{12}, stored [0-9a-f]{12}", text)


def test_verify_takes_logits(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lsmx._cli.FUNCTIONS", ("log_softmax",))
    monkeypatch.setattr("lsmx.testing.inputs.BLOCK", 2**12)
    z = np.random.default_rng(0).standard_normal((300, 50)).astype(np.float32)  # several blocks of rows
    np.save(tmp_path / "z.npy", z)
    assert main(["verify", "--logits", str(tmp_path / "z.npy")]) == 0
    first = rows(capsys.readouterr().out)[0][3]
    z.view(np.uint32)[299, 49] ^= 1
    np.save(tmp_path / "z.npy", z)
    assert main(["verify", "--logits", str(tmp_path / "z.npy")]) == 0
    text = capsys.readouterr().out
    assert "on z.npy;" in text
    assert rows(text)[2][3] != first


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (np.zeros(3, complex), "real numbers"),
        (np.float64(3), "0 axes"),
        (np.asarray(["a"]), "real numbers"),
        (None, "No such file"),
    ],
)
def test_logits_that_are_none(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], content: object, reason: str) -> None:
    if content is not None:
        np.save(tmp_path / "z.npy", content)
    assert main(["verify", "--logits", str(tmp_path / "z.npy")]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("lsmx verify: ")
    assert reason in captured.err


def test_info(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"lsmx {lsmx.__version__}, arithmetic version {lsmx.ARITHMETIC_VERSION}, ")
    assert re.search(rf"^numpy +{re.escape(np.__version__)}$", text, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= 80


def test_as_a_command_without_colour_or_framework() -> None:
    """Its own process, its output to a pipe: plain text, and no library loaded that ``info`` does not list."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HOME), str(HOME / "backends")])}
    done = subprocess.run([sys.executable, "-m", "lsmx", "info"], capture_output=True, text=True, check=True, env=environment)
    assert "\x1b" not in done.stdout + done.stderr
    assert done.stderr == ""
    bad = subprocess.run([sys.executable, "-m", "lsmx", "verfy"], capture_output=True, text=True, check=False, env=environment)
    assert bad.returncode == 2
    assert "verify" in bad.stderr
