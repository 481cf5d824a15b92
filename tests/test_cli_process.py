"""The command in a process of its own: Ctrl-C, pipes that nobody reads, and what is seen on a terminal."""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import select
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import lsmx
from lsmx._cli import main, npy_output, progress, zarr_store
from lsmx._cli.progress import Progress, clock

HOME = pathlib.Path(lsmx.__file__).parents[1]
LIMIT = 60  # seconds after which something hangs
INTERRUPTIBLE = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
"""Whoever runs the tests in the background has them ignore Ctrl-C, and what they start too."""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals, pipes and terminals of POSIX")


def environment(*more: pathlib.Path) -> dict[str, str]:
    paths = os.pathsep.join(map(str, [HOME, HOME / "backends", *more]))
    return {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"} | {"PYTHONPATH": paths}


@contextlib.contextmanager
def started(*words: str, folder: pathlib.Path | None = None, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """The command, with what is in ``folder`` importable; ended at the latest where the block ends."""
    command = [sys.executable, "-c", INTERRUPTIBLE, sys.executable, "-m", "lsmx", *words]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    given = environment(*([folder] if folder else []))
    with subprocess.Popen(command, text=True, env=given, **streams) as run:
        try:
            yield run
        finally:
            run.kill()


def install(folder: pathlib.Path, source: str) -> None:
    """Lay out a distribution of a plugin, which is imported as a library is."""
    (folder / "slowlib.py").write_text(source)
    info = folder / "slowlib_dist-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: slowlib-dist\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lsmx.backends]\nslowlib = slowlib:backend\n")


SWALLOWS = """
import os, signal, sys
try:
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000): pass
except BaseException as error:
    raise ImportError("cannot be imported") from error
"""
IN_A_CALLBACK = """
import gc, os, signal
gc.callbacks.append(lambda phase, info: os.kill(os.getpid(), signal.SIGINT))
gc.collect()
"""
THREADS = """
import os, signal, threading
threading.Thread(target=threading.Event().wait).start()  # Python would wait for it
os.kill(os.getpid(), signal.SIGINT)
"""


@pytest.mark.one_in(0, slow=3)
@pytest.mark.parametrize("source", [SWALLOWS, IN_A_CALLBACK, THREADS])
@pytest.mark.parametrize("command", ["info", "verify"])
def test_ctrl_c_while_a_library_is_imported(tmp_path: pathlib.Path, source: str, command: str) -> None:
    install(tmp_path, source)
    with started(command, folder=tmp_path) as run:
        _, error = run.communicate(timeout=LIMIT)
    assert (run.returncode, error) == (130, f"lsmx {command}: interrupted\n")


@pytest.mark.slow
def test_ctrl_c_while_it_works() -> None:
    with started("verify") as run:
        assert run.stdout is not None
        while not run.stdout.readline().startswith("numpy "):
            pass
        run.send_signal(signal.SIGINT)
        _, error = run.communicate(timeout=LIMIT)
    assert (run.returncode, error) == (130, "lsmx verify: interrupted\n")


def test_ctrl_c_inside_another_program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A caller of ``main`` keeps its process and its handler."""
    before = signal.getsignal(signal.SIGINT)

    def interrupt(progress: Progress) -> Any:
        assert signal.getsignal(signal.SIGINT) is before
        raise KeyboardInterrupt

    monkeypatch.setattr("lsmx._cli.info.found", interrupt)
    assert main(["info"]) == 130
    assert capsys.readouterr().err == "lsmx info: interrupted\n"


def test_ctrl_c_in_what_measures_is_silent() -> None:
    from lsmx._bench import measure

    script = (
        "import os, signal, sys\nfrom lsmx._bench import measure\nmeasure.child = lambda *_: os.kill(os.getpid(), signal.SIGINT)\n"
    )
    code = measure.code(1, 1, quick=True)
    assert code.endswith("child(1, 1, True, '', 'log-softmax')")
    first, _, rest = code.partition("; from ")
    source = f"{first}\n{script}\nfrom {rest}"
    run = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, env=environment(), check=False)
    assert (run.returncode, run.stderr) == (-signal.SIGINT, "")


@pytest.mark.one_in(5, slow=2)
@pytest.mark.parametrize("words", [["info"], ["info", "--json"], ["--help"], ["verify", "--help"], ["verify"]])
def test_a_reader_that_has_gone(words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with started(*words, stdout=writer) as run:
        os.close(writer)
        _, error = run.communicate(timeout=LIMIT)
    assert (run.returncode, error) == (141, "")


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device")
def test_a_full_disk() -> None:
    with open("/dev/full", "w") as full, started("info", stdout=full) as run:
        _, error = run.communicate(timeout=LIMIT)
    assert (run.returncode, error) == (2, "lsmx info: standard output: No space left on device\n")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device")
def test_a_full_disk_is_said_of_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--json", "/dev/full"]) == 2
    assert capsys.readouterr().err == "lsmx info: /dev/full: No space left on device\n"


@pytest.mark.parametrize("step", ["sync", "write", "create"])
@pytest.mark.parametrize("kind", ["npy", "zarr"])
def test_a_disk_that_fills_up_is_said_of_the_result(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, step: str, kind: str
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    np.save(tmp_path / "z.npy", np.zeros((2, 3), np.float32))
    monkeypatch.setattr({"npy": npy_output, "zarr": zarr_store}[kind], step, full)
    assert main(["apply", "softmax", str(tmp_path / "z.npy"), str(tmp_path / f"o.{kind}")]) == 2
    place = tmp_path / f".o.{kind}.partial" / f"o.{kind}"
    assert capsys.readouterr().err == f"lsmx apply: {place}: No space left on device\n"


def test_an_error_of_the_system_that_names_a_file_is_said_alike(capsys: pytest.CaptureFixture[str]) -> None:
    name = "a" * 300
    assert main(["digest", f"{name}.npy"]) == 2
    assert capsys.readouterr().err == f"lsmx digest: {name}.npy: File name too long\n"


@pytest.mark.parametrize(
    ("encoding", "name", "said"),
    [
        ("ascii", "o\xe9.npy", r"o\xe9.npy"),
        ("latin-1", "\u0141.npy", r"\u0141.npy"),
        ("utf-8:strict", "\udcff.npy", r"\udcff.npy"),  # a byte that is not UTF-8
        ("utf-8:strict", "\u0141.npy", "\u0141.npy"),
    ],
)
def test_a_name_that_stdout_cannot_encode(tmp_path: pathlib.Path, encoding: str, name: str, said: str) -> None:
    try:
        np.save(tmp_path / name, np.zeros((2, 3), np.float32))
    except OSError:
        pytest.skip("the file system has no such names")
    env = {**environment(), "PYTHONIOENCODING": encoding}
    for words in (["apply", "softmax", name, name.replace(".", "2.")], ["verify", "--logits", name, "--compare", "numpy", "numpy"]):
        command = [sys.executable, "-m", "lsmx", *words]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        shown = done.stdout.decode(encoding.partition(":")[0]).splitlines()
        assert shown[0].endswith(said if words[0] == "verify" else said.replace(".", "2."))


@pytest.mark.slow
def test_as_a_command_without_colour_or_progress() -> None:
    """Its output to a pipe: plain text, and nothing on stderr."""
    with started("info") as run:
        out, error = run.communicate(timeout=LIMIT)
    assert "\x1b" not in out + error
    assert (run.returncode, error) == (0, "")


@pytest.mark.slow
def test_a_broken_plugin_is_one_line(tmp_path: pathlib.Path) -> None:
    install(tmp_path, "raise RuntimeError('no driver\\nat all')")
    with started("info", folder=tmp_path) as run:
        out, error = run.communicate(timeout=LIMIT)
    assert run.returncode == 0
    assert "slowlib   unavailable" in out
    lines = set(error.splitlines())
    assert len(lines) == 1
    assert lines.pop().startswith(
        "lsmx info: BackendWarning: backend plugin 'slowlib' (slowlib:backend) of slowlib-dist is left out"
    )


# --- a terminal -----------------------------------------------------------------------------------------------------------------


class Terminal:
    """What a terminal gets to see."""

    def __init__(self) -> None:
        import pty

        self.master, self.slave = pty.openpty()
        self.seen = ""

    def until(self, text: str) -> None:
        """Read until ``text`` has come."""
        end = time.monotonic() + LIMIT
        while text not in self.seen:
            ready, _, _ = select.select([self.master], [], [], end - time.monotonic())
            assert ready, f"no {text!r} in {self.seen!r}"
            self.seen += os.read(self.master, 4096).decode()


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    found = Terminal()
    yield found
    os.close(found.master)
    os.close(found.slave)


@contextlib.contextmanager
def as_stderr(terminal: Terminal) -> Iterator[None]:
    """The terminal is stderr of this process."""
    with os.fdopen(os.dup(terminal.slave), "w") as stream, contextlib.redirect_stderr(stream):
        yield


@pytest.mark.slow
def test_a_terminal_sees_what_is_imported(terminal: Terminal, tmp_path: pathlib.Path) -> None:
    install(tmp_path, "import sys\nsys.stdin.readline()\nbackend = 3")  # takes as long as nobody presses a key
    with started("info", folder=tmp_path, stdin=subprocess.PIPE, stderr=terminal.slave) as run:
        terminal.until("\rlsmx info: importing slowlib, 0:")
        run.communicate("\n", timeout=LIMIT)
    assert run.returncode == 0


def test_the_line_moves_while_something_takes_long(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.001)
    with as_stderr(terminal), Progress("lsmx verify") as p:
        terminal.until("\rlsmx verify: starting, 0:00")
        p.at("softmax", 0.25)
        terminal.until("\rlsmx verify: softmax, 25 %, 0:0")
        terminal.until("\rlsmx verify: softmax, 25 %, 0:01")
        assert p.thread.is_alive()
    assert not p.thread.is_alive()
    terminal.until("\r" + " " * len("lsmx verify: softmax, 25 %, 0:01") + "\r")


def test_lines_and_the_moving_line_do_not_mix(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    with as_stderr(terminal), Progress("lsmx info") as p:
        terminal.until("starting, 0:00")
        p.say("a row")
        assert p.drawn == ""
        warnings.showwarning("two\nlines", UserWarning, "a file", 3)
        terminal.until("lsmx info: UserWarning: two lines\r\n")
    assert capsys.readouterr().out == "a row\n"
    assert warnings.showwarning != p.warn


def test_the_line_fits_into_the_terminal(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "width", lambda _: 20)
    with as_stderr(terminal):
        p = Progress("lsmx verify")
        p.at("x" * 100)
        p.draw(p.line())
        assert p.drawn == "lsmx verify: xxxxxx"
        p.draw("short")
    terminal.until("\rlsmx verify: xxxxxx\rshort" + 14 * " ")


def test_the_line_is_cleared_by_a_handler_that_has_interrupted_its_drawing(terminal: Terminal) -> None:
    with as_stderr(terminal):
        p = Progress("lsmx verify")
        with p.lock:
            p.draw("at work")
            p.abandon()
    assert p.ended.is_set()
    terminal.until("\rat work\r" + 7 * " " + "\r")


def test_what_is_left_is_guessed(terminal: Terminal) -> None:
    with as_stderr(terminal):
        p = Progress("lsmx verify")
    p.start -= 100
    p.at("softmax", 0.25)
    assert p.line() == "lsmx verify: softmax, 25 %, 1:40, some 5:00 left"


def test_silence_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("lsmx verify", silent=True) as p:
        p.at("softmax", 0.5)
        p.say("a row")
        p.say("{}", always=True)
        assert p.thread.ident is None
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("{}\n", "")


def test_clock() -> None:
    assert [clock(s) for s in (0, 42.4, 725, 11400)] == ["0:00", "0:42", "12:05", "3:10:00"]
