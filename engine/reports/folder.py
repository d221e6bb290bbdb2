"""What a report is made of: the files of a run folder, read and checked before anything is computed from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from backcast.data.errors import InputError
from backcast.data.types import Floats
from backcast.engine.reports.audited import Audited, audited
from backcast.engine.runs import ACCOUNT, COSTS, FILL_COSTS, RunFolder, check_format
from backcast.engine.sessions import compounded, first_bars, summed
from backcast.engine.stats.paths import NAME as PATHS
from backcast.engine.stats.paths import PathSharpes, is_cross_validated, path_sharpes

AGAIN = "The run was cut off or its files were changed: run it again in a new folder."
MANIFEST = ("format", "run", "capital", "dataset", "store", "model", "challengers", "periods_per_year", "costs",
            "execution", "config_sha", "code", "coverage")  # fmt: skip
FOLDS = ("fit_at", "train_rows", "purged_rows", "test_start", "test_end", "test_decisions", "embargo")


@dataclass(frozen=True)
class Track:
    """One account, (T,) each: sessions datetime64[D] ascending, simple returns per session, traded value over equity; flows:
    by kind what a session cost (at least 0), and what dividends and interest brought, as shares of the equity at its start.

    Ends with the session in which the equity was lost, where it was: `bankrupt`. paid_in, taken_out: in currency, in all.
    """

    name: str
    sessions: npt.NDArray[Any]
    net: Floats
    gross: Floats
    turnover: Floats
    bankrupt: bool
    flows: dict[str, Floats] = field(default_factory=dict)
    paid_in: float = 0.0
    taken_out: float = 0.0

    @property
    def before_trading(self) -> Floats:
        """(T,) returns before what trading costs; holding a short position still does."""
        return self.gross - self.flows["borrow"] if "borrow" in self.flows else self.gross

    @property
    def charged_bps(self) -> float:
        """What a unit traded cost, in basis points: fees, spread and impact over traded value; NaN without trades."""
        traded = float(self.turnover.sum())
        spent = sum(float(self.flows[kind].sum()) for kind in FILL_COSTS if kind in self.flows)
        return spent / traded * 1e4 if traded > 0 else float("nan")


@dataclass(frozen=True)
class Evidence:
    """The files of one run. benchmark (T,) returns on the strategy's sessions, None where the run has none; haircuts:
    net returns (T,) of the same targets by what was not got for vanished holdings, empty where there were none; paths: of a
    cross-validation, None for a walk forward."""

    manifest: dict[str, Any]
    trials: dict[str, Any]
    audit: Audited
    folds: pl.DataFrame
    events: dict[str, int]
    strategy: Track
    challengers: tuple[Track, ...]
    benchmark: Floats | None
    haircuts: dict[float, Floats]
    paths: PathSharpes | None = None


def read_evidence(path: Path) -> Evidence:
    """Reads a run folder. Errors: InputError naming the file that is missing, broken or not of a whole run."""
    if not path.is_dir():
        raise InputError(
            "RUN", str(path), "a run folder (runs/STUDY/JOB)", "Name a folder that a run has made."
        )
    folder = RunFolder(path)
    _refuse_failed(folder)
    check_format(path, folder.read_json("manifest.json"))
    manifest = _mapping(folder, "manifest.json", MANIFEST)
    capital = float(manifest["capital"])
    folds = _table(folder, "folds.parquet", FOLDS).sort("test_start")
    if folds.height == 0:
        raise InputError(str(path / "folds.parquet"), 0, "at least one fold", AGAIN)
    begins = folds["test_start"][0].date()
    strategy = _track(folder, str(manifest["model"]), begins, capital)
    challengers = tuple(
        _track(RunFolder(path / "challengers" / name), name, begins, capital)
        for name in manifest["challengers"]
    )
    return Evidence(
        manifest,
        _trials(folder),
        audited(folder.read_json("audit.json")),
        folds,
        _events(folder),
        strategy,
        challengers,
        _benchmark(folder, strategy),
        _haircuts(folder),
        _paths(folder, manifest),
    )


def _refuse_failed(folder: RunFolder) -> None:
    """A failed run has no result. (While a run reports on itself it has no status yet.)"""
    if (folder.path / "status.json").exists():
        status = _mapping(folder, "status.json", ("state",))
        if status["state"] != "done":
            raise InputError(str(folder.path / "status.json"), status["state"], "a run that succeeded",
                             f"It failed: {status.get('error', '')}")  # fmt: skip


def _mapping(folder: RunFolder, name: str, keys: tuple[str, ...]) -> dict[str, Any]:
    value = folder.read_json(name)
    missing = [k for k in keys if k not in value] if isinstance(value, dict) else list(keys)
    if missing:
        raise InputError(str(folder.path / name), missing, "a file with these keys", AGAIN)
    found: dict[str, Any] = value
    return found


def _table(folder: RunFolder, name: str, columns: tuple[str, ...]) -> pl.DataFrame:
    frame = folder.read_table(name)
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise InputError(str(folder.path / name), missing, "a table with these columns", AGAIN)
    return frame


def _events(folder: RunFolder) -> dict[str, int]:
    """How many of each kind. What a planned end paid out is one thing: the plan's row says why, the simulator's how much."""
    events = _table(folder, "events.parquet", ("session", "symbol", "kind"))
    planned = events.filter(pl.col("kind").is_in(["vanished", "delisted", "merged"])).select(
        "session", "symbol"
    )
    paid = pl.col("kind") == "cash_exit"
    told = events.filter(paid).join(planned, on=["session", "symbol"], how="anti")
    counts = pl.concat([events.filter(~paid)["kind"], told["kind"]]).value_counts().sort("kind")
    return dict(counts.iter_rows())


def _trials(folder: RunFolder) -> dict[str, Any]:
    trials = _mapping(folder, "trials.json", ("n", "sharpe_variance"))
    if not isinstance(trials["n"], int) or trials["n"] < 1:
        raise InputError(
            str(folder.path / "trials.json"), trials["n"], "n of at least 1: this run's own trial", AGAIN
        )
    _check_luck(folder, trials.get("luck", {}))
    return trials


def _check_luck(folder: RunFolder, luck: Any) -> None:
    """What decides the verdict is not taken on a broken word."""
    where = f"luck in {folder.path / 'trials.json'}"
    if not isinstance(luck, dict):
        raise InputError(where, luck, "a mapping", AGAIN)
    for name, value in luck.items():
        whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        share = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
        if not (value is None or share if name == "p" else whole):
            expected = "a probability or null" if name == "p" else "a whole number of at least 0"
            raise InputError(f"{where}: {name}", value, expected, AGAIN)


def _track(folder: RunFolder, name: str, begins: Any, capital: float) -> Track:
    """An account that starts no earlier than the first out-of-sample decision."""
    frame = _table(folder, "account.parquet", ("session", *ACCOUNT))
    where = str(folder.path / "account.parquet")
    if frame.height == 0:
        raise InputError(where, 0, "at least one session", AGAIN)
    sessions = frame["session"].to_numpy().astype("datetime64[D]")
    if (
        np.diff(frame["closed_at" if "closed_at" in frame.columns else "session"].to_numpy()).astype(int) <= 0
    ).any():
        raise InputError(where, "session", "dates in ascending order, each once", AGAIN)
    if sessions[0] < np.datetime64(begins, "D"):
        raise InputError(where, str(sessions[0]), f"no session before the first out-of-sample decision ({begins})",
                         "An account that trades on training rows is not reported. " + AGAIN)  # fmt: skip
    equity = frame["equity"].to_numpy()
    lost = np.flatnonzero(equity <= 0)
    end = int(lost[0]) + 1 if len(lost) else len(equity)
    before = np.r_[capital, equity[:-1]][:end]
    values = {c: frame[c].cast(pl.Float64).fill_null(np.nan).to_numpy()[:end] for c in ACCOUNT}
    broken = [c for c, v in values.items() if not np.isfinite(v).all()]
    if broken:
        raise InputError(where, broken, "finite numbers in these columns", AGAIN)
    deposit = values["deposit"]
    base = before + deposit
    kinds = (*COSTS, "dividend", "interest")
    parts = {kind: np.divide(values[kind], base, out=np.zeros(end), where=base > 0) for kind in kinds}
    days = sessions[:end]
    return Track(
        name,
        days[first_bars(days)],
        compounded(days, values["net_return"]),
        compounded(days, values["gross_return"]),
        summed(days, values["turnover"]),
        len(lost) > 0 and bool(base[-1] > 0),  # of what was all taken out nothing is lost
        {kind: summed(days, part) for kind, part in parts.items()},
        float(deposit[deposit > 0].sum()),
        float(-deposit[deposit < 0].sum()),
    )


def _haircuts(folder: RunFolder) -> dict[float, Floats]:
    if not (folder.path / "haircut.parquet").exists():
        return {}
    frame = _table(folder, "haircut.parquet", ("haircut", "session", "net_return")).sort("haircut", "session")
    parts = frame.group_by("haircut", maintain_order=True)
    return {float(key[0]): part["net_return"].to_numpy() for key, part in parts}


def _paths(folder: RunFolder, manifest: dict[str, Any]) -> PathSharpes | None:
    if not is_cross_validated(manifest):
        return None
    frame = _table(folder, PATHS, ("path", "session", "net_return"))
    if frame.height == 0:
        raise InputError(str(folder.path / PATHS), 0, "at least one path", AGAIN)
    return path_sharpes(frame, float(manifest["periods_per_year"]))


def _benchmark(folder: RunFolder, strategy: Track) -> Floats | None:
    """The benchmark's returns on the strategy's sessions; a session that it lacks is NaN."""
    if not (folder.path / "benchmark.parquet").exists():
        return None
    frame = _table(folder, "benchmark.parquet", ("session", "ret"))
    sessions = frame["session"].to_numpy().astype("datetime64[D]")
    known = dict(
        zip(sessions.tolist(), frame["ret"].cast(pl.Float64).fill_null(np.nan).to_list(), strict=True)
    )
    return np.array([known.get(day, float("nan")) for day in strategy.sessions.tolist()])
