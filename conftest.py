"""For all tests here: ``--backends``, which tests are slow, and a summary that says what was left out and why."""

from __future__ import annotations

import doctest
import getpass
import os
import sys
import tempfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Generator, Iterable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # PyTorch's threads, several for each of pytest's workers, wait for each other

import pytest
from lsmx_pytest import add_option

from lsmx import ARITHMETIC_VERSION

# PyTorch keeps compiled programs by the names of their operators: those of another arithmetic call them otherwise
COMPILED = f"lsmx-{getpass.getuser()}-inductor-{ARITHMETIC_VERSION}"
os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", os.path.join(tempfile.gettempdir(), COMPILED))
HOW = {"slow": ': pytest -m "slow and not nightly"', "nightly": ": pytest -m nightly"}
OPTIONAL = {  # the libraries of the extras, by the names under which they are imported
    "array_api_strict", "autograd", "cuda", "cupy", "dask", "distributed", "hypothesis", "jax", "matplotlib", "ml_dtypes",
    "mpmath", "mypy", "onnx", "onnxruntime", "onnxscript", "scikit_build_core", "scipy", "sklearn", "tabulate", "torch", "zarr",
}  # fmt: skip
DESELECTED = pytest.StashKey[Counter[str]]()


collect_ignore = ["docs/conf.py", "docs/reference", "docs/tutorials"]  # of the site: its settings, and what it writes


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--backends``."""
    add_option(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Nothing has been left out yet."""
    config.stash[DESELECTED] = Counter()


def families(items: list[pytest.Item]) -> Iterable[list[pytest.Item]]:
    """The cases of each test that is marked ``one_in``, in an order that has nothing to do with that of their parameters.

    Those that are marked slow themselves come last.
    """
    found: dict[tuple[Any, str], list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("one_in") and not item.get_closest_marker("nightly"):
            found[item.path, getattr(item, "originalname", item.name)].append(item)
    for cases in found.values():
        yield sorted(cases, key=lambda item: (item.get_closest_marker("slow") is not None, zlib.crc32(item.name.encode())))


def share(quick: int, slow: int = 1) -> tuple[int, int]:
    """What ``one_in`` says: one of every ``quick`` cases is quick (0: none), one of every ``slow`` is slow, others are nightly."""
    return quick, slow


@pytest.hookimpl(tryfirst=True)  # before ``-m`` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the cases of tests that are marked ``one_in`` as slow or nightly, but for a few of each."""
    for cases in families(items):
        for i, item in enumerate(cases):
            said = item.get_closest_marker("one_in")
            quick, slow = share(*said.args, **said.kwargs)  # type: ignore[union-attr]
            if not quick or i % quick:
                item.add_marker("nightly" if i % slow else "slow")


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Count what ``-m`` and ``-k`` leave out, by the marker that it has."""
    for item in items:
        marker = next((m for m in ("nightly", "slow") if item.get_closest_marker(m)), "not asked for")
        item.config.stash[DESELECTED][marker] += 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that prints, where this one is a worker."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["deselected"] = dict(session.config.stash[DESELECTED])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear what a worker left out: each collects all tests, so one speaks for all."""
    node.config.stash[DESELECTED] = Counter(getattr(node, "workeroutput", {}).get("deselected", {}))


def absent(excinfo: pytest.ExceptionInfo[BaseException]) -> str | None:
    """Which library of the extras an error is about the want of, here or in a doctest."""
    error: BaseException | None = excinfo.value
    if isinstance(error, doctest.UnexpectedException):
        error = error.exc_info[1]
    while error is not None:
        name = (getattr(error, "name", None) or "").partition(".")[0]
        if isinstance(error, ModuleNotFoundError) and name in OPTIONAL:
            return f"not installed: {name}"
        error = error.__cause__
    return None


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Leave out a module that imports a library which is not installed, and no half of it in memory."""
    report = yield
    excinfo = report.call.excinfo if report.failed and report.call else None
    if excinfo and (reason := absent(excinfo)):
        report.outcome, report.longrepr, report.result = "skipped", (str(collector.path), 0, f"Skipped: {reason}"), []
        for name in [n for n, m in sys.modules.items() if getattr(m, "__file__", None) == str(collector.path)]:
            del sys.modules[name]
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """And a test or a page's example that does."""
    report: pytest.TestReport = yield
    if report.failed and call.excinfo and (reason := absent(call.excinfo)):
        report.outcome, report.longrepr = "skipped", (str(item.path), 0, f"Skipped: {reason}")
    return report


def why(report: pytest.TestReport) -> str:
    """The reason of a skip."""
    place = report.longrepr
    return str(place[2] if isinstance(place, tuple) else place).removeprefix("Skipped: ")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what was not run, and how to run it."""
    left_out = config.stash[DESELECTED]
    reasons = Counter(map(why, terminalreporter.stats.get("skipped", [])))
    if not left_out and not reasons:
        return
    terminalreporter.section("left out")
    for marker, n in sorted(left_out.items(), reverse=True):
        terminalreporter.line(f"{n:6} {marker}{HOW.get(marker, '')}")
    for reason, n in sorted(reasons.items(), key=lambda item: (-item[1], item[0])):
        terminalreporter.line(f"{n:6} {reason}")
