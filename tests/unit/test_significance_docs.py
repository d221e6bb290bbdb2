"""What docs/significance.md shows runs, and what it names exists."""

from __future__ import annotations

import re
from pathlib import Path

from backcast.engine.stats import significance

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "significance.md").read_text()


def test_its_python_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "docs/significance.md", "exec"), {})


def test_every_function_of_its_table_exists() -> None:
    rows = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    names = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert len(names) >= 14
    assert set(names) <= set(significance.__all__)
