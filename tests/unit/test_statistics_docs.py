"""docs/statistics.md lists every statistic with its unit and its convention, word for word, and none that is not there."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from pathlib import Path

from backcast.engine import stats
from backcast.engine.stats.figure import Convention

DOCS = Path(__file__).resolve().parents[2] / "docs" / "statistics.md"


def conventions() -> list[Convention]:
    """Every one that a module of engine/stats defines, in the order of modules and names."""
    found: dict[str, Convention] = {}
    for module in pkgutil.iter_modules(stats.__path__):
        for value in vars(importlib.import_module(f"backcast.engine.stats.{module.name}")).values():
            several = value.values() if isinstance(value, dict) else [value]
            found |= {one.name + one.text: one for one in several if isinstance(one, Convention)}
    return list(found.values())


def test_a_statistic_has_one_convention() -> None:
    counts = Counter(one.name for one in conventions())
    assert [name for name, count in counts.items() if count > 1] == []
    assert len(counts) > 80


def test_every_convention_is_written_down() -> None:
    lines = [
        line for line in DOCS.read_text().splitlines() if line.startswith("| `") and line.count("|") == 4
    ]
    listed = lines[: len(lines)]
    wanted = [f"| `{one.name}` | {one.unit} | {one.text} |" for one in conventions()]
    assert sorted(set(wanted) - set(listed)) == []
    names = {line.split("`")[1] for line in listed}
    assert sorted(names - {one.name for one in conventions()}) == []
