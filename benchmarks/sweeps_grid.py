"""A grid of 1,000 cells over signal and portfolio parameters, 500 symbols x 2,520 sessions, in one process, against vectorbt.

    python benchmarks/sweeps_grid.py [--small]

Ours is all of `research.run`: the panel and features, 10 forecasts (5 look-backs of the signal x 2 horizons of the label, a
ridge regression fitted anew every year), 100 portfolios of each (25 quantiles x 2 sides x 2 sizes), daily decisions filled at
the next open with fees and spread, every cell in the trial log, then the best cell run again, audited (quick) and reported.
The data set is in the store and the kernels are compiled before the clock starts; its features are in no cache.

vectorbt has neither data, forecasts, log nor audit: it is given the very forecasts, ranks them, sizes the same weights, trades
them (`from_orders` at the next open with the same costs; cash shared; sells first) and takes equity, Sharpe ratio, drawdown,
fees and turnover, which are the figures of a row of our grid. It trades one cell a call, on one thread as it always does: it
takes the same time a cell for many a call, and the memory of all of them. It is timed on 20 cells spread over the grid, and
1,000 times their mean is its time. On those cells its equity must equal ours to 1e-9. Beside it stand our cells alone (the
stage `grid` of status.json: panel, features, forecasts, cells and their records), which is still more than its work, and,
under a name of its own, all of our run, with an audit, a page and the chance of luck that it has not.

Both clocks are of the wall. Processor seconds are printed beside, for a machine that others use too.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

os.environ["BACKCAST_HOME"] = tempfile.mkdtemp(prefix="backcast-grid-")  # before anything reads it

import numpy as np
import polars as pl
import vectorbt
from harness import record

from backcast.data import asof
from backcast.data.types import Floats
from backcast.engine import walkforward
from backcast.engine.cli import compose
from backcast.engine.configure import experiment
from backcast.engine.grid_cells import FORECAST, Cell, cells
from backcast.engine.pinned import Pinned, pin
from backcast.engine.research import run
from backcast.signals.types import Forecast

RATES = ("splits", "dividends", "delistings", "renames", "corrections", "late", "gaps", "halts", "listings")
"""What happens to real data, which vectorbt cannot express: none of it."""
LOOKBACKS, HORIZONS = (2, 5, 10, 20, 40), (1, 5)
TIMED = 20
PEER = f"vectorbt {vectorbt.__version__}"


def configuration(symbols: int, sessions: int) -> dict[str, Any]:
    """The run: what a researcher would give to `backcast run`."""
    made = compose([
        "dataset=synthetic", f"dataset.symbols={symbols}", f"dataset.sessions={sessions}",
        *[f"+dataset.rates.{rate}=0" for rate in RATES],
        "folds=yearly", "folds.first_fit=63", "folds.embargo=1", "folds.every=1", "model=ridge", "portfolio=rank",
        "study=bench", "job=grid", "threads=2",
    ])  # fmt: skip
    expressions = {"reversal": "", "score": "alpha", "volatility": "ts_std(returns(close, 1), 20)"}
    made["features"] = {"_target_": "backcast.signals.feature.FeatureSet", "expressions": expressions}
    expressions["reversal"] = _reversal(LOOKBACKS[0])
    made["grid"] = {
        "features.expressions.reversal": [_reversal(sessions) for sessions in LOOKBACKS],
        "label.horizon": list(HORIZONS),
        "portfolio.quantile": [round(0.01 * n, 2) for n in range(1, 26)],
        "portfolio.side": ["long_short", "long_only"],
        "portfolio.gross": [0.5, 1.0],
    }
    return made


def compile_kernels() -> None:
    """A run of two cells of a small market, as on a machine where backcast ran before."""
    config = configuration(20, 250)
    config["dataset"]["name"], config["grid"] = "small", {"portfolio.quantile": [0.1, 0.2]}
    with tempfile.TemporaryDirectory() as folder:
        run(config, Path(folder) / "run")


def _reversal(sessions: int) -> str:
    return f"cs_rank(close / ref(close, {sessions}) - 1)"


class Peer:
    """vectorbt's side of some cells, with the forecasts that ours made."""

    def __init__(self, pinned: Pinned, chosen: list[Cell]) -> None:
        self.panel = asof.load_panel(pinned.store, pinned.made.source.name, pinned.pin)
        market = asof.load_market(pinned.store, pinned.made.source.name, pinned.pin)
        self.open, self.close = (np.ascontiguousarray(market.field(name).T) for name in ("open", "close"))
        self.cells, self.costs = chosen, pinned.made.cost.rates()
        self.forecasts = {cell.key(FORECAST): self._forecast(pinned, cell) for cell in chosen}

    def _forecast(self, pinned: Pinned, cell: Cell) -> Forecast:
        made = experiment(cell.config)
        world = walkforward.observe(made, pinned.store, pinned.pin, 2)
        with tempfile.TemporaryDirectory() as folder:
            return walkforward.forecast(made, made.model, world, Path(folder), 2, lambda _: None).forecast

    def trade(self, cell: Cell) -> tuple[Floats, tuple[float, ...]]:
        """The equity (T,) of a cell, and the figures of its row."""
        forecast, sizing = self.forecasts[cell.key(FORECAST)], cell.config["portfolio"]
        weights = sized(forecast.mean, sizing["quantile"], sizing["gross"], sizing["side"])
        first = int(forecast.decisions[0]) + 1
        fills = forecast.decisions[forecast.decisions + 1 < len(self.close)] + 1
        size = np.full(self.close.shape, np.nan)
        size[fills] = weights[: len(fills)]
        price = self.open[first:]
        portfolio = vectorbt.Portfolio.from_orders(
            close=self.close[first:], size=size[first:], size_type="targetpercent", price=price, val_price=price,
            fees=float(self.costs.fees[0]), slippage=self.costs.half_spread, init_cash=cell.config["capital"],
            cash_sharing=True, group_by=True, call_seq="auto", freq="1D",
        )  # fmt: skip
        equity = np.asarray(portfolio.value()).ravel()
        orders = portfolio.orders.values
        traded = float((orders["size"] * orders["price"]).sum())
        figures = portfolio.sharpe_ratio(), portfolio.max_drawdown(), float(orders["fees"].sum()), traded
        return equity, figures


def sized(scores: Floats, quantile: float, gross: float, side: str) -> Floats:
    """(D, S) equal weights on the best and against the worst by complete rows of scores, as vectorbt's users make them."""
    place = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)
    count = max(1, int(quantile * scores.shape[1]))
    each = gross / (2 * count if side == "long_short" else count)
    weights = np.where(place < count, each, 0.0)
    return np.where(place >= scores.shape[1] - count, -each, weights) if side == "long_short" else weights


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--small", action="store_true", help="a tenth of the symbols and sessions")
    parser.add_argument("--rounds", type=int, default=1, help="runs of the whole grid, the quickest counts")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", module="vectorbt")
    symbols, sessions = (50, 252) if options.small else (500, 2520)
    config = configuration(symbols, sessions)
    pinned, made = pin(experiment(config), config), cells(config)
    compile_kernels()
    with tempfile.TemporaryDirectory() as folder:
        seconds, processor, cells_alone = [], [], []
        for number in range(options.rounds):
            begin, used = time.perf_counter(), time.process_time()
            found = run({**config, "cache": {"max_gib": 0}}, Path(folder) / str(number))
            seconds.append(time.perf_counter() - begin)
            processor.append(time.process_time() - used)
            status = json.loads((found.folder / "status.json").read_text())
            cells_alone.append(status["timings"]["grid"])
        table = pl.read_parquet(found.folder / "grid.parquet")
    ours = min(seconds)
    theirs, theirs_used, equal = against(Peer(pinned, made[:: len(made) // TIMED]), table)
    whole = theirs * len(made)
    print(f"processor seconds: ours {processor[seconds.index(ours)]:.1f}, {PEER} {theirs_used * len(made):.1f}; "
          f"{theirs:.3f} s a cell")  # fmt: skip
    equal &= not any(table["error"])
    size = f"sweeps/grid_{len(made)}/{symbols}x{sessions}"
    record(size, ours, bar=None if options.small else 60, equal=equal)
    bar = None if options.small else 20
    record(f"{size}/vectorbt", min(cells_alone), whole, PEER, bar=bar, equal=equal)
    record(f"{size}/vectorbt_against_the_whole_run", ours, whole, PEER, bar=bar, equal=equal)


def against(peer: Peer, table: pl.DataFrame) -> tuple[float, float, bool]:
    """vectorbt's mean seconds a cell, of the wall and of the processor, and whether every equity is that of our row."""
    peer.trade(peer.cells[0])  # compiled
    begin, used = time.perf_counter(), time.process_time()
    found = [peer.trade(cell) for cell in peer.cells]
    seconds, processor = time.perf_counter() - begin, time.process_time() - used
    seen = [table.row(cell.number, named=True)["final_equity"] for cell in peer.cells]
    equal = bool(np.allclose([equity[-1] for equity, _ in found], seen, rtol=1e-9, atol=0.0))
    return seconds / len(found), processor / len(found), equal


if __name__ == "__main__":
    main()
