"""The trial log of a data set by its name, for people: a row a trial, returns, SQL."""

from __future__ import annotations

import json
from dataclasses import dataclass

import polars as pl

from backcast.data.catalog import home
from backcast.data.errors import BackcastError, InputError
from backcast.data.query import connected
from backcast.data.sql import answer, mentioned, parsed
from backcast.data.store import Store
from backcast.engine.trials.log import TrialCount, TrialLog
from backcast.engine.trials.record import DONE, STARTED

UNFINISHED = "unfinished"
RETURNS = """CREATE VIEW returns AS
SELECT trial, unnest(sessions) AS session, unnest(returns) AS net_return FROM returns_by_trial"""
SHORTEST = 8
"""Letters of a lineage that name it."""


@dataclass(frozen=True)
class Trials:
    """The trials of a data set's lineage. dataset: its name, or what its trials called it where the store has it no more."""

    dataset: str
    lineage: str
    in_store: bool = True

    def count(self, upto: str | None = None) -> TrialCount:
        """n distinct trials and the variance of their Sharpe ratios per session; `upto`: as of a run's `trials.json`."""
        return self._log.count(upto)

    def frame(self) -> pl.DataFrame:
        """A row a distinct trial, the one that was evaluated last first: trial, evaluations, outcome (done or failed as it last
        ended, else unfinished), sharpe_per_session (net, the last defined one), first_session, last_session,
        first_evaluated_at, last_evaluated_at (UTC), pin (JSON: the store version of each table), code, launched (what did so
        first), error, config (JSON)."""
        return by_trial(self._log.table())

    def returns(self, upto: str | None = None) -> pl.DataFrame:
        """trial, session and net_return: of each trial the returns that it finished with last."""
        return self._log.returns(upto)

    def sql(self, query: str) -> pl.DataFrame:
        """The answer of one SELECT over `trials` (the rows of `frame`), `records` (a row a start or an end) and `returns`.

        It reads no file, sets nothing and writes nothing. Errors: InputError for anything else, and for what DuckDB says of it.
        """
        with connected() as connection:
            statement = parsed(connection, query)
            names = {name for _, name in mentioned(statement)}
            records = self._log.table()
            views = {"trials": by_trial(records), "records": records}
            if "returns" in names:
                views["returns_by_trial"] = self._log.last_returns()
            for name, frame in views.items():
                connection.register(name, frame.to_arrow())
            if "returns" in names:
                connection.execute(RETURNS)
            return answer(connection, query, statement, set())

    @property
    def _log(self) -> TrialLog:
        return TrialLog(self.lineage)


def by_trial(records: pl.DataFrame) -> pl.DataFrame:
    """The records of a log, in order of their ids, as a row a trial."""
    outcome, ended = pl.col("outcome"), pl.col("outcome") != STARTED
    last = {name: pl.col(name).drop_nulls().last() for name in ("first_session", "last_session", "config")}
    made = records.group_by("trial", maintain_order=True).agg(
        evaluations=pl.max_horizontal((outcome == STARTED).sum(), 1).cast(pl.Int64),
        outcome=outcome.filter(ended).last().fill_null(UNFINISHED),
        sharpe_per_session=pl.col("sharpe_per_session").filter(outcome == DONE).drop_nulls().last(),
        first_session=last["first_session"],
        last_session=last["last_session"],
        first_evaluated_at=pl.col("at").min(),
        last_evaluated_at=pl.col("at").max(),
        pin=pl.col("pin").drop_nulls().last(),
        code=pl.col("code").drop_nulls().last(),
        launched=pl.col("launched").drop_nulls().first(),
        error=pl.col("error").filter(ended).last(),
        config=last["config"],
        newest=pl.col("id").last(),
    )
    return made.sort("newest", descending=True).drop("newest")


def trials_of(name: str) -> Trials:
    """The trials of a data set, or of a lineage by its first letters. Errors: InputError where there is neither."""
    store = Store()
    if name in store.names():
        return Trials(name, store.lineage(name))
    known = logs()
    alike = [found for found in known if len(name) >= SHORTEST and found.lineage.startswith(name)]
    alike = [found for found in alike if found.lineage == name] or alike
    if len(alike) == 1:
        return alike[0]
    names = sorted({*store.names(), *(found.lineage[:12] for found in known if not found.in_store)})
    raise InputError(
        "DATASET",
        name,
        f"a data set, or a lineage that has trials: {', '.join(names) or 'there is none yet'}",
    )


def logs() -> list[Trials]:
    """The data sets and lineages that have a log, by name."""
    folder, names = home() / "trials", _lineages()
    lineages = sorted(p.name for p in folder.glob("[!.]*") if p.is_dir())
    found = [
        Trials(names[lineage], lineage) if lineage in names else Trials(_called(lineage), lineage, False)
        for lineage in lineages
    ]
    return sorted(found, key=lambda trials: (trials.dataset, trials.lineage))


def _lineages() -> dict[str, str]:
    """The name of the data set of each lineage; one that is damaged has no name here."""
    store, found = Store(), {}
    for name in store.names():
        try:
            found[store.lineage(name)] = name
        except BackcastError:
            continue
    return found


def _called(lineage: str) -> str:
    """What the last trial of a lineage calls its data set; where its log is torn, the lineage: who counts is told."""
    try:
        configs = TrialLog(lineage).table(("config",))["config"].drop_nulls()
    except InputError:
        return lineage[:12]
    dataset = json.loads(configs[-1]).get("dataset") if len(configs) else None
    name = dataset.get("name") if isinstance(dataset, dict) else None
    return str(name or lineage[:12])
