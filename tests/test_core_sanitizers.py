"""The compiled core's passes, without Python, under sanitizers: of addresses, of undefined behaviour, and of threads."""

from __future__ import annotations

import pathlib

import pytest

from tests.core_programs import COMPILER, WITHOUT, driver, run, unchanged
from tests.native.cases import cases, written

pytestmark = pytest.mark.skipif(COMPILER is None, reason=WITHOUT)
ADDRESSES = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize=null,object-size", "-fno-sanitize-recover=all")
QUICKLY_COMPILED = (
    "--param=asan-stack=0",
    "--param=asan-instrumentation-with-call-threshold=0",
    "-fno-sanitize-address-use-after-scope",
)
THREADS = ("-O1", "-fsanitize=thread")


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("cases") / "few"
    written(cases(800), str(path))
    return path


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("cases") / "many"
    written(cases(20000, seed=1), str(path))
    return path


def check(flags: tuple[str, ...], file: pathlib.Path, callers: int, edit: object = unchanged) -> None:
    """Right, and without a report."""
    try:
        program = driver(*flags, edit=edit)  # type: ignore[arg-type]
    except Exception as error:
        if "cannot find -l" in str(getattr(error, "stderr", "")):
            pytest.skip("the compiler has no sanitizers here")
        raise
    done = run(program, file, str(callers), TSAN_OPTIONS="halt_on_error=1")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout[-2000:] + done.stderr[:4000]


@pytest.mark.slow
def test_addresses_and_undefined_behaviour(few: pathlib.Path) -> None:
    check((*ADDRESSES, *QUICKLY_COMPILED), few, 1)


@pytest.mark.slow
def test_threads(few: pathlib.Path) -> None:
    """Two callers at once, each of whom has helpers."""
    check(THREADS, few, 2)


@pytest.mark.nightly
def test_addresses_and_undefined_behaviour_of_many(many: pathlib.Path) -> None:
    check(("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"), many, 1)


@pytest.mark.nightly
def test_threads_of_many(many: pathlib.Path) -> None:
    check(THREADS, many, 3)


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("flags", "name", "old", "new"),
    [
        ((*ADDRESSES, *QUICKLY_COMPILED), "lines.h", "load<One<F>>(x + n - W)", "load<One<F>>(x + n - W + 1)"),
        ((*ADDRESSES, *QUICKLY_COMPILED), "lines.h", "__builtin_memcpy(out + i, &value, sizeof value)", "out[i] = value"),
        (THREADS, "threads.cpp", "__atomic_store_n(&failed, true, __ATOMIC_RELAXED)", "failed = true"),
        (THREADS, "threads.cpp", "pthread_join(helpers[i], nullptr)", "pthread_detach(helpers[i])"),
    ],
)
def test_a_fault_is_reported(flags: tuple[str, ...], name: str, old: str, new: str, few: pathlib.Path) -> None:
    def edit(source: str, text: str) -> str:
        if source == name:
            assert old in text
            text = text.replace(old, new)
        if source == "threads.cpp" and "failed = true" in new:  # every thread fails
            text = text.replace("if (!target.run(call, start, stop))", "if (target.run(call, start, stop))")
        return text

    with pytest.raises(AssertionError):
        check(flags, few, 2, edit)
