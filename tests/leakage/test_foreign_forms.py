"""Tables in every form that they are given in, returns beside weights, and what files alone can show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from strangers import market, ranks, returns

import backcast
from backcast.engine.audit.findings import INFORMATION, LEAK, WARNING
from backcast.engine.audit.foreign import Audit
from backcast.engine.audit.foreign.features_file import audit_features
from backcast.engine.audit.foreign.frames import Table
from backcast.engine.audit.foreign.futures import Future
from backcast.engine.audit.foreign.tables import Tables
from backcast.engine.audit.foreign.weights import audit_weights


def polars_step(lead: int) -> Any:
    def f(prices: pl.DataFrame) -> pl.DataFrame:
        moved = [(pl.col(c).shift(-lead) / pl.col(c).shift(1)) - 1 for c in prices.columns if c != "date"]
        return prices.select("date", *moved)

    return f


def long_step(lead: int) -> Any:
    def f(prices: pd.DataFrame) -> pd.DataFrame:
        return returns(prices.pivot(index="date", columns="symbol", values="close")).shift(-lead)

    return f


def volume_step(lead: int) -> Any:
    def f(prices: dict[str, pd.DataFrame], volume: pd.DataFrame) -> pd.DataFrame:
        return returns(prices["close"]) * np.log(volume).shift(-lead)

    return f


@pytest.mark.parametrize("level", ["quick", "full"])
@pytest.mark.parametrize("lead", [0, 1])
def test_every_form_of_prices(level: str, lead: int) -> None:
    world = market()
    wide = pl.from_pandas(world.prices.reset_index())
    fields = {"close": world.prices, "volume": world.volume}
    by_symbol = world.long().sort_values(["symbol", "date"], ignore_index=True)
    given = ((polars_step, wide), (long_step, world.long()), (long_step, by_symbol), (volume_step, fields))
    zoned = world.prices.tz_localize("America/New_York")
    given += ((lambda n: lambda p: returns(p).shift(-n), zoned),)
    given += ((lambda n: lambda p: returns(p).shift(-n), world.prices["A"]),)
    for make, prices in given:
        found: Audit = backcast.audit(make(lead), prices, level=level)
        assert found.passed is (lead == 0), found
        assert lead == 0 or found.findings[0].depth == 1


def test_a_function_may_write_into_what_it_gets() -> None:
    def f(prices: pd.DataFrame) -> pd.DataFrame:
        prices[:] = returns(prices)
        return prices

    before = market().prices
    assert backcast.audit(f, before, level="full").passed is True
    pd.testing.assert_frame_equal(before, market().prices)


@pytest.mark.parametrize("kind", ["truncated", "scrambled"])
def test_a_future_leaves_the_past_alone(kind: str) -> None:
    world = market(2, holes=True)
    tables = Tables.of(world.prices, {"facts": world.facts, "membership": world.membership})
    made = Future(kind, seed=3).of(tables, 150).given()
    past, until = world.prices.iloc[:151], world.prices.index[150] + pd.Timedelta(days=1)
    shared = [c for c in past.columns if c in made["prices"].columns]
    pd.testing.assert_frame_equal(made["prices"].iloc[:151][shared], past[shared], check_freq=False)
    for name in ("facts", "membership"):
        table = getattr(world, name)
        known, kept = table[table.known_at < until], made[name][made[name].known_at < until]
        pd.testing.assert_frame_equal(kept.reset_index(drop=True), known.reset_index(drop=True))
    if kind == "scrambled":
        after, was = made["prices"].iloc[151:].to_numpy(), world.prices.iloc[151:].to_numpy()
        both = np.isfinite(after) & np.isfinite(was)
        assert len(made["prices"]) == len(world.prices)
        assert (after[both] > 0).all()
        assert (after[both] != was[both]).all()
        assert len(made["facts"]) != len(world.facts)


def test_bars_stay_plausible() -> None:
    close = market().prices
    fields = {"open": close * 0.99, "high": close * 1.02, "low": close * 0.98, "close": close}
    made = Future("scrambled", seed=1).of(Tables.of(fields, {}), 100).given()
    high, low = made["high"].to_numpy(), made["low"].to_numpy()
    for name in ("open", "close"):
        value = made[name].to_numpy()
        assert ((value <= high) & (value >= low) | np.isnan(value)).all()


def test_integers_stay_integers() -> None:
    table = Table.of(market().volume, "volume")
    made = table.taken(np.arange(10), (), {"A": np.linspace(1.2, 9.7, 10)})
    assert made.given["A"].dtype == market().volume["A"].dtype


def earned(lag: int, costs: float = 0.0, held: int = 0) -> Any:
    def f(prices: pd.DataFrame) -> dict[str, Any]:
        weights = (np.sign(returns(prices)) / prices.shape[1]).shift(held)
        gross = (weights.shift(lag) * returns(prices)).sum(axis=1)
        return {"weights": weights, "returns": gross - costs * weights.diff().abs().sum(axis=1)}

    return f


@pytest.mark.parametrize("costs", [0.0, 0.001])
def test_returns_of_the_same_bar_are_found(costs: float) -> None:
    found: Audit = backcast.audit(earned(0, costs), market().prices, level="quick")
    (one,) = found.findings
    assert (one.severity, found.layer_of(one)) == (LEAK, "execution")
    assert found.passed is False


@pytest.mark.parametrize(("lag", "costs", "held"), [(1, 0.0, 0), (1, 0.001, 0), (2, 0.0, 0), (0, 0.0, 1)])
def test_returns_of_later_bars_and_shifted_weights_are_fine(lag: int, costs: float, held: int) -> None:
    found: Audit = backcast.audit(earned(lag, costs, held), market().prices, level="quick")
    assert found.passed is True
    assert not found.findings


def test_returns_that_are_not_explained_or_could_be_either_are_information() -> None:
    def other(prices: pd.DataFrame) -> dict[str, Any]:
        noise = np.random.default_rng(0).normal(size=len(prices))
        return {"weights": ranks(prices), "returns": pd.Series(noise, prices.index)}

    def constant(prices: pd.DataFrame) -> dict[str, Any]:
        weights = prices * 0 + 0.1
        return {"weights": weights, "returns": (weights * returns(prices)).sum(axis=1)}

    for f in (other, constant):
        found: Audit = backcast.audit(f, market().prices, level="quick")
        assert found.passed is True
        assert [(one.severity, found.layer_of(one)) for one in found.findings] == [(INFORMATION, "execution")]


def test_a_file_of_weights_that_knows_what_comes_next() -> None:
    prices = market().prices
    ahead = returns(prices).shift(-1).iloc[:-1]
    for weights in (ahead, ahead.rank(axis=1), np.sign(ahead), np.sign(ahead[["A"]])):
        found = audit_weights(weights, prices[weights.columns])
        assert found.passed is False, found
        assert [one.severity for one in found.findings] == [LEAK]


@pytest.mark.parametrize("seed", range(4))
def test_a_file_of_honest_weights_is_information(seed: int) -> None:
    prices = market(seed).prices
    good = returns(prices).shift(-1) + 2 * np.random.default_rng(seed).normal(0, 0.01, prices.shape)
    for weights in (ranks(prices), good):  # one that is good beyond belief, but wrong at times
        found = audit_weights(weights, prices)
        assert found.passed is True
        assert {one.severity for one in found.findings} <= {INFORMATION}


def test_a_file_of_weights_with_times_and_symbols_that_are_not_there() -> None:
    world = market(1, holes=True)
    moved = ranks(world.prices).shift(-1, freq="D")
    (times, *_) = audit_weights(moved, world.prices).findings
    assert times.severity == WARNING
    assert "Moved by +1 day" in times.remedy
    everywhere = world.prices.notna() * 0.0 + 0.1
    (held, *_) = audit_weights(everywhere, world.prices).findings
    assert (held.severity, held.symbol) == (WARNING, "C")
    assert "before its first price" in held.sentence


def test_a_file_of_features_with_its_code() -> None:
    prices = market().prices

    def make(prices: pd.DataFrame) -> dict[str, pd.DataFrame]:
        return {"rank": ranks(prices), "step": returns(prices)}

    long = make(prices)["rank"].stack().rename("rank").to_frame()
    long = long.join(make(prices)["step"].stack().rename("step"), how="outer").reset_index()
    long = long.set_axis(["date", "symbol", "rank", "step"], axis=1)
    assert audit_features(long, make, prices, level="quick").passed is True
    found = audit_features(long.assign(step=long["step"] * 1.01), make, prices, level="quick")
    (one,) = found.findings
    assert (found.passed, one.column, found.layer_of(one)) == (False, "step", "features")
    found = audit_features(
        long, lambda p: {n: f.shift(-1) for n, f in make(p).items()}, prices, level="quick"
    )
    assert [check.name for check in found.checks if check.failed][-1] != "the file is what its code gives"
