"""From a resolved configuration to the objects that it names.

A `_target_` is an import path. Only classes of backcast and of the packages that the user listed, one a line, in
`<home>/extensions.txt` are built: a configuration can travel, and must not be able to run whatever it likes.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from backcast.data.catalog import home
from backcast.data.errors import REDACTED, SECRET, InputError
from backcast.data.sources.base import Source
from backcast.engine.costs.base import Cost
from backcast.engine.execution import Execution
from backcast.engine.given import prepared
from backcast.engine.portfolio import Portfolio
from backcast.engine.simulators.base import Simulator
from backcast.signals.folds import Design, WalkForward
from backcast.signals.labels import ForwardReturn
from backcast.signals.models.base import ForecastModel
from backcast.signals.types import FeatureSource

Config = Mapping[str, Any]

NO_EFFECT = ("snapshot", "study", "job", "threads", "retrain", "audit", "cache", "grid", "grid_selection")
"""Keys that cannot change a result, so that they are no part of a trial's identity; but for a nested grid's (`nested`)."""

INSTANTS = {"quick": 8, "full": 32}
"""How many decisions each level of the audit replays on their own, as in `conf/audit/`."""


@dataclass(frozen=True)
class AuditLevel:
    """How much is audited: `level` (quick in every run, full, off) and at most how many decisions are replayed on their own."""

    level: str = "quick"
    instants: int = 8

    def __post_init__(self) -> None:
        if self.level not in ("quick", "full", "off"):
            raise InputError("audit.level", self.level, "quick, full or off")
        whole = isinstance(self.instants, int) and not isinstance(self.instants, bool)
        if self.level != "off" and not (whole and 2 <= self.instants <= 10_000):
            raise InputError("audit.instants", self.instants, "an integer from 2 to 10000")


@dataclass(frozen=True)
class Experiment:
    """Everything that a run is made of, each part already validated."""

    source: Source
    features: FeatureSource
    label: ForwardReturn
    models: dict[str, ForecastModel]  # the first is the run's own, the rest challenge it
    folds: Design
    portfolio: Portfolio
    cost: Cost
    execution: Execution
    simulator: Simulator
    audit: AuditLevel
    seed: int
    capital: float
    holdout_from: np.datetime64 | None = None  # the first date that the run must not see
    test_from: np.datetime64 | None = None  # the first date whose decisions it tests; null: all of its folds

    @property
    def model(self) -> ForecastModel:
        """The run's own model."""
        return next(iter(self.models.values()))


def allowed_packages() -> tuple[str, ...]:
    """backcast, and what the user's `extensions.txt` names."""
    extensions = home() / "extensions.txt"
    lines = extensions.read_text().splitlines() if extensions.exists() else []
    return ("backcast", *(line.strip() for line in lines if line.strip() and not line.startswith("#")))


def build(node: Config, parameter: str, kind: type | None = None) -> Any:
    """The object that a node with `_target_` describes; its other keys are the constructor's.

    Errors: InputError for a target outside the allow-list, one that is not there, of another kind, or with keys that it
    does not take.
    """
    if not isinstance(node, Mapping) or not isinstance(node.get("_target_"), str):
        raise InputError(parameter, redacted(node), "a mapping with a `_target_`, the import path of a class")
    cls = _import_class(node["_target_"], f"{parameter}._target_")
    if kind is not None and not issubclass(cls, kind):
        raise InputError(f"{parameter}._target_", node["_target_"], f"a {kind.__name__}")
    values = {k: _inner(v, f"{parameter}.{k}") for k, v in node.items() if k != "_target_"}
    known = _parameters(cls)
    for key in values:
        if key not in known:
            raise InputError(
                f"{parameter}.{key}", values[key], f"one of {', '.join(known) or 'no keys'}", "Remove it."
            )
    try:
        return cls(**values)
    except TypeError as error:  # a value that is missing or of a type that the constructor cannot use
        raise InputError(
            parameter, redacted(values), f"values that {cls.__name__} takes ({error})"
        ) from error


def _inner(value: Any, parameter: str) -> Any:
    """A value of a node, in which mappings with a `_target_` are built too, by the same allow-list."""
    if isinstance(value, list):
        return [_inner(v, f"{parameter}.{i}") for i, v in enumerate(value)]
    if not isinstance(value, Mapping):
        return value
    if "_target_" in value:
        return build(value, parameter)
    return {k: _inner(v, f"{parameter}.{k}") for k, v in value.items()}


@lru_cache(maxsize=256)
def _parameters(cls: type) -> list[str]:
    return list(inspect.signature(cls).parameters)


def _import_class(target: str, parameter: str) -> type:
    allowed = ("backcast",) if target.startswith("backcast.") else allowed_packages()
    if not any(target.startswith(package + ".") for package in allowed):
        raise InputError(
            parameter,
            target,
            f"a class in {' or '.join(allowed)}",
            f"To allow another package, add its name as a line of {home() / 'extensions.txt'}.",
        )
    module, _, name = target.rpartition(".")
    try:
        cls = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InputError(parameter, target, f"an importable class ({error})") from error
    if not inspect.isclass(cls):
        raise InputError(parameter, target, "a class")
    return cls


def experiment(config: Config) -> Experiment:
    """The experiment that a resolved configuration describes."""
    model = build(config["model"], "model", ForecastModel)
    challengers = {
        name: build(node, f"challengers.{name}", ForecastModel)
        for name, node in (config["challengers"] or {}).items()
    }
    made = Experiment(
        source=build(config["dataset"], "dataset", Source),
        features=build(config["features"], "features", FeatureSource),
        label=build(config["label"], "label", ForwardReturn),
        models={model.name: model, **{k: v for k, v in challengers.items() if k != model.name}},
        folds=build(_own(config["folds"]), "folds", Design),
        portfolio=build(config["portfolio"], "portfolio", Portfolio),
        cost=build(config["costs"], "costs", Cost),
        execution=build(config["execution"], "execution", Execution),
        simulator=build(config["simulator"], "simulator", Simulator),
        audit=AuditLevel(**config["audit"]),
        seed=_integer(config, "seed", 0, 2**31 - 1),
        capital=_capital(config["capital"]),
        holdout_from=_date(config["folds"], "holdout_from"),
        test_from=_date(config["folds"], "test_from"),
    )
    made.execution.check(made.portfolio)
    if made.test_from is not None and not isinstance(made.folds, WalkForward):
        raise InputError(
            "folds.test_from", str(made.test_from), f"null with {made.folds.name}: it walks forward"
        )
    _check_cut_orders(made)
    return prepared(made)


def _check_cut_orders(made: Experiment) -> None:
    """Errors: InputError where orders may be cut and dropped, and the portfolio would never ask for the rest."""
    cut = made.execution.participation is not None and made.execution.patience == 0
    if cut and made.portfolio.leaves_holdings_alone:
        raise InputError(
            "execution.patience",
            0,
            "at least 1 with execution.participation and a portfolio that leaves holdings alone (top k, or a band)",
            "What is left of an order is then worked on. Or set portfolio.rebalance=true, and take the band out.",
        )


SESSIONS = ("holdout_from", "test_from")
"""Keys of `folds` that say which sessions a run may see and test; its class knows nothing of them."""


def _own(folds: Any) -> Any:
    """The keys of `folds` that are its class's."""
    return {k: v for k, v in folds.items() if k not in SESSIONS} if isinstance(folds, Mapping) else folds


def _date(folds: Config, key: str) -> np.datetime64 | None:
    value = folds.get(key)
    if value is None:
        return None
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        try:
            return np.datetime64(value, "D")
        except ValueError:
            pass
    raise InputError(f"folds.{key}", value, "an ISO date such as '2021-01-01', or null")


def _integer(config: Config, key: str, low: int, high: int) -> int:
    value = config[key]
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise InputError(key, value, f"an integer from {low} to {high}")
    return value


def cache_gib(config: Config) -> float:
    """How large the cache of features may be; a configuration from before there was one has none."""
    settings = config.get("cache") or {"max_gib": 0}
    if not isinstance(settings, Mapping) or set(settings) != {"max_gib"}:
        raise InputError("cache", settings, "max_gib, a size in GiB")
    value = settings["max_gib"]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e6:
        raise InputError("cache.max_gib", value, "a size in GiB, 0 for no cache")
    return float(value)


def _capital(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1e15:
        raise InputError("capital", value, "a positive amount below 1e15")
    return float(value)


def trial_config(config: Config, challenger: str | None = None) -> dict[str, Any]:
    """The part of a configuration that can change the results of its own model, or of a challenger."""
    kept = {k: v for k, v in config.items() if k not in (*NO_EFFECT, "model", "challengers")}
    unset = [k for k in SESSIONS if isinstance(kept.get("folds"), Mapping) and kept["folds"].get(k) is None]
    if unset:  # as configurations were before there were these keys
        kept["folds"] = {k: v for k, v in kept["folds"].items() if k not in unset}
    if nested(config) and challenger is None:
        kept |= {"grid": config["grid"], "grid_selection": config["grid_selection"]}
    return {**kept, "model": config["challengers"][challenger] if challenger else config["model"]}


def nested(config: Config) -> bool:
    """Whether the cell of a grid is chosen anew at every fold. Errors: InputError for a selection that there is not."""
    selection = config.get("grid_selection", "best")
    if selection not in ("best", "nested"):
        raise InputError("grid_selection", selection, "best or nested")
    return bool(config.get("grid")) and selection == "nested"


def digest(value: Any) -> str:
    """SHA-256 of a JSON value in one canonical spelling."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def without_secrets(overrides: Sequence[str], text: str = "") -> tuple[list[str], str]:
    """Overrides with the values of those that look like secrets blanked, and a text in which they do not stand either."""
    shown = []
    for override in overrides:
        key, _, value = override.partition("=")
        secret = bool(SECRET.search(override)) and bool(value)
        shown.append(f"{key}={REDACTED}" if secret else override)
        if secret:  # a sweep's value is a list, of which Hydra names one
            text = re.sub(rf"{re.escape(key)}=\S+", f"{key}={REDACTED}", text.replace(value, REDACTED))
    return shown, text


def redacted(node: Any) -> Any:
    """The same configuration with the value of every key that looks like a secret blanked."""
    if isinstance(node, Mapping):
        return {k: REDACTED if SECRET.search(str(k)) and v else redacted(v) for k, v in node.items()}
    if isinstance(node, list | tuple):
        return [redacted(v) for v in node]
    return node
