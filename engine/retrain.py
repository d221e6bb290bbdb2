"""The weekly refit: train on what is known at an instant, and promote past a gate or keep the champion.

1. Take the lock, and stop where this ISO week has its decision already.
2. Read the world as of the instant; refuse stale data.
3. Fit the candidate at the start of the holdout: the newest sessions whose labels are known, which it never sees.
4. Candidate and champion forecast the holdout. The candidate is promoted where its quantile loss is finite and at most
   `tolerance` above the champion's and above that of the unconditional distribution, so that tolerances cannot add up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backcast.data.errors import InputError, StaleDataError
from backcast.data.types import Bools, Floats, Ints
from backcast.engine import walkforward
from backcast.engine.configure import Config, Experiment, digest, experiment, redacted
from backcast.engine.given import is_given
from backcast.engine.pinned import Pinned, pin
from backcast.engine.progress import Progress
from backcast.engine.registry import Registry
from backcast.engine.sessions import refuse_early_fills
from backcast.engine.walkforward import World, forecast_instant, labels_as_known
from backcast.signals.dataset import complete_over, training_set
from backcast.signals.folds import WalkForward
from backcast.signals.models.base import FittedModel, ForecastModel
from backcast.signals.models.baseline import Mean
from backcast.signals.types import QUANTILES, Fold, Labels, TrainingSet


@dataclass(frozen=True)
class Gate:
    """The settings of the `retrain` group; all are validated here."""

    holdout_sessions: int = 63
    tolerance: float = 0.01
    max_age_days: float = 7

    def __post_init__(self) -> None:
        if not isinstance(self.holdout_sessions, int) or not 1 <= self.holdout_sessions <= 10_000:
            raise InputError("retrain.holdout_sessions", self.holdout_sessions, "an integer from 1 to 10000")
        for name in ("tolerance", "max_age_days"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not 0 <= value < 1e6:
                raise InputError(f"retrain.{name}", value, "a number of at least 0")


@dataclass(frozen=True)
class Decision:
    """What a retraining came to."""

    promoted: bool
    sentence: str
    folder: Path


def retrain(config: Config, as_of: np.datetime64, progress: Progress) -> Decision:
    """One retraining. Errors: LockedError, StaleDataError, InputError."""
    gate = _gate(config["retrain"])
    made = experiment({**config, "challengers": {}})
    if is_given(made):
        raise InputError(
            "portfolio", "given", "a portfolio that follows a model's forecasts", "Nothing is to be trained."
        )
    if made.holdout_from is not None:
        hint = "A model for production learns from all that is known; its own holdout is retrain.holdout_sessions."
        raise InputError("folds.holdout_from", str(made.holdout_from), "null", hint)
    _walk_forward(made)
    model = next(iter(made.models))
    registry = Registry(f"{model}_{made.source.name}")
    week = "{}-W{:02d}".format(*as_of.astype("datetime64[s]").item().isocalendar()[:2])
    with registry.locked():
        earlier = registry.decision(week)
        if earlier is not None:
            return Decision(
                earlier["promoted"], f"{week} is decided already: {earlier['sentence']}", registry.folder
            )
        pinned = pin(made, config)
        decision = _contest(pinned, gate, as_of, week, registry, config, progress)
        registry.decide(week, decision)
    return Decision(decision["promoted"], decision["sentence"], registry.folder)


def _contest(
    pinned: Pinned,
    gate: Gate,
    as_of: np.datetime64,
    week: str,
    registry: Registry,
    config: Config,
    progress: Progress,
) -> dict[str, Any]:
    """Fits the candidate, measures it beside the champion, and promotes or keeps."""
    made = pinned.made
    done = progress.stage("prices and features")
    world = walkforward.observe(made, pinned.store, pinned.pin, pinned.threads, until=as_of)
    done(1.0)
    _refuse_stale(world, as_of, gate.max_age_days)
    newest = len(world.panel.clock) - 1
    fold = _holdout_fold(pinned, world, gate.holdout_sessions)
    at_fit = labels_as_known(made, world, fold.fit_at)
    train, counts = training_set(world.features, at_fit, fold, world.panel.member, made.model.lookback)
    update = progress.stage("training the candidate")
    candidate = made.model.fit(train, made.seed, lambda share, _: update(share))
    update(1.0)
    now_known = labels_as_known(made, world, newest)
    loss = quantile_loss(candidate, world, now_known, fold.test)
    card = {
        "as_of": str(as_of),
        "week": week,
        "pin": pinned.pin,
        "config_sha": digest(redacted(config)),
        "fit_at": str(world.panel.clock.decides_at[fold.fit_at]),
        "train_rows": counts["rows"],
    }
    content = registry.register(candidate, card)
    pinned.hold(registry.model_folder(content))
    rivals = _rivals(registry, made.model, train, made.seed)
    losses = {name: quantile_loss(rival, world, now_known, fold.test) for name, rival in rivals.items()}
    promoted = bool(np.isfinite(loss) and all(loss <= bar * (1 + gate.tolerance) for bar in losses.values()))
    if promoted:
        registry.promote(content, week)
    kept = "not promoted; the champion stays" if registry.champion() else "not promoted"
    against = ", ".join(f"{name} {bar:.6g}" for name, bar in losses.items())
    sentence = (
        f"{week}: candidate {content[:12]} {'promoted' if promoted else kept}. Quantile loss on the {len(fold.test)} "
        f"newest decisions {loss:.6g}; {against} (tolerance {gate.tolerance:.1%})."
    )
    return {
        **card,
        "candidate": content,
        "loss": _finite(loss),
        "rivals": {name: _finite(bar) for name, bar in losses.items()},
        "promoted": promoted,
        "sentence": sentence,
    }


def _rivals(
    registry: Registry, model: ForecastModel, train: TrainingSet, seed: int
) -> dict[str, FittedModel]:
    """What a candidate is measured against: the champion, if there is one, and what a model that knows nothing says."""
    champion = registry.champion()
    held = {} if champion is None else {f"champion {champion[:12]}": registry.load(champion, model)}
    return {**held, "the unconditional distribution": Mean().fit(train, seed)}


def quantile_loss(fitted: FittedModel, world: World, labels: Labels, decisions: Ints) -> float:
    """Mean pinball loss over all levels of the known labels; infinite where a forecast that was due is missing.

    Source: Koenker and Bassett (1978), the check function.
    """
    losses: list[Floats] = []
    levels = np.array(QUANTILES)
    finite: Bools = np.asarray(np.isfinite(world.features.values).all(axis=0))
    whole = complete_over(finite, fitted.lookback)
    expected = whole & world.panel.member & np.isfinite(labels.values)
    for t in decisions:
        _, quantiles = forecast_instant(fitted, world.features, world.panel.member, int(t))
        due = expected[:, t]
        error = labels.values[due, t][:, None] - quantiles[due]
        losses.append(np.maximum(levels * error, (levels - 1) * error).ravel())
    joined = np.concatenate(losses) if losses else np.empty(0)
    return float(joined.mean()) if len(joined) and np.isfinite(joined).all() else float("inf")


def _holdout_fold(pinned: Pinned, world: World, holdout: int) -> Fold:
    """The fold that fits before the holdout and is tested on it."""
    clock = world.panel.clock
    end = len(clock) - 1 - pinned.made.label.horizon - 1
    fit_at = clock.before(end, holdout) if end >= 1 else 0
    if fit_at < 1:
        days = len(np.unique(clock.sessions))
        raise InputError("retrain.holdout_sessions", holdout, f"fewer sessions than the {days} known by then")
    fold = _walk_forward(pinned.made).fold_at(clock, fit_at, end)
    refuse_early_fills(clock, [fold], pinned.made.execution.resolve(world.panel))
    return fold


def _walk_forward(made: Experiment) -> WalkForward:
    """Its folds, which can be fitted at any time. Errors: InputError for a cross-validation."""
    if not isinstance(made.folds, WalkForward):
        hint = "A cross-validation has no fit of today: its models are for comparing, not for use."
        raise InputError("folds", made.folds.name, "a walk forward, such as folds=yearly", hint)
    return made.folds


def _refuse_stale(world: World, as_of: np.datetime64, max_age_days: float) -> None:
    last = world.panel.clock.decides_at[-1] if len(world.panel.clock) else np.datetime64("1970-01-01", "us")
    age = (as_of - last) / np.timedelta64(1, "D")
    if age > max_age_days:
        raise StaleDataError(
            f"The newest data known at {as_of} are of {last}, {age:.0f} days before (at most "
            f"{max_age_days:g} allowed). Ingest newer data, give --as-of, or raise retrain.max_age_days."
        )


def _gate(settings: Mapping[str, Any]) -> Gate:
    try:
        return Gate(**settings)
    except TypeError as error:
        raise InputError("retrain", dict(settings), "holdout_sessions, tolerance and max_age_days") from error


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
