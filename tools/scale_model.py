"""A model of time for ``docs/scale.md``: seconds for a message, and for a byte; nothing measured."""

from __future__ import annotations

import math

from scale_said import collectives

TOKENS = 4096
LINKS = {"within a machine": (3e-6, 1 / 200e9), "between machines": (10e-6, 1 / 25e9)}
DEVICES = (2, 4, 8, 64, 512, 4096, 32768, 100000)
MOST = {"within a machine": 64}  # devices
Link = tuple[float, float]


def all_gather(p: int, n: int, link: Link) -> float:
    """Of ``n`` bytes from each of ``p`` devices."""
    return math.log2(p) * link[0] + (p - 1) * n * link[1]


def all_reduce(p: int, n: int, link: Link) -> float:
    """Of ``n`` bytes: recursive doubling, or a reduce-scatter and an all-gather."""
    steps = math.log2(p)
    return min(steps * (link[0] + n * link[1]), 2 * steps * link[0] + 2 * (p - 1) / p * n * link[1])


def times(p: int, link: Link) -> tuple[float, float, float, float]:
    """Of cross-entropy: forward with the two largest logits gathered, with keys, with Megatron's reductions; and backward."""
    forward, backward = collectives("cross_entropy")
    others = all_gather(p, 32, link) + sum(all_reduce(p, TOKENS * n, link) for kind, n in forward if kind == "all_reduce")
    gathered = sum(all_gather(p, TOKENS * n, link) for kind, n in forward if kind == "all_gather")
    by_keys = all_reduce(p, TOKENS * 8, link) + all_reduce(p, TOKENS * 4, link)
    again = sum(all_reduce(p, TOKENS * n, link) for _, n in backward)
    return others + gathered, others + by_keys, 3 * all_reduce(p, TOKENS * 4, link), again


def model_table() -> str:
    """Milliseconds, and ratios to Megatron's."""
    from lsmx_torch.collectives import GATHERED

    titles = ("devices", "link", "gathered, ms", "by keys, ms", "Megatron, ms", "lsmx / Megatron", "backward, ms")
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for link, costs in LINKS.items():
        for p in (p for p in DEVICES if p <= MOST.get(link, p)):
            gathered, keys, theirs, again = times(p, costs)
            ours = gathered if p <= GATHERED else keys
            cells = [f"{1e3 * x:.3g}" for x in (gathered, keys, theirs)] + [f"{ours / theirs:.2f}"]
            lines.append(f"| {p} | {link} | {' | '.join(cells)} | {1e3 * again:.3g} |")
    return "\n".join(lines)


def crossing() -> str:
    """From how many devices on keys would be faster."""
    found = []
    for link, costs in LINKS.items():
        tried = range(2, MOST.get(link, 1000) + 1)
        first = next((p for p in tried if times(p, costs)[1] < times(p, costs)[0]), None)
        found.append(f"{link} from {first} on" if first else f"{link} with none of up to {tried[-1]}")
    return f"With how many devices keys are faster in this model: {', '.join(found)}."
