"""Alpha158 beside qlib's own output: python tests/real/alpha158.py DATA, a folder that holds reference/alpha158.

Eight small symbols with gaps, flat stretches, ties, prices near 1e-4 and near 3e5, a late listing and days without volume.
Every column must have qlib's cells unknown and qlib's values within the digits that its float32 keeps.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl

from backcast.data.types import Clock, Floats, Panel, Revisions
from backcast.signals.alpha158 import NAMES, Alpha158

FIELDS = ("open", "high", "low", "close", "vwap", "volume", "factor")
LOOSE = {
    "CORR": (0.0, 5e-5),
    "CORD": (0.0, 5e-5),
    "WVMA": (2e-3, 1e-7),
}  # (rtol, atol); float32 before the window
USUAL = (2e-7, 1e-7)


def panel_of(bars: pl.DataFrame) -> tuple[Panel, np.ndarray, np.ndarray]:
    """The bars as a panel of raw prices, and the (symbol, row) of every bar in the order of the frame."""
    days, symbols = bars["date"].unique().sort(), bars["symbol"].unique().sort()
    s, t = symbols.search_sorted(bars["symbol"]).to_numpy(), days.search_sorted(bars["date"]).to_numpy()
    values = np.full((len(FIELDS), len(symbols), len(days)), np.nan)
    for f, field in enumerate(FIELDS):
        values[f, s, t] = bars[field].cast(pl.Float64).to_numpy()
    at = days.to_numpy().astype("datetime64[us]")
    clock = Clock("XSHG", at.astype("datetime64[D]"), at, at, at, np.arange(len(at)), 252.0)
    none = np.zeros(0, dtype=np.int64)
    revisions = Revisions(none, none, none, at[:0], none, np.zeros(0))
    member = np.ones(values.shape[1:], dtype=bool)
    return Panel(FIELDS, tuple(symbols), clock, values, member, revisions, "raw", 0.0), s, t


def used(ours: Floats, theirs: Floats, name: str) -> float:
    """The largest difference as a share of what is allowed; infinite where other cells are unknown."""
    rtol, atol = LOOSE.get(name.rstrip("0123456789"), USUAL)
    if not np.array_equal(np.isnan(ours), np.isnan(theirs)):
        return np.inf
    allowed = atol + rtol * np.abs(theirs)
    return float(np.nanmax(np.abs(ours - theirs) / allowed, initial=0.0))


def main() -> int:
    folder = Path(sys.argv[1]) / "reference" / "alpha158"
    bars = pl.read_parquet(folder / "input_edge.parquet").sort("symbol", "date")
    truth = pl.read_parquet(folder / "alpha158_edge.parquet")
    panel, s, t = panel_of(bars)
    made = Alpha158().compile(panel.fields, panel.price_basis).evaluate(panel)
    assert tuple(truth.columns[2:]) == NAMES == made.names, "qlib's columns, in its order"
    assert truth["symbol"].equals(bars["symbol"]) and truth["date"].equals(bars["date"]), "the same rows"
    theirs = truth.select(NAMES).to_numpy().astype(float)
    shares = {name: used(made.values[f, s, t], theirs[:, f], name) for f, name in enumerate(NAMES)}
    worst = sorted(shares, key=lambda name: -shares[name])
    print(f"{len(NAMES)} columns x {len(truth)} rows, {int(np.isnan(theirs).sum())} cells unknown in both")
    for name in worst[:5]:
        print(f"  {name}: {shares[name]:.3g} of the tolerance")
    wrong = [name for name in NAMES if not shares[name] <= 1]
    print("right" if not wrong else f"WRONG: {', '.join(wrong)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
