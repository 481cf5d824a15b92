"""The command ``lsmx``: ``info``, ``verify``, ``apply``, ``digest`` and ``bench``.

A command takes what was parsed and the `Progress` that it is to speak through, and returns the exit code: 0 if all is well, 1 if
something differs, 2 for what cannot be used.
"""

from __future__ import annotations

import argparse
import sys

from lsmx import LsmxError
from lsmx._cli import ending
from lsmx._cli.arguments import parser
from lsmx._cli.ending import InputError
from lsmx._cli.output import apart
from lsmx._cli.progress import Progress


def run(given: argparse.Namespace, own: bool) -> int:
    """Run the command that was asked for."""
    apart(given)
    with Progress(given.name, silent=given.json == "-") as progress:
        if own and given.command != "bench":  # which has processes of its own to stop
            ending.end_at_ctrl_c(given.name, progress)
        if given.command == "info":
            from lsmx._cli.info import info as command
        elif given.command == "bench":
            from lsmx._cli.bench import bench as command
        elif given.command == "apply":
            from lsmx._cli.apply import apply as command
        elif given.command == "digest":
            from lsmx._cli.digest import digest as command
        elif given.compare:
            from lsmx._cli.compare import compare as command
        else:
            from lsmx._cli.verify import verify as command
        return command(given, progress)


def main(argv: list[str] | None = None) -> int:
    """Parse a command line and run the command.

    Parameters
    ----------
    argv
        Its words. None for those of the process, which the command then has for itself: Ctrl-C ends it at once.

    Returns
    -------
    int
        The exit code.

    Examples
    --------
    >>> from lsmx._cli import main
    >>> main(["verify", "--logits", "nowhere.npy"])
    2
    """
    own, name = argv is None, "lsmx"
    if own:
        ending.escape_output()
    try:
        try:
            given = parser().parse_args(argv)
            name = given.name
            code = run(given, own)
        except SystemExit as end:  # argparse has said what there is to say
            code = int(end.code or 0)
        if sys.stdout is not None:
            with ending.at_work_on("standard output"):
                sys.stdout.flush()
    except KeyboardInterrupt:
        return ending.interrupted(name, own)
    except BrokenPipeError:
        return ending.reader_gone(own)
    except (InputError, LsmxError, OSError) as error:
        return ending.refused(name, error, own)
    except MemoryError as error:
        return ending.refused(name, f"not enough memory: {error or 'a row has too many elements'}", own)
    return code
