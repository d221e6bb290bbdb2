"""Runs the zoo: what each method says of every leak, of its honest twin and of forty honest runs; recall and false alarms.

    python -m zoo.run [--level quick|full] [--family NAME] [--pair NAME] [--sample N] [--no-peers] [--known]
                   [--workers N] [--out PATH]

A leak counts as caught where the method accuses it, and as attributed where it names the layer that the pair declares. All
answers are written to one JSON file, whose path is the last line. The exit code is 1 where a level misses its bar, else 0;
with --known it is 0 where it does so by misses alone that are known (`zoo.known`).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from zoo import honest
from zoo.answers import Question, Row, answers, questions
from zoo.families import every
from zoo.named import covered
from zoo.pair import LEVELS, Pair
from zoo.peers import METHODS
from zoo.results import against_bar, detail, misses, nothing_new, summary, totals

T = TypeVar("T")

OUT = Path(__file__).parents[2] / "build" / "zoo.json"


def main(arguments: list[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    pairs, runs = chosen(asked.family, asked.pair, asked.sample)
    if not pairs and not runs:
        print(f"error: no pair has family {asked.family!r} and name {asked.pair!r}", file=sys.stderr)
        return 2
    levels = LEVELS if asked.level == "both" else (asked.level,)
    methods = [*levels, *(() if asked.no_peers else METHODS)]
    began = time.monotonic()
    rows = told(questions(pairs, runs, methods), asked.workers)
    seconds = time.monotonic() - began
    met = shown(Console(width=128), pairs, rows, methods)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    head = {"ended_at": datetime.now(UTC).isoformat(timespec="seconds"), "seconds": round(seconds)}
    result = {**head, "workers": asked.workers, "met": met, "totals": totals(rows, methods), "answers": rows}
    asked.out.write_text(json.dumps(result, indent=1))
    print(
        f"{len(pairs)} pairs and {len(runs)} honest runs in {seconds / 60:.1f} minutes, {asked.workers} at a time."
    )
    print(f"Written: {asked.out}")
    return 0 if met or (asked.known and nothing_new(rows)) else 1


def chosen(family: str, name: str, sample: int) -> tuple[list[Pair], list[int]]:
    """The pairs asked about and the numbers of the honest runs; these belong to no family but `honest`. A sample is spread
    evenly over the catalogue, always the same, with its share of the honest runs."""
    pairs = every(family, name)
    runs = list(range(honest.COUNT)) if family in ("", "honest") and not name else []
    if not sample:
        return pairs, runs
    share = -(-sample * len(runs) // len(pairs)) if pairs else sample
    return spread(pairs, sample), spread(runs, share)


def spread(items: list[T], count: int) -> list[T]:
    """So many of them, evenly over the list."""
    return items if count >= len(items) else [items[i * len(items) // count] for i in range(count)]


def told(asked: list[Question], workers: int) -> list[Row]:
    """All answers, in the order of the questions, with progress on the way: a bar on a terminal, else a line every hundred."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:48}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    found: dict[Question, Row] = {}
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=len(asked))
        for row in answers(asked, workers):
            found[Question(row["pair"], row["side"], row["method"])] = row
            progress.update(task, advance=1, description=f"{row['pair']} {row['side']}: {row['method']}")
            if not console.is_terminal and len(found) % 100 == 0:
                print(f"{len(found)} of {len(asked)} questions answered", file=sys.stderr, flush=True)
    return [found[question] for question in asked]


def shown(console: Console, pairs: list[Pair], rows: list[Row], methods: list[str]) -> bool:
    """Prints the tables, the misses and the bars; True where every bar is met."""
    console.print(detail(pairs, rows, methods))
    console.print(summary(rows, methods))
    for line in misses(rows):
        console.print(line, highlight=False, markup=False)
    console.print(covered(pair.name for pair in pairs), highlight=False)
    bars = [against_bar(rows, level) for level in methods if level in LEVELS]
    for words, _ in bars:
        console.print(words, highlight=False)
    return all(met for _, met in bars)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make zoo", description="The zoo of planted leaks.")
    parser.add_argument("--level", choices=(*LEVELS, "both"), default="both")
    parser.add_argument(
        "--family", default="", help="one family of the catalogue, or honest for the honest runs alone"
    )
    parser.add_argument("--pair", default="")
    parser.add_argument(
        "--sample", type=int, default=0, metavar="N", help="N pairs, spread over the catalogue"
    )
    parser.add_argument("--known", action="store_true", help="end well where every miss is a known one")
    parser.add_argument("--no-peers", action="store_true", help="ask the audit only")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes that ask (default: cores)"
    )
    parser.add_argument("--out", type=Path, default=OUT)
    return parser


if __name__ == "__main__":
    sys.exit(main())
