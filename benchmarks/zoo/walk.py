"""A strategy of the zoo that is a whole run of our engine: ingested data, the user's own classes named by `_target_`, audited.

Every run has a home of its own, so that no trial, cache or data set of another is in it. The synthetic market has corrections,
late bars, gaps, halts, splits, dividends, renames and delistings; its audit has nothing to warn of.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from inspect import getdoc
from pathlib import Path
from typing import Any

from zoo.market import Market
from zoo.pair import Outputs, Said

LEAK, WARNING, INFORMATION = "leak", "warning", "information"

MARKET = ("dataset=synthetic", "dataset.symbols=14", "dataset.sessions=420", "+dataset.rates.delistings=0.12")

RUN = (
    "folds=monthly",
    "folds.first_fit=300",
    "folds.refit=quarterly",
    "model=ridge",
    "threads=1",
    "cache.max_gib=0",
    "study=zoo",
    "job=run",
)
"""A run of about a third of a second: two fits, 24 weekly decisions."""

FEATURES = {
    "_target_": "backcast.signals.feature.FeatureSet",
    "expressions": {
        "alpha": "alpha",
        "return_5": "close / ref(close, 5) - 1",
        "volatility_20": "ts_std(returns(close, 1), 20)",
        "volume_20": "volume / ts_mean(volume, 20)",
    },
}


@dataclass(frozen=True)
class Walk:
    """A run of our engine.

    about: the user's class, or the function that makes the data, whose docstring says what it does. parts: groups of the
    configuration in place of the run's own. overrides: of the command line. dataset: the overrides that name it. prepare: what
    is done in the fresh home before the run, such as an ingest or earlier runs. searched: it is a search that is to be told,
    which is information and no accusation of the run; of all other strategies a leak or a warning is what counts.
    """

    about: Callable[..., Any]
    parts: Mapping[str, Any] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    dataset: tuple[str, ...] = MARKET
    prepare: Callable[[], None] | None = None
    searched: bool = False

    @property
    def text(self) -> str:
        return getdoc(self.about) or ""

    @property
    def market(self) -> Market | None:
        """The simpler methods know functions of prices only."""
        return None

    def run(self, market: Market) -> Outputs:
        raise NotImplementedError("a run of our engine reads its store")

    def audit(self, level: str) -> Said:
        """What the audit of the run says; a configuration that is refused is told by the parameter that names its layer."""
        from backcast.engine import research

        with home():
            if self.prepare is not None:
                self.prepare()
            config = self.config(level)
            began = time.perf_counter()
            folder = Path(os.environ["BACKCAST_HOME"]) / "runs" / "run"
            research.run(config, folder)
            seconds = time.perf_counter() - began
            return accusation(json.loads((folder / "audit.json").read_text()), self.searched, seconds)

    def config(self, level: str) -> dict[str, Any]:
        """The configuration as the command line would resolve it."""
        from backcast.engine.cli import compose

        config = compose([*self.dataset, *RUN, *self.overrides, f"audit={level}"])
        own = any(override.startswith("features=") for override in self.overrides)
        return {**config, **({} if own else {"features": FEATURES}), **self.parts}


@dataclass(frozen=True)
class Refused:
    """A strategy that the engine does not let begin: the refusal is the answer, at whatever level. parameter: how the name of
    what is refused begins, so that another error is no answer; layer: the one that it belongs to."""

    walk: Walk
    layer: str
    parameter: str

    @property
    def text(self) -> str:
        return self.walk.text

    @property
    def market(self) -> Market | None:
        return None

    def run(self, market: Market) -> Outputs:
        raise NotImplementedError("a run of our engine reads its store")

    def audit(self, level: str) -> Said:
        """An accusation where it is refused by an InputError, which names what is wrong; else what the audit says."""
        from backcast.data.errors import InputError

        began = time.perf_counter()
        try:
            return self.walk.audit(level)
        except InputError as error:
            if not error.parameter.startswith(self.parameter):
                raise
            why = f"refused: {error}"
            return Said(True, self.layer, why=why, seconds=time.perf_counter() - began)


def accusation(found: Mapping[str, Any], searched: bool, seconds: float) -> Said:
    """What `audit.json` comes to: its first leak in causal order; without one, its first warning; then of a search."""
    from backcast.engine.audit.findings import LAYERS

    checks = sorted(found["checks"], key=lambda check: LAYERS.index(check["layer"]))
    for severity in (LEAK, WARNING, *((INFORMATION,) if searched else ())):
        for check in checks:
            if check["state"] == severity and (severity != INFORMATION or check["layer"] == "selection"):
                one = check["finding"]
                why = f"{check['name']}: {one['sentence']}"
                return Said(True, check["layer"], one["through"], one["depth"], why, False, seconds)
    unknown = [f"{check['name']}: {check['inconclusive']}" for check in checks if check["inconclusive"]]
    return Said(False, why="; ".join(unknown), inconclusive=bool(unknown), seconds=seconds)


@contextmanager
def home() -> Iterator[Path]:
    """A fresh BACKCAST_HOME that lets the zoo's classes in."""
    before = os.environ.get("BACKCAST_HOME")
    with tempfile.TemporaryDirectory(prefix="backcast-zoo-") as folder:
        (Path(folder) / "extensions.txt").write_text("zoo\n")
        os.environ["BACKCAST_HOME"] = folder
        try:
            yield Path(folder)
        finally:
            if before is None:
                del os.environ["BACKCAST_HOME"]
            else:
                os.environ["BACKCAST_HOME"] = before


def named(cls: type, **values: Any) -> dict[str, Any]:
    """The node of the configuration that builds a class."""
    return {"_target_": f"{cls.__module__}.{cls.__qualname__}", **values}
