"""What the audit costs: its time over that of the backtest that it audits, at both levels.

Each run is a whole `backcast run` in this process after a first one that warms everything (compiled kernels, processes,
files), so that the backtest has no start-up to hide an audit behind. Both times are from the same run's `status.json`: the
audit's against the sum of everything else (prices and features, fits and forecasts, simulation, report). Medians of three runs.

    python benchmarks/audit_cost.py [case ...]       # all cases by default; tft is the long one
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from harness import record

from backcast.engine.cli import compose
from backcast.engine.research import run

BARS = {"quick": 1.0, "full": 10.0}
WIDE = ("dataset=synthetic", "dataset.name=wide", "dataset.symbols=500", "dataset.sessions=750", "features=ohlcv",
        "folds=monthly", "folds.first_fit=500")  # fmt: skip
SMALL = ("model.encoder_length=5", "model.hidden_size=4", "model.hidden_continuous_size=2", "model.epochs=1",
         "challengers=none")  # fmt: skip
CASES = {
    "us20_ridge": ("dataset=us20", "model=ridge"),
    "us20_lightgbm": ("dataset=us20", "model=lightgbm"),
    "sp500_ridge": ("dataset=sp500_2009", "model=ridge"),
    "sp500_lightgbm": ("dataset=sp500_2009", "model=lightgbm"),
    "500x750_ridge": (*WIDE, "model=ridge"),
    "500x750_lightgbm": (*WIDE, "model=lightgbm"),
    "sp500_tft": ("dataset=sp500_2009", "model=tft", *SMALL),
}
ROUNDS = 3


def shares(level: str, overrides: tuple[str, ...], folder: Path) -> list[float]:
    """Of each round but the first, which warms up, the audit's time over that of the rest; the audit must have passed."""
    found = []
    for n in range(ROUNDS + 1):
        place = folder / f"{level}-{n}"
        config = compose([*overrides, f"audit={level}", "cache.max_gib=0", "study=bench", f"job={level}{n}"])
        run(config, place)
        if not json.loads((place / "audit.json").read_text())["passed"]:
            raise SystemExit(f"The audit of an honest run failed: {place}")
        taken = json.loads((place / "status.json").read_text())["timings"]
        audit = taken.pop("audit")
        found.append(audit / sum(taken.values()))
        print(f"  {level} {n}: audit {audit:.2f} s, the rest {sum(taken.values()):.2f} s", flush=True)
    return found[1:]


def main(wanted: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        os.environ["BACKCAST_HOME"] = str(Path(name) / "home")
        for case in wanted or list(CASES):
            print(case, flush=True)
            for level, bar in BARS.items():
                taken = shares(level, CASES[case], Path(name) / case)
                record(f"audit/{level}/{case}", statistics.median(taken), unit="x", bar=bar)


if __name__ == "__main__":
    main(sys.argv[1:])
