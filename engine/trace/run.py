"""The run that a trace is about: its folder's tables, and the pinned store that it was made from."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl

from backcast.data import asof
from backcast.data.errors import InputError
from backcast.data.store import Store
from backcast.data.types import Clock, Panel
from backcast.engine import holdout
from backcast.engine.configure import Experiment, experiment, nested
from backcast.engine.given.table import did_you_mean
from backcast.engine.runs import FILL_COSTS, LEVELS, RunFolder, read_targets
from backcast.engine.types import Targets


class TracedRun:
    """What a run folder and its pinned store hold. Errors: InputError for what is missing or broken."""

    def __init__(self, folder: Path) -> None:
        self.folder = RunFolder.open(folder)
        manifest, self.config = self.folder.read_json("manifest.json"), self.folder.read_yaml("config.yaml")
        try:
            self.dataset, self.pin = str(manifest["dataset"]["name"]), dict(manifest["store"]["pin"])
            self.name, self.given = str(manifest["run"]), manifest.get("given")
            self.made: Experiment = experiment(self.config)
            several = nested(self.config)
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(
                str(folder), f"no {error}", "a whole run folder", "Run it again in a new one."
            ) from error
        if several:
            expected = "a run of one configuration: this one has another cell of its grid at every fold"
            hint = "Run a cell of selection.parquet alone, and trace that."
            raise InputError(str(folder), "grid_selection=nested", expected, hint)
        holdout.warn_of_sight(self.folder)
        self.store: Store = holdout.store_of(self.made)
        self.panel: Panel = asof.load_panel(self.store, self.dataset, self.pin)
        self.clock: Clock = self.panel.clock
        self.forecasts = self._table(
            "forecasts.parquet", "decided_at", "symbol", "fold", "horizon", "mean", *LEVELS
        )
        self.target_table = self._table("targets.parquet", "decided_at", "symbol")
        self.targets: Targets = read_targets(self.target_table, self.clock, self.panel.symbols)
        self.fills = self._table(
            "fills.parquet", "decided_at", "filled_at", "symbol", "quantity", "price", *FILL_COSTS
        )
        self.account = self._table("account.parquet", "session", "equity")
        self.events = self._table("events.parquet", "session", "symbol", "kind", "detail")

    def _table(self, name: str, *columns: str) -> pl.DataFrame:
        frame = self.folder.read_table(name)
        missing = [column for column in columns if column not in frame.columns]
        if missing:
            where = str(self.folder.path / name)
            raise InputError(where, missing, "a table with these columns", "Run it again in a new folder.")
        return frame

    def symbol(self, name: str) -> int:
        """Its index."""
        if name not in self.panel.symbols:
            raise InputError(
                "SYMBOL", name, f"a symbol of {self.dataset}", did_you_mean(name, self.panel.symbols)
            )
        return self.panel.symbols.index(name)

    def decision(self, when: str) -> int:
        """The clock index of the newest decision at or before a session, or an instant."""
        recorded = pl.concat([self.forecasts["decided_at"], self.target_table["decided_at"]]).unique().sort()
        instants = recorded.dt.replace_time_zone(None).to_numpy()
        made = np.searchsorted(self.clock.decides_at, instants)
        first, last = (
            self.clock.sessions[made[0]],
            self.account["session"].to_numpy().astype("datetime64[D]")[-1],
        )
        expected = f"a date from {first}, the run's first decision, to {last!s}, where its account ends"
        at = _moment(when)
        if isinstance(at, date) and not isinstance(at, datetime):
            day = np.datetime64(at, "D")
            chosen = made[self.clock.sessions[made] <= day]
        else:
            instant = np.datetime64(at, "us")
            chosen, day = made[self.clock.decides_at[made] <= instant], instant.astype("datetime64[D]")
        if not len(chosen) or day > last:
            raise InputError("DATE", when, expected)
        return int(chosen[-1])


def _moment(text: str) -> date | datetime:
    try:
        if len(text) == 10:
            return date.fromisoformat(text)
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found
    except ValueError as error:
        raise InputError("DATE", text, "an ISO date, or an instant such as 2012-08-10T21:00") from error
