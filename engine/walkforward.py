"""The path of a walk-forward backtest, from a pinned store to an account.

1. `observe`: read the panel as each decision knew it, and compute the features.
2. `forecast`: split the decisions into folds. For each fold build labels from prices as known at the fit instant, keep
   the rows whose label was known by then, fit, save the fitted model, forecast the fold's decisions one at a time. In a
   cross-validation (`engine/validation.py`) labels are those known at the end, and rows are purged by their spans.
3. `trade`: forecasts become target weights, execution adds the lag, the simulator trades.
"""

from __future__ import annotations

import itertools
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np

from backcast.data import asof
from backcast.data.errors import InputError
from backcast.data.market import Market
from backcast.data.store import Store
from backcast.data.types import Bools, Floats, Ints, Panel
from backcast.engine import between_jobs
from backcast.engine.configure import Experiment
from backcast.engine.execution import PRICES, Execution
from backcast.engine.features.cache import FeatureCache
from backcast.engine.progress import Update
from backcast.engine.sessions import refuse_early_fills
from backcast.engine.types import Account, Targets
from backcast.signals.dataset import training_set
from backcast.signals.folds import folds_from
from backcast.signals.models.base import FittedModel, ForecastModel
from backcast.signals.models.none import NoModel
from backcast.signals.types import QUANTILES, Features, Fold, Forecast, Labels, Reproducible, TrainingSet

BATCH = 64
"""Folds whose training sets are held at once."""


@dataclass(frozen=True)
class World:
    """What a pinned store knew: the panel, and the features of every decision."""

    panel: Panel
    features: Features
    delistings: asof.Delistings


@dataclass(frozen=True)
class Fitted:
    """The forecasts of one model on each path of the design, and the rows that each fold used and left out."""

    paths: list[Forecast]
    counts: list[dict[str, int]]

    @property
    def forecast(self) -> Forecast:
        """That of the first path: the run's own."""
        return self.paths[0]


def observe(
    made: Experiment,
    store: Store,
    pin: dict[str, int],
    threads: int,
    until: np.datetime64 | None = None,
    cache: FeatureCache | None = None,
    beside: World | None = None,
) -> World:
    """The world at a pinned store version; with `until`, from a store that ends at that instant. With a cache the features
    may come from there: never in an audit, which is to compute them itself. beside: a world of the same version and
    instant, whose panel it shares."""
    read = between_jobs.read
    panel = read(asof.load_panel, store, made.source.name, pin, until) if beside is None else beside.panel
    compiled = made.features.compile(panel.fields, panel.price_basis)
    delistings = read(asof.delistings, store, made.source.name, pin, until)
    if cache is None or not isinstance(compiled, Reproducible):  # a user's own kind of features
        return World(panel, compiled.evaluate(panel, threads=threads), delistings)
    features = cache.features(store, made.source.name, pin, until, compiled, panel, threads)
    return World(panel, features, delistings)


def labels_as_known(made: Experiment, world: World, decision: int) -> Labels:
    """The labels as somebody who fits at this decision can know them."""
    instant = world.panel.clock.decides_at[decision]
    panel = _priced(made.execution, world.panel)
    values = asof.as_known(panel, instant)
    delisted = asof.delisted_by(world.delistings, instant)
    return made.label.build(made.execution.fill_table(values, panel, delisted))


LabelsAt = Callable[[Experiment, World, int], Labels]
"""The labels of an experiment at a world as somebody who fits at a decision can know them."""


def _priced(execution: Execution, panel: Panel) -> Panel:
    """The fields that fills are made of, where the execution is ours: the others would be copied for every fold."""
    if type(execution) is not Execution:
        return panel
    wanted = {"close", *PRICES[execution.resolve(panel)]}
    return panel.only(tuple(name for name in panel.fields if name in wanted))


def fold_training(
    made: Experiment, world: World, fold: Fold, model: ForecastModel, labels: Labels | None = None
) -> tuple[TrainingSet, dict[str, int]]:
    """The training set of a fold for a model, and its counts. labels: as known at `fold.labels_at`, where at hand."""
    known = labels_as_known(made, world, fold.labels_at) if labels is None else labels
    return training_set(world.features, known, fold, world.panel.member, model.lookback)


def own_route(made: Experiment, folds: Sequence[Fold]) -> tuple[Ints, Ints]:
    """(D,) the decisions of the folds, ascending, and the number of the fold that forecasts each on the run's own path."""
    return np.unique(np.concatenate([fold.test for fold in folds])), made.folds.routes(folds)[0]


def folds_of(made: Experiment, panel: Panel) -> list[Fold]:
    """The folds of a panel. Errors: InputError where a decision of theirs would come after its fill."""
    folds = made.folds.split(panel.clock)
    if made.test_from is not None:
        folds = folds_from(folds, panel.clock, made.test_from)
    refuse_early_fills(panel.clock, folds, made.execution.resolve(panel))
    return folds


def forecast(
    made: Experiment,
    model: ForecastModel,
    world: World,
    folder: Path,
    threads: int,
    update: Update,
    labels_at: LabelsAt = labels_as_known,
) -> Fitted:
    """Fits a model on every fold, saves it under `folder/<fold>` and forecasts the fold's decisions.

    labels_at: gives what `labels_as_known` does, maybe from an earlier forecast.
    Folds are independent and each runs on one thread, so that neither their order nor their number at once changes a
    bit of the result.
    """
    folds = folds_of(made, world.panel)
    if isinstance(model, NoModel):
        return _no_forecast(made, folds, world.panel.symbols)
    counts: list[dict[str, int]] = []
    results: list[tuple[Floats, Floats]] = []
    jobs = min(threads if model.parallel else 1, len(folds))
    sets = _training_sets(made, world, folds, model, labels_at)
    size = BATCH if jobs > 1 else 1  # one at a time needs the memory of one
    with _watched(folds, update) as notes:
        for part in [folds[i : i + size] for i in range(0, len(folds), size)]:
            own = list(itertools.islice(sets, len(part)))
            calls = [
                joblib.delayed(_fit_fold)(
                    model,
                    train,
                    world.features,
                    world.panel.member,
                    fold,
                    made.seed + fold.number,
                    folder / f"{fold.number:03d}",
                    notes,
                )
                for fold, (train, _) in zip(part, own, strict=True)
            ]
            results += joblib.Parallel(n_jobs=jobs, backend="loky")(calls)
            counts += [counted for _, counted in own]
    return Fitted(_paths(made, folds, results, world.panel.symbols), counts)


def _training_sets(
    made: Experiment, world: World, folds: Sequence[Fold], model: ForecastModel, labels_at: LabelsAt
) -> Iterator[tuple[TrainingSet, dict[str, int]]]:
    """Those of some folds, each made when its turn comes; labels as known at one instant are built once."""
    at, labels = -1, None
    for fold in folds:
        if labels is None or fold.labels_at != at:
            at, labels = fold.labels_at, labels_at(made, world, fold.labels_at)
        yield fold_training(made, world, fold, model, labels)


def _no_forecast(made: Experiment, folds: Sequence[Fold], symbols: tuple[str, ...]) -> Fitted:
    """Nothing for every decision."""
    shapes = [(len(fold.test), len(symbols)) for fold in folds]
    nothing = [(np.full(shape, np.nan), np.full((*shape, len(QUANTILES)), np.nan)) for shape in shapes]
    counts = [{"rows": 0, "purged": 0, "unlabelled": 0} for _ in folds]
    return Fitted(_paths(made, folds, nothing, symbols), counts)


def _fit_fold(
    model: ForecastModel,
    train: TrainingSet,
    features: Features,
    member: Bools,
    fold: Fold,
    seed: int,
    folder: Path,
    notes: Path,
) -> tuple[Floats, Floats]:
    note = notes / str(fold.number)
    fitted = model.fit(train, seed, lambda share, _: _write_share(note, 0.9 * share))
    folder.mkdir(parents=True, exist_ok=True)
    fitted.save(folder)
    rows = [forecast_instant(fitted, features, member, int(t)) for t in fold.test]
    _write_share(note, 1.0)
    return np.stack([mean for mean, _ in rows]), np.stack([quantiles for _, quantiles in rows])


def forecast_instant(fitted: FittedModel, features: Features, member: Bools, t: int) -> tuple[Floats, Floats]:
    """Mean (S,) and quantiles (S, Q) of the decision at t, from features up to t alone, in one batch.

    Errors: InputError where these are not the features that the model was fitted on, in their order.
    """
    if features.names != tuple(fitted.names):
        raise InputError("features", features.names, f"the features of the fit, {tuple(fitted.names)}")
    start = t + 1 - fitted.lookback
    if start < 0:
        none = np.full(len(features.symbols), np.nan)
        return none, np.repeat(none[:, None], len(QUANTILES), axis=1)
    return fitted.predict(np.ascontiguousarray(features.values[:, :, start : t + 1]), member[:, t])


def trade(made: Experiment, world: World, market: Market, forecast: Forecast) -> tuple[Targets, Account]:
    """The targets that forecasts become, and the account that trades them."""
    targets = made.portfolio.targets(forecast, world.panel)
    return targets, simulate(made, world.panel, market, targets)


def simulate(made: Experiment, panel: Panel, market: Market, targets: Targets) -> Account:
    """The account of given targets: panel is what decisions knew, market what really happened."""
    plan = made.execution.plan(panel, market, targets, made.cost)
    return made.simulator.simulate(plan, made.cost, made.capital)


def _paths(
    made: Experiment,
    folds: Sequence[Fold],
    results: Sequence[tuple[Floats, Floats]],
    symbols: tuple[str, ...],
) -> list[Forecast]:
    """A forecast of every decision for each path of the design. results: of each fold (N, S) and (N, S, Q)."""
    decisions = np.unique(np.concatenate([fold.test for fold in folds]))
    of = {fold.number: (fold.test, *result) for fold, result in zip(folds, results, strict=True)}
    paths = []
    for route in made.folds.routes(folds):
        mean = np.full((len(decisions), len(symbols)), np.nan)
        quantiles = np.full((*mean.shape, len(QUANTILES)), np.nan)
        for number in np.unique(route):
            at = route == number
            test, means, levels = of[int(number)]
            place = np.searchsorted(test, decisions[at])
            mean[at], quantiles[at] = means[place], levels[place]
        paths.append(Forecast(decisions, symbols, mean, quantiles, route))
    return paths


def _write_share(note: Path, share: float) -> None:
    note.write_text(f"{share:.4f}")


@contextmanager
def _watched(folds: Sequence[Fold], update: Update) -> Iterator[Path]:
    """A folder in which each fold's process notes its share done, watched by a thread that moves the bar."""
    done = threading.Event()
    with tempfile.TemporaryDirectory(prefix="backcast-") as name:
        notes = Path(name)

        def watch() -> None:
            while not done.wait(0.5):
                update(sum(_read_share(notes / str(fold.number)) for fold in folds) / len(folds))

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield notes
        finally:
            done.set()
            watcher.join()
    update(1.0)


def _read_share(note: Path) -> float:
    try:
        return float(note.read_text())
    except (OSError, ValueError):  # not begun, or half written: the next look will see it
        return 0.0
