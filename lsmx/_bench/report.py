"""The results as tables, for the terminal and for the pages: ratios beside their targets, and the medians behind them."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator
from typing import Any

SMALL = 1000  # elements: below, microseconds a call; above, nanoseconds an element
Results = dict[str, Any]
Entry = dict[str, Any]


def unit(entry: Entry) -> tuple[float, str]:
    """What the seconds of a work are multiplied with, and what that gives."""
    if entry["threads"] is None:
        return 1e3, "ms"
    return (1e6, "us a call") if entry["elements"] < SMALL else (1e9 / entry["elements"], "ns an element")


def figure(value: float) -> str:
    """Three digits, or as many as a whole number has."""
    return f"{value:.3f}" if value < 1 else f"{value:.3g}" if value < 999.5 else f"{value:.0f}"


def grid(rows: list[list[str]], heads: list[str], form: str) -> str:
    """A table whose cells stay as they are."""
    from tabulate import tabulate

    return str(tabulate(rows, heads, tablefmt=form, disable_numparse=True))


def quotient(entry: Entry, numerator: str, denominator: str) -> float | None:
    """The ratio of two contestants' medians; None if one is missing."""
    s = entry["seconds"]
    if numerator not in s or denominator not in s:
        return None
    return float(s[numerator]["median"] / s[denominator]["median"])


def ratio(entry: Entry, target: Entry) -> float | None:
    """The time of the other / ours."""
    return quotient(entry, target["other"], target["ours"])


def needed(entry: Entry, target: Entry) -> float | None:
    """The ratio that is asked for: no more than a copy gains, where that is said."""
    least: float | None = target["ratio"]
    gain = target.get("gain")
    possible = quotient(entry, *gain) if gain else None
    return least if least is None or possible is None else min(least, possible)


def reached(entry: Entry, target: Entry) -> bool | None:
    """Whether a target is reached; None where there is nothing to compare."""
    value, least = ratio(entry, target), needed(entry, target)
    return None if value is None or least is None else value >= least


def asked(results: Results) -> Iterator[tuple[Entry, Entry]]:
    """Each row with each of its targets whose libraries are installed."""
    for entry in results["rows"]:
        for target in entry["targets"]:
            if ratio(entry, target) is not None:
                yield entry, target


def verdict(entry: Entry, target: Entry) -> str:
    """In a word."""
    return {True: "yes", False: "NO", None: ""}[reached(entry, target)]


def least_text(entry: Entry, target: Entry) -> str:
    """The target, and where it comes from if that is the copy."""
    least = needed(entry, target)
    if least is None:
        return ""
    return f"{least:.2f}" + (" (the copy)" if least != target["ratio"] else "")


def threads_text(entry: Entry) -> str:
    """Their number, where there is one."""
    return "" if entry["threads"] is None else str(entry["threads"])


def ratios(results: Results, form: str = "github") -> str:
    """Every row: how many times our time the other takes, the target, and whether it is reached."""
    rows = []
    for entry, target in asked(results):
        scale, what = unit(entry)
        times = (f"{figure(entry['seconds'][target[who]]['median'] * scale)}" for who in ("ours", "other"))
        value = ratio(entry, target)
        note = f" ({entry['note']})" if entry.get("note") else ""
        cells = [entry["work"] + note, threads_text(entry), f"{target['ours']} / {target['other']}", " / ".join(times) + f" {what}"]
        rows.append([*cells, f"{value:.2f}", least_text(entry, target), verdict(entry, target)])
    return grid(rows, ["work", "threads", "ours / other", "medians", "other / ours", "target", "reached"], form)


def table(results: Results, form: str = "github") -> str:
    """Medians of all contestants, and half the distance of the quartiles."""
    rows = []
    for entry in results["rows"]:
        scale, what = unit(entry)
        for name, s in entry["seconds"].items():
            text = f"{figure(s['median'] * scale)} ±{figure((s['high'] - s['low']) / 2 * scale)}"
            rows.append([entry["work"], threads_text(entry), name, text, what])
    return grid(rows, ["work", "threads", "who", "median", ""], form)


def span(values: list[float]) -> str:
    """From the least to the largest."""
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    return low if low == high else f"{low} to {high}"


def summary_table(results: Results, form: str = "github") -> str:
    """A line for each group and each other: the ratios of all its rows, the target, and how many reach it."""
    groups: dict[tuple[str, str], list[tuple[Entry, Entry]]] = {}
    for entry, target in asked(results):
        groups.setdefault((target["group"], target["other"]), []).append((entry, target))
    rows = []
    for (group, other), pairs in groups.items():
        values = [ratio(*pair) or 0.0 for pair in pairs]
        least = {target["ratio"] for _, target in pairs if target["ratio"] is not None}
        met = [met for pair in pairs if (met := reached(*pair)) is not None]
        reach = f"{sum(met)} of {len(met)}" if met else ""
        rows.append([group, other, span(values), span(sorted(least)) if least else "", reach])
    return grid(rows, ["work", "beside", "time of the other / ours", "target", "reached"], form)


def missed(results: Results) -> list[str]:
    """What is not reached, in words."""
    lines = []
    for entry, target in asked(results):
        if reached(entry, target) is False:
            threads = "" if entry["threads"] is None else f", {entry['threads']} thread{'s' * (entry['threads'] > 1)}"
            value, least = ratio(entry, target), needed(entry, target)
            digits = 2 if f"{value:.2f}" != f"{least:.2f}" else 3
            lines.append(f"{entry['work']}{threads}, beside {target['other']}: {value:.{digits}f} in place of {least:.{digits}f}")
    return lines


def instruction_table(results: Results, form: str = "github") -> str:
    """Instructions a call."""
    rows = [
        [entry["work"], name, f"{count:.0f}"]
        for entry in results.get("callgrind", [])
        for name, count in entry["instructions"].items()
    ]
    return grid(rows, ["work", "who", "instructions a call"], form)


def of_machine(results: Results) -> str:
    """The machine in a line."""
    host = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in host["versions"].items())
    torch = f" (PyTorch: {host['torch']})" if host.get("torch") else ""
    return f"{host['processor']}; target {host['target']}{torch}; Python {host['Python']}, {versions}"


def save(results: Results, path: pathlib.Path) -> None:
    """As JSON."""
    path.write_text(json.dumps(results, indent=1) + "\n")
