"""The words of the command line, checked before any work is done."""

from __future__ import annotations

import argparse
import os
import pathlib
from typing import NoReturn

import lsmx
from lsmx._cli.ending import BAD_INPUT, complain


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and where to read on."""
        complain(f"{self.prog}: {message}; see {self.prog} --help")
        raise SystemExit(BAD_INPUT)


def positive(text: str) -> int:
    """A whole number of at least 1."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return number


def to_write(text: str) -> str:
    """A file that can be written, as far as can be seen without doing it; ``-`` is stdout."""
    path = pathlib.Path(text)
    folder = path.absolute().parent
    if text == "-":
        return text
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a folder; name a file in it")
    if not folder.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: there is no folder {folder}")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text}: permission to write it is denied")
    return text


def add_json(command: argparse.ArgumentParser, content: str) -> None:
    """Add ``--json``."""
    text = f"write {content} to FILE; without FILE to stdout, and nothing else there"
    command.add_argument("--json", type=to_write, nargs="?", const="-", metavar="FILE", help=text)


def parser() -> Parser:
    """The parser. It leaves the command in ``command``, and how it is called in ``name``."""
    whole = Parser(prog="lsmx", description="Log-softmax on any array, with the same bits everywhere.")
    whole.add_argument("--version", action="version", version=f"lsmx {lsmx.__version__}")
    commands = whole.add_subparsers(dest="command", required=True)

    info = commands.add_parser("info", help="list backends, versions, devices and kernels")
    add_json(info, "the list")

    verify = commands.add_parser("verify", help="run everything on every installed library and compare the bits")
    verify.add_argument("--logits", metavar="FILE.npy", help="on these logits, rows along the last axis, read in blocks")
    text = (
        "compare two only: each a library (numpy, torch-cuda, strict, ...), a library and a dtype (torch:bfloat16), or a file that "
        "verify --json has written, perhaps on another machine"
    )
    verify.add_argument("--compare", nargs=2, metavar=("A", "B"), help=text)
    add_json(verify, "versions, digests and results")

    text = "time log-softmax beside SciPy, NumPy, PyTorch and JAX, or the losses beside PyTorch, in interleaved runs"
    bench = commands.add_parser("bench", help=text, usage="%(prog)s [{log-softmax,losses}] [options]")
    text = "what is timed: log-softmax (the default), or losses: log_prob, cross_entropy, entropy, token_stats, kl_divergence"
    bench.add_argument("subject", nargs="?", choices=["log-softmax", "losses"], default="log-softmax", help=text)
    bench.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="where: on the host (cpu), or on a CUDA device")
    bench.add_argument("--threads", type=positive, nargs="+", default=[1], metavar="N", help="numbers of threads, one table each")
    bench.add_argument("--turns", type=positive, default=7, metavar="N", help="turns of all contestants, two measurements each (7)")
    bench.add_argument("--quick", action="store_true", help="small arrays only, to see whether it works")
    bench.add_argument(
        "--only", default="", metavar="NAME", help="only the rows with NAME in their name, or in that of their group"
    )
    text = "also count the instructions of small calls by valgrind's callgrind (minutes a row)"
    bench.add_argument("--callgrind", action="store_true", help=text)
    add_json(bench, "medians and quartiles")
    bench.add_argument("--plot", type=to_write, metavar="FILE.png", help="draw a picture")
    for command in (info, verify, bench):
        command.set_defaults(name=command.prog)
    return whole
