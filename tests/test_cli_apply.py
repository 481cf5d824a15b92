"""``lsmx apply``: the bits of the whole call, whatever the file, the boxes and who works on them; and never half a result."""

from __future__ import annotations

import contextlib
import errno
import inspect
import json
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch
import zarr

import lsmx
from lsmx._cli import boxes, main, scheduler, stores
from lsmx._cli.applicable import FUNCTIONS, REFUSED
from lsmx._cli.unfinished import Unfinished, locked
from lsmx._cli.work import Work
from lsmx.testing.bits import differing

Capture = pytest.CaptureFixture[str]
SHAPE, AXIS = (5, 4, 7), -1


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Boxes of two or three rows, a few at a time."""
    monkeypatch.setattr(boxes, "ELEMENTS", 21)
    monkeypatch.setattr(scheduler, "FEW", 2)


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The place to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def drawn(*shape: int, dtype: Any = np.float32, seed: int = 0) -> Any:
    return (3 * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


def arrays(function: str, dtype: Any = np.float32) -> dict[str, Any]:
    """What a function needs, by its names."""
    z, per_row = drawn(*SHAPE, dtype=dtype), SHAPE[:-1]
    reduces = not function.startswith(("log_softmax", "softmax"))
    classes = np.random.default_rng(1).integers(0, SHAPE[-1], per_row)
    known = {
        "z": z,
        "w": drawn(*SHAPE, dtype=dtype, seed=2),
        "index": classes,
        "target": classes,
        "tangent": drawn(*SHAPE, dtype=dtype, seed=3),
        "grad_output": drawn(*(per_row if reduces else SHAPE), dtype=dtype, seed=4),
        "output": getattr(lsmx, function.partition("_backward")[0].partition("_jvp")[0])(z) if "softmax" in function else None,
    }
    if function.startswith("logsumexp"):
        known["output"] = lsmx.logsumexp(z)
    needed = [p.name for p in inspect.signature(getattr(lsmx, function)).parameters.values() if p.kind is p.POSITIONAL_ONLY]
    return {name: known[name] for name in needed}


def words(given: dict[str, Any], folder: pathlib.Path) -> list[str]:
    """The input and ``--with`` for the others, saved."""
    for name, x in given.items():
        np.save(folder / f"{name}.npy", x)
    rows = "z" if "z" in given else "output"
    return [f"{rows}.npy", "out.npy", *(f"--with={name}={name}.npy" for name in given if name != rows)]


def apply(capsys: Capture, *given: str) -> str:
    """Run it: the line that it prints, which is that of ``lsmx digest``, and the name."""
    assert main(["apply", *given]) == 0
    text, error = capsys.readouterr()
    assert error == ""
    name = given[2]
    assert main(["digest", name]) == 0
    assert text == f"{capsys.readouterr().out[:-1]}  {name}\n"
    return text


def whole(function: str, given: dict[str, Any], **options: Any) -> Any:
    if function.startswith("cross_entropy"):
        options["reduction"] = "none"
    return getattr(lsmx, function)(*given.values(), **options)


def same(path: str, want: Any) -> bool:
    return differing(np.load(path), np.asarray(want)) is None


# --- what is computed -----------------------------------------------------------------------------------------------------------


def test_every_public_function_is_applied_or_refused() -> None:
    utilities = {
        "backend_for",
        "explain",
        "get_num_threads",
        "registered",
        "set_num_threads",
        "using",
        "partial",
        "merge",
        "finish",
    }
    functions = {name for name in lsmx.__all__ if name[0].islower()} - utilities
    assert {*FUNCTIONS, *REFUSED} == functions
    assert not {*FUNCTIONS} & {*REFUSED}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_bits_are_those_of_the_whole_call(folder: pathlib.Path, capsys: Capture, function: str) -> None:
    given = arrays(function)
    apply(capsys, function, *words(given, folder))
    assert same("out.npy", whole(function, given))
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(("word", "axis"), [("0", 0), ("1", 1), ("0,2", (0, 2)), ("all", None)])
@pytest.mark.parametrize("function", ["log_softmax", "entropy", "row_sums"])
def test_along_other_axes(folder: pathlib.Path, capsys: Capture, function: str, word: str, axis: Any) -> None:
    z = drawn(*SHAPE)
    np.save("z.npy", np.asfortranarray(z))
    apply(capsys, function, "z.npy", "out.npy", "--axis", word)
    assert same("out.npy", getattr(lsmx, function)(z, axis=axis))


@pytest.mark.parametrize("shape", [(), (3,), (0, 4), (4, 0), (2, 30)])
def test_odd_shapes(folder: pathlib.Path, capsys: Capture, shape: tuple[int, ...]) -> None:
    z = np.asarray(drawn(*shape))
    np.save("z.npy", z)
    apply(capsys, "log_softmax", "z.npy", "out.npy", "--axis=all" if not shape else "--axis=-1")
    assert same("out.npy", lsmx.log_softmax(z, axis=None if not shape else -1))


@pytest.mark.parametrize(
    ("function", "more", "options"),
    [
        ("log_softmax", {"where": drawn(7) > -3}, {}),
        ("softmax", {"where": drawn(4, 1) > -3}, {}),
        ("logsumexp", {"where": drawn(*SHAPE) > -1}, {"dtype": "float64"}),
        ("entropy", {"temperature": np.abs(drawn(5, 4)) + 1}, {"softcap": 2.5}),
        ("log_prob", {"index": np.arange(60).reshape(5, 4, 3) % 7, "row_sums": lsmx.row_sums(drawn(*SHAPE))}, {}),
        ("log_prob", {"index": np.full((5, 4), 2), "support": np.full((5, 4, 3), [1, 2, -1])}, {"temperature": 0.5}),
        ("cross_entropy", {"target": np.abs(drawn(*SHAPE)), "weight": np.abs(drawn(7))}, {"label_smoothing": 0.25, "z_loss": 0.01}),
        ("cross_entropy", {"target": np.arange(20).reshape(5, 4) % 7}, {"ignore_index": 3}),
    ],
)
def test_options_and_further_arrays(
    folder: pathlib.Path, capsys: Capture, function: str, more: dict[str, Any], options: dict[str, Any]
) -> None:
    given = {"z": drawn(*SHAPE), **more}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    apply(capsys, function, *words(given, folder), *flags)
    needed = [given.pop(name) for name in ("z", "index", "target") if name in given]
    assert same("out.npy", whole(function, dict(enumerate(needed)), **given, **options))


@pytest.mark.parametrize(
    "function", ["log_softmax", "softmax_backward", "logsumexp", "entropy_backward", "cross_entropy", "row_sums"]
)
@pytest.mark.parametrize("dtype", ["float16", ">f4", "float64"])
def test_dtypes(folder: pathlib.Path, capsys: Capture, function: str, dtype: str) -> None:
    given = arrays(function, dtype)
    apply(capsys, function, *words(given, folder))
    assert same("out.npy", whole(function, given))


def in_bfloat16(x: Any) -> Any:
    return torch.from_numpy(x).bfloat16() if x.dtype.kind == "f" else torch.from_numpy(x)


@pytest.mark.parametrize(
    "function", ["log_softmax", "softmax_backward", "logsumexp", "entropy_backward", "cross_entropy", "row_sums"]
)
def test_bfloat16_is_that_of_torch(folder: pathlib.Path, capsys: Capture, function: str) -> None:
    tensors = {name: in_bfloat16(x) for name, x in arrays(function).items()}
    saved = {n: x.float().numpy().astype(ml_dtypes.bfloat16) if x.is_floating_point() else x.numpy() for n, x in tensors.items()}
    text = apply(capsys, function, *words(saved, folder))
    want = whole(function, tensors)
    assert str(want.dtype).removeprefix("torch.") in text
    found = np.load("out.npy")
    if want.dtype == torch.bfloat16:
        assert (found.dtype.str, want.view(torch.int16).numpy().tobytes()) == ("|V2", found.tobytes())
    else:
        assert differing(found, want.numpy()) is None


@pytest.mark.parametrize("function", ["log_softmax", "entropy", "kl_divergence", "row_sums"])
@pytest.mark.parametrize("kind", ["float32", "float64", "int64"])
def test_a_cast_to_bfloat16_is_that_of_torch(folder: pathlib.Path, capsys: Capture, function: str, kind: str) -> None:
    given = {name: drawn(*SHAPE, dtype=kind, seed=i) for i, name in enumerate(arrays(function))}
    apply(capsys, function, *words(given, folder), "--dtype", "bfloat16")
    want = whole(function, {n: torch.from_numpy(x) for n, x in given.items()}, dtype="bfloat16")
    assert want.view(torch.int16 if want.dtype == torch.bfloat16 else torch.int32).numpy().tobytes() == np.load("out.npy").tobytes()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_a_cast_from_bfloat16_is_that_of_torch(folder: pathlib.Path, capsys: Capture, dtype: str) -> None:
    z = in_bfloat16(drawn(*SHAPE))
    np.save("z.npy", z.float().numpy().astype(ml_dtypes.bfloat16))
    text = apply(capsys, "log_softmax", "z.npy", "out.npy", "--dtype", dtype)
    want = lsmx.log_softmax(z, dtype=dtype)
    assert f" {dtype} " in text
    assert want.view(torch.uint8).numpy().tobytes() == np.load("out.npy").tobytes()


def test_zarr(folder: pathlib.Path, capsys: Capture) -> None:
    z = drawn(*SHAPE)
    for i, chunks in enumerate([(5, 4, 7), (2, 3, 4), (1, 1, 7)]):
        zarr.create_array(store=f"z{i}.zarr", shape=SHAPE, chunks=chunks, dtype="f4")[:] = z
        line = apply(capsys, "log_softmax", f"z{i}.zarr", f"out{i}.zarr")
        assert apply(capsys, "log_softmax", f"z{i}.zarr", f"out{i}.npy").split()[0] == line.split()[0]
        assert same(f"out{i}.npy", lsmx.log_softmax(z))
        assert differing(zarr.open_array(f"out{i}.zarr", mode="r")[:], lsmx.log_softmax(z)) is None
    apply(capsys, "logsumexp", "z0.zarr", "lse.zarr")
    assert differing(zarr.open_array("lse.zarr", mode="r")[:], lsmx.logsumexp(z)) is None


def test_minus_zero_in_zarr(tmp_path: pathlib.Path) -> None:
    """A chunk of nothing but -0.0 is one: zarr leaves out those of 0.0."""
    path, values = tmp_path / "x.zarr", np.asarray([-0.0, -0.0, 0.0, 0.0], np.float32)
    stores.create(path, (4,), "float32", (2,))
    for part in (slice(0, 2), slice(2, 4)):
        stores.write(path, (part,), values[part])
    assert differing(stores.reader(path)[:], values) is None


@pytest.mark.parametrize("chunks", [None, (1, 1, 1), (3, 2, 4), (5, 4, 7)])
@pytest.mark.parametrize("whole", [(), (2,), (0,), (0, 2), (0, 1, 2)])
def test_boxes_are_whole_rows_and_no_larger_than_need_be(chunks: Any, whole: tuple[int, ...]) -> None:
    """What is in memory at a time: this many elements."""
    parts = boxes.boxes(SHAPE, whole, chunks, 30)
    seen = np.zeros(SHAPE, int)
    for box in parts:
        seen[box] += 1
        assert all(box[a] == slice(0, SHAPE[a]) for a in whole)
        least = np.prod([SHAPE[a] if a in whole else 1 if chunks is None else chunks[a] for a in range(3)])
        assert seen[box].size <= max(30, least)
    assert (seen == 1).all()
    assert len(list(parts)) == len(parts)
    if chunks is not None:  # none is read twice
        free = [a for a in range(3) if a not in whole]
        assert all(parts.box[a] % chunks[a] == 0 or parts.box[a] == SHAPE[a] for a in free)


def test_a_chunk_that_is_too_large_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boxes, "LARGE", 100)
    assert boxes.boxes(SHAPE, (2,), (5, 4, 1)).box == (1, 3, 7)


def test_through_dask(folder: pathlib.Path, capsys: Capture) -> None:
    given = arrays("log_prob")
    apply(capsys, "log_prob", *words(given, folder), "--scheduler", "threads")
    assert same("out.npy", whole("log_prob", given))


def test_a_worker_of_another_arithmetic(folder: pathlib.Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save("z.npy", drawn(*SHAPE))
    do = Work.do

    def elsewhere(work: Work, box: Any) -> Any:
        monkeypatch.setattr(lsmx, "ARITHMETIC_VERSION", 0)
        return do(work, box)

    monkeypatch.setattr(Work, "do", elsewhere)
    assert main(["apply", "softmax", "z.npy", "out.npy"]) == 2
    assert "a worker has arithmetic version 0, and this command 3" in capsys.readouterr().err


def test_json(folder: pathlib.Path, capsys: Capture) -> None:
    np.save("z.npy", drawn(*SHAPE))
    line = apply(capsys, "logsumexp", "z.npy", "out.npy")
    assert main(["apply", "logsumexp", "z.npy", "out.npy", "--overwrite", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert f"{record['digest']} {record['dtype']} {tuple(record['shape'])}  {record['output']}\n" == line


# --- never half a result --------------------------------------------------------------------------------------------------------


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The boxes that were computed. After five Ctrl-C is pressed, if the first in the list is None."""
    seen: list[Any] = []
    compute = Work.compute

    def counting(work: Work, box: Any) -> Any:
        if seen and seen[0] is None and len(seen) == 6:
            raise KeyboardInterrupt
        seen.append(box)
        return compute(work, box)

    monkeypatch.setattr(Work, "compute", counting)
    return seen


@pytest.mark.parametrize("name", ["out.npy", "out.zarr"])
def test_it_goes_on_after_an_interruption(folder: pathlib.Path, capsys: Capture, computed: list[Any], name: str) -> None:
    z = drawn(*SHAPE)
    np.save("z.npy", z)
    computed.append(None)
    assert main(["apply", "log_softmax", "z.npy", name]) == 130
    capsys.readouterr()
    assert not (folder / name).exists()
    assert (folder / f".{name}.partial").is_dir()
    computed.clear()
    assert main(["apply", "log_softmax", "z.npy", name]) == 0
    text, error = capsys.readouterr()
    assert error == f"lsmx apply: {name}: goes on after an interruption, 4 of 10 parts are done\n"
    assert len(computed) == 6
    assert main(["digest", name]) == 0
    assert text == f"{capsys.readouterr().out[:-1]}  {name}\n"
    found = np.load(name) if name == "out.npy" else zarr.open_array(name, mode="r")[:]
    assert differing(found, lsmx.log_softmax(z)) is None
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


def test_a_box_is_on_the_disk_before_it_counts(folder: pathlib.Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save("z.npy", drawn(*SHAPE))
    flushed, record = set(), Unfinished.record
    fsync = os.fsync

    def noting(descriptor: int) -> None:
        flushed.add(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    def checking(unfinished: Unfinished, done: int, sums: Any) -> None:
        whole = [p for p in unfinished.target.rglob("c/**/*") if p.is_file()] or [unfinished.target]
        assert {path.stat().st_ino for path in whole} <= flushed
        assert len(whole) == (done if unfinished.target.is_dir() else 1)
        flushed.difference_update({unfinished.target.stat().st_ino})  # one file is flushed each time
        record(unfinished, done, sums)

    monkeypatch.setattr(os, "fsync", noting)
    monkeypatch.setattr(Unfinished, "record", checking)
    for name in ("out.npy", "out.zarr"):
        assert main(["apply", "softmax", "z.npy", name]) == 0
        capsys.readouterr()


def other_function(folder: pathlib.Path) -> str:
    return "softmax"


def other_input(folder: pathlib.Path) -> str:
    np.save(folder / "z.npy", drawn(*SHAPE, seed=9))
    return "log_softmax"


def damaged_journal(folder: pathlib.Path) -> str:
    (folder / ".out.npy.partial" / "journal.json").write_text('{"request"')
    return "log_softmax"


def other_boxes(folder: pathlib.Path) -> str:
    boxes.ELEMENTS = 14  # restored by the fixture
    return "log_softmax"


@pytest.mark.parametrize(
    ("change", "named"),
    [(other_function, "function"), (other_input, "file z"), (damaged_journal, ""), (other_boxes, "size of a box")],
)
def test_a_part_of_something_else_is_not_used(
    folder: pathlib.Path, capsys: Capture, computed: list[Any], change: Callable[[pathlib.Path], str], named: str
) -> None:
    np.save("z.npy", drawn(*SHAPE))
    computed.append(None)
    assert main(["apply", "log_softmax", "z.npy", "out.npy"]) == 130
    capsys.readouterr()
    computed.clear()
    function = change(folder)
    assert main(["apply", function, "z.npy", "out.npy"]) == 0
    said = f"lsmx apply: out.npy: begins anew: what was done before differs in {named}\n" if named else ""
    assert capsys.readouterr().err == said
    assert same("out.npy", getattr(lsmx, function)(np.load("z.npy")))


@pytest.mark.parametrize("name", ["out.npy", "out.zarr"])
def test_what_is_there_is_replaced_when_asked_and_when_the_new_is_whole(
    folder: pathlib.Path, capsys: Capture, computed: list[Any], name: str
) -> None:
    np.save("z.npy", drawn(*SHAPE))
    before = apply(capsys, "softmax", "z.npy", name)
    assert main(["apply", "log_softmax", "z.npy", name]) == 2
    assert capsys.readouterr().err == f"lsmx apply: {name}: exists; pass --overwrite to replace it, or name another file\n"
    computed[:] = [None]
    assert main(["apply", "log_softmax", "z.npy", name, "--overwrite"]) == 130
    capsys.readouterr()
    assert main(["digest", name]) == 0
    assert capsys.readouterr().out.split()[0] == before.split()[0]
    computed.clear()
    assert main(["apply", "log_softmax", "z.npy", name, "--overwrite"]) == 0
    assert capsys.readouterr().out.split()[0] != before.split()[0]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
@pytest.mark.parametrize("to", ["o.npy", "nowhere.npy"])
def test_a_link_to_itself_or_to_nowhere_is_no_free_name(folder: pathlib.Path, capsys: Capture, to: str) -> None:
    np.save("z.npy", drawn(*SHAPE))
    pathlib.Path("o.npy").symlink_to(to)
    assert main(["apply", "softmax", "z.npy", "o.npy"]) == 2
    assert capsys.readouterr().err == "lsmx apply: o.npy: exists; pass --overwrite to replace it, or name another file\n"
    assert main(["apply", "softmax", "z.npy", "o.npy", "--overwrite"]) == 0
    assert not pathlib.Path("o.npy").is_symlink()


def test_what_has_appeared_meanwhile_stays(folder: pathlib.Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save("z.npy", drawn(*SHAPE))
    compute = Work.compute

    def beside(work: Work, box: Any) -> Any:
        (folder / "out.npy").write_text("mine")
        return compute(work, box)

    monkeypatch.setattr(Work, "compute", beside)
    assert main(["apply", "softmax", "z.npy", "out.npy"]) == 2
    assert "it was not there before, and the result stays in .out.npy.partial" in capsys.readouterr().err
    assert (folder / "out.npy").read_text() == "mine"
    assert main(["apply", "softmax", "z.npy", "out.npy", "--overwrite"]) == 0
    assert same("out.npy", lsmx.softmax(drawn(*SHAPE)))


@pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")
def test_two_at_once(folder: pathlib.Path, capsys: Capture) -> None:
    np.save("z.npy", drawn(*SHAPE))
    (folder / ".out.npy.partial").mkdir()
    held = locked(folder / ".out.npy.partial" / "lock", folder / "out.npy")
    assert held
    assert main(["apply", "softmax", "z.npy", "out.npy"]) == 2
    assert "another lsmx apply is writing it" in capsys.readouterr().err


def test_a_class_that_is_none_leaves_nothing(folder: pathlib.Path, capsys: Capture) -> None:
    given = {"z": drawn(*SHAPE), "index": np.where(np.arange(20) == 0, 7, 0).reshape(5, 4)}
    assert main(["apply", "log_prob", *words(given, folder)]) == 2
    assert re.match(r"lsmx apply: \S*z.npy\[0:1, 0:3, 0:7\]: index: 7 ", capsys.readouterr().err)
    assert sorted(path.name for path in folder.iterdir()) == ["index.npy", "z.npy"]


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="a disk that does not say that it is full")
def test_a_full_disk_is_told_of_at_once(folder: pathlib.Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, start: int, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    np.save("z.npy", drawn(*SHAPE))
    assert main(["apply", "softmax", "z.npy", "out.npy"]) == 2
    assert capsys.readouterr().err == "lsmx apply: out.npy: needs 688 bytes: No space left on device\n"
    assert [path.name for path in folder.iterdir()] == ["z.npy"]


# --- what is refused ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("nothing z.npy o.npy", "there is no function 'nothing'; there are log_softmax, "),
        ("token_stats z.npy o.npy", "token_stats makes four arrays, and a file holds one; apply log_prob, entropy or logsumexp"),
        ("log_softmax z.npy o.txt", "o.txt: what kind of file is to be written? A name that ends in .npy or .zarr says it"),
        ("log_softmax z.npy no/o.npy", "there is no folder"),
        ("log_softmax z.npy z.npy --overwrite", "z.npy: is z.npy, the z that is read; name another file"),
        ("log_softmax z.npy link.npy --overwrite", "link.npy: is z.npy, the z that is read; name another file"),
        ("log_softmax z.npy hard.npy --overwrite", "hard.npy: is z.npy, the z that is read; name another file"),
        ("log_softmax none.npy o.npy", "none.npy: No such file or directory"),
        ("log_softmax i.npy o.npy", "z: dtype int64 is not one of float16"),
        ("log_softmax z.npy o.npy --axis x", "'x' is not an axis; give a number such as -1, several as in 0,1, or all"),
        ("log_softmax z.npy o.npy --axis 2", "axis: 2 is out of range for an array with 2 axes"),
        ("log_softmax z.npy o.npy --softcap 3", "--softcap: log_softmax has no such option; it has --axis, --dtype; leave it out"),
        ("entropy z.npy o.npy --softcap x", "'x' is not a number"),
        ("entropy z.npy o.npy --temperature 0", "temperature: "),
        ("log_prob z.npy o.npy", "log_prob needs index beside INPUT, which is its z: pass --with index=FILE"),
        ("log_prob z.npy o.npy --with i.npy", "'i.npy' is not NAME=FILE, as in index=classes.npy"),
        ("log_prob z.npy o.npy --with target=i.npy", "log_prob takes index, where, temperature, row_sums, support beside INPUT"),
        ("log_prob z.npy o.npy --with index=i.npy --with index=i.npy", "index is given twice; leave one out"),
        ("log_prob z.npy o.npy --with index=z.npy", "index: "),
        (
            "log_prob z.npy o.npy --with index=i.npy --axis 0",
            "index: shape (3,), which has 3 where the rows of shape (3, 4) have 4",
        ),
        ("log_prob z.npy o.npy --with index=k.npy", "k: shape (2, 3, 4) does not go with rows of shape (3, 4)"),
        ("log_softmax z.npy o.zarr --dtype bfloat16", "zarr has no bfloat16; write a .npy file, or pass --dtype float32"),
        ("log_softmax z.npy o.npy --scheduler here", "'here' is no scheduler; give an address such as tcp://host:8786, or threads"),
    ],
)
def test_refused(folder: pathlib.Path, capsys: Capture, given: str, reason: str) -> None:
    np.save("z.npy", drawn(3, 4))
    np.save("i.npy", np.ones(3, int))
    np.save("k.npy", np.ones((2, 3, 4), int))
    (folder / "link.npy").symlink_to("z.npy")
    (folder / "hard.npy").hardlink_to("z.npy")
    there = sorted(folder.iterdir())
    assert main(["apply", *given.split()]) == 2
    text, error = capsys.readouterr()
    assert (text, error.count("\n")) == ("", 1)
    assert error.startswith("lsmx apply: ")
    assert reason.removeprefix("k") in error
    assert sorted(folder.iterdir()) == there


def test_without_dask_it_says_how_to_get_it(folder: pathlib.Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save("z.npy", drawn(3, 4))
    monkeypatch.setattr("lsmx._cli.scheduler.importlib.util.find_spec", lambda name: None)
    for address, hint in (("threads", 'dask not installed: pip install "lsmx[dask]"'), ("tcp://h:1", "dask, distributed not inst")):
        assert main(["apply", "softmax", "z.npy", "out.npy", "--scheduler", address]) == 2
        assert hint in capsys.readouterr().err


# --- a cluster ------------------------------------------------------------------------------------------------------------------

CLUSTER = """
import asyncio
from distributed import {kind} as Kind
async def main():
    async with Kind({arguments}) as one:
        print(one.address, flush=True)
        await one.finished()
asyncio.run(main())
"""


@contextlib.contextmanager
def started(kind: str, arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A scheduler or a worker in a process of its own, and its address."""
    command = [sys.executable, "-c", CLUSTER.format(kind=kind, arguments=arguments)]
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


@pytest.fixture
def cluster() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A scheduler that has a worker."""
    with started("Scheduler", "host='127.0.0.1', port=0, dashboard=False") as (address, process):
        assert address
        with started("Worker", f"{address!r}, nthreads=1"):
            yield address, process


@pytest.mark.nightly
@pytest.mark.filterwarnings("default")
def test_a_cluster(folder: pathlib.Path, capsys: Capture, cluster: tuple[str, subprocess.Popen[str]]) -> None:
    address, process = cluster
    given = arrays("log_prob")
    apply(capsys, "log_prob", *words(given, folder), "--scheduler", address)
    assert same("out.npy", whole("log_prob", given))
    process.kill()
    process.communicate()
    assert main(["apply", "softmax", "z.npy", "other.npy", "--scheduler", address]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"lsmx apply: --scheduler: {address}: no scheduler of Dask's answers there")
    assert error.count("\n") == 1


@pytest.mark.parametrize("name", ["results.zarr", "results.npy"])
def test_a_folder_that_is_no_store_is_not_replaced(
    name: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("z.npy", np.zeros((2, 3), np.float32))
    precious = tmp_path / name / "precious.txt"
    precious.parent.mkdir()
    precious.write_text("years of work")
    assert main(["apply", "softmax", "z.npy", name, "--overwrite"]) == 2
    said = f"lsmx apply: {name}: a folder that is no zarr array, and is not replaced; name a file in it, or another\n"
    assert capsys.readouterr().err == said
    assert precious.read_text() == "years of work"
    assert sorted(path.name for path in tmp_path.iterdir()) == [name, "z.npy"]
