"""Fills that nobody could have had: a user's own execution or simulator that takes them is named, its honest twin is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from backcast.data import asof
from backcast.data.ingest import ingest
from backcast.data.market import Market
from backcast.data.store import Store
from backcast.data.synthetic import SyntheticSource
from backcast.data.types import Floats, Panel
from backcast.engine import walkforward
from backcast.engine.audit import delay, execution, futures
from backcast.engine.audit.findings import Check
from backcast.engine.cli import compose
from backcast.engine.configure import Experiment, experiment
from backcast.engine.costs.base import Cost
from backcast.engine.costs.linear import LinearCost
from backcast.engine.execution import Execution
from backcast.engine.research import run
from backcast.engine.simulators.base import Simulator
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.types import Account, Plan, Targets


class AtTheLow(Execution):
    """Buys and sells at the low of the bar."""

    def _price(self, values: Floats, source: Panel | Market) -> Floats:
        return values[source.fields.index("low")]


class AtTheDecisionsClose(Execution):
    """Fills at the close that the decision was made of."""

    def _price(self, values: Floats, source: Panel | Market) -> Floats:
        closes = values[source.fields.index("close")]
        return np.concatenate([closes[:, :1], closes[:, :-1]], axis=1)


class AtTheBetterOfTwo(Execution):
    """Fills at the open or at the close, whichever is lower."""

    def _price(self, values: Floats, source: Panel | Market) -> Floats:
        return np.fmin(values[source.fields.index("open")], values[source.fields.index("close")])


class MinutesMean(Execution):
    """Honest: fills at a mean of minutes that the data do not have, somewhere in the bar."""

    def _price(self, values: Floats, source: Panel | Market) -> Floats:
        low, high = (values[source.fields.index(name)] for name in ("low", "high"))
        return np.asarray(low + np.random.default_rng(4).uniform(size=low.shape) * (high - low))


class BuysAtTheOpen(Execution):
    """Honest: opens longs at the open and everything else at the close, whatever the two are."""

    def plan(self, panel: Panel, market: Market, targets: Targets, cost: Cost | None = None) -> Plan:
        plan = super().plan(panel, market, targets, cost)
        close = market.field("close").T[plan.offset :]
        late = plan.tradable & ~(np.nan_to_num(plan.weights) > 0)
        return replace(plan, fill_price=np.where(late, close, plan.fill_price))


class TwoBarsLater(Execution):
    """Honest: an order takes a bar more to get to the exchange."""

    def plan(self, panel: Panel, market: Market, targets: Targets, cost: Cost | None = None) -> Plan:
        return super().plan(panel, market, replace(targets, decisions=targets.decisions + 1), cost)


class NoLag(Execution):
    """Takes the lag out by telling the plan an earlier decision."""

    def plan(self, panel: Panel, market: Market, targets: Targets, cost: Cost | None = None) -> Plan:
        return super().plan(panel, market, replace(targets, decisions=targets.decisions - 1), cost)


class AtTheMean(Execution):
    """Honest: fills at the mean of the bar, whatever that comes to."""

    def _price(self, values: Floats, source: Panel | Market) -> Floats:
        parts = [values[source.fields.index(name)] for name in ("open", "high", "low", "close")]
        return np.asarray(np.mean(parts, axis=0))


class TradesHalted(Execution):
    """Trades at the last price where there is no bar."""

    def plan(self, panel: Panel, market: Market, targets: Targets, cost: Cost | None = None) -> Plan:
        close = market.field("close")
        at = np.maximum.accumulate(np.where(np.isfinite(close), np.arange(close.shape[1]), 0), axis=1)
        values = np.stack([np.take_along_axis(v, at, axis=1) for v in market.values])
        plan = super().plan(panel, replace(market, values=values), targets, cost)
        return replace(plan, forced=None)


class TradableByTheClose(Execution):
    """Judges by the bar's own close whether an order can fill at its open (a price limit, looked up too late)."""

    def plan(self, panel: Panel, market: Market, targets: Targets, cost: Cost | None = None) -> Plan:
        plan = super().plan(panel, market, targets, cost)
        part = slice(plan.offset, len(market.clock))
        up = (market.field("close") / market.field("open"))[:, part].T > 1.03
        return replace(plan, weights=np.where(up, np.nan, plan.weights), tradable=plan.tradable & ~up)


class TwiceTheVolume(Execution):
    """Says that it takes a share of the volume, and takes much more."""

    def _capacity(self, market: Market, part: slice) -> Floats | None:
        capacity = super()._capacity(market, part)
        return None if capacity is None else 1000 * capacity


class SkipsLosers(Simulator):
    """Gives up orders that would have lost within five bars."""

    name: ClassVar[str] = "skips_losers"

    def simulate(self, plan: Plan, cost: Cost, capital: float) -> Account:
        later = np.concatenate([plan.mark_price[5:], np.repeat(plan.mark_price[-1:], 5, axis=0)])
        loses = (later - plan.fill_price) * np.sign(np.nan_to_num(plan.weights)) < 0
        return NativeSimulator().simulate(
            replace(plan, weights=np.where(loses, np.nan, plan.weights)), cost, capital
        )


class Plain(Simulator):
    """Honest: another's simulator that trades the plan."""

    name: ClassVar[str] = "plain"

    def simulate(self, plan: Plan, cost: Cost, capital: float) -> Account:
        return NativeSimulator().simulate(plan, cost, capital)


class Bookkeeper(LinearCost):
    """Honest: a user's own cost."""


@cache
def _synthetic(home: str) -> tuple[Panel, Market, Targets]:
    """A market with every nuisance, and weekly targets that know nothing."""
    store, source = Store(), SyntheticSource("busy", symbols=16, sessions=420, rates={"halts": 3.0})
    ingest(store, source)
    pin = store.version("busy")
    panel, market = asof.load_panel(store, "busy", pin), asof.load_market(store, "busy", pin)
    generator = np.random.default_rng(1)
    decisions = np.arange(50, 410, 5, dtype=np.int64)
    member = panel.member[:, decisions].T
    weights = np.where(member, generator.uniform(-1, 1, member.shape) / 16, 0.0)
    return panel, market, Targets(decisions, panel.symbols, weights)


def _made(**parts: Any) -> Experiment:
    made = experiment(compose(["dataset=synthetic", "features=ohlcv", "model=ridge", "study=s", "job=j"]))
    return (
        replace(made, execution=Execution(margin=True), **parts)
        if "execution" not in parts
        else replace(made, **parts)
    )


def looked(home: Path, **parts: Any) -> dict[str, Check]:
    """The checks of the fills of a user's parts."""
    panel, market, targets = _synthetic(str(home))
    made = _made(**parts)
    account = walkforward.simulate(made, panel, market, targets)
    assert len(account.fills.price) > 300
    found = execution.checks(made.execution, panel, market, account)
    return {c.name: c for c in [*found, futures.check(made, panel, market, targets, account)]}


LEAKS: dict[str, tuple[Callable[[], dict[str, Any]], str, str]] = {
    "low": (lambda: {"execution": AtTheLow(margin=True)}, execution.PRICE, "its bar's low"),
    "own close": (
        lambda: {"execution": AtTheDecisionsClose(margin=True)},
        execution.PRICE,
        "its decision's own close",
    ),
    "better of two": (
        lambda: {"execution": AtTheBetterOfTwo(margin=True)},
        execution.PRICE,
        "its bar's",
    ),
    "halted": (lambda: {"execution": TradesHalted(margin=True)}, execution.TRADED, "nothing traded"),
    "late limit": (lambda: {"execution": TradableByTheClose(margin=True)}, futures.NAME, "can trade"),
    "no lag": (lambda: {"execution": NoLag(margin=True)}, futures.NAME, "decided at its own bar or later"),
    "volume": (
        lambda: {"execution": TwiceTheVolume(margin=True, participation=1e-4, patience=1)},
        execution.VOLUME,
        "of a volume of",
    ),
    "skips losers": (lambda: {"simulator": SkipsLosers()}, futures.NAME, "its fill changes"),
}


@pytest.mark.parametrize("name", LEAKS)
def test_what_nobody_could_have_had_is_named(name: str, home: Path) -> None:
    parts, check, words = LEAKS[name]
    found = looked(home, **parts())[check]
    assert found.state == "leak" and found.changed > 0 and found.finding is not None
    assert words in found.finding.sentence
    panel, market, _ = _synthetic(str(home))
    assert found.finding.symbol in panel.symbols
    assert np.datetime64(found.finding.at, "us") in market.clock.closes_at


HONEST: dict[str, Callable[[], dict[str, Any]]] = {
    "ours": dict,
    "at the close": lambda: {"execution": Execution(fill="next_close", margin=True)},
    "typical": lambda: {"execution": Execution(fill="next_typical", margin=True)},
    "mean": lambda: {"execution": AtTheMean(margin=True)},
    "mean of minutes": lambda: {"execution": MinutesMean(margin=True)},
    "buys at the open": lambda: {"execution": BuysAtTheOpen(margin=True)},
    "two bars later": lambda: {"execution": TwoBarsLater(margin=True)},
    "volume": lambda: {"execution": Execution(margin=True, participation=1e-4, patience=1)},
    "haircut": lambda: {"execution": Execution(margin=True, haircut=0.3, lot=1.0)},
    "simulator": lambda: {"simulator": Plain()},
    "cost": lambda: {"cost": Bookkeeper(3.0, 3.0)},
    "margin calls": lambda: {"execution": Execution(margin=True, max_leverage=0.4, maintenance=0.9)},
}


@pytest.mark.parametrize("name", HONEST)
def test_the_honest_twins_are_not_accused(name: str, home: Path) -> None:
    for check in looked(home, **HONEST[name]()).values():
        assert check.state == "passed" and check.cells > 0, (check.name, check.finding, check.inconclusive)


def test_depth_is_what_the_skipping_looks_ahead(home: Path) -> None:
    finding = looked(home, simulator=SkipsLosers())[futures.NAME].finding
    assert finding is not None and finding.depth is not None
    assert 1 <= finding.depth <= 6  # five bars after the fill, which is one after its decision


def test_a_simulator_that_draws_lots_is_not_accused(home: Path) -> None:
    class Lots(Plain):
        drawn = np.random.default_rng(0)

        def simulate(self, plan: Plan, cost: Cost, capital: float) -> Account:
            dropped = self.drawn.random(plan.weights.shape) < 0.1
            return super().simulate(
                replace(plan, weights=np.where(dropped, np.nan, plan.weights)), cost, capital
            )

    check = looked(home, simulator=Lots())[futures.NAME]
    assert check.state == "inconclusive" and "not reproducible" in check.inconclusive


def test_a_simulator_that_fails_elsewhere_is_not_accused(home: Path) -> None:
    class Brittle(Plain):
        seen: ClassVar[list[float]] = []

        def simulate(self, plan: Plan, cost: Cost, capital: float) -> Account:
            self.seen.append(float(np.nansum(plan.mark_price)))
            if self.seen[-1] != self.seen[0]:
                raise ValueError("never seen such prices")
            return super().simulate(plan, cost, capital)

    check = looked(home, simulator=Brittle())[futures.NAME]
    assert check.state == "inconclusive" and "never seen such prices" in check.inconclusive


def test_one_bar_later_is_the_account_of_later_targets(home: Path) -> None:
    panel, market, targets = _synthetic(str(home))
    made = _made()
    account = walkforward.simulate(made, panel, market, targets)
    check, facts = delay.delayed(made, panel, market, targets, account)
    later = replace(targets, decisions=targets.decisions + 1)
    other = walkforward.simulate(made, panel, market, later)
    sharpe = other.net_return.mean() / other.net_return.std(ddof=1) * np.sqrt(panel.clock.periods_per_year)
    assert facts["delayed_sharpe_per_year"] == pytest.approx(sharpe)
    net = account.net_return[1:]
    own = net.mean() / net.std(ddof=1) * np.sqrt(panel.clock.periods_per_year)
    assert facts["sharpe_per_year"] == pytest.approx(own)
    assert check.state == "information" and check.finding is not None
    assert f"from {own:.2f} to {sharpe:.2f}" in check.finding.sentence


def test_a_strategy_that_knows_tomorrow_collapses_one_bar_later(home: Path) -> None:
    panel, market, targets = _synthetic(str(home))
    opens = market.field("open") * np.cumprod(market.split, axis=1)
    at = np.arange(50, 400, dtype=np.int64)
    gain = np.nan_to_num(opens[:, at + 2] / opens[:, at + 1] - 1)
    known = Targets(at, targets.symbols, np.sign(gain.T) / 16)
    made = _made(cost=LinearCost(0.0, 0.0))
    account = walkforward.simulate(made, panel, market, known)
    _, facts = delay.delayed(made, panel, market, known, account)
    assert facts["sharpe_per_year"] > 10 > 3 > facts["delayed_sharpe_per_year"]


def test_an_account_that_was_lost_is_told_until_then(home: Path) -> None:
    panel, market, targets = _synthetic(str(home))
    made = _made()
    account = walkforward.simulate(made, panel, market, targets)
    equity, net = account.equity.copy(), account.net_return.copy()
    equity[100:], net[100], net[101:] = -1.0, -1.2, 0.0
    _, facts = delay.delayed(made, panel, market, targets, replace(account, equity=equity, net_return=net))
    kept = net[1:101]
    own = kept.mean() / kept.std(ddof=1) * np.sqrt(panel.clock.periods_per_year)
    assert facts["sharpe_per_year"] == pytest.approx(own) and facts["return_per_year"] == -1.0


def test_nothing_to_delay_is_said(home: Path) -> None:
    panel, market, targets = _synthetic(str(home))
    last = len(panel.clock) - 2
    late = Targets(np.array([last]), targets.symbols, targets.weights[:1])
    made = _made()
    account = walkforward.simulate(made, panel, market, late)
    check, facts = delay.delayed(made, panel, market, late, account)
    assert check.state == "inconclusive" and facts == {}


def test_a_run_with_such_an_execution_must_not_be_used(tmp_path: Path, home: Path) -> None:
    (home / "extensions.txt").write_text(__name__.split(".")[0] + "\n")
    market = ["dataset=synthetic", "dataset.symbols=10", "dataset.sessions=420", "folds=monthly",
              "folds.first_fit=330", "model=ridge", "features=ohlcv", "study=s", "job=j"]  # fmt: skip
    config = compose(market)
    config["execution"] = {**config["execution"], "_target_": f"{__name__}.AtTheLow"}
    run(config, tmp_path / "run")
    found = json.loads((tmp_path / "run" / "audit.json").read_text())
    assert found["passed"] is False
    accused = [c for c in found["checks"] if c["state"] == "leak"]
    assert [(c["layer"], c["name"]) for c in accused] == [("execution", execution.PRICE)]
    page = (tmp_path / "run" / "tearsheet.html").read_text()
    assert "Do not use: the leak audit failed in execution" in page
    assert "its bar&#39;s low" in page and accused[0]["finding"]["symbol"] in page
