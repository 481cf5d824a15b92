"""``pytest --pyargs lsmx.testing --backends mylib``, as a third party runs it: in another process, from another folder.

The distributions are laid out as pip would leave them: this checkout, and the example of ``backends/example``.
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib
from typing import Any

import numpy as np
import pytest

import lsmx
from lsmx.testing import Target
from lsmx.testing.libraries import library

HOME = pathlib.Path(lsmx.__file__).parents[1]
EXAMPLE = HOME / "backends" / "example"
KIT = ("--pyargs", "lsmx.testing")


def lay_out(site: pathlib.Path, project: pathlib.Path, *packages: pathlib.Path) -> None:
    """What pip leaves of a distribution: packages, and by its own ``pyproject.toml`` its name and its entry points."""
    table: dict[str, Any] = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    info = site / f"{table['name'].replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {table['name']}\nVersion: 1.0\n")
    groups = table["entry-points"].items()
    text = "".join(f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in entries.items()) for group, entries in groups)
    (info / "entry_points.txt").write_text(text)
    for package in packages:
        (site / package.name).symlink_to(package)
    (info / "RECORD").write_text("".join(f"{package.name}/__init__.py,,\n" for package in packages))


@pytest.fixture
def site(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder of installed packages: lsmx, and the example."""
    site = tmp_path / "site"
    lay_out(site, HOME, HOME / "lsmx", *(HOME / "backends").glob("lsmx_*"))
    lay_out(site, EXAMPLE)
    for module in EXAMPLE.glob("*.py"):
        shutil.copy(module, site)
    (tmp_path / "elsewhere").mkdir()
    return site


def run(site: pathlib.Path, *args: str, start: str = "", **files: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder of its own, with the files of somebody's project in it; ``start`` runs first."""
    place = site.parent / "elsewhere"
    for name, text in files.items():
        (place / f"{name}.py").write_text(text)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "PYTHONPATH"))}
    environment |= {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}
    code = f"{start}\nimport sys, pytest\nsys.exit(pytest.main(sys.argv[1:]))"
    # zarr's own plugin, where it is installed, loads NumPy
    command = [sys.executable, "-c", code, "-p", "no:cacheprovider", "-p", "no:zarr", "-ra", *args]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=place, env=environment)


def counts(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """How many tests passed, failed, were skipped."""
    last = next((line for line in reversed(done.stdout.splitlines()) if " in " in line), "")
    return {what: int(n) for n, what in re.findall(r"(\d+) (passed|failed|skipped|error)", last)}


def plant(site: pathlib.Path, right: str, wrong: str) -> None:
    """Put a fault into the installed example."""
    module = site / "lsmx_mylib.py"
    assert right in module.read_text()
    module.write_text(module.read_text().replace(right, wrong))


# --- the example --------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_example_passes_everything(site: pathlib.Path) -> None:
    done = run(site, *KIT, "--backends", "mylib", "-W", "error", "-k", "not float16 and not float64")  # which .ci/run has too
    assert done.returncode == 0, done.stdout + done.stderr
    assert counts(done)["passed"] > 200
    assert counts(done)["skipped"] == 1  # it has no complex numbers
    assert "mylib has no complex64" in done.stdout


KERNEL = "lsmx.log_softmax(z.inner, axis=axis)"
PLAIN = "z.inner - np.log(np.sum(np.exp(z.inner), axis=axis, keepdims=True))"
FAULTS = [
    ("forward", PLAIN, "test_bits[mylib-float32-log_softmax-forward]"),
    ("forward", f"np.nextafter({KERNEL}, np.float32(0), dtype=z.dtype)", "test_bits[mylib-float64-log_softmax-forward]"),
    ("test_nan_fills", f"np.nan_to_num({KERNEL})", "test_nan_fills_its_row_and_no_other[mylib-float32-row0]"),
    ("test_inputs", f"({KERNEL}, z.inner.fill(0))[0]", "test_inputs_are_never_written_to[mylib-float32-log_softmax]"),
    (
        "test_results_are",
        f"{KERNEL}.astype('float64')",
        "test_results_are_of_the_library_dtype_and_device_of_the_array[mylib-float32",
    ),
    ("test_layouts", "np.copysign(1, z.inner.strides[-1]) * " + KERNEL, "test_layouts[mylib-float32-log_softmax-reversed_]"),
    (
        "test_out",
        f"(ctx.out.inner if ctx.out is not None else np.zeros(1))[:0].sum() + {KERNEL} + (ctx.out is not None)",
        "test_out[mylib-f",
    ),
    ("test_bad_axis", KERNEL.replace("axis=axis", "axis=-1"), "test_bad_axis[mylib-log_softmax-2]"),
]


@pytest.mark.one_in(8)
@pytest.mark.parametrize(("chosen", "kernel", "red"), FAULTS, ids=[f"{i}-{chosen}" for i, (chosen, *_) in enumerate(FAULTS)])
def test_a_fault_in_the_example_is_seen(site: pathlib.Path, chosen: str, kernel: str, red: str) -> None:
    plant(site, KERNEL, kernel)
    done = run(site, *KIT, "--backends", "mylib", "-k", f"{chosen} and log_softmax or {chosen} and row0")
    assert done.returncode == 1, done.stdout + done.stderr
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert any(red in line for line in failed), done.stdout


LOSS = """lambda ctx, z, /, **options: "other options" if options["where"] is not None or len(options) > 2 else (
        lambda: ctx.save_for_backward(z) or mylib.Array(CHANGED(lsmx.registered()["entropy"](z.inner, axis=options["axis"]))))"""


@pytest.mark.slow
@pytest.mark.parametrize(("changed", "code"), [("", 0), ("(lambda x: np.nextafter(x, x.dtype.type(9)))", 1)])
def test_a_fault_in_a_loss_is_seen(site: pathlib.Path, changed: str, code: int) -> None:
    kernel = f'extend.Kernel("entropy", "entropy", "forward", {LOSS.replace("CHANGED", changed)})'
    plant(site, "kernels=(", f"kernels=({kernel}, ")
    done = run(site, *KIT, "--backends", "mylib", "-k", "test_losses and (entropy or rank)")
    assert done.returncode == code, done.stdout + done.stderr
    failed = re.findall(r"FAILED \S*test_losses\[mylib-(\w+)-(\w+)\]", done.stdout)
    assert failed == [(dtype, "entropy") for dtype in ("float32", "float64") if code]


@pytest.mark.slow
def test_a_fault_is_seen_by_the_others_too(site: pathlib.Path) -> None:
    """With workers; the functions without the fault stay green."""
    plant(site, KERNEL, PLAIN)
    done = run(site, *KIT, "--backends", "mylib", "-k", "test_bits and float32 and (forward or backward)", "-n", "2")
    assert done.returncode == 1
    failed = re.findall(r"FAILED \S*test_bits\[mylib-float32-(\w+)-forward\]", done.stdout)
    assert failed == ["log_softmax"]
    assert counts(done)["passed"] >= 3


# --- names --------------------------------------------------------------------------------------------------------------------


def test_names_of_every_kind(site: pathlib.Path) -> None:
    pytest.importorskip("array_api_strict", reason="not installed: array_api_strict")
    names = "mylib,mylib-cpu,numpy,strict,strict-no_float64,strict-no_x64"
    done = run(site, *KIT, "--backends", names, "-k", "test_plus_infinity", "-v")
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.findall(r"test_plus_infinity\[([\w-]+)\] PASSED", done.stdout)
    both, all_three = ("float32", "float64"), ("float16", "float32", "float64")
    dtypes = (
        dict.fromkeys(("mylib", "mylib-cpu", "strict"), both) | {"numpy": all_three} | dict.fromkeys(names.split(",")[4:], both[:1])
    )
    assert sorted(passed) == sorted(f"{name}-{dtype}" for name, found in dtypes.items() for dtype in found)


def test_a_device_of_jax_by_its_name() -> None:
    pytest.importorskip("jax", reason="not installed: jax")
    for name in ("jax-cpu", "jax-cpu:0"):
        where = library(name)
        assert isinstance(where, Target), where
        assert where.from_numpy(np.ones(3), "float32").device.platform == "cpu"


def test_a_device_that_an_older_library_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    xp = pytest.importorskip("array_api_strict", reason="not installed: array_api_strict")
    monkeypatch.setattr(xp, "Device", lambda name: name if name == "CPU_DEVICE" else refuse(name))
    assert library("strict-no_x64") == f"array-api-strict {xp.__version__} has no device no_x64: pip install -U array-api-strict"
    assert not isinstance(library("strict"), str)


def refuse(name: str) -> None:
    raise ValueError(f"The device {name!r} is not a valid choice.")


@pytest.mark.slow
def test_all_of_them_by_default(site: pathlib.Path) -> None:
    done = run(site, *KIT, "-k", "test_plus_infinity", "--collect-only", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    found = set(re.findall(r"test_plus_infinity\[([\w-]+)-\w+\]", done.stdout))
    assert found >= {"mylib", "numpy", "torch", "cupy", "strict", "strict-no_float64", "strict-no_x64"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nolib", r"--backends: 'nolib' is unknown .did you mean mylib..; there are numpy, torch, .*mylib, strict, "),
        ("mylib-c", r"--backends: none of them can be used: mylib-c: no c device; there is cpu"),
        ("mylib-gpu", r"--backends: none of them can be used: mylib-gpu: no gpu device; there is cpu"),
    ],
)
def test_names_that_lead_nowhere(site: pathlib.Path, name: str, reason: str) -> None:
    done = run(site, *KIT, "--backends", name)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert re.search(reason, done.stderr), done.stderr


def test_a_broken_plugin_is_no_success(site: pathlib.Path) -> None:
    plant(site, "import mylib\n", "import mylib_of_another_time\n")
    done = run(site, *KIT, "--backends", "mylib")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "none of them can be used: mylib: " in done.stderr
    others = run(site, *KIT, "--backends", "mylib,numpy", "-k", "test_plus_infinity")
    assert others.returncode == 0
    assert counts(others) == {"passed": 3, "skipped": 1}


# --- the plugin does no harm ----------------------------------------------------------------------------------------------------

CLEAN = """
import sys

def test_clean():
    assert "lsmx_pytest" in sys.modules, "this test has nothing to look at"
    assert [name for name in ("lsmx", "numpy", "torch", "array_api_compat") if name in sys.modules] == []
"""
OWN_OPTION = """
def pytest_addoption(parser):
    parser.addoption("--backends", action="append", help="of this project")
"""


def test_other_projects_load_nothing(site: pathlib.Path) -> None:
    done = run(site, test_own=CLEAN)
    assert done.returncode == 0, done.stdout + done.stderr
    assert counts(done) == {"passed": 1}


def test_the_proof_can_fail(site: pathlib.Path) -> None:
    source = (HOME / "backends" / "lsmx_pytest" / "__init__.py").read_text()
    (site / "lsmx_pytest").unlink()
    (site / "lsmx_pytest.py").write_text(source.replace("import contextlib\n", "import contextlib\nimport lsmx\n"))
    assert counts(run(site, test_own=CLEAN)) == {"failed": 1}


USES = "def test_own():\n    import lsmx, numpy\n    assert lsmx.log_softmax(numpy.zeros(1)) == 0"


def test_lsmx_may_be_loaded_before_pytest(site: pathlib.Path) -> None:
    """Pytest would rewrite assertions in what comes with a plugin, and warn of what is imported already."""
    done = run(site, "-W", "error", start="import lsmx, lsmx_numpy, lsmx_pytest", test_own=USES)
    assert done.returncode == 0, done.stdout + done.stderr
    assert counts(done) == {"passed": 1}


def test_that_warning_can_be_seen(site: pathlib.Path) -> None:
    done = run(site, "-W", "error", start="import lsmx\nlsmx.__doc__ = ''", test_own=USES)
    words = "PytestAssertRewriteWarning: Module already imported so cannot be rewritten[:;] lsmx"
    assert re.search(words, done.stdout + done.stderr)


def test_other_projects_have_no_such_option(site: pathlib.Path) -> None:
    done = run(site, "--backends", "numpy", test_own=CLEAN)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "unrecognized arguments: --backends" in done.stderr


def test_an_option_of_the_same_name_is_left_alone(site: pathlib.Path) -> None:
    own = "def test_own(request): assert request.config.getoption('--backends') == ['a', 'b']"
    done = run(site, "--backends", "a", "--backends", "b", conftest=OWN_OPTION, test_own=own)
    assert done.returncode == 0, done.stdout + done.stderr
    assert counts(done) == {"passed": 1}


def test_the_kit_runs_beside_an_option_of_the_same_name(site: pathlib.Path) -> None:
    pytest.importorskip("array_api_strict", reason="not installed: array_api_strict")
    chosen = ("--backends", "mylib", "--backends", "strict", "-k", "test_plus_infinity")
    done = run(site, *KIT, *chosen, conftest=OWN_OPTION)
    assert done.returncode == 0, done.stdout + done.stderr
    assert counts(done) == {"passed": 4}


def test_fixtures_of_other_projects_are_their_own(site: pathlib.Path) -> None:
    """A fixture called ``backend`` in a project whose tests run together with the kit."""
    own = "import pytest\n@pytest.fixture\ndef backend(): return 3\ndef test_plus_infinity(backend): assert backend == 3"
    done = run(site, *KIT, "test_own.py", "--backends", "mylib", "-k", "test_plus_infinity", test_own=own)
    assert done.returncode == 0, done.stdout + done.stderr
    assert counts(done) == {"passed": 3}
