"""The audit replays portfolios that remember to the bit, and finds one that looks ahead or hides what it remembers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backcast.data.types import Floats, Panel
from backcast.engine import walkforward
from backcast.engine.audit import replay as audit
from backcast.engine.audit.findings import Check
from backcast.engine.audit.path import Evidence
from backcast.engine.cli import compose
from backcast.engine.configure import experiment
from backcast.engine.pinned import pin
from backcast.engine.portfolio import Portfolio, RankPortfolio, TopKPortfolio
from backcast.engine.portfolio.known import Known
from backcast.engine.types import Targets
from backcast.signals.types import Forecast

MARKET = ["dataset=synthetic", "dataset.symbols=12", "dataset.sessions=360", "folds=monthly", "folds.first_fit=300",
          "model=ridge", "features=ohlcv", "audit.instants=5", "study=s", "job=j"]  # fmt: skip


def audited(folder: Path, overrides: Sequence[str] = (), portfolio: Portfolio | None = None) -> Check:
    """The replay of targets in a small walk forward that is not simulated."""
    config = compose([*MARKET, *overrides])
    made = experiment(config)
    made = made if portfolio is None else replace(made, portfolio=portfolio)
    pinned = pin(made, config)
    world = walkforward.observe(made, pinned.store, pinned.pin, 1)
    fitted = walkforward.forecast(made, made.model, world, folder, 1, lambda _: None)
    targets = made.portfolio.targets(fitted.forecast, world.panel)
    assert np.nansum(np.abs(targets.weights)) > 0
    evidence = Evidence(fitted.forecast, targets, folder)
    checks = audit.replay(made, pinned.store, pinned.pin, world, evidence, 1, lambda _: None)
    (found,) = (c for c in checks if c.layer == "targets")
    assert found.cells > 0
    return found


STEPS = ["+portfolio/steps@portfolio.steps.a=neutral", "+portfolio/steps@portfolio.steps.b=volatility_target",
         "+portfolio/steps@portfolio.steps.c=cap_gross", "+portfolio/steps@portfolio.steps.d=cap_traded",
         "+portfolio/steps@portfolio.steps.e=cap_turnover", "+portfolio/steps@portfolio.steps.f=band"]  # fmt: skip


@pytest.mark.parametrize("overrides", [
    ["portfolio=topk", "portfolio.topk=4", "portfolio.n_drop=1"], ["portfolio=overlapping"], ["portfolio=score"],
    ["portfolio=inverse_volatility"], ["portfolio=risk_parity"], ["portfolio=mean_variance", "portfolio.cost=${costs}"],
    STEPS, [*STEPS, "costs=almgren"],
], ids=["topk", "overlapping", "score", "inverse volatility", "risk parity", "mean-variance", "steps", "impact"])  # fmt: skip
def test_every_portfolio_is_replayed_to_the_bit(overrides: list[str], tmp_path: Path) -> None:
    assert audited(tmp_path, overrides).changed == 0


class LooksAhead(RankPortfolio):
    """Ranks by the next session's return."""

    def targets(self, forecast: Forecast, panel: Panel) -> Targets:
        last = len(panel.clock) - 1
        closes = panel.field("close").T
        after = closes[np.minimum(forecast.decisions + 1, last)] / closes[forecast.decisions]
        return super().targets(replace(forecast, mean=after), panel)


class Forgets(TopKPortfolio):
    """Holds names by what was held before, and keeps its own note of it instead of saying so."""

    rule_memory = 0

    def begin(self):  # type: ignore[no-untyped-def]
        held: dict[str, Floats] = {}

        def rule(known: Known) -> Floats:
            before = held.get("last", np.zeros(len(known.scores)))
            before = np.pad(before, (0, len(known.scores) - len(before)))
            held["last"] = TopKPortfolio.weigh(self, replace(known, before=before))
            return held["last"]

        return rule


@pytest.mark.parametrize("portfolio", [LooksAhead(), Forgets(topk=4, n_drop=1)])
def test_what_looks_ahead_or_hides_its_memory_is_found(portfolio: Portfolio, tmp_path: Path) -> None:
    assert audited(tmp_path, portfolio=portfolio).changed > 0
