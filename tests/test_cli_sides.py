"""``lsmx verify --compare SERVER.npy TRAINER.npy``: the same figures as from Python, from files."""

from __future__ import annotations

import json
import pathlib
import re
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import lsmx
from lsmx._cli import main
from lsmx.testing import compare_distributions

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def files(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """Logits, tokens, a mask and log-probs, each saved under its name."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(4)
    z = (3 * rng.standard_normal((5, 7, 11))).astype(np.float32)
    tokens, mask = rng.integers(0, 11, (5, 7)), rng.random((5, 7)) < 0.7
    w = z + np.float32(1e-3) * rng.standard_normal(z.shape).astype(np.float32)
    tokens[~mask] = -100
    made = {"z": z, "w": w, "tokens": tokens, "mask": mask, "ones": mask.astype(np.int64), "short": z.astype(ml_dtypes.bfloat16)}
    made["rows"] = z - np.log(np.exp(z).sum(-1, keepdims=True))
    made["server"], made["trainer"] = (lsmx.log_prob(x[mask], tokens[mask], temperature=0.7) for x in (z, w))
    made["bytes"] = 255 * mask.astype(np.uint8)
    made["ids"] = made["server"].astype(ml_dtypes.bfloat16).view(np.uint16)
    for name, x in made.items():
        np.save(f"{name}.npy", x)
    np.savez("both.npz", z)
    return made


def run(*words: str) -> int:
    return main(["verify", "--compare", *words])


def test_rows_with_tokens_and_a_mask(files: dict[str, np.ndarray], capsys: Capture) -> None:
    f = files
    words = ["z.npy", "w.npy", "--tokens", "tokens.npy", "--temperature", "0.7", "--mask"]
    want = compare_distributions(f["z"], f["w"], f["tokens"], where=f["mask"], temperature=0.7)
    assert run(*words, "mask.npy") == 1
    assert capsys.readouterr().out == f"{want}\n"
    assert run(*words, "ones.npy", "--json") == 1
    record = json.loads(capsys.readouterr().out)
    assert (record["command"], record["a"], record["b"], record["rows"]) == ("compare", "z.npy", "w.npy", [])
    assert record["distributions"]["kl"] == want.kl > 0
    assert tuple(record["distributions"]["at"]) == want.at
    assert record["distributions"]["tokens"] == f["mask"].sum()


def test_log_probs_of_tokens(files: dict[str, np.ndarray], capsys: Capture) -> None:
    assert run("server.npy", "trainer.npy") == 1
    assert capsys.readouterr().out == f"{compare_distributions(files['server'], files['trainer'])}\n"
    assert run("server.npy", "server.npy") == 0
    assert "equal in every bit" in capsys.readouterr().out


def test_bfloat16_and_rows_of_log_probs(files: dict[str, np.ndarray], capsys: Capture) -> None:
    f = files
    assert run("short.npy", "z.npy", "--tokens", "tokens.npy", "--mask", "mask.npy", "--json", "r.json") == 1
    want = compare_distributions(f["short"], f["z"], f["tokens"], where=f["mask"])
    assert json.loads(pathlib.Path("r.json").read_text())["distributions"]["max_difference"] == want.max_difference > 1e-4
    out = capsys.readouterr().out
    assert "server        bfloat16 logits (5, 7, 11)" in out
    assert "trainer       float32 logits (5, 7, 11)" in out
    assert run("rows.npy", "z.npy", "--tokens", "tokens.npy", "--mask", "mask.npy", "--rows", "log_probs") == 2
    assert "trainer: " in capsys.readouterr().err
    assert run("rows.npy", "rows.npy", "--tokens", "tokens.npy", "--mask", "mask.npy", "--rows", "log_probs") == 0


def test_nothing_compared_and_what_json_lacks(files: dict[str, np.ndarray], capsys: Capture) -> None:
    np.save("none.npy", np.zeros_like(files["mask"]))
    assert run("z.npy", "w.npy", "--tokens", "tokens.npy", "--mask", "none.npy", "--json") == 2
    captured = capsys.readouterr()
    assert json.loads(captured.out)["distributions"]["kl"] is None
    assert captured.err == "lsmx verify: --compare: no token counted, so nothing was compared\n"
    np.save("nan.npy", np.full(3, np.nan))
    assert run("nan.npy", "nan.npy") == 2
    captured = capsys.readouterr()
    assert "  not finite    3 NaN of the server, 3 NaN of the trainer, the first at (0,)" in captured.out
    assert captured.err == "lsmx verify: --compare: none is finite on both sides, so nothing was compared\n"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["server.npy", "numpy"], "--compare: server.npy is an array, and numpy is no file; give two .npy files"),
        ([".", "server.NPY"], "--compare: server.NPY is an array, and . is a folder; give two .npy files"),
        (["both.npz", "z.npy"], "--compare: z.npy is an array, and both.npz is a file of another kind; give"),
        (["both.npz", "both.npz"], "both.npz: neither a .npy file nor JSON; save arrays by numpy.save"),
        (["numpy", "pytorch"], r"--compare: 'pytorch' is unknown \(did you mean torch\?\); there are numpy, .* or two .npy files"),
        (["ids.npy", "server.npy"], "--compare: server: dtype uint16, but logits and log-probs are floats; bits of bfloat16"),
        (["z.npy", "w.npy", "--mask", "mask.npy"], r"--mask: shape \(5, 7\), .* need --tokens"),
        (["server.npy", "nowhere.npy"], "nowhere.npy: No such file"),
        (["numpy", "torch", "--tokens", "tokens.npy"], "--tokens: goes with two arrays"),
        (["z.npy", "w.npy"], "--compare: server: .* whole rows of logits with --tokens"),
        (["z.npy", "w.npy", "--tokens", "tokens.npy"], r"--tokens: -100 at .* where the mask \(--mask\) is False"),
        (["server.npy", "trainer.npy", "--temperature", "0.7"], "--temperature: logits are divided by it"),
        (["server.npy", "trainer.npy", "--logits", "z.npy"], "--logits: goes with libraries"),
        (["z.npy", "w.npy", "--tokens", "tokens.npy", "--mask", "z.npy"], "--mask: dtype float32"),
        (["z.npy", "w.npy", "--tokens", "tokens.npy", "--mask", "bytes.npy"], "--mask: holds 255; a mask holds bools, or 1 and 0"),
        (["z.npy", "w.npy", "--rows", "probs"], "argument --rows: invalid choice"),
    ],
)
@pytest.mark.usefixtures("files")
def test_words_that_are_wrong(capsys: Capture, words: list[Any], reason: str) -> None:
    assert run(*words) == 2
    captured = capsys.readouterr()
    assert re.fullmatch(rf"lsmx verify: {reason}[^\n]*\n", captured.err), captured.err
    assert captured.out == ""


@pytest.mark.usefixtures("files")
def test_options_without_arrays_are_refused(capsys: Capture) -> None:
    assert main(["verify", "--mask", "mask.npy"]) == 2
    assert capsys.readouterr().err.startswith("lsmx verify: --mask: goes with two arrays")
