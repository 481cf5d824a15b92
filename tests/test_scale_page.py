"""``tools/scale_page.py``: the tables of docs/scale.md are what the code, the model and the files of figures say."""

from __future__ import annotations

import importlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

import lsmx

HOME = pathlib.Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(not (HOME / "tools" / "scale_page.py").is_file(), reason="tools/ is in the source tree only")


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(HOME / "tools")
    return importlib.import_module("scale_page")


@pytest.fixture
def said(page: ModuleType) -> ModuleType:
    return importlib.import_module("scale_said")


@pytest.fixture
def model(page: ModuleType) -> ModuleType:
    return importlib.import_module("scale_model")


def test_the_page_is_current(page: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    assert page.main(["--check"]) == 0, capsys.readouterr().out
    assert sorted(re.findall(r"table: (\w+)", (HOME / page.PAGE).read_text(encoding="utf-8"))) == sorted(page.TABLES)


def test_a_page_that_is_not_current_is_seen(
    page: ModuleType, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    for name in (page.PAGE, page.FIGURES, page.OVERHEAD, page.OF_JAX):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(HOME / name, tmp_path / name)
    results = json.loads((tmp_path / page.FIGURES).read_text())
    results["engines"]["Dask"]["rows, uneven"]["softmax"] = [1, 2]
    (tmp_path / page.FIGURES).write_text(json.dumps(results))
    monkeypatch.setattr(page, "HOME", tmp_path)
    assert page.main(["--check"]) == 1
    assert "DIFFERS" in capsys.readouterr().out
    assert page.main([]) == 0
    text = (tmp_path / page.PAGE).read_text(encoding="utf-8")
    assert "| Dask | batch, uneven; rows, uneven; both, uneven | **1 of 93 differ** |" in text
    assert re.search(r"\| `softmax` \| \*\*1 of \d+ differ\*\* \|", text)
    assert ", **1 differ**. Arithmetic" in text
    assert page.main(["--check"]) == 0


@pytest.mark.parametrize(
    ("library", "start"),
    [
        pytest.param("torch", ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"], marks=pytest.mark.slow),
        ("jax", []),
    ],
)
def test_scripts_run_as_they_stand(library: str, start: list[str], tmp_path: pathlib.Path) -> None:
    """PyTorch's says the same in each process; JAX's looks at its result itself."""
    pytest.importorskip(library)
    text = (HOME / "docs" / "scale.md").read_text(encoding="utf-8")
    scripts = re.findall(r"^```python\n(?!>>>)(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (code,) = (script for script in scripts if f"import {library}" in script or f"lsmx, {library}" in script)
    script = tmp_path / "divided.py"
    script.write_text(code, encoding="utf-8")
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1"}
    paths = os.pathsep.join([str(HOME), str(HOME / "backends")])
    command = [sys.executable, "-W", "ignore", *start, str(script)]
    env = {**os.environ, **flags, "PYTHONPATH": paths}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    losses = re.findall(r"^process \d: (.+)$", done.stdout, re.MULTILINE)
    assert (len(losses), len(set(losses))) == ((2, 1) if library == "torch" else (0, 0))


def test_every_function_of_parts_is_in_the_table(said: ModuleType) -> None:
    """Those that ``partial`` knows: it asks for arrays before it says that a function is not for parts."""
    known = set()
    for name in lsmx.__all__:
        with pytest.raises((TypeError, ValueError)) as refused:
            lsmx.partial(name, size=1)
        if not str(refused.value).startswith("function: "):
            known.add(name)
    assert known == {name for _, name, _, _ in said.cases("float32")}


def test_what_was_compared_was_equal(page: ModuleType) -> None:
    """In every engine, of the functions of every split; but for what is written by hand, which is there to differ."""
    engines: dict[str, Any] = page.read(page.FIGURES)["engines"]
    assert len(engines) == 13
    for engine, splits in engines.items():
        for split, functions in splits.items():
            for name, (equal, of) in functions.items():
                assert (equal < of) if split == "by hand" else (equal == of > 0), (engine, split, name)


def test_the_model_adds_up(model: ModuleType) -> None:
    """Of two devices: with free bytes each collective is a message; with free messages it is its bytes."""
    pytest.importorskip("torch")
    assert model.times(2, (1.0, 0.0)) == (4.0, 5.0, 3.0, 0)
    bytes_of = (32 + 4096 * (8 + 16 + 4), 32 + 4096 * (8 + 4 + 16 + 4), 3 * 4 * 4096, 0)
    assert model.times(2, (0.0, 1.0)) == bytes_of


def test_processes_tell_what_parts_tell(said: ModuleType) -> None:
    """The bytes of `partial` are those that ``vocabulary_parallel`` asks the engine to move."""
    pytest.importorskip("torch")
    kinds = {"two largest": "all_gather"}
    for name, title in (("softmax", "`softmax`"), ("entropy", "`entropy`"), ("js_divergence", "`js_divergence`")):
        parts = [(kinds.get(how, "all_reduce"), n) for each in said.rounds("float32")[title] for how, n in each]
        assert sorted(said.collectives(name)[0]) == sorted(parts), name
