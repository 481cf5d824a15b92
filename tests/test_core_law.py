"""The law in C++ is the definition's: its exponential and logarithm for every argument, and any change of it is seen."""

from __future__ import annotations

import ctypes
import pathlib
import shutil
import subprocess
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from lsmx._definition import exp, log
from lsmx._definition.formats import FORMAT_OF
from lsmx._definition.ops import Ops, ops_for
from lsmx._definition.rows import Rows
from lsmx._native.compiled import core
from tests import core_programs
from tests.core_programs import BYTES, COMPILER, WITHOUT, built, driver, kernels, library, passes, run
from tests.law_changes import CHANGES, LOSS_CHANGES, MORE_CHANGES
from tests.native.cases import cases, written

pytestmark = pytest.mark.skipif(COMPILER is None, reason=WITHOUT)
Values = npt.NDArray[Any]

# ---- the exponential and the logarithm

CHUNK = 2**20
EVERY = 2**32 // CHUNK


Laws = dict[str, ctypes.CDLL]


@pytest.fixture(scope="module")
def laws() -> Laws:
    """Compiled for numbers one at a time, and for the vectors that this machine has."""
    module = core()
    targets = ["baseline"] if module is None else [name for name in module.targets() if name in BYTES]
    return {str(name): ctypes.CDLL(str(library(name))) for name in (None, *targets)}


def called(law: ctypes.CDLL, name: str, inputs: list[Values], outputs: int) -> list[Values]:
    """A function of the library on arrays, each result an array."""
    n, dtype = inputs[0].size, inputs[0].dtype
    assert n % 64 == 0
    found = [np.empty(n, dtype) for _ in range(outputs)]
    addresses = (ctypes.c_void_p * outputs)(*[x.ctypes.data for x in found])
    given = [ctypes.c_void_p(x.ctypes.data) for x in inputs]
    getattr(law, f"{name}_{'float' if dtype == np.float32 else 'double'}")(ctypes.c_long(n), *given, addresses)
    return found


def ops_of(x: Values) -> Ops:
    return ops_for(x, FORMAT_OF[x.dtype.name])


def assert_equal(target: str, names: str, got: list[Values], want: list[Any], *arguments: Values) -> None:
    for name, a, b in zip(names.split(), got, want, strict=True):
        b = np.broadcast_to(np.asarray(b, a.dtype), a.shape)
        unequal = a.view(f"u{a.itemsize}") != b.view(f"u{a.itemsize}")
        i = int(unequal.argmax())
        assert not unequal.any(), (
            f"{name} at {[x[i].item().hex() for x in arguments]}: {a[i].item().hex()}, not {b[i].item().hex()}"
        )


def check_probability(laws: Laws, x: Values) -> None:
    ops = ops_of(x)
    p = Rows(ops, (0,), x.shape, None, x.dtype).probability(x)
    want = [p.expm1, p.low, p.k + 0.0, p.value(ops)]  # k is 0 or -0
    for name, law in laws.items():
        assert_equal(name, "expm1 low k value", called(law, "probability", [x], 4), want, x)


def check_difference(laws: Laws, x: Values, m: Values, known: int = 0) -> None:
    """``exp(x - m)``, for ``x <= m``."""
    ops, out = ops_of(x), np.empty_like(x)
    assert x.dtype == m.dtype
    want = [exp.exp(ops, exp.difference(ops, x, m)).value(ops)]
    for name, law in laws.items():
        function = law.difference_float if x.dtype == np.float32 else law.difference_double
        function(ctypes.c_long(x.size), *(ctypes.c_void_p(a.ctypes.data) for a in (x, m, out)), ctypes.c_int(known))
        assert_equal(name, "exp", [out], want, x, m)


def check_rest(laws: Laws, high: Values, low: Values) -> None:
    ops = ops_of(high)
    s = log.normalise(ops, (high, low))
    want = [s.e, s.c, *s.f, *log.log(ops, s), *log.reciprocal(ops, s)]
    for name, law in laws.items():
        got = called(law, "rest", [high, low], 8)
        assert_equal(name, "e c f f.low log log.low reciprocal reciprocal.low", got, want, high, low)


def check_chunk(laws: Laws, x: Values, rng: np.random.Generator) -> None:
    """All that is computed of arguments of any kind."""
    with np.errstate(all="ignore"):
        check_probability(laws, x)
        check_difference(laws, np.where(x > 0, -x, x), np.zeros_like(x))
        m = np.where(np.isfinite(x), x, x.dtype.type(1.5))
        near = m - np.abs(m) * rng.uniform(0, 1, m.size).astype(m.dtype) ** 9
        far = rng.uniform(0.01, 95, m.size) ** rng.choice([-1, 1])
        below = np.minimum(near, m - far.astype(m.dtype))
        check_difference(laws, np.where(np.isfinite(below), below, m), m)
        rest = np.where((np.abs(x) < 2.0**62) & (np.abs(x) >= 2.0**-100), np.abs(x), x.dtype.type(0))
        check_rest(laws, rest, np.zeros_like(rest))
        check_rest(laws, rest, rest * rng.uniform(-(2.0**-25), 2.0**-25, rest.size).astype(rest.dtype))


def chunk(i: int) -> Values:
    """The i-th part of all float32 numbers."""
    return np.arange(i * CHUNK, (i + 1) * CHUNK, dtype=np.uint32).view(np.float32)


def test_exponential_and_logarithm_of_a_sample(laws: Laws) -> None:
    rng = np.random.default_rng(1)
    drawn = rng.integers(2**32, size=2**16, dtype=np.uint32).view(np.float32)
    about = rng.uniform(-100, 100, 2**16).astype(np.float32)
    sums = np.exp2(rng.uniform(-30, 30, 2**15)).astype(np.float32)
    edges = np.concatenate(
        [np.arange(2**12, dtype=np.uint32) + np.uint32(k) for k in (0, 0x7F7FF800, 0xFF7FF800, 0xC2AE0000, 0x3F7FF800)]
    )
    for x in (drawn, about, sums, edges.view(np.float32)):
        check_chunk(laws, x, rng)
    wide = rng.integers(2**64, size=2**15, dtype=np.uint64).view(np.float64)
    for y in (wide, rng.uniform(-760, 720, 2**15), np.exp2(rng.uniform(-60, 60, 2**14))):
        check_chunk(laws, y, rng)


def test_exponential_where_more_is_known(laws: Laws) -> None:
    """Without a look at underflow, and by a shorter subtraction."""
    rng = np.random.default_rng(2)
    for dtype, depth in ((np.float32, 86), (np.float64, 700)):
        m = rng.uniform(-300, 300, 2**14).astype(dtype)
        x = (m - rng.uniform(0, depth, m.size)).astype(dtype)
        check_difference(laws, x, m, known=1)
        m = np.abs(m) + dtype(1)
        x = (m - rng.uniform(0, 1, m.size) * np.minimum(m, depth)).astype(dtype)  # no larger exponent than that of m
        check_difference(laws, x, m, known=2)


@pytest.mark.nightly
@pytest.mark.parametrize("part", range(64))
def test_exponential_and_logarithm_of_every_argument(laws: Laws, part: int) -> None:
    """All 2^32."""
    rng = np.random.default_rng(part)
    for i in range(part, EVERY, 64):
        check_chunk(laws, chunk(i), rng)


# ---- changes of it are seen

KEPT = ("LogSoftmaxForward", "LogSoftmaxBackward", "SoftmaxForward")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Cases of the passes that are kept, in the format that is."""
    path = tmp_path_factory.mktemp("cases") / "cases"
    kept = ("log_softmax_forward", "log_softmax_backward", "softmax_forward")
    written((case for case in cases(1000, names=kept) if not case.double), str(path))
    return path


def changed(name: str, old: str, new: str, kept: tuple[str, ...] = KEPT) -> core_programs.Edit:
    def edit(source: str, text: str) -> str:
        text = passes(*kept)(source, text)
        if source == name:
            assert old in text, f"{name} has no {old}"
            text = text.replace(old, new)
        return text

    return edit


def wrong(program: pathlib.Path, file: pathlib.Path) -> bool:
    done = run(program, file)
    assert done.returncode in (0, 1), done.stderr
    assert ("WRONG" in done.stdout) == (done.returncode == 1)
    return done.returncode == 1


@pytest.mark.slow
def test_unchanged_it_is_right(file: pathlib.Path) -> None:
    assert not wrong(driver("-O1", edit=passes(*KEPT)), file)


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(change: str, file: pathlib.Path) -> None:
    assert wrong(driver("-O1", edit=changed(*CHANGES[change])), file)


@pytest.mark.nightly
@pytest.mark.parametrize("change", MORE_CHANGES)
def test_more_changes_are_seen(change: str, file: pathlib.Path) -> None:
    assert wrong(driver("-O1", edit=changed(*MORE_CHANGES[change])), file)


@pytest.mark.nightly
@pytest.mark.parametrize("change", LOSS_CHANGES)
def test_changes_of_the_losses_are_seen(change: str, tmp_path: pathlib.Path) -> None:
    passname, kept, *edited = LOSS_CHANGES[change]
    written((case for case in cases(400, names=(passname,)) if not case.double), str(tmp_path / "cases"))
    assert not wrong(driver("-O1", edit=passes(kept)), tmp_path / "cases")
    assert wrong(driver("-O1", edit=changed(*edited, kept=(kept,))), tmp_path / "cases")


@pytest.mark.slow
def test_contraction_is_seen(file: pathlib.Path) -> None:
    """Products and sums that are made one operation: what the flags of the build shut out."""
    module = core()
    if module is None or "avx2" not in module.targets():
        pytest.skip("this machine has no such operation")
    assert wrong(driver("-O2", "-ffp-contract=fast", "-mfma", edit=passes(*KEPT)), file)


# ---- targets are apart


def symbols(compiled: pathlib.Path) -> dict[str, str]:
    """What an object defines for others, with the kind of each."""
    if not shutil.which("nm"):
        pytest.skip("there is no nm here")
    told = subprocess.run(["nm", "-C", "--defined-only", "--extern-only", compiled], capture_output=True, text=True, check=True)
    return {name: kind for _, kind, name in (line.split(maxsplit=2) for line in told.stdout.splitlines())}


def test_every_symbol_is_in_the_targets_namespace() -> None:
    """The linker keeps one of several weak symbols of a name: another target's, for which the processor may lack instructions."""
    found = symbols(driver("-O1", edit=passes(*KEPT)).with_name("baseline.o"))
    assert found["lsmx_baseline::the_target"] in "RD"
    assert [name for name in found if "lsmx_baseline::" not in name] == []


@pytest.mark.nightly
@pytest.mark.parametrize("flag", ["-O0", "-O3"])  # with -O0, nothing is inlined but what has to be
def test_targets_share_no_symbol(flag: str) -> None:
    found = [set(symbols(built(f"{t}.o", lambda folder, t=t: [kernels(folder, [flag], t)]))) for t in BYTES]
    assert all(found)
    assert not found[0] & (found[1] | found[2])
    assert not found[1] & found[2]
