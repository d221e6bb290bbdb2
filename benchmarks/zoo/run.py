"""Runs the zoo: what each method says of every leak and of its honest twin, then recall and false alarms.

    python -m zoo.run [--level quick|full] [--family NAME] [--pair NAME] [--no-peers] [--out PATH]

A leak counts as caught where the method accuses it, and as attributed where it names the layer that the pair declares. All
answers are written to one JSON file, whose path is the last line.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from zoo.families import every
from zoo.pair import LEVELS, Pair, Said, Strategy
from zoo.peers import METHODS

BARS = {"quick": 50, "full": 60}
"""Leaks of sixty that each level must catch on their layer."""

OUT = Path(__file__).parents[2] / "build" / "zoo.json"


def main(arguments: list[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    pairs = every(asked.family, asked.pair)
    if not pairs:
        print(f"error: no pair has family {asked.family!r} and name {asked.pair!r}", file=sys.stderr)
        return 2
    levels = LEVELS if asked.level == "both" else (asked.level,)
    methods = [*levels, *(() if asked.no_peers else METHODS)]
    rows = answers(pairs, methods)
    console = Console(width=128)
    console.print(detail(pairs, rows, methods))
    console.print(summary(rows, methods))
    for line in misses(pairs, rows, methods):
        console.print(line, highlight=False)
    for level in levels:
        console.print(against_bar(rows, level), highlight=False)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(rows, indent=1))
    console.print(f"Written: {asked.out}", highlight=False)
    return 0


def answers(pairs: list[Pair], methods: list[str]) -> list[dict[str, Any]]:
    """A row for each pair, side and method: what was said, and whether that is right."""
    rows = []
    columns = (TextColumn("{task.description:40}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=2 * len(pairs) * len(methods))
        for pair in pairs:
            for side, strategy in pair.sides():
                for method in methods:
                    progress.update(task, description=f"{pair.name} {side}: {method}")
                    rows.append(_row(pair, side, method, asked_of(strategy, method)))
                    progress.advance(task)
    return rows


def asked_of(strategy: Strategy, method: str) -> Said:
    """What a method says; one that breaks has said nothing, and that is written down."""
    began = time.perf_counter()
    try:
        return strategy.audit(method) if method in LEVELS else METHODS[method](strategy)
    except Exception as error:
        why = f"broke: {type(error).__name__}: {error}"
        return Said(False, why=why, inconclusive=True, seconds=time.perf_counter() - began)


def _row(pair: Pair, side: str, method: str, said: Said) -> dict[str, Any]:
    declared = {"pair": pair.name, "family": pair.family, "side": side, "method": method}
    expected = {"expected_layer": pair.layer, "expected_through": pair.through, "expected_depth": pair.depth}
    return {**declared, **expected, **asdict(said)}


def right(row: dict[str, Any]) -> bool:
    """A leak that is accused on its layer (where the method names layers), or an honest twin that is not accused."""
    if row["side"] == "honest":
        return not row["accused"]
    return bool(row["accused"]) and (row["method"] not in LEVELS or row["layer"] == row["expected_layer"])


def detail(pairs: list[Pair], rows: list[dict[str, Any]], methods: list[str]) -> Table:
    """A line for each pair: what each method said of the leak and of the honest twin."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("pair", "layer", *methods):
        table.add_column(name, no_wrap=True)
    said = {(row["pair"], row["side"], row["method"]): row for row in rows}
    for pair in pairs:
        cells = [_cell(said[pair.name, "leak", m], said[pair.name, "honest", m]) for m in methods]
        table.add_row(pair.name, pair.layer, *cells)
    return table


def _cell(leak: dict[str, Any], honest: dict[str, Any]) -> str:
    caught = leak["accused"] and leak["method"] in LEVELS
    words = (leak["layer"] or "caught") if caught else "caught" if leak["accused"] else "missed"
    mark = "green" if right(leak) else "red"
    alarm = " [red]and the twin[/red]" if honest["accused"] else ""
    return f"[{mark}]{words}[/{mark}]{alarm}"


def summary(rows: list[dict[str, Any]], methods: list[str]) -> Table:
    """Counts by method."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    heads = (
        "method",
        "caught",
        "right layer",
        "right table",
        "right depth",
        "twins accused",
        "no answer",
        "seconds",
    )
    for name in heads:
        table.add_column(name, justify="left" if name == "method" else "right")
    for method in methods:
        leaks = [r for r in rows if r["method"] == method and r["side"] == "leak"]
        twins = [r for r in rows if r["method"] == method and r["side"] == "honest"]
        ours = method in LEVELS
        table.add_row(
            method,
            f"{sum(r['accused'] for r in leaks)} of {len(leaks)}",
            f"{sum(map(right, leaks))} of {len(leaks)}" if ours else "",
            _agreeing(leaks, "through") if ours else "",
            _agreeing(leaks, "depth") if ours else "",
            f"{sum(r['accused'] for r in twins)} of {len(twins)}",
            f"{sum(r['inconclusive'] for r in leaks + twins)}",
            f"{sum(r['seconds'] for r in leaks + twins):.0f}",
        )
    return table


def _agreeing(leaks: list[dict[str, Any]], what: str) -> str:
    """How many of the caught leaks that declare it were told so."""
    told = [r for r in leaks if r["accused"] and r[f"expected_{what}"] not in ("", None)]
    return f"{sum(r[what] == r[f'expected_{what}'] for r in told)} of {len(told)}"


def misses(pairs: list[Pair], rows: list[dict[str, Any]], methods: list[str]) -> list[str]:
    """A line for each wrong answer of ours, with why: what hides the leak, and what the audit said instead."""
    hides = {pair.name: pair.hides for pair in pairs}
    lines = []
    for row in rows:
        if row["method"] not in LEVELS or right(row):
            continue
        if row["side"] == "honest":
            what = "an honest twin was accused"
        elif row["accused"]:
            what = f"told as {row['layer']}, is {row['expected_layer']}"
        else:
            what = f"missed ({hides[row['pair']] or 'nothing hides it'})"
        lines.append(f"{row['method']}: {row['pair']}: {what}. {row['why']}".rstrip())
    return lines


def against_bar(rows: list[dict[str, Any]], level: str) -> str:
    """Whether a level reaches its bar: so many of sixty leaks on their layer, and no twin accused."""
    leaks = [r for r in rows if r["method"] == level and r["side"] == "leak"]
    alarms = sum(r["accused"] for r in rows if r["method"] == level and r["side"] == "honest")
    needed = -(-BARS[level] * len(leaks) // 60)
    found = sum(map(right, leaks))
    words = "met" if found >= needed and not alarms else "MISSED"
    return f"{level}: {found} of {len(leaks)} on their layer (bar {needed}), {alarms} twins accused (bar 0): {words}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make zoo", description="The zoo of planted leaks.")
    parser.add_argument("--level", choices=(*LEVELS, "both"), default="both")
    parser.add_argument("--family", default="")
    parser.add_argument("--pair", default="")
    parser.add_argument("--no-peers", action="store_true", help="ask the audit only")
    parser.add_argument("--out", type=Path, default=OUT)
    return parser


if __name__ == "__main__":
    sys.exit(main())
