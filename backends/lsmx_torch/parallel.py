"""Functions of rows that are divided among processes, each of which has plain tensors with a part of every row; and exact means.

As in vocabulary-parallel training: the last layer's weights are divided along the classes, and nobody ever has a row of logits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist

import lsmx
from lsmx.extend import dividing
from lsmx_torch.agreement import agreed
from lsmx_torch.bind import bind
from lsmx_torch.collectives import merged_by
from lsmx_torch.divided import division_by, refuse_transforms, uncompiled

__all__ = ["data_parallel", "vocabulary_parallel"]

Function = Callable[..., Any]


@uncompiled
def vocabulary_parallel(
    function: Function | str, /, *arrays: torch.Tensor, group: Any = None, axis: int = -1, **options: Any
) -> Any:
    """A function of rows of which each process of a group has a part: on plain tensors, with the bits of the undivided rows.

    Parameters
    ----------
    function : callable or str
        One of lsmx, or its name: ``log_softmax``, ``softmax``, ``logsumexp``, ``log_prob``, ``entropy``, ``cross_entropy``,
        ``kl_divergence``, ``js_divergence``, ``row_sums``, ``token_stats``, ``linear_cross_entropy``, ``linear_log_prob``.
    *arrays : Tensor
        Its arrays: of those of the logits' shape this process's part; indices and targets count along the whole row and are the
        same in all processes. For ``linear_*`` the hidden states are the same in all processes, and ``weight`` is the part.
    group : ProcessGroup, optional
        The processes, in the order of their parts; by default all. Parts need not be of one size, and may be empty.
    axis : int, default -1
        The axis that is divided.
    **options : object
        Those of the function; masks and class weights are those of the part.

    Returns
    -------
    Tensor
        As the function: the part of the result, or, where that is one number a row, the whole of it in every process. Autograd
        follows, forward and backward; a cotangent of one number a row is taken to be the same in all processes.

    Raises
    ------
    PartError
        In every process: they disagree in the function, the rows' shape, the dtype, the axis, an option, or the version of the
        arithmetic.
    ArgumentError
        A function that cannot be divided.
    NotImplementedError
        Inside a transform of ``torch.func``, or in forward mode.
    LsmxError
        What the function itself raises.

    See Also
    --------
    data_parallel : the rows are divided, not the vocabulary.
    lsmx.partial : the same in steps, without a process group.

    Notes
    -----
    A forward pass needs what is said in docs/scale.md: for most functions the two largest logits of each row, gathered, and one
    all-reduce of integers, and what a backward pass needs beside. Under ``torch.compile`` the call breaks the graph.

    Examples
    --------
    A group of one process, in which the part is the whole row; among several each has some of the classes:

    >>> import lsmx, torch, torch.distributed as dist
    >>> from lsmx_torch.parallel import vocabulary_parallel
    >>> alone = {"store": dist.HashStore(), "rank": 0, "world_size": 1}
    >>> dist.init_process_group("gloo", **alone)
    >>> logits = torch.zeros(2, 4, requires_grad=True)
    >>> target = torch.tensor([0, 3])
    >>> loss = vocabulary_parallel(lsmx.cross_entropy, logits, target)
    >>> loss.backward()
    >>> torch.equal(loss, lsmx.cross_entropy(logits, target))
    True
    >>> dist.destroy_process_group()
    """
    name = function if isinstance(function, str) else getattr(function, "__name__", repr(function))
    linear = name.startswith("linear_")
    refuse_transforms(name, arrays)  # before anything is sent, which a transform would follow too
    sizes = agreed(group, name, arrays, axis, options)
    rank = dist.get_rank(group)
    division = division_by(bind, merged_by(group), (sum(sizes),), (sum(sizes[:rank]),))
    if linear:
        arrays = (Alike.apply(arrays[0], group), *arrays[1:])  # type: ignore[no-untyped-call]
    with dividing(division):
        return getattr(lsmx, name)(*arrays, **({} if linear else {"axis": axis}), **options)


@contextmanager
def data_parallel(group: Any = None) -> Iterator[None]:
    """Have means and sums over rows be those of all processes of a group, each of which has some of the rows.

    Inside, ``lsmx.cross_entropy(z, target)`` and the other losses with a reduction return the mean over all rows of all processes:
    one exact sum, rounded once, the same in every process and however rows are dealt out. The divisor is that of all, too, unless
    ``normalizer=`` gives one. Gradients are those of that mean by the logits of this process: add up those of shared weights, as an
    all-reduce with ``SUM`` does (``DistributedDataParallel`` takes the mean: multiply the loss by the number of processes there).

    Parameters
    ----------
    group : ProcessGroup, optional
        The processes; by default all. They call the same functions, on any number of rows each.

    Yields
    ------
    None
        While the block runs, reductions are over the group.

    Raises
    ------
    ValueError
        There is no process group; PyTorch says so.

    See Also
    --------
    vocabulary_parallel : the vocabulary is divided, not the rows.

    Examples
    --------
    A group of one process, which has all rows; among several each has some of them:

    >>> import lsmx, torch, torch.distributed as dist
    >>> from lsmx_torch.parallel import data_parallel
    >>> alone = {"store": dist.HashStore(), "rank": 0, "world_size": 1}
    >>> dist.init_process_group("gloo", **alone)
    >>> logits = torch.zeros(2, 4, requires_grad=True)
    >>> target = torch.tensor([0, 3])
    >>> with data_parallel():
    ...     loss = lsmx.cross_entropy(logits, target)
    >>> torch.equal(loss, lsmx.cross_entropy(logits, target))
    True
    >>> dist.destroy_process_group()
    """
    with dividing(division_by(bind, merged_by(group))):
        yield


class Alike(torch.autograd.Function):
    """A tensor that is the same in all processes of a group: its gradient is the sum over them."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, group: Any) -> torch.Tensor:
        """The tensor."""
        ctx.group = group
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor, None]:
        """The sum of the processes' gradients, in the float arithmetic of the engine."""
        g = g.contiguous().clone()
        dist.all_reduce(g, group=ctx.group)
        return g, None
