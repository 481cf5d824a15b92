"""The command, as a user types it: what it prints, what it writes, and its exit codes."""

from __future__ import annotations

import importlib
import json
import pathlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import lsmx
from lsmx import extend
from lsmx._cli import differences, main, verify
from lsmx._cli.inputs import Inputs
from lsmx._cli.progress import Progress
from lsmx.testing import cases, evaluate, host_target, quantise, target
from lsmx.testing.golden import FUNCTIONS
from lsmx.testing.libraries import library
from lsmx.testing.losses import LOSSES, loss_cases

Capture = pytest.CaptureFixture[str]
FEW = ("short", "nasty", "masked", "axes-0-2")
FEW_OF_LOSSES = ("nasty", "z-loss", "several", "known", "mean")


def table(text: str) -> list[list[str]]:
    """The rows with a result, cut at spaces."""
    return [
        line.split()
        for line in text.splitlines()
        if line.endswith((" equal", " differs", " unavailable", " omitted")) and ":" not in line
    ]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four of the generated cases, and for the losses one and those with options, to be quick."""
    chosen = [case for case in cases() if case.name in FEW]
    monkeypatch.setattr("lsmx._cli.inputs.cases", lambda: chosen)
    of_losses = [case for case in loss_cases() if case.name in FEW_OF_LOSSES]
    monkeypatch.setattr("lsmx._cli.inputs.loss_cases", lambda: of_losses)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One function, on NumPy and PyTorch."""
    monkeypatch.setattr(verify, "FUNCTIONS", ("log_softmax",))
    monkeypatch.setattr("lsmx._cli.inputs.loss_cases", tuple)
    monkeypatch.setattr(differences, "FUNCTIONS", ("log_softmax",))
    monkeypatch.setattr("lsmx._cli.info.roots", lambda: ["numpy", "torch"])


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy is the only library."""
    monkeypatch.setattr("lsmx._cli.info.roots", lambda: ["numpy"])
    monkeypatch.setattr("lsmx._cli.ways.strict", lambda name: "not installed")


@pytest.fixture
def plant() -> Iterator[Callable[..., extend.Backend]]:
    """Registers NumPy's backend with other kernels."""
    planted = []

    def register(*kernels: extend.Kernel) -> extend.Backend:
        numpy = lsmx.backend_for(np.zeros(1))
        fields = {f: getattr(numpy, f) for f in numpy.__dataclass_fields__ if f not in ("by_task", "kernels")}
        planted.append(extend.register_backend(extend.Backend(**fields, kernels=kernels)))
        return planted[-1]

    yield register
    for backend in planted:
        extend.unregister_backend(backend)


def forward(change: Callable[[Any], Any], accepts: Callable[[Any], bool] = lambda z: True) -> extend.Kernel:
    """A kernel that changes the definition's forward pass."""

    def plan(ctx: Any, z: Any, /, **options: Any) -> Any:
        def run() -> Any:
            out = change(lsmx.registered()["log_softmax"].function.forward(ctx, z, **options))
            ctx.save_for_backward(out)
            return out

        return run if accepts(z) else "not such rows"

    return extend.Kernel("planted", "log_softmax", "forward", plan)


# --- verify ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.nightly
@pytest.mark.usefixtures("few")
def test_verify(capsys: Capture) -> None:
    assert main(["verify"]) == 0
    captured = capsys.readouterr()
    text = captured.out
    assert captured.err == ""  # no terminal, no progress
    assert max(map(len, text.splitlines())) <= 80
    rows = table(text)
    equal = {(r[0], r[1], r[2]): r[3] for r in rows if r[-1] == "equal"}
    functions, dtypes = ("log_softmax", "softmax", "logsumexp", *LOSSES), ("float16", "float32", "float64")
    for name in ("numpy", "numpy/definition", "numpy/standard", "torch"):
        assert {k for k in equal if k[0] == name} >= {(name, f, d) for f in functions for d in dtypes}, name
    for (name, function, dtype), mark in equal.items():
        assert re.fullmatch("[0-9a-f]{12}", mark)
        some = name in ("jax", "strict", "dask") and function in LOSSES  # not all inputs, which the table says
        assert some or dtype == "bfloat16" or mark == equal["numpy", function, dtype], name
    assert ["torch", "log_softmax", "bfloat16"] in [r[:3] for r in rows if r[-1] == "equal"]
    assert {(r[0], r[2]) for r in rows if r[-1] == "omitted"} >= {("jax", d) for d in (*dtypes, "bfloat16")}
    words = " ".join(text.split())
    assert (
        "cross_entropy_of, kl_divergence, js_divergence, probabilities_total, mean_of_rows: not at all; they take too long" in words
    )
    assert ("jax", "cross_entropy", "float32") in equal
    assert not {k for k in equal if k[:2] == ("jax", "kl_divergence")}
    assert "numpy has no bfloat16" in text
    assert "only array library" not in text
    counts = [sum(r[-1] == result for r in rows) for result in ("unavailable", "omitted")]
    assert text.splitlines()[-1] == f"OK: {len(equal)} equal, 0 differs, {counts[0]} unavailable, {counts[1]} omitted"


@pytest.mark.slow
@pytest.mark.usefixtures("few", "alone")
def test_a_wrong_kernel_differs_and_nothing_else(capsys: Capture, plant: Callable[..., extend.Backend]) -> None:
    def wrong(ctx: Any, g: Any) -> Any:
        return g * (1 - np.exp(ctx.saved_tensors[0]))

    planted = plant(extend.Kernel("wrong", "log_softmax", "backward", lambda ctx, g: lambda: wrong(ctx, g)))
    assert main(["verify"]) == 1
    assert lsmx.backend_for(np.zeros(1)) is planted  # as before: what served NumPy's arrays meanwhile is gone
    text = capsys.readouterr().out
    dtypes = ["float16", "float32", "float64"]
    assert [r[:3] for r in table(text) if r[0].startswith("numpy") and r[-1] == "differs"] == [
        [way, "log_softmax", dtype] for dtype in dtypes for way in ("numpy", "numpy/wrong")
    ]
    assert ["numpy/definition", "log_softmax", "float32"] in [r[:3] for r in table(text) if r[-1] == "equal"]
    assert re.search(r"backward: \d+ of \d+ differ, first at \(", text)
    assert text.splitlines()[-1].startswith("FAILED: ")
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.usefixtures("few", "quick")
def test_verify_fails_on_another_arithmetic(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """The definition changed everywhere alike: only the stored digests can tell."""
    import dataclasses

    from lsmx._definition import formats

    coefficients = (*formats.SINGLE.exp[:-2], formats.SINGLE.exp[-2] * (1 + 2.0**-22), formats.SINGLE.exp[-1])
    other = dataclasses.replace(formats.SINGLE, exp=coefficients)
    monkeypatch.setitem(formats.FORMAT_OF, "float32", other)
    assert main(["verify"]) == 1
    text = capsys.readouterr().out
    assert ["numpy/definition", "log_softmax", "float32"] in [r[:3] for r in table(text) if r[-1] == "differs"]
    assert re.search("digest [0-9a-f]{12}, stored [0-9a-f]{12}", text)


@pytest.mark.slow
@pytest.mark.usefixtures("few", "alone")
def test_one_bit_in_a_loss_differs(capsys: Capture, plant: Callable[..., extend.Backend]) -> None:
    rules = lsmx.registered()["cross_entropy"].function

    def plan(ctx: Any, z: Any, target: Any, /, **options: Any) -> Any:
        def run() -> Any:
            out = np.array(rules.forward(ctx, z, target, **options))
            out.reshape(-1)[-1] = np.nextafter(out.reshape(-1)[-1], out.dtype.type(0))
            return out

        return run if options.get("z_loss") else "no z_loss"

    plant(extend.Kernel("wrong", "cross_entropy", "forward", plan))
    assert main(["verify"]) == 1
    text = capsys.readouterr().out
    assert [r[:3] for r in table(text) if r[-1] == "differs"] == [
        [way, "cross_entropy", dtype] for dtype in ("float16", "float32", "float64") for way in ("numpy", "numpy/wrong")
    ]
    assert "z-loss forward: 1 of 9 differ, first at (8,)" in " ".join(text.split())


@pytest.mark.slow
@pytest.mark.usefixtures("few", "alone")
@pytest.mark.parametrize(
    ("module", "constant", "changed"),
    [("divergence", "LN2", ["js_divergence"]), ("cross_entropy", "INF", ["cross_entropy_of"])],
)
def test_verify_fails_on_another_definition_of_a_loss(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, module: str, constant: str, changed: list[str]
) -> None:
    """Changed everywhere alike: only the stored digests can tell."""
    of = importlib.import_module(f"lsmx._definition.{module}")
    monkeypatch.setattr(of, constant, np.nextafter(getattr(of, constant), 0))
    monkeypatch.setattr("lsmx._cli.verify.FUNCTIONS", ("logsumexp",))
    monkeypatch.setattr(
        "lsmx._cli.verify.LOSSES", ("entropy", "cross_entropy", "cross_entropy_of", "kl_divergence", "js_divergence")
    )
    assert main(["verify"]) == 1
    text = capsys.readouterr().out
    found = [r[1] for r in table(text) if r[-1] == "differs" and r[0] == "numpy/definition"]
    assert list(dict.fromkeys(found)) == changed
    assert re.search("digest [0-9a-f]{12}, stored [0-9a-f]{12}", text)


def test_every_function_has_digests() -> None:
    own = {name for name, known in lsmx.registered().items() if known.function.__module__.startswith("lsmx._definition.")}
    assert own == {*FUNCTIONS, *LOSSES}


@pytest.mark.usefixtures("few", "quick")
def test_what_a_library_raises_is_its_own_row(capsys: Capture, plant: Callable[..., extend.Backend]) -> None:
    def broken(out: Any) -> Any:
        raise RuntimeError("no such instruction")

    plant(forward(broken, accepts=lambda z: z.shape == (200, 10)))
    assert main(["verify"]) == 1
    text = capsys.readouterr().out
    assert {r[0] for r in table(text) if r[-1] == "differs"} == {"numpy", "numpy/planted"}
    assert "short: raised RuntimeError: no such instruction" in text
    assert [r[3] for r in table(text) if r[-1] == "differs"] == ["-"] * 6


@pytest.mark.slow
@pytest.mark.usefixtures("alone", "few")
def test_numpy_alone_is_compared_in_several_ways_and_says_so(capsys: Capture) -> None:
    assert main(["verify"]) == 0
    text = capsys.readouterr().out
    assert "NumPy is the only array library here." in text
    found = {r[0] for r in table(text) if r[-1] == "equal"}
    assert found == {"numpy", "numpy/core", "numpy/definition", "numpy/standard"}
    assert re.search(
        r"took none of the inputs: \d+ elements: no more than one block", " ".join(text.split())
    )  # which is true of the few
    assert [r[:2] for r in table(text) if r[0] == "strict"] == [["strict", "all"]]


@pytest.mark.slow
@pytest.mark.usefixtures("alone", "few")
def test_a_kernel_that_took_nothing_is_not_equal(capsys: Capture, plant: Callable[..., extend.Backend]) -> None:
    plant(forward(lambda out: out, accepts=lambda z: False))
    assert main(["verify"]) == 0
    text = capsys.readouterr().out
    rows = [r for r in table(text) if r[0] == "numpy/planted"]
    assert {r[-1] for r in rows if r[1] != "losses"} == {"unavailable"}
    assert [r[2] for r in rows if r[1] == "losses" and r[-1] == "omitted"] == ["float16", "float32", "float64"]
    assert "took none of the inputs: not such rows" in text
    assert "took none of the inputs: no such kernel for this function" in text


@pytest.mark.usefixtures("few")
def test_nothing_compared_is_not_equal(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr("lsmx._cli.verify.all_ways", lambda progress: ({"cupy": "not installed"}, True))
    monkeypatch.setattr("lsmx._cli.verify.FUNCTIONS", ())
    assert main(["verify"]) == 2
    assert capsys.readouterr().out.splitlines()[-1] == "NOTHING COMPARED: 0 equal, 0 differs, 1 unavailable, 0 omitted"


# --- logits ---------------------------------------------------------------------------------------------------------------------


def digests(capsys: Capture, path: pathlib.Path) -> dict[tuple[str, str], str]:
    """What ``verify --logits`` prints."""
    assert main(["verify", "--logits", str(path)]) == 0
    return {(r[0], r[2]): r[3] for r in table(capsys.readouterr().out) if r[-1] == "equal"}


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_logits_bit_for_bit(tmp_path: pathlib.Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lsmx.testing.inputs.BLOCK", 2**12)  # 40 rows of 100
    z = np.random.default_rng(0).standard_normal((301, 100)).astype(np.float32)
    np.save(tmp_path / "z.npy", z)
    first = digests(capsys, tmp_path / "z.npy")
    assert {way for way, _ in first} >= {"numpy", "numpy/definition", "torch"}
    monkeypatch.setattr("lsmx._cli.inputs.JOINED", 2**13)  # two or three blocks together
    assert first.items() <= digests(capsys, tmp_path / "z.npy").items()
    z.view(np.uint32)[300, 99] ^= 1
    np.save(tmp_path / "z.npy", z)
    changed = digests(capsys, tmp_path / "z.npy")
    assert all(changed[key] != first[key] for key in first if key[1] in ("float32", "float64"))


@pytest.mark.one_in(2)
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("together", [1, 2**13])
def test_a_difference_in_the_last_block_is_found(
    tmp_path: pathlib.Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, plant: Callable[..., extend.Backend], together: int
) -> None:
    monkeypatch.setattr("lsmx.testing.inputs.BLOCK", 2**12)
    monkeypatch.setattr("lsmx._cli.inputs.JOINED", together)

    def one_ulp(out: Any) -> Any:
        return np.where(out < -50, np.nextafter(out, out.dtype.type(0)), out)

    plant(forward(one_ulp))
    z = np.zeros((300, 100), np.float32)
    z[299, 7] = -60.0
    np.save(tmp_path / "z.npy", z)
    assert main(["verify", "--logits", str(tmp_path / "z.npy")]) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "z.npy rows 280 to 299 forward: 1 of 2000 differ, first at (19, 7)" in text


def bfloat16(z: Any) -> Any:
    return z.astype(ml_dtypes.bfloat16)


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "Fortran order": np.asfortranarray,
    "big-endian": lambda z: z.astype(">f4"),
    "three axes": lambda z: z.reshape(6, 5, 70),
    "three axes, Fortran order": lambda z: np.asfortranarray(z.reshape(6, 5, 70)),
    "bfloat16": bfloat16,
    "float64": lambda z: z.astype(np.float64),
    "int8": lambda z: z.astype(np.int8),
}


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_layouts_and_dtypes_of_files(tmp_path: pathlib.Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lsmx.testing.inputs.BLOCK", 700)
    z = np.random.default_rng(0).integers(-100, 100, (30, 70)).astype(np.float32)  # numbers of all the dtypes
    np.save(tmp_path / "z.npy", z)
    want = digests(capsys, tmp_path / "z.npy")
    for name, change in LAYOUTS.items():
        np.save(tmp_path / "z.npy", change(z))
        assert digests(capsys, tmp_path / "z.npy") == want, name
    np.save(tmp_path / "z.npy", z[0])
    assert digests(capsys, tmp_path / "z.npy").keys() == want.keys()


def spoil(path: pathlib.Path, content: object) -> None:
    """Put bytes, or an array, or nothing into a file."""
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content)  # type: ignore[call-overload]


def whole(z: Any) -> bytes:
    """The bytes of a file."""
    import io

    file = io.BytesIO()
    np.save(file, z)
    return file.getvalue()


PLAIN = whole(np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (np.zeros(3, complex), "complex128; logits are real numbers"),
        (np.zeros(3, bool), "bool; logits are real numbers"),
        (np.zeros(3, np.longdouble), "at most 64 bits"),
        (np.zeros(3, "f4,i4"), "logits are real numbers"),
        (np.asarray([1, None]), "Python objects"),
        (np.float64(3), "0 axes"),
        (np.asarray(["a"]), "real numbers"),
        (np.zeros(3, ml_dtypes.float8_e4m3fn), "save them as float32"),
        (np.zeros(3, ml_dtypes.float8_e5m2), "if it is float8, save it as float32"),
        (np.zeros((0, 5)), "has no rows: nothing to compare"),
        (np.zeros((5, 0)), "has no elements: nothing to compare"),
        (None, "No such file"),
        (b"", "an empty file"),
        (b"1.0, 2.0\n", "not a .npy file"),
        (b"PK\x03\x04", "an archive (.npz"),
        (PLAIN[:20], "header that NumPy cannot read"),
        (PLAIN[:-1], "175 bytes, which is not what its header tells, shape (2, 3) of float64"),
        (PLAIN.replace(b"(2, 3)", b"(-2,3)"), "shape (-2, 3)"),
        (PLAIN.replace(b"'shape': (2, 3)", b"'shape': ((((("), "header that NumPy cannot read"),
        (PLAIN[:6] + b"\x09" + PLAIN[7:], "header that NumPy cannot read"),
    ],
)
def test_logits_that_are_none(tmp_path: pathlib.Path, capsys: Capture, content: object, reason: str) -> None:
    spoil(tmp_path / "z.npy", content)
    assert main(["verify", "--logits", str(tmp_path / "z.npy")]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("lsmx verify: ")
    assert captured.err.count("\n") == 1
    assert "z.npy" in captured.err
    assert reason in captured.err
    assert "pickle" not in captured.err
    assert "equal" not in captured.out


def test_a_folder_and_a_device_are_no_logits(tmp_path: pathlib.Path, capsys: Capture) -> None:
    for path in (str(tmp_path), "/dev/null", "a\0b"):
        assert main(["verify", "--logits", path]) == 2
        assert re.fullmatch(r"lsmx verify: [^\n]+\n", capsys.readouterr().err)


def test_a_file_that_shrinks_while_it_is_read(tmp_path: pathlib.Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "z.npy", np.zeros((40, 3000)))
    monkeypatch.setattr(Inputs, "digest", lambda *_: (tmp_path / "z.npy").write_bytes(PLAIN))
    assert main(["verify", "--logits", str(tmp_path / "z.npy")]) == 2
    assert re.fullmatch(r"lsmx verify: \S+z.npy: can no longer be read: [^\n]+\n", capsys.readouterr().err)


# --- info -----------------------------------------------------------------------------------------------------------------------


def test_info(capsys: Capture) -> None:
    assert main(["info"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"lsmx {lsmx.__version__}, arithmetic version {lsmx.ARITHMETIC_VERSION}, ")
    assert re.search(rf"^numpy +{re.escape(np.__version__)}$", text, re.MULTILINE)
    assert "kernels  core (log_softmax" in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.usefixtures("alone")
def test_info_says_why_a_kernel_cannot_run(capsys: Capture, plant: Callable[..., extend.Backend]) -> None:
    def cannot(*given: Any, **options: Any) -> str:
        return "there is no compiler"

    first = extend.Kernel("compiled", "log_softmax", "forward", cannot, unavailable=lambda: "there is no compiler")
    plant(first, *lsmx.backend_for(np.zeros(1)).kernels)
    assert main(["info"]) == 0
    text = capsys.readouterr().out
    assert "compiled: cannot run here: there is no compiler" in text
    assert "compiled (" not in text
    assert "row blocks (log_softmax" in text
    assert main(["info", "--json"]) == 0
    [numpy] = json.loads(capsys.readouterr().out)["backends"]
    assert {k["unavailable"] for k in numpy["kernels"] if k["name"] == "compiled"} == {"there is no compiler"}
    assert {k["unavailable"] for k in numpy["kernels"] if k["name"] != "compiled"} == {None}
    assert main(["verify", "--compare", "numpy/compiled", "numpy"]) == 2
    assert "numpy/compiled cannot be used here: there is no compiler" in capsys.readouterr().err


def test_a_kernel_says_whether_it_can_run() -> None:
    with pytest.raises(lsmx.BackendError, match="unavailable is not callable"):
        extend.Kernel("k", "softmax", "forward", lambda: "no", unavailable="no")  # type: ignore[arg-type]
    assert extend.Kernel("k", "softmax", "forward", lambda: "no").unavailable() is None


# --- JSON -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("few", "quick")
def test_json_holds_what_is_printed(tmp_path: pathlib.Path, capsys: Capture) -> None:
    path = tmp_path / "verify.json"
    assert main(["verify", "--json", str(path)]) == 0
    printed = table(capsys.readouterr().out)
    record = json.loads(path.read_text())
    assert (record["lsmx"], record["arithmetic_version"]) == (lsmx.__version__, lsmx.ARITHMETIC_VERSION)
    assert record["libraries"]["numpy"] == np.__version__
    assert record["inputs"]["cases"] == 4
    shown = [[r["way"], r["function"], r["dtype"], r["digest"] or "-", r["result"]] for r in record["rows"]]
    assert shown == [[*r[:4], r[-1]] for r in printed]
    assert record["counts"] == {k: sum(r[-1] == k for r in printed) for k in ("equal", "differs", "unavailable", "omitted")}
    assert record["definition"]["log_softmax/float32"] in {r[3] for r in printed}
    assert main(["verify", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)  # and nothing else
    assert [r["digest"] for r in again["rows"]] == [r["digest"] for r in record["rows"]]
    assert again["inputs"] == record["inputs"]


@pytest.mark.parametrize("command", ["info", "verify", "bench"])
def test_what_cannot_be_written_is_refused_first(tmp_path: pathlib.Path, capsys: Capture, command: str) -> None:
    for path, reason in ((tmp_path / "no" / "r.json", "there is no folder"), (tmp_path, "is a folder")):
        assert main([command, "--json", str(path)]) == 2
        error = capsys.readouterr().err
        assert re.fullmatch(rf"lsmx {command}: argument --json: [^\n]*{reason}[^\n]*\n", error)


# --- compare --------------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("few")
def test_two_libraries(capsys: Capture) -> None:
    assert main(["verify", "--compare", "numpy", "torch"]) == 0
    text = capsys.readouterr().out
    rows = table(text)
    assert [r[:2] for r in rows] == [
        [f, d] for f in ("log_softmax", "softmax", "logsumexp", *LOSSES) for d in ("float16", "float32", "float64")
    ]
    elements = sum(x.size for c in cases() if c.name in FEW for x in evaluate(host_target(), "softmax", "float32", c).values())
    assert ["softmax", "float32", str(elements), "0", "equal"] in rows
    assert text.splitlines()[-1] == f"EQUAL: {len(rows)} equal, 0 differs"


@pytest.mark.usefixtures("few", "quick")
def test_how_many_elements_differ_and_the_first(capsys: Capture, plant: Callable[..., extend.Backend]) -> None:
    def change(out: Any) -> Any:
        out = out.copy()
        out[3, 7:9] = 0.5
        return out

    plant(forward(change, accepts=lambda z: z.shape == (200, 10)))
    numpy, want = host_target(), 0
    [case] = [case for case in cases() if case.name == "short"]
    got = evaluate(numpy, "log_softmax", "float32", case)
    with lsmx.using("reference"):
        right = evaluate(numpy, "log_softmax", "float32", case)
    want = sum(int((got[d].view("u4") != right[d].view("u4")).sum()) for d in got)
    assert want > 2
    assert main(["verify", "--compare", "numpy:float32", "definition"]) == 1
    text = capsys.readouterr().out
    [row] = table(text)
    assert [row[0], row[1], row[3], row[4]] == ["log_softmax", "float32", str(want), "differs"]
    assert "short forward: 2 of 2000 differ, first at (3, 7): np.float32(0.5) against np.float32(" in " ".join(text.split())
    assert main(["verify", "--compare", "numpy:float32", "numpy/planted", "--json"]) == 0
    assert [r["different"] for r in json.loads(capsys.readouterr().out)["rows"]] == [0]


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    ("a", "b", "narrow", "wide"), [("torch:bfloat16", "numpy:float32", 0, 1), ("numpy:float64", "numpy:float16", 1, 0)]
)
def test_two_dtypes(capsys: Capture, a: str, b: str, narrow: int, wide: int) -> None:
    assert main(["verify", "--compare", a, b, "--json"]) == 1
    record = json.loads(capsys.readouterr().out)
    rows = {(r["function"], r["direction"]): r for r in record["rows"]}
    assert len(rows) == 3 + 4 + 6
    sides = [text.split(":") for text in (a, b)]
    where = [library(name) for name, _ in sides]
    less = sides[narrow][1]
    differ, distances = 0, []
    for case in (c for c in cases() if c.name in FEW):
        values = quantise(case.z, less)

        def result(side: int, values: Any = values, case: Any = case) -> Any:
            here, dtype = where[side], sides[side][1]
            assert not isinstance(here, str)
            mask = None if case.where is None else here.from_numpy(case.where, "bool")
            return here.to_numpy(lsmx.softmax(here.from_numpy(values.astype(np.float64), dtype), axis=case.axis, where=mask))

        x, y = result(narrow), result(wide)
        differ += int((~np.isclose(x, quantise(y, less), rtol=0, atol=0, equal_nan=True)).sum())
        both = np.isfinite(x) & np.isfinite(y)
        distances.append(np.abs(x[both].astype(float) - y[both].astype(float)))
    row, together = rows["softmax", "forward"], np.concatenate(distances)
    assert (row["different"], row["max"]) == (differ, together.max())
    assert row["mean"] == pytest.approx(together.mean(), rel=1e-12)
    assert rows["log_softmax", "backward"]["different"] > 0  # from a residual in fewer bits
    assert main(["verify", "--compare", a, b]) == 1
    text = capsys.readouterr().out
    assert f"rounded to {less}" in text
    assert f"{row['max']:.3g}" in text


def test_what_is_compared_between_dtypes_is_rounded_to_both(monkeypatch: pytest.MonkeyPatch) -> None:
    from lsmx._cli.differences import rounded

    x = np.asarray([1 + 2.0**-9, 1e30, 1e-10, 3.0])
    for dtypes in (("bfloat16", "float16"), ("float16", "float32")):
        values = rounded(x, dtypes)
        assert all((quantise(values, dtype).astype(np.float64) == values).all() for dtype in dtypes)


@pytest.mark.usefixtures("few", "quick")
def test_two_machines(tmp_path: pathlib.Path, capsys: Capture) -> None:
    here, there = tmp_path / "here.json", tmp_path / "there.json"
    assert main(["verify", "--json", str(here)]) == 0
    record = json.loads(here.read_text())
    record["rows"] = [row for row in record["rows"] if row["way"] != "torch"]
    there.write_text(json.dumps(record))
    capsys.readouterr()
    assert main(["verify", "--compare", str(here), str(there)]) == 0
    text = capsys.readouterr().out
    [torch] = [line for line in text.splitlines() if line.startswith("torch ") and " log_softmax " in line and "float32" in line]
    mark = record["definition"]["log_softmax/float32"]
    assert torch.split() == ["torch", "log_softmax", "float32", mark, mark, "(d)", "equal"]

    assert main(["verify", "--compare", "torch:bfloat16", str(there)]) == 0
    assert [r[:3] for r in table(capsys.readouterr().out)] == [["torch", "log_softmax", "bfloat16"]]
    record["definition"]["log_softmax/float32"] = 12 * "0"
    there.write_text(json.dumps(record))
    assert main(["verify", "--compare", str(there), "torch"]) == 1
    rows = table(capsys.readouterr().out)
    assert [r[2] for r in rows if r[-1] == "differs"] == ["float32"]
    assert {r[2] for r in rows if r[-1] == "equal"} == {"float16", "bfloat16", "float64"}

    for change, reason in (
        ({"arithmetic_version": 99}, rf"of arithmetic version {lsmx.ARITHMETIC_VERSION}, \S+ of 99: their bits differ by design"),
        ({"inputs": {"name": "z.npy", "digest": "0"}}, "the inputs are not the same"),
    ):
        there.write_text(json.dumps(record | change))
        for first in (str(here), "numpy"):
            assert main(["verify", "--compare", first, str(there)]) == 2
            assert re.fullmatch(rf"lsmx verify: [^\n]*{reason}[^\n]*\n", capsys.readouterr().err)


def test_a_part_is_not_compared_with_the_whole(tmp_path: pathlib.Path, capsys: Capture) -> None:
    """A library that is looked at on some inputs alone has another digest than the definition on all."""
    paths = [str(tmp_path / name) for name in ("a.json", "b.json")]
    row = {"way": "jax", "function": "entropy", "dtype": "float32", "digest": "0" * 12, "result": "equal", "partly": True}
    record = {"command": "verify", "lsmx": "1", "platform": "p", "libraries": {}, "arithmetic_version": 1}
    record |= {"inputs": {"name": "n", "digest": "d"}, "definition": {"entropy/float32": "1" * 12}}
    for partly, word, code in ((True, "NOTHING COMPARED", 2), (False, "DIFFERENT", 1)):
        for path, rows in zip(paths, ([row | {"partly": partly}], []), strict=True):
            pathlib.Path(path).write_text(json.dumps(record | {"rows": rows}))
        assert main(["verify", "--compare", *paths]) == code
        assert capsys.readouterr().out.splitlines()[-1].startswith(word)


@pytest.mark.usefixtures("few")
def test_libraries_are_compared_on_what_both_are_looked_at(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lsmx._cli.verify.FUNCTIONS", ())
    monkeypatch.setattr("lsmx._cli.verify.LOSSES", ("rank", "kl_divergence"))
    assert main(["verify", "--compare", "numpy:float32", "jax"]) == 0
    text = capsys.readouterr().out
    chosen = [case for case in loss_cases() if case.name == "nasty"]
    elements = sum(evaluate(host_target(), "rank", "float32", case)["forward"].size for case in chosen)
    assert table(text) == [["rank", "float32", str(elements), "0", "equal"]]
    assert "jax float32: omitted: " in text


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [
        ("numpy", "nolib", "'nolib' is unknown; there are numpy"),
        ("numpy", "torch:int8", "'int8' is not a dtype"),
        ("numpy:bfloat16", "torch", "numpy has no bfloat16"),
        ("torch:bfloat16", "numpy", "numpy has no bfloat16; name another dtype, as in numpy:float64"),
        ("numpy", "torch-tpu", "no tpu device"),
        ("torch-", "numpy", "torch- cannot be used here: no '' device; there is cpu"),
        ("numpy", "numpy-c", "numpy-c cannot be used here: no c device; there is cpu"),
        ("numpy", "numpy/no", "there is no numpy/no; there are numpy/core, numpy/row-blocks"),
        ("numpy", "nowhere.json", "nowhere.json: No such file"),
        ("numpy", "TEXT", "not JSON"),
        ("numpy", "LIST", "not what lsmx verify --json writes"),
        ("numpy", "INFO", "not what lsmx verify --json writes"),
    ],
)
def test_what_cannot_be_compared(tmp_path: pathlib.Path, capsys: Capture, a: str, b: str, reason: str) -> None:
    files = {"TEXT": "no", "LIST": "[1]", "INFO": '{"command": "info", "rows": []}'}
    if b in files:
        (tmp_path / b).write_text(files[b])
        b = str(tmp_path / b)
    assert main(["verify", "--compare", a, b]) == 2
    captured = capsys.readouterr()
    assert re.fullmatch(r"lsmx verify: [^\n]+\n", captured.err)
    assert reason in captured.err
    assert captured.out == ""


RECORD: dict[str, Any] = {
    "command": "verify",
    "lsmx": "1",
    "platform": "p",
    "libraries": {"numpy": "2"},
    "arithmetic_version": 1,
    "inputs": {"name": "n", "digest": "d"},
    "definition": {"entropy/float32": "1" * 12},
    "rows": [],
}
ROW = {"way": "jax", "function": "entropy", "dtype": "float32", "digest": "0" * 12, "result": "equal", "partly": False}


def test_a_record_is_read(tmp_path: pathlib.Path, capsys: Capture) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(RECORD | {"rows": [ROW]}))
    assert main(["verify", "--compare", str(path), str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "EQUAL: 1 equal, 0 differs"


@pytest.mark.parametrize(
    "change",
    [
        *({name: None} for name in RECORD),
        *({name: ["a", "b"]} for name in ("libraries", "definition", "inputs", "platform", "rows")),
        {"libraries": {"numpy": None}},
        {"definition": {"entropy/float32": 3}},
        {"inputs": {"name": "n"}},
        *({"rows": [{**ROW, name: 3}]} for name in ("way", "function", "dtype", "digest")),
        {"rows": [{name: x for name, x in ROW.items() if name != "way"}]},
    ],
)
def test_what_is_no_record_is_refused(tmp_path: pathlib.Path, capsys: Capture, change: dict[str, Any]) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(RECORD | {"rows": [ROW]}))
    for record in (RECORD | change, {name: x for name, x in RECORD.items() if name not in change or change[name] is not None}):
        if record != RECORD:
            bad.write_text(json.dumps(record))
            assert main(["verify", "--compare", str(good), str(bad)]) == 2
            assert capsys.readouterr() == ("", f"lsmx verify: {bad}: not what lsmx verify --json writes\n")


@pytest.mark.parametrize("command", ["verify", "bench"])
def test_json_that_is_too_deep(tmp_path: pathlib.Path, capsys: Capture, command: str) -> None:
    path = tmp_path / "deep.json"
    path.write_text("[" * 10**5)
    assert main([command, "--compare", str(path), str(path)]) == 2
    assert re.fullmatch(rf"lsmx {command}: [^\n]*deep.json: not JSON: [^\n]+\n", capsys.readouterr().err)


@pytest.mark.usefixtures("few")
def test_what_a_library_raises_ends_a_comparison(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("out of registers")

    monkeypatch.setattr("lsmx._cli.compare.library", lambda name: target(lsmx.backend_for(np.zeros(1)), name=name))
    monkeypatch.setattr("lsmx._cli.ways.evaluate", broken)
    assert main(["verify", "--compare", "numpy", "torch"]) == 2
    assert capsys.readouterr().err == "lsmx verify: numpy log_softmax float16, short: raised RuntimeError: out of registers\n"


# --- words ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], "command"),
        (["verfy"], "'verify'"),
        (["verify", "--logits"], "--logits"),
        (["verify", "--compare", "numpy"], "--compare"),
        (["bench", "loses"], "invalid choice: 'loses' (choose from"),
        (["bench", "--threads", "0"], "--threads: '0'"),
        (["bench", "--threads", "2", "-1"], "--threads: '-1'"),
        (["bench", "--threads", "1.5"], "--threads: '1.5'"),
        (["bench", "--turns", "0"], "--turns: '0'"),
        (["bench", "--plot", "/nowhere/at/all.png"], "--plot: /nowhere/at/all.png: there is no folder"),
        (["bench", "--plot", "r.nothing"], "--plot: r.nothing: there is no picture of the kind 'nothing'"),
        (["bench", "--fail-above", "nan"], "--fail-above: 'nan' is not a finite number of at least 0"),
        (["bench", "--fail-above", "-1"], "--fail-above: '-1'"),
        (["bench", "--fail-above", "inf"], "--fail-above: 'inf'"),
        (["bench", "--fail-above", "x"], "--fail-above: 'x' is not a number"),
        (["bench", "--device", "cuda", "--threads", "2"], "--threads: only what is timed on the host takes it"),
        (["bench", "--device", "cuda", "--only", "x", "--callgrind"], "--only, --callgrind: only what is timed on the host"),
        (["digest", "z.npy", "--json", "./z.npy"], "--json: ./z.npy is given as another file, too"),
        (["apply", "softmax", "z.npy", "o.npy", "--json", "o.npy"], "--json: o.npy is given as another file"),
        (["apply", "log_prob", "z.npy", "o.npy", "--with", "index=i.npy", "--json", "i.npy"], "--json: i.npy is given as"),
        (["verify", "--logits", "z.npy", "--json", "z.npy"], "--json: z.npy is given as another file"),
        (["verify", "--compare", "a.json", "b.json", "--json", "b.json"], "--json: b.json is given as another file"),
        (["bench", "--compare", "a.json", "b.json", "--json", "a.json"], "--json: a.json is given as another file"),
        (["bench", "--json", "r.png", "--plot", "r.png"], "--json: r.png is given as another file"),
        (["digest", ""], "FILE: the name is empty"),
        (["info", "--json="], "--json: the name is empty"),
        (["bench", "--plot="], "--plot: the name is empty"),
        (["bench", "--compare", "", "a.json"], "--compare: the name is empty"),
        (["verify", "--logits="], "--logits: the name is empty"),
        (["verify", "--compare", "numpy", ""], "--compare: the name is empty"),
        (["verify", "--compare", "a.npy", "b.npy", "--mask="], "--mask: the name is empty"),
        (["verify", "--compare", "a.npy", "b.npy", "--tokens="], "--tokens: the name is empty"),
        (["apply", "softmax", "", "o.npy"], "INPUT: the name is empty"),
        (["apply", "softmax", "z.npy", ""], "OUTPUT: the name is empty"),
        (["apply", "softmax", "z.npy", "."], "OUTPUT: . is a folder"),
        (["apply", "softmax", "z.npy", "/"], "OUTPUT: / is a folder"),
        (["apply", "softmax", "z.npy", "x/.."], "OUTPUT: x/.. is a folder"),
    ],
)
def test_words_that_are_wrong(capsys: Capture, words: list[str], named: str) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err
    assert re.fullmatch(r"lsmx[^\n]+\n", error)
    assert named in error


def test_threads_of_the_environment_are_looked_at_first(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    from lsmx._native import threads as _threads

    monkeypatch.setenv("LSMX_NUM_THREADS", "many")
    _threads.default.cache_clear()
    try:
        for words in (["verify"], ["verify", "--compare", "numpy", "torch"]):
            assert main(words) == 2
            assert capsys.readouterr().err.startswith("lsmx verify: LSMX_NUM_THREADS: 'many' is not a number of threads")
    finally:
        _threads.default.cache_clear()


def test_help_and_version(capsys: Capture) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"lsmx {lsmx.__version__}\n"
    assert main(["verify", "--help"]) == 0
    assert "--compare A B" in capsys.readouterr().out


def test_rows_are_said_when_they_are_there(capsys: Capture) -> None:
    row = verify.Row("numpy", "softmax", "float32", "differs", "0123456789ab", 123.4, "a reason")
    with Progress("lsmx verify") as progress:
        progress.say(str(row))
        first, second = capsys.readouterr().out.splitlines()
    assert first.split() == ["numpy", "softmax", "float32", "0123456789ab", "123", "s", "differs"]
    assert second == "          a reason"
