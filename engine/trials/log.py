"""The log of one lineage: trials are started, and finished or failed; what was counted can be counted again."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from backcast.data.catalog import home
from backcast.data.errors import InputError
from backcast.data.types import Floats
from backcast.engine.configure import redacted
from backcast.engine.runs import code_version
from backcast.engine.trials.record import COLUMNS, DONE, FAILED, PERIOD, PLAIN, STARTED, Row, plain
from backcast.engine.trials.segments import Segments

FLUSH_SECONDS = 2.0
"""A batch's records are on the disk after so long."""
FLUSH_VALUES = 4_000_000
"""Returns that a batch holds at most."""

_LAUNCHED: ContextVar[str] = ContextVar("launched", default="python")


@contextmanager
def launched_by(how: str) -> Iterator[None]:
    """Records of logs that are opened inside say that a `how` (run, sweep, grid) launched them; elsewhere it is python."""
    token = _LAUNCHED.set(how)
    try:
        yield
    finally:
        _LAUNCHED.reset(token)


@dataclass(frozen=True)
class TrialCount:
    """n distinct trials; the variance of the successful ones' Sharpe ratios per session (ddof 1; None below two); the last
    record that was counted."""

    lineage: str
    n: int
    sharpe_variance: float | None
    upto: str

    def to_json(self) -> dict[str, Any]:
        return {
            "lineage": self.lineage,
            "n": self.n,
            "sharpe_variance": self.sharpe_variance,
            "upto": self.upto,
        }


class TrialLog:
    """The log of one lineage. launched: run, sweep, grid or python; default: what `launched_by` says here.

    Each record is on the disk when the call that makes it returns, but for those inside of `batch`. Threads may share a log.

    `upto` is the id of the last record that an answer may use: what `count().upto` was. It gives the same records again (and
    so the same n and variance), however many were added meanwhile; see `segments.py` for logs that machines with different
    clocks write, where the n that was written down says how many there were.
    """

    def __init__(self, lineage: str, launched: str | None = None) -> None:
        self.lineage = lineage
        self.folder = home() / "trials" / lineage
        self._segments = Segments(self.folder)
        self._launched = launched or _LAUNCHED.get()
        self._lock, self._writing = threading.Lock(), threading.RLock()
        self._held: list[Row] = []
        self._values = self._batches = 0
        self._timer: threading.Timer | None = None

    def start(self, trial: str, config: Any, pin: dict[str, int]) -> None:
        """Counts the trial with this configuration hash, whatever becomes of it."""
        self._append(trial, STARTED, {"config": json.dumps(redacted(config)), "pin": json.dumps(pin)})

    def finish(
        self,
        trial: str,
        sharpe_per_session: float | None,
        returns: Floats,
        days: npt.NDArray[Any] | None = None,
    ) -> None:
        """The trial's net returns by session, and the days that they are of (of each bar, or of each session).

        sharpe_per_session: None, NaN or infinite where undefined. Errors: InputError where there is not one return a day.
        """
        defined = sharpe_per_session is not None and np.isfinite(sharpe_per_session)
        own: Row = {
            "sharpe_per_session": float(sharpe_per_session)
            if defined and sharpe_per_session is not None
            else None,
            "returns": np.array(returns, dtype=np.float64),
        }
        if days is not None and len(days):
            sessions = _each_once(np.asarray(days).astype("datetime64[D]"))
            if len(sessions) != len(own["returns"]):
                raise InputError("returns", len(own["returns"]), f"one for each of {len(sessions)} sessions")
            own |= {
                "sessions": sessions,
                "first_session": sessions[0].item(),
                "last_session": sessions[-1].item(),
            }
        self._append(trial, DONE, own)

    def fail(self, trial: str, error: str) -> None:
        self._append(trial, FAILED, {"error": error[:2000]})

    @contextmanager
    def batch(self) -> Iterator[TrialLog]:
        """Inside, records are gathered and written as few files: at the end, at least every two seconds, and before this log
        answers anything. Start trials in a batch of their own (it may lie inside of another): they are on the disk when
        it ends, before their work begins.

            with log.batch():
                with log.batch():
                    for trial, config in cells: log.start(trial, config, pin)
                for trial, config in cells: log.finish(trial, *evaluate(config))
        """
        with self._lock:
            self._batches += 1
        try:
            yield self
        finally:
            with self._lock:
                self._batches -= 1
            self.flush()

    def flush(self) -> None:
        """Writes what a batch holds."""
        with self._writing:  # one after the other, while others gather records
            with self._lock:
                if self._timer is not None:
                    self._timer.cancel()  # its thread would hold on to the process's end
                    self._timer = None
                rows, self._held, self._values = self._held, [], 0
            try:
                if rows:
                    self._segments.append(rows)
            except BaseException:
                with self._lock:
                    self._held = rows + self._held  # held on to, in their order
                    self._values = sum(len(row.get("returns", ())) for row in self._held)
                raise

    def records(self, upto: str | None = None, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Every record in order of its id, as plain values: id, trial, outcome, at, config, pin, sharpe_per_session, period
        (first and last session, ISO), sessions, returns, error, code, host, process, launched; None where it has none.

        columns: only these, which is quicker: returns are long.
        """
        wanted = [
            name for column in columns or COLUMNS for name in (PERIOD if column == "period" else (column,))
        ]
        return [plain(row) for row in self.table(wanted, upto).iter_rows(named=True)]

    def table(self, columns: Sequence[str] = PLAIN, upto: str | None = None) -> pl.DataFrame:
        """Every record in order of its id, a row each; columns of `record.SCHEMA`."""
        self.flush()
        return self._segments.read(columns, upto)

    def count(self, upto: str | None = None) -> TrialCount:
        """N and the variance of trials. Failed and unfinished ones count in N; of a trial that was evaluated more than once,
        the last defined Sharpe ratio is in the variance."""
        found = self.table(("id", "trial", "outcome", "sharpe_per_session"), upto)
        done = found.filter((pl.col("outcome") == DONE) & pl.col("sharpe_per_session").is_not_null())
        sharpes = done.group_by("trial").agg(pl.col("sharpe_per_session").last()).sort("trial")
        values = sharpes["sharpe_per_session"].to_numpy()
        variance = float(np.var(values, ddof=1)) if len(values) > 1 else None
        last = found["id"][-1] if len(found) else ""
        return TrialCount(self.lineage, found["trial"].n_unique(), variance, last)

    def returns(self, upto: str | None = None) -> pl.DataFrame:
        """trial, session (a date) and net_return, by trial and session: of each trial the returns that it finished with last.

        Trials that were recorded without their sessions (by an older version) have no rows.
        """
        last = self.last_returns(upto)
        return last.select("trial", session="sessions", net_return="returns").explode("session", "net_return")

    def by_trial(self, upto: str | None = None) -> dict[str, tuple[npt.NDArray[Any], Floats]]:
        """The same as sessions (T,) datetime64[D], ascending, and returns (T,) of each trial: what `stats.luck` takes."""
        last = self.last_returns(upto)
        lengths = last["returns"].list.len().to_numpy()
        ends = np.cumsum(lengths, dtype=np.int64)
        days = last["sessions"].explode().to_numpy().astype("datetime64[D]")
        returns = last["returns"].explode().to_numpy()
        return {
            name: (days[end - length : end], returns[end - length : end])
            for name, length, end in zip(last["trial"], lengths.astype(np.int64), ends, strict=True)
        }

    def last_returns(self, upto: str | None = None) -> pl.DataFrame:
        """The same in a row a trial: trial, outcome, and the lists sessions and returns."""
        found = self.table(("trial", "outcome", "sessions", "returns"), upto)
        dated = (pl.col("outcome") == DONE) & (pl.col("sessions").list.len() > 0)
        rows = found.lazy().with_row_index("row").filter(dated).select("row", "trial").collect()
        return found[rows.unique("trial", keep="last", maintain_order=True).sort("trial")["row"]]

    def _append(self, trial: str, outcome: str, own: Row) -> None:
        row = {"trial": trial, "outcome": outcome, "at": datetime.now(UTC), "launched": self._launched}
        with self._lock:
            self._held.append({**row, **own, **_told_by(os.getpid())})
            self._values += len(own.get("returns", ()))
            due = not self._batches or self._values >= FLUSH_VALUES
            if not due and self._timer is None:
                self._timer = threading.Timer(FLUSH_SECONDS, self._flush_in_time)
                self._timer.daemon = True
                self._timer.start()
        if due:
            self.flush()

    def _flush_in_time(self) -> None:
        with suppress(
            OSError
        ):  # the records are held on to; what comes next tries again, and the batch's end tells
            self.flush()


def _each_once(days: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The sessions of bars, ascending; sessions as they are."""
    return days if (days[1:] > days[:-1]).all() else np.unique(days)


@lru_cache(maxsize=2)
def _told_by(process: int) -> Row:
    """Who makes this process's records, and with which code."""
    code = code_version()
    return {
        "code": f"{code['version']} {code['git']}".strip(),
        "host": socket.gethostname(),
        "process": process,
    }
