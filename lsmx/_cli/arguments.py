"""The words of the command line, checked before any work is done."""

from __future__ import annotations

import argparse
import math
import os
import pathlib
from typing import Any, NoReturn

import lsmx
from lsmx._cli.applicable import function_named
from lsmx._cli.ending import BAD_INPUT, complain
from lsmx.extend import FORMAT_OF


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


def number(text: str) -> float:
    """A number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def percent(text: str) -> float:
    """A number of at least 0 that is finite."""
    found = number(text)
    if not 0 <= found < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number of at least 0")
    return found


def axis(text: str) -> int | tuple[int, ...] | None:
    """An axis, several with commas between them, or all."""
    try:
        numbers = tuple(map(int, text.split(",")))
    except ValueError:
        if text == "all":
            return None
        raise argparse.ArgumentTypeError(f"{text!r} is not an axis; give a number such as -1, several as in 0,1, or all") from None
    return numbers if len(numbers) > 1 else numbers[0]


def function(text: str) -> str:
    """A function that is applied by its name."""
    try:
        return function_named(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def name(text: str) -> str:
    """The name of a file, or of what else there is."""
    if not text:
        raise argparse.ArgumentTypeError("the name is empty")
    return text


def named_file(text: str) -> tuple[str, str]:
    """An array by its name in the function's signature."""
    name, equal, path = text.partition("=")
    if not (name and equal and path):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=FILE, as in index=classes.npy")
    return name, path


def to_write(text: str) -> str:
    """A file that can be written, as far as can be seen without doing it; ``-`` is stdout."""
    path = pathlib.Path(name(text))
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


def to_make(text: str) -> str:
    """A file or a folder that can be made, beside which there is place for one that is not whole yet."""
    path = pathlib.Path(name(text))
    folder = path.absolute().parent
    if path.name in ("", ".."):
        raise argparse.ArgumentTypeError(f"{text} is a folder; name a file in it")
    if not folder.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: there is no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text}: permission to write in {folder} is denied")
    return text


def add_json(command: argparse.ArgumentParser, content: str) -> None:
    """Add ``--json``."""
    text = f"write {content} to FILE; without FILE to stdout, and nothing else there"
    command.add_argument("--json", type=to_write, nargs="?", const="-", metavar="FILE", help=text)


def add_apply(commands: Any) -> argparse.ArgumentParser:
    """Add ``apply``."""
    apply: argparse.ArgumentParser = commands.add_parser("apply", help="apply a function to an array on disk, in parts")
    apply.add_argument("function", type=function, metavar="FUNCTION", help="log_softmax, softmax, logsumexp, log_prob, ...")
    text = "the logits (or, for a gradient that takes it, the output): .npy or zarr"
    apply.add_argument("input", type=name, metavar="INPUT", help=text)
    apply.add_argument("output", type=to_make, metavar="OUTPUT", help="the result, under a name that ends in .npy or .zarr")
    apply.add_argument("--axis", type=axis, default=-1, metavar="N", help="of a row: a number (-1), several as in 0,1, or all")
    apply.add_argument("--dtype", choices=list(FORMAT_OF), help="cast the logits to it first, and the result too")
    apply.add_argument("--temperature", type=number, metavar="T", help="what the logits are divided by")
    apply.add_argument("--softcap", type=number, metavar="C", help="C * tanh(z / C) in place of the logits")
    apply.add_argument("--label-smoothing", type=number, metavar="E", help="how much of a target goes to all classes alike")
    apply.add_argument("--z-loss", type=number, metavar="C", help="C * lse**2 is added to each loss")
    apply.add_argument("--ignore-index", type=int, metavar="N", help="targets that do not count (-100)")
    text = "another array that the function takes, by its name in Python: index=classes.npy; may be repeated"
    apply.add_argument("--with", dest="arrays", type=named_file, action="append", default=[], metavar="NAME=FILE", help=text)
    text = "work through Dask: tcp://HOST:PORT of a scheduler whose workers see the same files; or threads, processes"
    apply.add_argument("--scheduler", metavar="ADDRESS", help=text)
    apply.add_argument("--overwrite", action="store_true", help="replace OUTPUT, once the result is whole")
    add_json(apply, "the digest, the shape and the time")
    return apply


def add_sides(verify: argparse.ArgumentParser) -> None:
    """Add what goes with two arrays that are compared."""
    two = verify.add_argument_group("with --compare SERVER.npy TRAINER.npy")
    two.add_argument("--tokens", type=name, metavar="FILE.npy", help="the chosen token of each row, where whole rows are compared")
    two.add_argument(
        "--mask", type=name, metavar="FILE.npy", help="one bool for each token (or 1 and 0): those at False are left out"
    )
    two.add_argument("--temperature", type=number, default=1.0, metavar="T", help="what logits are divided by")
    two.add_argument("--rows", choices=["logits", "log_probs"], default="logits", help="what whole rows are (logits)")


def parser() -> Parser:
    """The parser. It leaves the command in ``command``, and how it is called in ``name``."""
    whole = Parser(prog="lsmx", description="Log-softmax on any array, with the same bits everywhere.")
    whole.add_argument("--version", action="version", version=f"lsmx {lsmx.__version__}")
    commands = whole.add_subparsers(dest="command", required=True)

    info = commands.add_parser("info", help="list backends, versions, devices and kernels")
    add_json(info, "the list")

    verify = commands.add_parser("verify", help="run everything on every installed library and compare the bits")
    text = "on these logits, rows along the last axis, read in blocks"
    verify.add_argument("--logits", type=name, metavar="FILE.npy", help=text)
    text = (
        "compare two only: each a library (numpy, torch-cuda, strict, ...), a library and a dtype (torch:bfloat16), or a file that "
        "verify --json has written, perhaps on another machine; or two .npy files, of a server and a trainer: log-probs of the "
        "same tokens, or rows of logits with --tokens"
    )
    verify.add_argument("--compare", type=name, nargs=2, metavar=("A", "B"), help=text)
    add_sides(verify)
    add_json(verify, "versions, digests and results")

    apply, digest = add_apply(commands), commands.add_parser("digest", help="one line about an array, the same on any machine")
    text = "a .npy file or a folder of zarr, read in parts; two arrays of equal bits, dtype and shape have equal lines"
    digest.add_argument("file", type=name, metavar="FILE", help=text)
    add_json(digest, "the same and the versions")

    text = "time log-softmax beside SciPy, NumPy, PyTorch and JAX, or the losses beside PyTorch, in interleaved runs"
    bench = commands.add_parser("bench", help=text, usage="%(prog)s [{log-softmax,losses}] [options]")
    text = "what is timed: log-softmax (the default), or losses: log_prob, cross_entropy, entropy, token_stats, kl_divergence"
    bench.add_argument("subject", nargs="?", choices=["log-softmax", "losses"], help=text)
    bench.add_argument("--device", choices=["cpu", "cuda"], help="where: on the host (cpu), or on a CUDA device")
    bench.add_argument("--threads", type=positive, nargs="+", metavar="N", help="numbers of threads, one table each (1)")
    bench.add_argument("--turns", type=positive, metavar="N", help="turns of all contestants, two measurements each (7)")
    bench.add_argument("--quick", action="store_true", help="small arrays only, to see whether it works")
    bench.add_argument(
        "--only", default="", metavar="NAME", help="only the rows with NAME in their name, or in that of their group"
    )
    text = "also count the instructions of small calls by valgrind's callgrind (minutes a row)"
    bench.add_argument("--callgrind", action="store_true", help=text)
    text = "time nothing: two runs that --json has stored, each work with how much slower or faster it has become, and the noise"
    bench.add_argument("--compare", type=name, nargs=2, metavar=("BEFORE.json", "AFTER.json"), help=text)
    text = "with --compare: exit code 1 if a work is slower by more than that, beyond the noise, or missing afterwards"
    bench.add_argument("--fail-above", type=percent, metavar="PERCENT", help=text)
    bench.add_argument("--anyway", action="store_true", help="with --compare: even if machines or libraries differ")
    add_json(bench, "medians and quartiles")
    bench.add_argument("--plot", type=to_write, metavar="FILE.png", help="draw a picture")
    for command in (info, verify, apply, digest, bench):
        command.set_defaults(name=command.prog)
    return whole
