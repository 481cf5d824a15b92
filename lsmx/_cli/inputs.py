"""The inputs that are computed on: the generated cases, or somebody's own logits."""

from __future__ import annotations

import hashlib
import itertools
import pathlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lsmx._cli.ending import InputError
from lsmx._cli.npy import NpyFile
from lsmx._cli.progress import Progress
from lsmx.testing.bits import bits
from lsmx.testing.inputs import JACOBIAN_LIMIT, Case, Logits, Values, cases, logits_cases
from lsmx.testing.losses import LOSSES, fits, loss_cases

JOINED = 2**19  # elements of blocks that are computed together: from there on kernels work with several threads


@dataclass(frozen=True)
class Inputs:
    """Cases with a name.

    Attributes
    ----------
    name
        For the reader.
    cases
        In order; those of a file are read when they are asked for.
    facts
        For the record: shape and dtype of a file, the number of cases.
    stored
        Whether there are stored digests of what comes out.
    losses
        Those of the losses, which are not looked at on a file.
    """

    name: str
    cases: list[Case] | Logits
    facts: dict[str, Any]
    stored: bool
    losses: Sequence[Case] = ()

    def of(self, function: str) -> Sequence[Case] | Logits:
        """Those on which a function is computed."""
        return [case for case in self.losses if fits(function, case)] if function in LOSSES else self.cases

    def groups(self, function: str = "") -> Iterator[Sequence[Case]]:
        """The cases of a function one by one, or blocks of a file so many at a time as make a large array."""
        many = 1
        if isinstance(self.cases, Logits) and (n := self.cases.z.shape[-1]) > JACOBIAN_LIMIT:
            many = max(1, -(-JOINED // (self.cases.step * n)))
        iterator = iter(self.of(function))
        while group := tuple(itertools.islice(iterator, many)):
            yield group

    def digest(self, progress: Progress) -> str:
        """A short hash of all inputs."""
        sha = hashlib.sha256()
        for i, case in enumerate(itertools.chain(self.cases, self.losses)):
            progress.at(f"reading {self.name}", i / (len(self.cases) + len(self.losses)))
            sha.update(f"{case.axis} {case.seed} {case.z.shape} {dict(case.options) or ''}".encode())
            sha.update(bits(case.z).astype("<u8").tobytes())
            sha.update(b"" if case.where is None else case.where.tobytes())
        return sha.hexdigest()[:16]


@dataclass(frozen=True)
class Joined(Case):
    """Blocks of rows as one, with their cotangents."""

    parts: Sequence[Case] = ()

    def draw(self, shape: tuple[int, ...]) -> Values:
        """Those of the parts, one after the other."""
        return np.concatenate([part.vector((len(part.z), *shape[1:])) for part in self.parts])


def joined(parts: Sequence[Case]) -> Case:
    """The parts as one case."""
    return parts[0] if len(parts) == 1 else Joined(parts[0].name, np.concatenate([part.z for part in parts]), parts=parts)


def chosen(logits: str | None) -> Inputs:
    """The cases of a file, or the generated ones."""
    if logits is None:
        generated, losses = cases(), loss_cases()
        facts = {"name": "generated cases", "cases": len(generated), "losses": len(losses)}
        return Inputs("generated cases", generated, facts, stored=True, losses=losses)
    file = NpyFile(pathlib.Path(logits))
    try:
        blocks = logits_cases(file, file.path.name)
    except ValueError as error:
        raise InputError(error) from None
    if 0 in file.shape:
        raise InputError(f"{file.path}: shape {file.shape} has no {'rows' if not blocks.rows else 'elements'}: nothing to compare")
    facts = {"name": file.path.name, "shape": list(file.shape), "dtype": file.named, "rows": blocks.rows, "cases": len(blocks)}
    return Inputs(file.path.name, blocks, facts, stored=False)
