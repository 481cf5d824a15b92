"""The generated inputs, and a caller's logits: a few rows at a time, read when their turn comes."""

from __future__ import annotations

import pathlib
import tracemalloc
from typing import Any

import numpy as np
import pytest

from lsmx._cli import inputs
from lsmx._cli.npy import NpyFile
from lsmx.testing import Case, logits_cases
from lsmx.testing.inputs import normal, uniform, words


class Watched:
    """An array that remembers what was read."""

    def __init__(self, z: Any) -> None:
        self.z, self.shape, self.dtype, self.rows = z, z.shape, z.dtype, 0

    def __getitem__(self, index: Any) -> Any:
        part = self.z[index]
        self.rows += part.size // self.shape[-1]
        return part


def test_words_go_on() -> None:
    assert words(3, 10).tolist() == [*words(3, 4), *words(3, 6, start=4)]
    assert (normal(5, 3, 4) == uniform(5, 12, 3, 4).sum(axis=0) - 6.0).all()


def test_cotangents_are_drawn_once_and_cannot_be_written_to() -> None:
    case = Case("a", np.zeros((7, 4)), seed=1)
    g = case.vector((7, 4))
    assert case.vector((7, 4)) is g
    assert (g == Case("b", np.zeros((7, 4)), seed=1).vector((7, 4))).all()
    with pytest.raises(ValueError, match="read-only"):
        g[0] = 1.0


def test_rows_are_read_when_their_turn_comes() -> None:
    z = np.random.default_rng(0).standard_normal((5, 20000)).astype(np.float32)
    watched = Watched(z)
    blocks = logits_cases(watched, "z")
    assert (len(blocks), blocks.rows, watched.rows) == (2, 5, 0)
    iterator = iter(blocks)
    assert next(iterator).name == "z rows 0 to 2"
    assert watched.rows == 3
    assert [case.name for case in blocks] == ["z rows 0 to 2", "z rows 3 to 4"]
    assert (np.concatenate([case.z for case in blocks]) == z).all()
    assert len({case.seed for case in blocks}) == 2


@pytest.mark.parametrize("shape", [(700,), (30, 70), (2, 3, 70), (2, 0, 70), (4, 3, 2, 5)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_in_any_layout(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], order: Any) -> None:
    monkeypatch.setattr("lsmx.testing.inputs.BLOCK", 200)
    z = np.asarray(np.random.default_rng(0).standard_normal(shape), order=order)
    found = [case.z for case in logits_cases(z, "z")]
    assert (np.concatenate([np.empty((0, shape[-1])), *found]) == z.reshape(-1, shape[-1])).all()
    assert all(len(part) == 1 or part.size <= 200 for part in found)


def test_short_rows_come_in_blocks_whose_jacobians_are_small() -> None:
    for n, step in ((2, 2**14), (64, 2**4), (65, 2**16 // 65), (2**17, 1)):
        assert logits_cases(np.broadcast_to(np.float32(0), (10**6, n)), "z").step == step


def test_a_file_is_read_in_little_memory(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "z.npy"
    z = np.lib.format.open_memmap(path, "w+", np.float32, (2**10, 2**13))
    z[:] = np.arange(2**13)
    del z
    tracemalloc.start()
    for case in inputs.chosen(str(path)).cases:
        assert case.z[-1, -1] == 2**13 - 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 8 * 2**16  # of 32 MiB
    maps = pathlib.Path("/proc/self/maps")
    assert not maps.exists() or "z.npy" not in maps.read_text()


def test_blocks_that_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lsmx.testing.inputs.BLOCK", 1000)
    monkeypatch.setattr(inputs, "JOINED", 2500)
    z = np.random.default_rng(0).standard_normal((70, 100))
    given = inputs.Inputs("z", logits_cases(z, "z"), {}, stored=False)
    groups = list(given.groups())
    assert [len(group) for group in groups] == [3, 3, 1]
    whole = inputs.joined(groups[1])
    assert (whole.z == z[30:60]).all()
    for shape in ((30, 100), (30,)):
        parts = [part.vector((10, *shape[1:])) for part in groups[1]]
        assert (whole.vector(shape) == np.concatenate(parts)).all()
    short = inputs.Inputs("z", logits_cases(np.zeros((70, 10)), "z"), {}, stored=False)
    assert {len(group) for group in short.groups()} == {1}  # they have Jacobians


def test_the_digest_of_inputs_sees_every_bit(tmp_path: pathlib.Path) -> None:
    from lsmx._cli.progress import Progress

    def digest(z: Any, name: str) -> str:
        np.save(tmp_path / name, z)
        return inputs.chosen(str(tmp_path / name)).digest(Progress("lsmx verify"))

    z = np.random.default_rng(0).standard_normal((50, 3000))
    first = digest(z, "a.npy")
    assert digest(np.asfortranarray(z), "b.npy") == first
    z.view(np.uint64)[49, 2999] ^= 1
    assert digest(z, "a.npy") != first
    generated = inputs.chosen(None)
    assert generated.digest(Progress("lsmx verify")) == inputs.chosen(None).digest(Progress("lsmx verify")) != first


def test_bfloat16_of_a_file_is_widened(tmp_path: pathlib.Path) -> None:
    import ml_dtypes

    z = np.asarray([[1.5, -0.0, np.inf], [3e38, 2.0**-130, -7.0]]).astype(ml_dtypes.bfloat16)
    np.save(tmp_path / "z.npy", z)
    file = NpyFile(tmp_path / "z.npy")
    assert (file.named, file.shape, file.dtype) == ("bfloat16", (2, 3), np.float32)
    assert file[:].tobytes() == z.astype(np.float32).tobytes()
