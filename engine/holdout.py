"""What a run may see of its data where a holdout is sealed.

A run with `folds.holdout_from` reads a store that ends before that date, and the first such run seals the date for the data
set's lineage: from then on no run goes further, until `backcast unseal` (`engine/unseal.py`) opens the holdout, once.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from backcast.data import asof
from backcast.data.errors import InputError
from backcast.data.heldout import OPEN_IT, HeldOut
from backcast.data.readonce import ReadOnce
from backcast.data.seals import KEY, HoldoutWarning, Seal, Seals
from backcast.data.types import Panel
from backcast.engine.configure import SESSIONS, Config, Experiment
from backcast.engine.pinned import Pinned
from backcast.engine.runs import RunFolder
from backcast.engine.trials import TrialLog

FOLDER = "holdout"
"""Where in its own folder a run is evaluated on the holdout that it opened."""

SEEN = ("trial", "outcome", "period", "config")
"""The columns of the trial log by which it is known who has seen which sessions."""


def kept(pinned: Pinned, run: str) -> Pinned:
    """A run on the store that ends where its holdout begins; run: its name, for the seal that the first one makes.

    Errors: InputError for a holdout that leaves no fold before it or no session after it, and where one is sealed and the
    run would see of it.
    """
    made, store, name = pinned.made, pinned.store, pinned.made.source.name
    lineage, date = store.lineage(name), made.holdout_from
    seals = Seals.at_home()
    seal = seals.of(lineage)
    if seal is not None:
        _refuse_sight(seal, date)
    if date is None:
        if seal is None:
            _warn_of_lost(seals, name, lineage)
        return pinned
    cut = replace(pinned, store=HeldOut({name: date}))
    if seal is None or date != seal.begins:
        _check(pinned, cut, date)
    if seal is None:
        seen = seen_before(TrialLog(lineage).records(columns=SEEN), date)
        _refuse_sight(seals.put(Seal(lineage, name, str(date), now(), run, seen)), date)
        told = f"{name} is sealed from {date} on, for every run. {OPEN_IT}"
        warnings.warn(told, HoldoutWarning, stacklevel=2)
    return cut


def _refuse_sight(seal: Seal, date: np.datetime64 | None) -> None:
    if seal.sealed and (date is None or date > seal.begins):
        raise InputError(
            KEY,
            None if date is None else str(date),
            f"{seal.holdout_from} or an earlier date",
            f"The holdout of {seal.dataset} is sealed from then on (by {seal.sealed_by}, {seal.sealed_at}): set "
            f"{KEY}={seal.holdout_from}. {OPEN_IT}",
        )


def _warn_of_lost(seals: Seals, dataset: str, lineage: str) -> None:
    """One line where a data set that was dropped and made anew has left a sealed holdout behind."""
    lost = seals.lost(dataset, lineage)
    if lost is not None:
        warnings.warn(
            f"{dataset} was sealed from {lost.holdout_from} on, and was made anew since, without a holdout. "
            f"{KEY}={lost.holdout_from} seals it again.",
            HoldoutWarning,
            stacklevel=3,
        )


def _check(whole: Pinned, cut: Pinned, date: np.datetime64) -> None:
    """Errors: InputError where the date is not in the data, or leaves no fold before it."""
    name = whole.made.source.name
    sessions = asof.load_clock(whole.store, name, whole.pin).sessions
    if not sessions[0] < date <= sessions[-1]:
        expected = f"a date after {sessions[0]} and not after {sessions[-1]}, where the data are"
        raise InputError(KEY, str(date), expected, "A holdout has sessions, and leaves folds before it.")
    try:
        cut.made.folds.split(asof.load_clock(cut.store, name, cut.pin))
    except InputError as error:
        raise InputError(KEY, str(date), "a date that leaves folds before it", str(error)) from error


def seen_before(records: Sequence[Mapping[str, Any]], date: np.datetime64) -> int:
    """How many trials know returns of sessions from a date on, or may have come to: those that were finished there, those that
    do not say where, and those that did not end, unless their own holdout kept them away."""
    running: set[str] = set()
    finished: dict[str, bool] = {}
    for record in records:
        trial, period = record["trial"], record.get("period")
        if record["outcome"] == "started":
            if not _kept_away(record.get("config"), date):
                running.add(trial)
            continue
        running.discard(trial)
        if record["outcome"] == "done":
            inside = period is None or bool(np.datetime64(period[1], "D") >= date)
            finished[trial] = inside or finished.get(trial, False)
    return len(running | {trial for trial, inside in finished.items() if inside})


def _kept_away(config: Any, date: np.datetime64) -> bool:
    """Whether a trial of this configuration ends before a date."""
    folds = config.get("folds") if isinstance(config, Mapping) else None
    own = folds.get("holdout_from") if isinstance(folds, Mapping) else None
    return own is not None and bool(np.datetime64(own, "D") <= date)


def refuse_varied(config: Config, cells: Sequence[Config]) -> None:
    """Errors: InputError for a grid that varies which sessions its cells may see."""
    for key in SESSIONS:
        values = {str(cell["folds"].get(key)) for cell in cells} - {str(config["folds"].get(key))}
        if values:
            expected = f"one value for all cells, as folds.{key}"
            raise InputError(f"grid.folds.{key}", sorted(values), expected)


def store_of(made: Experiment) -> ReadOnce:
    """The store that a finished run read, to read it again: up to its own holdout, whatever was sealed or opened since."""
    return ReadOnce() if made.holdout_from is None else HeldOut({made.source.name: made.holdout_from})


def sealed_from(lineage: str) -> np.datetime64 | None:
    """The first date that is sealed now; None where nothing is."""
    seal = Seals.at_home().of(lineage)
    return seal.begins if seal is not None and seal.sealed else None


def warn_of_sight(run: RunFolder) -> None:
    """One line where a finished run shows sessions that are sealed now."""
    begins = sealed_from(str(run.read_json("manifest.json")["store"]["lineage"]))
    if begins is None:
        return
    last = run.read_table("account.parquet")["session"].max()
    if last is not None and np.datetime64(str(last), "D") >= begins:
        warnings.warn(
            f"{run.path} shows sessions from {begins} on, which were sealed after it was made.",
            HoldoutWarning,
            stacklevel=3,
        )


def facts(pinned: Pinned, panel: Panel, out: RunFolder) -> dict[str, Any]:
    """What the manifest says of the holdout, as of now; nothing where the run has nothing to do with one.

    from: the first date that is held out; sees: whether the run's sessions reach into the holdout; seen_before: how many trials
    had before it was sealed, or opened; opened_at, opened_by: of its opening, null while it is sealed; own: whether this is the
    opening's own evaluation.
    """
    made = pinned.made
    seal = Seals.at_home().of(pinned.store.lineage(made.source.name))
    if seal is None:
        return {}
    sees = bool(panel.clock.sessions[-1] >= seal.begins)
    if not sees and made.holdout_from is None:
        return {}
    opened = seal.opened
    return {
        "holdout": {
            "from": seal.holdout_from if sees else str(made.holdout_from),
            "sees": sees,
            "seen_before": seal.seen_before if opened is None else opened.seen_before,
            "opened_at": None if opened is None else opened.at,
            "opened_by": None if opened is None else opened.run,
            "own": opened is not None and _inside(out, opened.run),
        }
    }


def _inside(out: RunFolder, run: str) -> bool:
    """Whether this is the folder in which a run is evaluated on the holdout."""
    around = RunFolder(out.path.resolve().parent)
    whole = out.path.name == FOLDER and (around.path / "manifest.json").exists()
    return whole and bool(around.read_json("manifest.json").get("run") == run)


def now() -> str:
    """The present instant, UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
