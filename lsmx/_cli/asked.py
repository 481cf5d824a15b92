"""Checks of what ``lsmx apply`` was asked for, before any work: the function is called on one row, and raises if that is wrong."""

from __future__ import annotations

import argparse
import os
import pathlib
from typing import Any

import numpy as np
import numpy.typing as npt

from lsmx._cli import stores
from lsmx._cli.applicable import OPTIONAL, call, parameters, rows_of
from lsmx._cli.boxes import Shape
from lsmx._cli.ending import InputError
from lsmx._cli.npy import NpyFile
from lsmx._cli.work import Along, Given, Work
from lsmx._cli.zarr_store import ZarrFile
from lsmx.extend import normal_axes

Reader = NpyFile | ZarrFile
NUMBERS = ("temperature", "softcap", "label_smoothing", "z_loss", "ignore_index")


def named_arrays(given: argparse.Namespace) -> dict[str, pathlib.Path]:
    """The paths of all arrays by their names, the input first."""
    needed, optional = parameters(given.function)
    rows = rows_of(given.function)
    paths = {rows: pathlib.Path(given.input)}
    accepted = [name for name in (*needed, *(n for n in OPTIONAL if n in optional)) if name != rows]
    for name, path in given.arrays:
        if name not in accepted:
            known = f"takes {', '.join(accepted)}" if accepted else "takes no other array"
            raise InputError(f"--with {name}={path}: {given.function} {known} beside INPUT, which is its {rows}")
        if name in paths or (name in NUMBERS and getattr(given, name) is not None):
            raise InputError(f"--with {name}={path}: {name} is given twice; leave one out")
        paths[name] = pathlib.Path(path)
    if missing := [name for name in needed if name not in paths]:
        hint = " ".join(f"--with {name}=FILE" for name in missing)
        raise InputError(f"{given.function} needs {' and '.join(missing)} beside INPUT, which is its {rows}: pass {hint}")
    return paths


def options_of(given: argparse.Namespace) -> dict[str, Any]:
    """The options that were given, by their names."""
    _, optional = parameters(given.function)
    options: dict[str, Any] = {"axis": given.axis}
    for name in ("dtype", *NUMBERS):
        if (value := getattr(given, name)) is not None:
            if name not in optional:
                known = [f"--{n.replace('_', '-')}" for n in ("axis", "dtype", *NUMBERS) if n in optional]
                raise InputError(
                    f"--{name.replace('_', '-')}: {given.function} has no such option; it has {', '.join(known)}; leave it out"
                )
            options[name] = value
    return options


def along_of(name: str, shape: Shape, rows: Shape, axes: tuple[int, ...]) -> Along:
    """Along which axes of the rows an array is cut, if it goes with them at all."""
    free = [a for a in range(len(rows)) if a not in axes]
    if name == "weight" or not shape:
        return (None,) * len(shape)
    if name == "where" and len(shape) <= len(rows):
        like = list(range(len(rows) - len(shape), len(rows)))
    elif len(shape) == len(rows):
        like = list(range(len(rows)))
    elif len(shape) == len(free):
        like = free
    else:
        raise InputError(
            f"{name}: shape {shape} does not go with rows of shape {rows} along axis {axes}; one number a row is of shape "
            f"{tuple(rows[a] for a in free)}"
        )
    for a, n in zip(like, shape, strict=True):
        if a in free and n != rows[a] and not (name == "where" and n == 1):
            raise InputError(f"{name}: shape {shape}, which has {n} where the rows of shape {rows} have {rows[a]}")
    return tuple(a if a in free and n == rows[a] else None for a, n in zip(like, shape, strict=True))


def one_row(file: Reader, along: Along) -> npt.NDArray[Any]:
    """An array of one row with the file's dtype; float16 in place of bfloat16, which NumPy lacks and errors do not depend on."""
    shape = [n if a is None else 1 for n, a in zip(file.shape, along, strict=True)]
    dtype = np.dtype(np.float16) if file.is_bfloat16 else file.dtype
    return (np.ones if dtype.kind in "fb" else np.zeros)(shape, dtype)


def apart(output: pathlib.Path, paths: dict[str, pathlib.Path]) -> None:
    """Raise if the output is one of the inputs, or is in one, or one is in it."""
    out = pathlib.Path(os.path.realpath(output))  # which a loop of links does not stop
    for name, path in paths.items():
        there = pathlib.Path(os.path.realpath(path))
        same = out.is_relative_to(there) or there.is_relative_to(out) or (output.exists() and output.samefile(path))
        if same:
            raise InputError(f"{output}: is {path}, the {name} that is read; name another file for the result")


def asked(given: argparse.Namespace, target: pathlib.Path) -> tuple[Work, Reader, tuple[int, ...]]:
    """The work, the input, and its axes that are a row."""
    paths, options = named_arrays(given), options_of(given)
    files = {name: stores.reader(path) for name, path in paths.items()}
    rows = next(iter(files.values()))
    axes = normal_axes(given.axis, len(rows.shape))
    alongs = {name: along_of(name, file.shape, rows.shape, axes) for name, file in files.items()}
    apart(pathlib.Path(given.output), paths)

    narrows = options.get("dtype") == "bfloat16"
    tried = {name: one_row(file, alongs[name]) for name, file in files.items()}
    found = call(given.function, tried, options | ({"dtype": "float16"} if narrows else {}))
    dtype = (
        "bfloat16" if found.dtype == np.float16 and (narrows or (rows.is_bfloat16 and "dtype" not in options)) else found.dtype.name
    )
    free = tuple(a for a in range(len(rows.shape)) if a not in axes)
    along = free if found.ndim == len(free) else tuple(a if a in free else None for a in range(found.ndim))
    shape = tuple(n if a is None else rows.shape[a] for n, a in zip(found.shape, along, strict=True))
    if narrows:
        del options["dtype"]
    arrays = tuple(Given(name, paths[name].absolute(), alongs[name]) for name in paths)
    return Work(given.function, arrays, tuple(options.items()), narrows, shape, dtype, along, target), rows, axes
