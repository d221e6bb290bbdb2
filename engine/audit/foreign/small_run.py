"""A class or an expression of the user's, in a small run of its own: our features, models and rules are audited as runs are.

The run lies in a temporary home with a trial log of its own: an audit counts as no trial, and nobody is told what it earned.
"""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backcast.data.errors import InputError
from backcast.engine.audit import delay
from backcast.engine.audit.findings import LEAK, Check, Finding, verdict
from backcast.engine.portfolio import Portfolio
from backcast.engine.progress import Progress
from backcast.signals.custom import OwnFeature
from backcast.signals.models.base import ForecastModel
from backcast.signals.types import FeatureSource

MARKET = ("dataset.symbols=12", "dataset.sessions=420", "folds=monthly", "folds.first_fit=330")
"""Of the synthetic data: corrections, splits, delistings and all, in some seconds."""


def node_of(cls: type, target: str, features: Any) -> dict[str, Any]:
    """The part of a configuration that a class is. Errors: InputError for a class of another kind."""
    if issubclass(cls, OwnFeature):
        return {"features": {**features, "own": {cls.__name__.lower(): {"_target_": target}}}}
    for group, kind in (("features", FeatureSource), ("model", ForecastModel), ("portfolio", Portfolio)):
        if issubclass(cls, kind):
            return {group: {"_target_": target}}
    expected = "a function, or a class of OwnFeature, FeatureSource, ForecastModel or Portfolio"
    raise InputError("TARGET", cls.__name__, expected)


def audit_class(
    cls: type, target: str, said: str, level: str, dataset: str | None, at: str | None, progress: Progress
) -> dict[str, Any]:
    """What the audit of a small run with this class says. target: its import path; said: as the user named it.
    Errors: InputError."""
    config = _config(dataset)
    return _audited({**config, **node_of(cls, target, config["features"])}, target, said, level, at, progress)


def audit_expression(
    text: str, level: str, dataset: str | None, at: str | None, progress: Progress
) -> dict[str, Any]:
    """The static proof of an expression, and the replay of a small run with it. One that reads the future cannot be parsed:
    that is the finding. Errors: InputError for one that is not in the language."""
    from backcast.signals.expression import parse

    static = Check(
        "the graph of the expression", "features", "no operator reads ahead: lags and windows count backwards"
    )
    try:
        parse(text, "TARGET")
    except InputError as error:
        if "cannot read the future" not in error.hint:
            raise
        reason = f"The language refuses it: expected {error.expected}."
        static.changed = 1
        static.finding = Finding(LEAK, reason, error.hint.splitlines()[0], text)
        return verdict(level, [static])
    static.proved = True
    config = _config(dataset)
    config = {**config, "features": {**config["features"], "expressions": {"feature": text}}}
    found = _audited(config, "", text, level, at, progress)
    return {**found, "checks": [*verdict(level, [static])["checks"], *found["checks"]]}


def _config(dataset: str | None) -> dict[str, Any]:
    from backcast.engine.cli import compose

    data = [f"dataset={dataset}"] if dataset else ["dataset=synthetic", *MARKET]
    return compose([*data, "model=ridge", "features=ohlcv", "audit=off", "study=audit", "job=small"])


def _audited(
    config: dict[str, Any], target: str, said: str, level: str, at: str | None, progress: Progress
) -> dict[str, Any]:
    from backcast.engine.research import run

    with _home(target.rpartition(".")[0].partition(".")[0]) as home:
        folder = home / "runs" / "audit" / "small"
        run(config, folder, progress)
        found = again(folder, level, at, progress)
    checks = [
        check for check in found["checks"] if check["name"] != delay.NAME
    ]  # which tells what was earned
    for one in (check["finding"] for check in checks if check["finding"]):
        one["reproduce"] = one["reproduce"].replace(str(folder), shlex.quote(said))  # the folder is gone
    return {**{key: value for key, value in found.items() if key != "delay"}, "checks": checks}


@contextmanager
def _home(package: str) -> Iterator[Path]:
    """A home that is thrown away, in which the user's package may be built."""
    before = os.environ.get("BACKCAST_HOME")
    with tempfile.TemporaryDirectory(prefix="backcast-audit-") as name:
        if package and package != "backcast":
            (Path(name) / "extensions.txt").write_text(f"{package}\n")
        os.environ["BACKCAST_HOME"] = name
        try:
            yield Path(name)
        finally:
            if before is None:
                del os.environ["BACKCAST_HOME"]
            else:
                os.environ["BACKCAST_HOME"] = before


def again(
    folder: Path, level: str, at: str | None, progress: Progress, instants: int | None = None
) -> dict[str, Any]:
    """A finished run's audit, at a level; at one instant it is shown alone, and not written. Errors: InputError."""
    from backcast.data.sources.instants import instant_of
    from backcast.engine.run_audit import audit_again

    return audit_again(folder, level, None if at is None else instant_of(at, "--at"), progress, instants)
