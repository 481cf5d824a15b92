"""The compiled core as Python finds it: there or missing, and on which target."""

from __future__ import annotations

import pathlib
import platform
import shutil
import subprocess
import sys
import types
import warnings
from collections.abc import Iterator

import pytest

import lsmx
from lsmx._cli import main
from lsmx._native import compiled

HOME = pathlib.Path(lsmx.__file__).parents[1]


def forget() -> None:
    compiled._loaded.cache_clear()
    compiled._ready.cache_clear()


@pytest.fixture(autouse=True)
def afresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a new process, and afterwards as before."""
    monkeypatch.delenv("LSMX_CPU", raising=False)
    monkeypatch.setattr(compiled, "_warned", False)
    real = sys.modules.get(compiled.NAME)
    forget()
    yield
    sys.modules.pop(compiled.NAME, None)
    if real is not None:
        sys.modules[compiled.NAME] = real
    forget()


class Core(types.ModuleType):
    """A core for a machine of three targets."""

    def __init__(self) -> None:
        super().__init__(compiled.NAME)
        self.used = "avx512"

    def targets(self) -> list[str]:
        return ["avx512", "avx2", "baseline"]

    def target(self) -> str:
        return self.used

    def use(self, name: str) -> None:
        self.used = name

    def set_up(self, *given: object) -> None:
        """NumPy's type and function, for the calls that nobody makes here."""

    def set_threads(self, n: int) -> None:
        """How many such calls use."""


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Core:
    module = Core()
    monkeypatch.setitem(sys.modules, compiled.NAME, module)
    return module


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, compiled.NAME, None)  # type: ignore[arg-type]


# --- targets ---------------------------------------------------------------------------------------------------------------------


def test_the_best_target_is_used(fake: Core) -> None:
    assert compiled.core() is fake
    assert compiled.missing() is None
    assert compiled.core_status() == {"target": "avx512", "targets": ["avx512", "avx2", "baseline"], "missing": None}


@pytest.mark.parametrize("name", ["avx512", "avx2", "baseline"])
def test_the_environment_forces_a_target(name: str, fake: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSMX_CPU", name)
    assert compiled.core() is fake
    assert fake.used == name
    assert compiled.core_status()["target"] == name


def test_an_empty_variable_forces_nothing(fake: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSMX_CPU", "")
    compiled.core()
    assert fake.used == "avx512"


@pytest.mark.parametrize("name", ["neon", "AVX2", " avx2", "avx2,baseline"])
def test_a_target_that_the_machine_lacks_is_an_error(name: str, fake: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSMX_CPU", name)
    for _ in range(2):  # not only the first call
        with pytest.raises(lsmx.TargetError) as error:
            compiled.core()
        assert str(error.value) == (
            f"LSMX_CPU: {name!r} is not a target of this machine; set avx512 or avx2 or baseline, or unset it for avx512"
        )
    assert isinstance(error.value, ValueError)
    assert fake.used == "avx512"


def flags() -> set[str]:
    """What the processor says that it has, if it is asked by Linux on x86-64."""
    path = pathlib.Path("/proc/cpuinfo")
    if platform.machine() != "x86_64" or not path.exists():
        return set()
    return set(next(line for line in path.read_text().splitlines() if line.startswith("flags")).split())


def test_the_targets_are_those_of_the_processor() -> None:
    core = compiled._loaded()
    if isinstance(core, str):
        pytest.skip(core)
    needs = {
        "avx512": {"avx512f", "avx512dq", "avx512vl", "avx512bw", "avx2", "fma", "f16c"},
        "avx2": {"avx2", "fma", "f16c"},
        "baseline": set(),
    }
    here = flags()
    if not here:
        pytest.skip("the processor's flags are read in /proc/cpuinfo of Linux on x86-64")
    assert core.targets() == [name for name, needed in needs.items() if needed <= here]
    before = core.target()
    assert before in core.targets()
    for name in core.targets():
        core.use(name)
        assert core.target() == name
    with pytest.raises(ValueError, match="neon"):
        core.use("neon")
    core.use(before)


# --- without the core ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("absent")
def test_one_warning_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSMX_CPU", "avx2")  # which changes no bit
    with pytest.warns(
        lsmx.CoreWarning, match=r"^lsmx runs without its compiled core.*: the compiled core is not built; `pip install"
    ):
        assert compiled.core() is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compiled.core() is None
    assert compiled.missing() == compiled.NOT_BUILT


@pytest.mark.usefixtures("absent")
def test_who_only_asks_is_not_warned() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compiled.missing() == compiled.NOT_BUILT
        assert compiled.core_status() == {"target": None, "targets": [], "missing": compiled.NOT_BUILT}


def test_a_core_that_cannot_be_loaded_says_why(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sys.modules.pop(compiled.NAME, None)
    (tmp_path / "core.abi3.so").write_bytes(b"of another platform")
    monkeypatch.setattr(sys.modules["lsmx._native"], "__path__", [str(tmp_path)])
    assert (compiled.missing() or "").startswith("the compiled core cannot be loaded: ImportError: ")
    with pytest.warns(lsmx.CoreWarning, match="core.abi3.so"):
        assert compiled.core() is None


def test_a_bare_clone_works(tmp_path: pathlib.Path) -> None:
    """Sources alone, neither installed nor built."""
    for name in ("lsmx", "backends"):
        shutil.copytree(HOME / name, tmp_path / name, ignore=shutil.ignore_patterns("core.*", "__pycache__", "example"))
    code = "import numpy, lsmx; from lsmx._native import compiled; print(compiled.missing(), lsmx.log_softmax(numpy.zeros(4)))"
    path = f"{tmp_path}:{tmp_path / 'backends'}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": path}, cwd=tmp_path)
    assert run.stdout == f"{compiled.NOT_BUILT} [-1.38629436 -1.38629436 -1.38629436 -1.38629436]\n", run.stderr


# --- lsmx info -------------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("fake")
def test_info_shows_the_target(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lsmx._cli.info.roots", lambda: ["numpy"])
    monkeypatch.setenv("LSMX_CPU", "avx2")
    assert main(["info"]) == 0
    assert "\ncore      avx2; LSMX_CPU forces another: avx512, baseline\n" in capsys.readouterr().out
    monkeypatch.setenv("LSMX_CPU", "avx9")
    forget()
    assert main(["info"]) == 2
    assert capsys.readouterr().err.startswith("lsmx info: LSMX_CPU: 'avx9' is not a target of this machine; set avx512 or")


@pytest.mark.usefixtures("absent")
def test_info_shows_what_is_missing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lsmx._cli.info.roots", lambda: ["numpy"])
    assert main(["info"]) == 0
    text = capsys.readouterr().out
    assert "core      unavailable: the compiled core is not built; " in text
    assert " ".join(text.split()).count(compiled.NOT_BUILT) == 1
    assert main(["info", "--json", "-"]) == 0
    assert '"missing": "the compiled core is not built; ' in capsys.readouterr().out
