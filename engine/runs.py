"""A run is a folder: how its files are written, and how a folder is read back.

Each file appears by rename and `status.json` last, so that a folder with a status is whole and one without is not.
"""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from backcast.data.durable import write_text
from backcast.data.errors import InputError
from backcast.data.types import Clock, Floats, Ints
from backcast.engine.sessions import compounded, first_bars
from backcast.engine.types import ORDERS, SHARES, WEIGHTS, Account, Events, Targets
from backcast.signals.types import QUANTILES, Fold, Forecast
from backcast.signals.validation import Split

PACKAGES = (
    "numpy",
    "numba",
    "polars",
    "duckdb",
    "deltalake",
    "lightgbm",
    "torch",
    "pytorch-forecasting",
    "vectorbt",
)
FORMAT = 2
"""Of a run folder, in its manifest: raised when a reader of older ones would be wrong."""

FILL_COSTS = ("fee", "spread", "impact")
"""What a fill costs, by kind."""
COSTS = (*FILL_COSTS, "borrow")
"""What a session costs, by kind: the difference of gross and net."""
FLOWS = ("dividend", "interest", "deposit")
"""What comes in beside the prices, or goes out where negative."""
ACCOUNT = ("equity", "cash", "owed", "gross_return", "net_return", "turnover", *COSTS, *FLOWS)
"""The columns of account.parquet beside its session."""
TARGET_COLUMNS = {WEIGHTS: "weight", SHARES: "shares", ORDERS: "order"}
"""What the column of targets.parquet is called, by their kind."""

NEVER = np.datetime64("NaT", "us")
LEVELS = [f"q{round(q * 100):02d}" for q in QUANTILES]


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run."""

    path: Path

    @staticmethod
    def create(path: Path) -> RunFolder:
        """A new run folder. Errors: InputError where one with a finished run is there already."""
        if (path / "status.json").exists():
            raise InputError(
                "job", str(path), "a folder without a finished run", "Choose another job= or study=."
            )
        path.mkdir(parents=True, exist_ok=True)
        return RunFolder(path)

    @staticmethod
    def open(path: Path) -> RunFolder:
        """A folder with a whole run. Errors: InputError for anything else."""
        if not path.is_dir():
            raise InputError("RUN", str(path), "a run folder (runs/STUDY/JOB)")
        folder = RunFolder(path)
        if not (path / "status.json").exists():
            raise InputError(
                "RUN", str(path), "a finished run", "It has no status.json: it is running or was killed."
            )
        status = folder.read_json("status.json")
        if status.get("state") != "done":
            raise InputError(
                "RUN", str(path), "a run that succeeded", f"It failed: {status.get('error', '')}"
            )
        check_format(path, folder.read_json("manifest.json"))
        return folder

    def inside(self, name: str) -> RunFolder:
        """A folder within this one, for a challenger's files."""
        path = self.path / name
        path.mkdir(parents=True, exist_ok=True)
        return RunFolder(path)

    def write_json(self, name: str, value: Any) -> None:
        write_text(self.path / name, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")

    def write_yaml(self, name: str, value: Any) -> None:
        write_text(self.path / name, yaml.safe_dump(value, sort_keys=False))

    def write_table(self, name: str, frame: pl.DataFrame) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        frame.write_parquet(partial)
        partial.rename(path)

    def read_json(self, name: str) -> Any:
        return self._parse(name, json.loads)

    def read_yaml(self, name: str) -> Any:
        return self._parse(name, yaml.safe_load)

    def read_table(self, name: str) -> pl.DataFrame:
        try:
            return pl.read_parquet(self.path / name)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise InputError(
                str(self.path / name), str(error), "a readable Parquet file", "Run it again."
            ) from error

    def _parse(self, name: str, parse: Any) -> Any:
        try:
            return parse((self.path / name).read_text())
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise InputError(
                str(self.path / name), str(error), "a readable file of a run", "Run it again."
            ) from error


def check_format(path: Path, manifest: Any) -> None:
    """Errors: InputError for a run folder of another format than this version's."""
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if found != FORMAT:
        hint = "Another version of backcast made it: run its config.yaml again, or use that version."
        raise InputError(f"format of {path}", found, f"a run folder of format {FORMAT}", hint)


def utc(instants: Any) -> pl.Series:
    """Instants as a UTC column."""
    return pl.Series(np.asarray(instants).astype("datetime64[us]")).dt.replace_time_zone("UTC")


def fold_table(folds: Sequence[Fold], counts: Sequence[dict[str, int]], clock: Clock) -> pl.DataFrame:
    """A row a fold: when it was fitted, on which decisions, and which decisions it served. Of a cross-validation also
    which groups it was tested on, and how many rows the embargo kept out."""
    decided = clock.decides_at
    splits = [f for f in folds if isinstance(f, Split)]
    more = {"test_groups": [np.unique(f.group).tolist() for f in splits],
            "embargoed_rows": [c.get("embargoed", 0) for c in counts]} if splits else {}  # fmt: skip
    return pl.DataFrame(
        {
            "fold": [f.number for f in folds],
            "fit_at": utc([decided[f.fit_at] for f in folds]),
            "train_start": utc([decided[f.train[0]] if len(f.train) else NEVER for f in folds]),
            "train_end": utc([decided[f.train[-1]] if len(f.train) else NEVER for f in folds]),
            "train_rows": [c["rows"] for c in counts],
            "purged_rows": [c["purged"] for c in counts],
            "test_start": utc([decided[f.test[0]] for f in folds]),
            "test_end": utc([decided[f.test[-1]] for f in folds]),
            "test_decisions": [len(f.test) for f in folds],
            "embargo": [f.embargo for f in folds],
            **more,
        }
    )


def forecast_table(forecast: Forecast, clock: Clock, horizon: int) -> pl.DataFrame:
    """A row a forecast that was made; none where a symbol had none."""
    d, s = np.nonzero(np.isfinite(forecast.mean))
    frame = {
        "decided_at": utc(clock.decides_at[forecast.decisions[d]]),
        "symbol": np.array(forecast.symbols, dtype=object)[s].tolist(),
        "horizon": np.full(len(d), horizon, dtype=np.int32),
        "fold": forecast.fold[d],
        "mean": forecast.mean[d, s],
    }
    return pl.DataFrame({**frame, **{name: forecast.quantiles[d, s, q] for q, name in enumerate(LEVELS)}})


def target_table(targets: Targets, clock: Clock) -> pl.DataFrame:
    """A row a target that was set, in the unit of its kind; none where a symbol was left alone."""
    d, s = np.nonzero(np.isfinite(targets.weights))
    return pl.DataFrame(
        {
            "decided_at": utc(clock.decides_at[targets.decisions[d]]),
            "symbol": np.array(targets.symbols, dtype=object)[s].tolist(),
            TARGET_COLUMNS[targets.kind]: targets.weights[d, s],
        },
        schema_overrides={"symbol": pl.String},
    )


def read_targets(frame: pl.DataFrame, clock: Clock, symbols: tuple[str, ...]) -> Targets:
    """The targets that a table holds, on the axes of a panel; NaN where it has no row."""
    instants = frame["decided_at"].dt.replace_time_zone(None).to_numpy()
    decided = np.unique(instants)
    weights = np.full((len(decided), len(symbols)), np.nan)
    columns = {symbol: i for i, symbol in enumerate(symbols)}
    unknown = sorted(set(frame["symbol"]) - set(symbols))
    kinds = [kind for kind, column in TARGET_COLUMNS.items() if column in frame.columns]
    index = np.searchsorted(clock.decides_at, decided)
    if (
        unknown
        or len(kinds) != 1
        or (index >= len(clock)).any()
        or (clock.decides_at[np.minimum(index, len(clock) - 1)] != decided).any()
    ):
        raise InputError(
            "targets.parquet",
            unknown[:3],
            "symbols and decisions of the run's pinned data",
            "The store does not hold what the run was made from.",
        )
    values = frame[TARGET_COLUMNS[kinds[0]]].to_numpy()
    weights[np.searchsorted(decided, instants), [columns[s] for s in frame["symbol"]]] = values
    return Targets(index.astype(np.int64), symbols, weights, kinds[0])


def read_forecast(
    frame: pl.DataFrame, clock: Clock, symbols: tuple[str, ...], decisions: Ints, fold: Ints
) -> Forecast:
    """The forecasts that a table holds, on the axes of a panel and of the folds' decisions; NaN where it has no row."""
    columns = {symbol: i for i, symbol in enumerate(symbols)}
    instants = frame["decided_at"].dt.replace_time_zone(None).to_numpy()
    d = np.searchsorted(clock.decides_at[decisions], instants)
    s = np.array([columns.get(symbol, -1) for symbol in frame["symbol"]], dtype=np.int64)
    inside = d < len(decisions)
    if (s < 0).any() or not inside.all() or (clock.decides_at[decisions[d]] != instants).any():
        raise InputError(
            "forecasts.parquet",
            frame.height,
            "symbols and decisions of the run's pinned data",
            "The store does not hold what the run was made from.",
        )
    values = np.full((len(decisions), len(symbols), 1 + len(LEVELS)), np.nan)
    values[d, s] = frame.select("mean", *LEVELS).to_numpy()
    return Forecast(decisions, symbols, values[:, :, 0], values[:, :, 1:], fold)


def fill_table(account: Account, clock: Clock, filled_at: Any) -> pl.DataFrame:
    """The fill log, costs by kind; `decided_at` is null for what the engine did on its own: a forced exit, a margin call."""
    fills = account.fills
    decided = np.where(fills.decided >= 0, clock.decides_at[fills.decided], np.datetime64("NaT"))
    return pl.DataFrame(
        {
            "decided_at": utc(decided),
            "filled_at": utc(filled_at[fills.session]),
            "symbol": np.array(account.symbols, dtype=object)[fills.symbol].tolist(),
            "quantity": fills.quantity,
            "price": fills.price,
            **{name: getattr(fills, name) for name in FILL_COSTS},
        },
        schema_overrides={"symbol": pl.String},
    )


def account_table(account: Account, clock: Clock) -> pl.DataFrame:
    """The account at each session's close, with what came in and went out by kind; intraday at each bar's, with the instant
    `closed_at`."""
    columns = {name: getattr(account, name) for name in ACCOUNT}
    closed = {"closed_at": utc(clock.closes_at[account.sessions])} if clock.intraday else {}
    return pl.DataFrame(
        {"session": clock.sessions[account.sessions].astype("datetime64[ms]"), **closed, **columns}
    ).with_columns(pl.col("session").cast(pl.Date))


def event_table(events: Events, clock: Clock, symbols: tuple[str, ...]) -> pl.DataFrame:
    """What the engine did on its own, a row each."""
    return pl.DataFrame(
        {
            "session": pl.Series(clock.sessions[events.session].astype("datetime64[ms]")).cast(pl.Date),
            "symbol": [symbols[i] if i >= 0 else "" for i in events.symbol],
            "kind": list(events.kind),
            "detail": list(events.detail),
        },
        schema_overrides={"symbol": pl.String, "kind": pl.String, "detail": pl.String},
    )


def benchmark_table(closes: Floats, account: Account, clock: Clock) -> pl.DataFrame:
    """The benchmark's return on each session of the account."""
    previous = np.maximum(account.sessions - 1, 0)
    returns = closes[account.sessions] / closes[previous] - 1
    returns[account.sessions == 0] = 0.0
    days = clock.sessions[account.sessions]
    frame = pl.DataFrame(
        {"session": days[first_bars(days)].astype("datetime64[ms]"), "ret": compounded(days, returns)}
    )
    return frame.with_columns(pl.col("session").cast(pl.Date))


def packages() -> dict[str, str]:
    """The versions of what can change a result."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def code_version() -> dict[str, str]:
    """The package's version, and the commit where the code runs from a checkout."""
    here = Path(__file__).resolve().parent
    git = subprocess.run(
        ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12"],
        capture_output=True,
        text=True,
        check=False,
    )
    in_checkout = git.returncode == 0 and (here.parent / "pyproject.toml").exists()
    return {
        "version": importlib.metadata.version("backcast"),
        "git": git.stdout.strip() if in_checkout else "",
    }
