"""`backcast unseal RUN`: one run is evaluated on the sealed holdout, once, and everybody can see that it was.

1. Refuse what cannot be opened or evaluated, before anybody looks.
2. Record the opening in the seal, durably: who, when, with which code.
3. Walk the run's configuration forward over its pinned version, testing the holdout's decisions alone; the account begins there
   with the run's capital. It is a run folder of its own, `RUN/holdout`.

It is the same configuration on other sessions: no new trial. Nobody chose it by what it says there, so that its page counts one
trial, and whichever had seen these sessions before they were sealed.
"""

from __future__ import annotations

import shutil
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from backcast.data.catalog import locked
from backcast.data.errors import InputError
from backcast.data.readonce import ReadOnce
from backcast.data.seals import HoldoutWarning, Opening, Seal, Seals, refuse_another
from backcast.data.types import Floats
from backcast.engine import holdout, research
from backcast.engine.budget import thread_budget
from backcast.engine.configure import Config, digest, experiment, nested, trial_config
from backcast.engine.holdout import FOLDER
from backcast.engine.pinned import Pinned
from backcast.engine.progress import Progress
from backcast.engine.research import Run
from backcast.engine.runs import RunFolder, code_version
from backcast.engine.trials import TrialCount, TrialLog
from backcast.signals.folds import WalkForward


@dataclass(frozen=True)
class Candidate:
    """A finished run that may open the holdout: its folder and name, its seal, its trial, the configuration of the evaluation
    and what that is made of."""

    folder: RunFolder
    name: str
    seal: Seal
    trial: str
    config: Config
    pinned: Pinned

    def opening(self) -> Opening:
        """What the seal records of it."""
        records = TrialLog(self.seal.lineage).records(columns=holdout.SEEN)
        seen = holdout.seen_before(records, self.seal.begins)
        return Opening(holdout.now(), self.name, self.trial, self.pinned.pin, code_version(), seen)


class OneLook(TrialLog):
    """The log as the evaluation on the holdout sees it. What it finishes stays here and is no trial; beside it only those count
    that had seen these sessions before they were opened. Those are not compared with it: their number alone is known to be
    what it was then."""

    def __init__(self, lineage: str) -> None:
        super().__init__(lineage)
        self._own: dict[str, tuple[float | None, npt.NDArray[Any], Floats]] = {}

    def start(self, trial: str, config: Any, pin: dict[str, int]) -> None:
        return

    def finish(
        self,
        trial: str,
        sharpe_per_session: float | None,
        returns: Floats,
        days: npt.NDArray[Any] | None = None,
    ) -> None:
        sessions = np.unique(np.asarray([] if days is None else days).astype("datetime64[D]"))
        self._own[trial] = sharpe_per_session, sessions, returns

    def fail(self, trial: str, error: str) -> None:
        return

    def count(self, upto: str | None = None) -> TrialCount:
        seal, whole = Seals.at_home().of(self.lineage), super().count(upto)
        seen = seal.opened.seen_before if seal and seal.opened else 0
        own = [sharpe for sharpe, _, _ in self._own.values() if sharpe is not None]
        alone = float(np.var(own, ddof=1)) if len(own) > 1 else None
        return replace(
            whole, n=len(self._own) + seen, sharpe_variance=whole.sharpe_variance if seen else alone
        )

    def returns(self, upto: str | None = None) -> pl.DataFrame:
        schema = {"trial": pl.String(), "session": pl.Date(), "net_return": pl.Float64()}
        parts = [
            pl.DataFrame({"session": days.astype("datetime64[ms]"), "net_return": returns}).select(
                pl.lit(trial).alias("trial"), pl.col("session").cast(pl.Date), "net_return"
            )
            for trial, (_, days, returns) in sorted(self._own.items())
        ]
        return pl.concat(parts) if parts else pl.DataFrame(schema=schema)

    def by_trial(self, upto: str | None = None) -> dict[str, tuple[npt.NDArray[Any], Floats]]:
        return {trial: (days, returns) for trial, (_, days, returns) in sorted(self._own.items())}


def candidate(folder: Path) -> Candidate:
    """Errors: InputError for a folder that is no finished run with a holdout, one of another store, or where the holdout was
    opened by another run, or by this one and its evaluation is whole."""
    run = RunFolder.open(folder)
    config, manifest = run.read_yaml("config.yaml"), run.read_json("manifest.json")
    made, store = experiment(config), ReadOnce()
    if not isinstance(made.folds, WalkForward):
        hint = "Other designs test each session many times, with fits on later ones."
        raise InputError("RUN", str(folder), "a run that walks forward", hint)
    if nested(config):
        hint = "Run the cell that you believe in alone, with the holdout, and open it for that."
        raise InputError("RUN", str(folder), "a run of one configuration, without a nested grid", hint)
    if made.holdout_from is None:
        hint = "Only a run that has not seen the sealed sessions can be evaluated on them."
        raise InputError("RUN", str(folder), "a run with folds.holdout_from", hint)
    name, lineage = str(manifest["run"]), store.lineage(made.source.name)
    seal = Seals.at_home().of(lineage)
    if seal is None or manifest["store"]["lineage"] != lineage:
        hint = "Its data set was made anew, or this is another BACKCAST_HOME."
        raise InputError("RUN", str(folder), "a run of the sealed data set that is in this store", hint)
    pin, trial = manifest["store"]["pin"], digest(trial_config(config))
    refuse_another(seal, name, trial, pin)
    _refuse_whole(run, seal)
    folds = {**config["folds"], "holdout_from": None, "test_from": seal.holdout_from}
    config = {**config, "folds": folds, "grid": {}}
    if manifest["code"] != code_version():
        codes = f"({_code(manifest['code'])}) than would evaluate it ({_code(code_version())})"
        told = f"{run.path} was made by other code {codes}."
        warnings.warn(told, HoldoutWarning, stacklevel=2)
    pinned = Pinned(experiment(config), store, pin, thread_budget(config["threads"]))
    return Candidate(run, name, seal, trial, config, pinned)


def _code(of: dict[str, str]) -> str:
    return of.get("git") or of.get("version", "?")


def _refuse_whole(run: RunFolder, seal: Seal) -> None:
    if seal.opened is not None and (run.path / FOLDER / "status.json").exists():
        done = RunFolder(run.path / FOLDER).read_json("status.json").get("state") == "done"
        if done:
            raise InputError(
                "RUN",
                str(run.path),
                "a holdout that is not open yet",
                f"It was opened at {seal.opened.at}, by this run: see {run.path / FOLDER / 'tearsheet.html'}.",
            )


def unseal(chosen: Candidate, progress: Progress | None = None) -> Run:
    """Opens the holdout and evaluates the run on it; of a run that was cut off after its opening the rest is done again. Of
    several at once one does, and the others wait for it.

    Errors: InputError as `candidate` has, or where the evaluation cannot be made, in which case nothing is opened.
    """
    target, lineage, seals = chosen.folder.path / FOLDER, chosen.seal.lineage, Seals.at_home()
    with locked(seals.folder, f"{lineage}."):
        _refuse_whole(chosen.folder, seals.of(lineage) or chosen.seal)
        if target.exists():  # of an attempt that did not end
            shutil.rmtree(target)
        return research.evaluate(
            chosen.pinned,
            chosen.config,
            RunFolder.create(target),
            OneLook(lineage),
            progress,
            before=lambda: seals.open(lineage, chosen.opening()),
        )
