"""What a run's statistics need from its pinned store, gathered once into its folder: from then on they are a pure function of
the folder.

`statistics/outcomes.parquet`: a row a decision and member, with the return that a decision of each horizon (`h5`: five bars)
got from its fill to the fill that ends it, by prices as known at the account's end; null where that lies beyond the data.
`statistics/context.parquet`: a row a session of the account: gross, net, long and short exposure at the close over equity, the
number of names held, and `market`, the equal-weighted return of the session before's members.
`statistics/again.parquet`: see `engine/stats/capacity.py`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from backcast.data import asof
from backcast.data.errors import InputError
from backcast.data.types import Floats, Ints, Panel
from backcast.engine import holdout, runs, walkforward
from backcast.engine.configure import Experiment, experiment
from backcast.engine.reconcile import held_shares
from backcast.engine.runs import RunFolder
from backcast.engine.sessions import compounded, first_bars
from backcast.engine.stats import capacity
from backcast.engine.types import Account, Plan
from backcast.signals.labels import ForwardReturn

FOLDER = "statistics"
OUTCOMES, CONTEXT, AGAIN = (f"{FOLDER}/{name}.parquet" for name in ("outcomes", "context", "again"))
HORIZONS = (1, 2, 5, 10, 21, 63)
"""In bars, beside the label's own."""
EXPOSURES = ("gross", "net", "long", "short", "names")
TOLERANCE = 1e-9


def gather(folder: Path) -> list[str]:
    """Writes the three tables; their names. Errors: InputError for a broken folder, or a store that no longer gives the run's
    own account."""
    run = RunFolder.open(folder)
    config, manifest = run.read_yaml("config.yaml"), run.read_json("manifest.json")
    made, pin = experiment(config), manifest["store"]["pin"]
    store = holdout.store_of(made)
    panel = asof.load_panel(store, made.source.name, pin)
    market = asof.load_market(store, made.source.name, pin)
    targets = runs.read_targets(run.read_table("targets.parquet"), panel.clock, panel.symbols)
    plan = made.execution.plan(panel, market, targets, made.cost)
    account = walkforward.simulate(made, panel, market, targets)
    _check_same(run, account)
    end = panel.clock.decides_at[account.sessions[-1]]
    values = asof.as_known(panel, end)
    delistings = asof.delisted_by(asof.delistings(store, made.source.name, pin), end)
    decisions = _decisions(run, panel, targets.decisions)
    run.write_table(OUTCOMES, _outcomes(made, panel, values, delistings, decisions))
    run.write_table(CONTEXT, _context(panel, values, plan, account))
    run.write_table(AGAIN, capacity.simulated_again(made, panel, market, targets))
    return [OUTCOMES, CONTEXT, AGAIN]


def _check_same(run: RunFolder, account: Account) -> None:
    recorded = run.read_table("account.parquet")["equity"].to_numpy()
    same = len(recorded) == len(account.equity) and np.allclose(
        account.equity, recorded, rtol=TOLERANCE, atol=TOLERANCE * account.capital
    )
    if not same:
        raise InputError(
            str(run.path / "account.parquet"),
            "another account",
            "the one that the run's targets give on its pinned data",
            "`backcast verify` says where they differ.",
        )


def _decisions(run: RunFolder, panel: Panel, targeted: Ints) -> Ints:
    """Indices of all decisions that forecast or set a target."""
    forecasts = run.read_table("forecasts.parquet")["decided_at"].unique()
    at = np.searchsorted(panel.clock.decides_at, np.sort(forecasts.dt.replace_time_zone(None).to_numpy()))
    return np.union1d(at, targeted).astype(np.int64)


def _outcomes(
    made: Experiment,
    panel: Panel,
    values: Floats,
    delistings: dict[str, tuple[int, float]],
    decisions: Ints,
) -> pl.DataFrame:
    fills = made.execution.fill_table(values, panel, delistings)
    horizons = sorted({*HORIZONS, made.label.horizon})
    d, s = np.nonzero(panel.member[:, decisions].T)
    columns = {
        f"h{h}": ForwardReturn(h).build(fills).values[:, decisions].T[d, s]
        for h in horizons
        if h < len(panel.clock)
    }
    frame = pl.DataFrame(
        {
            "decided_at": runs.utc(panel.clock.decides_at[decisions[d]]),
            "session": panel.clock.sessions[decisions[d]].astype("datetime64[ms]"),
            "bar": decisions[d],
            "symbol": np.array(panel.symbols, dtype=object)[s].tolist(),
            **columns,
        },
        nan_to_null=True,
        schema_overrides={"symbol": pl.String},
    )
    return frame.with_columns(pl.col("session").cast(pl.Date))


def _context(panel: Panel, values: Floats, plan: Plan, account: Account) -> pl.DataFrame:
    """By session, exposures at its last bar."""
    worth = held_shares(plan, account) * np.nan_to_num(plan.mark_price)
    equity = np.where(account.equity > 0, account.equity, np.nan)
    long, short = (np.maximum(sign * worth, 0.0).sum(axis=1) / equity for sign in (1.0, -1.0))
    rows = {"gross": long + short, "net": long - short, "long": long, "short": short}
    names = (np.abs(worth) > TOLERANCE * account.capital).sum(axis=1).astype(np.float64)
    days = panel.clock.sessions[account.sessions]
    starts = first_bars(days)
    last = np.r_[starts[1:], len(days)] - 1
    frame = {name: row[last] for name, row in {**rows, "names": names}.items()}
    market = compounded(days, np.nan_to_num(_market(panel, values))[account.sessions])
    sessions = {"session": days[starts].astype("datetime64[ms]")}
    return pl.DataFrame({**sessions, **frame, "market": market}, nan_to_null=True).with_columns(
        pl.col("session").cast(pl.Date)
    )


def _market(panel: Panel, values: Floats) -> Floats:
    """(T,) mean return of the names that were members a bar before; NaN where none has one."""
    closes = values[panel.fields.index("close")]
    found = np.full(closes.shape, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        found[:, 1:] = closes[:, 1:] / closes[:, :-1] - 1
    counted = np.zeros(found.shape, dtype=bool)
    counted[:, 1:] = panel.member[:, :-1] & np.isfinite(found[:, 1:])
    count = counted.sum(axis=0)
    total = np.where(counted, found, 0.0).sum(axis=0)
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
