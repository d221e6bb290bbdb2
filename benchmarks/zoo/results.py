"""What the answers come to: a line a pair, counts by level and method, the misses with their reasons, and the bars."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rich.table import Table

from zoo.answers import LEAK, RUN, TWIN, Row
from zoo.known import KNOWN, reason
from zoo.pair import LEVELS, Pair

SHARE = {"quick": (5, 6), "full": (1, 1)}
"""Of the leaks, how many a level must catch on their layer: the issue's 50 and 60 of 60."""

HEADS = ("method", "caught", "right layer", "right table", "right depth", "twins accused", "honest runs accused",
         "no answer", "in part", "seconds")  # fmt: skip


def right(row: Row) -> bool:
    """A leak that is accused on its layer (where the method names layers), or an honest strategy that is not accused."""
    if row["side"] != LEAK:
        return not row["accused"]
    return bool(row["accused"]) and (row["method"] not in LEVELS or row["layer"] == row["expected_layer"])


def unanswered(row: Row) -> bool:
    """Whether a method has no answer at all: it broke, or it cannot be asked. An audit of which some checks stay open (features
    without a live state cannot be replayed bar by bar) has answered in part."""
    return bool(row["inconclusive"]) and (row["method"] not in LEVELS or row["why"].startswith("broke"))


def detail(pairs: list[Pair], rows: list[Row], methods: list[str]) -> Table:
    """A line for each pair: what each method said of the leak and of the honest twin."""
    table = _table(("pair", "layer", *methods))
    said = {(row["pair"], row["side"], row["method"]): row for row in rows}
    for pair in pairs:
        cells = [_cell(said[pair.name, LEAK, m], said[pair.name, TWIN, m]) for m in methods]
        table.add_row(pair.name, pair.layer, *cells)
    return table


def _cell(leak: Row, twin: Row) -> str:
    otherwise = "no answer" if unanswered(leak) else "missed"
    words = (leak["layer"] or "caught") if leak["accused"] else otherwise
    mark = "green" if right(leak) else "red"
    alarm = " [red]and the twin[/red]" if twin["accused"] else ""
    return f"[{mark}]{words}[/{mark}]{alarm}"


def summary(rows: list[Row], methods: list[str]) -> Table:
    """Counts by method. A method that has no answer has not caught anything, and is counted as such."""
    table = _table(HEADS)
    for method in methods:
        table.add_row(method, *_counts([row for row in rows if row["method"] == method], method in LEVELS))
    return table


def _table(heads: Iterable[str]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for i, name in enumerate(heads):
        table.add_column(name, no_wrap="\n" not in name and i == 0)
    return table


def _counts(rows: list[Row], ours: bool) -> Iterator[str]:
    leaks = [r for r in rows if r["side"] == LEAK]
    yield _of(leaks, "accused")
    yield f"{sum(map(right, leaks))} of {len(leaks)}" if ours else ""
    yield _agreeing(leaks, "through") if ours else ""
    yield _agreeing(leaks, "depth") if ours else ""
    yield _of([r for r in rows if r["side"] == TWIN], "accused")
    yield _of([r for r in rows if r["side"] == RUN], "accused") if ours else ""
    yield str(sum(map(unanswered, rows)))
    yield str(sum(r["inconclusive"] and not r["accused"] and not unanswered(r) for r in rows)) if ours else ""
    yield f"{sum(r['seconds'] for r in rows):.0f}"


def _of(rows: list[Row], what: str) -> str:
    return f"{sum(r[what] for r in rows)} of {len(rows)}"


def _agreeing(leaks: list[Row], what: str) -> str:
    """How many of the caught leaks that declare it were told so."""
    told = [r for r in leaks if r["accused"] and r[f"expected_{what}"] not in ("", None)]
    return f"{sum(r[what] == r[f'expected_{what}'] for r in told)} of {len(told)}"


def misses(rows: list[Row]) -> list[str]:
    """A line for each wrong answer of ours, with its known reason and what the audit said, and for each honest strategy on
    which the audit broke."""
    ours = [row for row in rows if row["method"] in LEVELS]
    wrong = [_wrong(row) for row in ours if not right(row)]
    return wrong + [
        f"{row['method']}: {row['pair']}: the {row['side']} one has no answer. {row['why']}"
        for row in ours
        if row["side"] != LEAK and unanswered(row)
    ]


def _wrong(row: Row) -> str:
    said = f" It said: {row['why']}" if row["why"] else ""
    if row["side"] != LEAK:
        return f"{row['method']}: {row['pair']}: the {row['side']} one was ACCUSED.{said}"
    what = f"told as {row['layer']}, is {row['expected_layer']}" if row["accused"] else "missed"
    return f"{row['method']}: {row['pair']}: {what}: {reason(row['method'], row['pair'])}.{said}"


def against_bar(rows: list[Row], level: str) -> tuple[str, bool]:
    """In words and as such, whether a level reaches its bar: so many leaks on their layer, no twin, no honest run accused."""
    of_level = [row for row in rows if row["method"] == level]
    leaks = [row for row in of_level if row["side"] == LEAK]
    twins, runs = (sum(r["accused"] for r in of_level if r["side"] == side) for side in (TWIN, RUN))
    part, whole = SHARE[level]
    needed = -(-part * len(leaks) // whole)
    found = sum(map(right, leaks))
    met = found >= needed and not twins and not runs
    counts = f"{found} of {len(leaks)} on their layer (bar {needed}), {twins} twins accused (bar 0)"
    asked = sum(r["side"] == RUN for r in of_level)
    return (
        f"{level}: {counts}, {runs} of {asked} honest runs accused (bar 0): {'met' if met else 'MISSED'}",
        met,
    )


def nothing_new(rows: list[Row]) -> bool:
    """Whether no honest strategy is accused by the audit, and every miss of it is a known one."""
    wrong = [row for row in rows if row["method"] in LEVELS and not right(row)]
    return all(row["side"] == LEAK and row["pair"] in KNOWN[row["method"]] for row in wrong)


def totals(rows: list[Row], methods: list[str]) -> list[dict[str, Any]]:
    """The summary as plain values."""
    made = []
    for method in methods:
        of_method = [row for row in rows if row["method"] == method]
        made.append(dict(zip(HEADS, (method, *_counts(of_method, method in LEVELS)))))
    return made
