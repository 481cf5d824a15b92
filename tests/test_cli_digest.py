"""``lsmx digest``: one line for one array, however it is stored and read."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import zarr

from lsmx._cli import boxes, main
from lsmx._cli.mixing import sums_of

Capture = pytest.CaptureFixture[str]


def line(path: pathlib.Path, capsys: Capture) -> str:
    assert main(["digest", str(path)]) == 0
    text, error = capsys.readouterr()
    assert (text.count("\n"), error) == (1, "")
    return text


def saved(path: pathlib.Path, x: Any, capsys: Capture) -> str:
    """The line of an array."""
    np.save(path, x)
    return line(path, capsys)


def by_the_formula(x: Any) -> str:
    """One element after the other, in Python's integers."""
    ones, a, b = 2**64 - 1, 0, 0
    for i, bits in enumerate(x.ravel().view(f"u{x.dtype.itemsize}").tolist()):
        h = (i * 0x9E3779B97F4A7C15 + bits * 0xD6E8FEB86659FD93) & ones
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            h = (h ^ h >> shift) * factor & ones
        h ^= h >> 31
        k = (h ^ h >> 32) * 0xFF51AFD7ED558CCD & ones
        a, b = a + h & ones, b + (k ^ k >> 29) & ones
    return f"{a:016x}{b:016x}"


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint16", "bool"])
@pytest.mark.parametrize("shape", [(), (0, 3), (1,), (3, 50), (2, 3, 4), (40000,), (20000, 2), (2, 33000)])
def test_it_is_the_formula(dtype: str, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 256, (*shape, np.dtype(dtype).itemsize), np.uint8)
    x = x.view(dtype).reshape(shape)  # any bits: NaN with every payload, too
    assert str(sums_of(x, [0] * len(shape), shape)) == by_the_formula(x)


def test_the_lines_of_this_release(tmp_path: pathlib.Path, capsys: Capture) -> None:
    """What another machine has printed stays comparable."""
    values = np.arange(-60, 60).reshape(2, 60)
    assert saved(tmp_path / "x.npy", values.astype("f4"), capsys) == "0f1df45fb0bc3a6c479cefafdb3d1ba4 float32 (2, 60)\n"
    assert saved(tmp_path / "x.npy", values.astype("i1"), capsys) == "51681873e9cd9c2bf5d9b215316f0343 int8 (2, 60)\n"
    assert (
        saved(tmp_path / "x.npy", values.astype(ml_dtypes.bfloat16), capsys)
        == "48c3ec0bdb7954e25da485f163535a82 bfloat16 (2, 60)\n"
    )


@pytest.mark.parametrize("elements", [1, 7, 50, 400, 10**6])
def test_order_and_parts_do_not_matter(
    tmp_path: pathlib.Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, elements: int
) -> None:
    x = np.random.default_rng(0).standard_normal((5, 8, 7)).astype(np.float32)
    want = saved(tmp_path / "c.npy", x, capsys)
    monkeypatch.setattr(boxes, "ELEMENTS", elements)
    assert line(tmp_path / "c.npy", capsys) == want
    assert saved(tmp_path / "f.npy", np.asfortranarray(x), capsys) == want
    assert saved(tmp_path / "big.npy", x.astype(">f4"), capsys) == want
    for name, chunks, dtype in (("a", (5, 8, 7), "f4"), ("b", (2, 3, 4), "f4"), ("c", (1, 8, 7), ">f4")):
        path = tmp_path / f"{name}.zarr"
        zarr.create_array(store=str(path), shape=x.shape, chunks=chunks, dtype=dtype)[:] = x
        assert line(path, capsys) == want


def test_what_differs_has_another_line(tmp_path: pathlib.Path, capsys: Capture) -> None:
    x = np.zeros((4, 6), np.float64)
    others = [x.copy() for _ in range(5)]
    others[0][0, 0] = -0.0
    others[1][[0, 3], [0, 5]] = -0.0  # two signs
    others[2][0, 1] = 1
    others[3][0, 2] = 1
    others[4][0, 1:3] = 5e-324
    nan = np.full_like(x, np.nan)
    payload = nan.copy()
    payload.view("u8")[2, 3] ^= 1
    lines = [saved(tmp_path / "x.npy", y, capsys) for y in (x, *others, nan, payload, x.T, x.astype("f4"), x.astype("i8"))]
    assert len(set(lines)) == len(lines)


def test_bfloat16_has_its_own_bits(tmp_path: pathlib.Path, capsys: Capture) -> None:
    x = np.random.default_rng(0).standard_normal((3, 5)).astype(ml_dtypes.bfloat16)
    assert saved(tmp_path / "x.npy", x, capsys) == f"{by_the_formula(x)} bfloat16 (3, 5)\n"


def test_json(tmp_path: pathlib.Path, capsys: Capture) -> None:
    text = saved(tmp_path / "x.npy", np.ones((2, 3)), capsys)
    assert main(["digest", str(tmp_path / "x.npy"), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert f"{record['digest']} {record['dtype']} {tuple(record['shape'])}\n" == text
    assert (record["command"], record["name"]) == ("digest", "x.npy")


def test_what_cannot_be_read(tmp_path: pathlib.Path, capsys: Capture) -> None:
    np.save(tmp_path / "c.npy", np.ones(3, complex))
    zarr.open_group(str(tmp_path / "g.zarr"), mode="w")
    for name, reason in (
        ("c.npy", "dtype complex128; a digest is of bools, integers and floats"),
        ("g.zarr", "of a group name one array in it"),
        ("none.zarr", "no zarr array is there"),
        ("none.npy", "No such file or directory"),
    ):
        assert main(["digest", str(tmp_path / name)]) == 2
        text, error = capsys.readouterr()
        assert (text, error.count("\n")) == ("", 1)
        assert error.startswith(f"lsmx digest: {tmp_path / name}: ")
        assert reason in error


def test_without_zarr_it_says_how_to_get_it(tmp_path: pathlib.Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lsmx._cli.zarr_store.importlib.util.find_spec", lambda name: None)
    assert main(["digest", str(tmp_path / "x.zarr")]) == 2
    assert 'zarr not installed: pip install "lsmx[zarr]"' in capsys.readouterr().err
