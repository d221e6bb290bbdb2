"""Runs the benchmarks of an area, or all of them, and prints one table with the bars missed on top.

python benchmarks/bench.py [AREA]     the files whose names begin with AREA, such as `simulator`
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from harness import RESULTS, described

HERE = Path(__file__).parent
NOT_BENCHMARKS = ("bench.py", "harness.py", "arcticdb_peer.py", "worlds.py", "worlds_chart.py")


def main() -> int:
    area = sys.argv[1] if len(sys.argv) > 1 else ""
    every = [p for p in sorted(HERE.glob("*.py")) if p.name not in NOT_BENCHMARKS]
    files = [p for p in every if p.name.startswith(area)]
    if not files:
        areas = sorted({p.name.split("_")[0] for p in every})
        print(f"error: AREA = {area!r}: expected one of {', '.join(areas)}", file=sys.stderr)
        return 2
    RESULTS.unlink(missing_ok=True)
    failed = [
        p.name for p in files if subprocess.run([sys.executable, str(p)], cwd=HERE, check=False).returncode
    ]
    lines = [json.loads(text) for text in RESULTS.read_text().splitlines()] if RESULTS.exists() else []
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    print(
        f"\n{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}"
    )
    for line in sorted(lines, key=lambda one: (one["met"], one["claim"])):
        print(described(line))
    for name in failed:
        print(f"FAILED to run: {name}")
    print(f"{sum(one['met'] for one in lines)} of {len(lines)} claims met. Written: {RESULTS}")
    return 1 if failed or not all(one["equal"] for one in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
