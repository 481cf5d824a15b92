"""The compiled core where a process is not at rest: signals, forks, want of threads and memory, other rounding, its end."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import platform
import shutil
import subprocess
import sys

import pytest

from lsmx._native.compiled import missing

HOME = pathlib.Path(__file__).parents[1]
LIMIT = 200  # seconds after which something hangs
COMPILER = shutil.which("gcc") or shutil.which("cc") or shutil.which("clang")

pytestmark = [
    pytest.mark.skipif(missing() is not None, reason=f"{missing()}"),
    pytest.mark.skipif(sys.platform != "linux", reason="signals, limits and the loader of Linux"),
]
BEGIN = """
import sys, numpy as np, lsmx
rng = np.random.default_rng(0)
z = (4 * rng.standard_normal((600, 2048))).astype("float32")
g = rng.standard_normal(z.shape).astype("float32")
with lsmx.using("reference"):
    want = lsmx.log_softmax(z)
    dz = lsmx.log_softmax_backward(g, want)
    few = lsmx.softmax(z[:3, :10])
def same(a, b): return a.shape == b.shape and (a.view("u4") == b.view("u4")).all()
def right():
    assert same(lsmx.log_softmax(z), want), "other bits, forward"
    assert same(lsmx.log_softmax_backward(g, want), dz), "other bits, backward"
    assert same(lsmx.softmax(z[:3, :10]), few), "other bits of a small call"
"""


def run(program: str, ends: str = "ended", **environment: str) -> None:
    """A program in a process of its own: it ends by itself, without an error."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HOME), str(HOME / "backends")]), **environment}
    command = [sys.executable, "-X", "faulthandler", "-W", "ignore", "-c", BEGIN + program]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, f"status {done.returncode}\n{done.stdout[-500:]}\n{done.stderr[-2000:]}"
    assert done.stdout.strip().endswith(ends), done.stdout


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is loaded before the C library, so that threads and memory can be made to fail."""
    if COMPILER is None:
        pytest.skip("there is no C compiler here")
    library = tmp_path_factory.mktemp("failing") / "failing.so"
    command = [COMPILER, "-O1", "-shared", "-fPIC", str(HOME / "tests" / "native" / "failing.c"), "-o", str(library), "-ldl"]
    subprocess.run(command, check=True)
    return str(library)


LOADED = """
import ctypes, os
failing = ctypes.CDLL(os.environ["LD_PRELOAD"])
threads_left, memory_left, threads_made, with_signals = (
    ctypes.c_int.in_dll(failing, name) for name in ("threads_left", "memory_left", "threads_made", "threads_with_signals")
)
"""

# ---- signals


@pytest.mark.slow
@pytest.mark.parametrize("handler", ["raise Alarm", "right()"])
def test_a_storm_of_signals(handler: str) -> None:
    """Handlers that end the call, and handlers that call: whatever comes out is right, and no thread is left."""
    run(f"""
import os, signal
class Alarm(Exception): pass
rung = 0
def ring(number, frame):
    global rung
    rung += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    {handler}
signal.signal(signal.SIGALRM, ring)
out = np.empty_like(z)
lsmx.set_num_threads(5)
for i in range(400):
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, 1e-6 * (20 + 13 * (i % 200)))
            assert lsmx.log_softmax(z, out=out) is out
            assert same(out, want), "other bits around it"
            y = lsmx.log_softmax_backward(g, want)
            assert same(y, dz), "other bits around it, backward"
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except Alarm:
        out[...] = 7
        assert (out == 7).all(), "an array of a call that has ended is written to"
assert rung > 40, rung
assert len(os.listdir("/proc/self/task")) == 1, "threads are left"
right()
print("ended")
""", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # fmt: skip


def test_signals_are_the_callers(failing: str) -> None:
    """Helpers have all signals blocked; the caller's mask is as before."""
    run(LOADED + """
import signal
before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]) | {signal.SIGUSR1}
lsmx.set_num_threads(3)
right()
assert threads_made.value == 4, "two calls with two helpers each, and a small one without"
assert with_signals.value == 0
assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
print("ended")
""", LD_PRELOAD=failing)  # fmt: skip


# ---- forks


def test_forks_from_threads_while_others_call() -> None:
    run("""
import os, threading
lsmx.set_num_threads(4)
stop, wrong = threading.Event(), []
def call():
    while not stop.is_set():
        try: right()
        except BaseException as error: wrong.append(error); return
def fork():
    for _ in range(25):
        child = os.fork()
        if not child:
            status = 1
            try: right(); status = 0
            finally: os._exit(status)
        if os.waitpid(child, 0)[1]: wrong.append("a child")
callers = [threading.Thread(target=call) for _ in range(2)]
forker = threading.Thread(target=fork)
for t in (*callers, forker): t.start()
forker.join(); stop.set()
for t in callers: t.join()
assert not wrong, wrong
right()
print("ended")
""")


# ---- threads and memory that cannot be had


def test_threads_that_cannot_be_made(failing: str) -> None:
    run(LOADED + """
for asked in (2, 7, 300):
    lsmx.set_num_threads(asked)
    for left in (0, 1, 3):
        threads_left.value = left
        right()
        assert threads_left.value == max(0, left - 2 * (asked - 1)), "threads were not asked for"
threads_left.value = -1
right()
print("ended")
""", LD_PRELOAD=failing)  # fmt: skip


def test_no_more_threads_than_were_asked_for(failing: str) -> None:
    run(LOADED + """
for asked in (1, 2, 5, 3, 1):
    lsmx.set_num_threads(asked)
    threads_made.value = 0
    lsmx.log_softmax(z)
    assert threads_made.value == asked - 1, (asked, threads_made.value)
print("ended")
""", LD_PRELOAD=failing)  # fmt: skip


def test_memory_that_cannot_be_had(failing: str) -> None:
    """An error of a kind that Python has, on every way into the core; afterwards all is as before, and nothing is held."""
    run(LOADED + """
import sys
turned = np.asfortranarray(z[:, ::2])
mask = z > -20
with lsmx.using("reference"): want_turned = lsmx.log_softmax(turned)
calls = [
    lambda: lsmx.log_softmax(turned),
    lambda: lsmx.log_softmax(turned, out=np.empty_like(turned)),
    lambda: lsmx.softmax(z, where=mask),
    lambda: lsmx.softmax_backward(g[::-1], z[::-1, :], axis=0),
    lambda: lsmx.logsumexp(z.astype(">f4")),
    lambda: lsmx.log_softmax(z, dtype="float64"),
    lambda: lsmx.log_softmax(z[None, :2, :], axis=(0, 2)),
]
held = [sys.getrefcount(x) for x in (z, g, mask, turned)]
failed = 0
for threads in (1, 2, 5):
    lsmx.set_num_threads(threads)
    for call in calls:
        for left in (0, 1):
            memory_left.value = left
            try: call()
            except MemoryError: failed += 1
            memory_left.value = -1
        assert held == [sys.getrefcount(x) for x in (z, g, mask, turned)]
        call()
    right()
    assert same(lsmx.log_softmax(turned), want_turned)
assert failed >= 3 * (len(calls) - 1), failed
for x in (z, g, mask): x.resize(x.shape)  # refused while something holds a buffer of it
print("ended")
""", LD_PRELOAD=failing)  # fmt: skip


def test_a_limit_on_address_space() -> None:
    """No room for a result: MemoryError. No room for stacks of threads: right without them."""
    run("""
import resource
lsmx.set_num_threads(6)
out = np.empty_like(z)
right()
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
big = np.zeros((600, 40000), "float32")
used += big.nbytes + 2**20
resource.setrlimit(resource.RLIMIT_AS, (used, resource.RLIM_INFINITY))
for _ in range(20):
    try: lsmx.log_softmax(big)
    except MemoryError: pass
    else: raise SystemExit("there was room")
    assert lsmx.log_softmax(z, out=out) is out
    assert same(out, want)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
right()
assert abs(lsmx.log_softmax(big)[3, 3] + np.log(40000)) < 1e-5
print("ended")
""")


def test_threads_of_small_stacks() -> None:
    run("""
import threading
threading.stack_size(160 * 1024)
wrong = []
def call():
    try:
        right()
        assert same(lsmx.log_softmax(np.asfortranarray(z), axis=1), want)
    except BaseException as error: wrong.append(error)
for n in (1, 3):
    lsmx.set_num_threads(n)
    callers = [threading.Thread(target=call) for _ in range(3)]
    for t in callers: t.start()
    for t in callers: t.join()
assert not wrong, wrong
print("ended")
""")


# ---- other rounding


@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="control registers of x86-64 and aarch64")
def test_rounding_and_flushing_of_the_caller(failing: str) -> None:
    """What the caller has set does not matter, with exceptions that would end the process too, and is there afterwards."""
    run(LOADED + """
import platform
failing.control.restype = ctypes.c_ulong
failing.set_control.argtypes = [ctypes.c_ulong]
usual = failing.control()
if platform.machine() == "x86_64":
    modes = [usual | 0x2000, usual | 0x4000, usual | 0x6000, usual | 0x8040, usual | 0xe040, usual & ~0x1f80 & ~0x3f]
else:
    modes = [1 << 22, 2 << 22, 3 << 22, 1 << 24, 3 << 22 | 1 << 24 | 1 << 25]
tiny = (z * 1e-38).astype("float32")
with lsmx.using("reference"): want_tiny = lsmx.softmax_backward(tiny, g)
outs = [np.empty_like(z) for _ in range(3)]
small = np.empty_like(few)
for mode in modes:
    for threads in (1, 2, 7):
        lsmx.set_num_threads(threads)
        failing.set_control(mode)
        lsmx.log_softmax(z, out=outs[0])
        lsmx.log_softmax_backward(g, want, out=outs[1])
        lsmx.softmax_backward(tiny, g, out=outs[2])
        lsmx.softmax(z[:3, :10], out=small)
        after = failing.control()
        failing.set_control(usual)
        assert after & ~0x3f == mode & ~0x3f, f"{mode:#x} has become {after:#x}"
        for got, wanted in zip((*outs, small), (want, dz, want_tiny, few)):
            assert same(got, wanted), f"{mode:#x}, {threads} threads: other bits"
        right()
print("ended")
""", LD_PRELOAD=failing)  # fmt: skip


# ---- many at once


def test_calls_from_many_threads() -> None:
    """While targets and the number of threads change."""
    run("""
import threading
from lsmx._native import core
wrong, stop = [], threading.Event()
def call(i):
    mine = np.empty_like(z)
    try:
        for k in range(12):
            right()
            assert same(lsmx.log_softmax(z, out=mine), want)
    except BaseException as error: wrong.append(error)
def change():
    while not stop.is_set():
        for name in core.targets(): core.use(name)
        for n in (1, 4, 2): lsmx.set_num_threads(n)
callers = [threading.Thread(target=call, args=(i,)) for i in range(6)]
changer = threading.Thread(target=change)
for t in (*callers, changer): t.start()
for t in callers: t.join()
stop.set(); changer.join()
assert not wrong, wrong
print("ended")
""")


# ---- the end of the interpreter, and several of them


def test_calls_at_the_end() -> None:
    """From atexit, from a finaliser, and from an object of the program's that goes last of all."""
    run("""
import atexit, os, weakref
lsmx.set_num_threads(3)
def last(what):
    right()
    os.write(1, what)
class Held:
    def __init__(self): self.rest = lsmx.log_softmax, z, want, same, os.write
    def __del__(self):
        f, z, want, same, write = self.rest
        if same(f(z), want): write(1, b"ended")
held = Held()
atexit.register(last, b"at exit, ")
weakref.finalize(last, last, b"finaliser, ")
right()
""", ends="finaliser, at exit, ended")  # fmt: skip


def test_the_end_while_calls_run() -> None:
    """In daemon threads, which nobody waits for."""
    run("""
import threading
lsmx.set_num_threads(3)
started = [threading.Event() for _ in range(3)]
def forever(at, f=lsmx.log_softmax, z=z):
    while True:
        f(z)
        at.set()
for at in started: threading.Thread(target=forever, args=(at,), daemon=True).start()
for at in started: at.wait()
print("ended")
""")


SUBINTERPRETERS = next((x for x in ("_interpreters", "_xxsubinterpreters") if importlib.util.find_spec(x)), None)


@pytest.mark.skipif(SUBINTERPRETERS is None, reason="this Python has no subinterpreters")
def test_subinterpreters() -> None:
    """NumPy refuses them, so the core by itself: right there, or refused; the main interpreter's goes on when they have ended."""
    run(f"""
import {SUBINTERPRETERS} as interpreters
from lsmx._native import core
right()
inside = '''
import array, importlib.util
spec = importlib.util.spec_from_file_location("lsmx._native.core", PATH)
try: core = importlib.util.module_from_spec(spec)
except ImportError as error: print("refused:", error)
else:
    spec.loader.exec_module(core)
    x, out = array.array("f", [1.0, 2.0, 3.0]), array.array("f", [0.0] * 3)
    view = lambda a: (a.buffer_info()[0], 2, (1, 3), (12, 4))
    core.run(core.passes["softmax_forward"], False, (1,), view(x), None, None, None, view(out), 1)
    assert list(out) == WANT, "other bits"
    assert core.softmax_forward(x, -1, None, None, None) is None, "taken, without having been set up"
    print("right")
'''
with lsmx.using("reference"): wanted = lsmx.softmax(np.asarray([1, 2, 3], "float32")).tolist()
inside = inside.replace("PATH", repr(core.__file__)).replace("WANT", repr(wanted))
for _ in range(3):
    made = interpreters.create()
    failed = interpreters.run_string(made, inside)
    assert failed is None, failed
    interpreters.destroy(made)
    right()
print("ended")
""")
