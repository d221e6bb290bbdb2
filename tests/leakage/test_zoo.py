"""The zoo itself: its pairs are declared in full, its market holds what they need, and the simpler methods do what they say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from zoo.catalogue import PAGE, page
from zoo.families import FAMILIES, RUNS, every
from zoo.market import SHAPES, market
from zoo.pair import Function, Outputs, wide
from zoo.peers import METHODS, cut_and_compare, lag_and_compare
from zoo.run import against_bar, asked_of, main, right

from backcast.engine.audit.findings import LAYERS

MARKET = market()


@pytest.mark.parametrize("pair", every(), ids=lambda p: p.name)
def test_a_pair_is_declared_in_full(pair: object) -> None:
    assert pair.layer in LAYERS
    assert pair.through in ("", "bars", "facts", "membership", "actions")
    assert pair.leak.text and pair.honest.text


def test_no_two_pairs_share_a_leak() -> None:
    assert len({pair.name for pair in every()}) == len(every()) == len({pair.leak.text for pair in every()})


def test_the_catalogue_is_what_the_pairs_say() -> None:
    assert PAGE.read_text() == page(), "python -m zoo.catalogue"


def test_the_market_holds_what_the_pairs_trip_over() -> None:
    bars, facts = MARKET.fields, MARKET.facts
    known = MARKET.closes.notna()
    assert ((bars["high"] >= bars["close"]) | ~known).all(axis=None)
    assert ((bars["low"] <= bars["open"]) | ~known).all(axis=None)
    assert set(MARKET.closes.index.hour) == {18, 21}
    assert facts.duplicated(["symbol", "item", "event_at"]).sum() > 50  # restatements
    assert not facts.duplicated(["symbol", "item", "event_at", "known_at"]).any()
    assert (facts["known_at"].dt.hour < 3).any()  # evenings of New York
    assert {"split", "dividend", "delisting"} == set(MARKET.actions["kind"])
    assert known.iloc[0].sum() < known.shape[1] > known.iloc[-1].sum()  # some list late, some are gone
    for table in (facts, MARKET.membership, MARKET.actions):
        assert table["known_at"].between(pd.Timestamp("2017-01-01"), MARKET.closes.index[-1]).all()


def test_the_market_ends_with_what_was_known() -> None:
    ended = MARKET.until(300)
    now = MARKET.closes.index[300]
    assert ended.closes.index[-1] == now
    assert ended.facts["known_at"].max() <= now
    assert len(ended.facts) == (MARKET.facts["known_at"] <= now).sum()


def test_a_delayed_market_knows_everything_a_bar_later() -> None:
    late = MARKET.delayed(1)
    pd.testing.assert_frame_equal(late.closes.iloc[1:], MARKET.closes.shift(1).iloc[1:])
    before = np.searchsorted(MARKET.closes.index, MARKET.facts["known_at"])
    after = np.searchsorted(MARKET.closes.index, late.facts["known_at"])
    assert (after == np.minimum(before + 1, len(MARKET.closes) - 1)).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_holds_the_same_closes(shape: str) -> None:
    given = MARKET.prices(shape)
    if shape == "fields":
        given = given["close"]
    if shape.endswith("long"):
        given = pd.DataFrame(given.to_dict(as_series=False)) if shape.startswith("polars") else given
        given = given.pivot(index="time", columns="symbol", values="close")
    pd.testing.assert_frame_equal(wide(given), MARKET.closes, check_names=False, check_freq=False)


def looks_ahead(bars: int) -> Function:
    """Long what will have risen in so many bars."""

    def strategy(prices: pd.DataFrame) -> pd.DataFrame:
        """Looks ahead."""
        return (prices.shift(-bars) > prices).astype(float) / prices.shape[1]

    return Function(strategy)


def test_cut_and_compare_sees_two_bars_ahead_and_never_one() -> None:
    assert cut_and_compare(looks_ahead(2)).accused
    assert not cut_and_compare(looks_ahead(1)).accused
    assert not cut_and_compare(looks_ahead(-1)).accused


def test_cutting_to_the_traded_symbol_accuses_whatever_looks_at_others() -> None:
    def ranked(prices: pd.DataFrame) -> pd.DataFrame:
        """Honest: above the mean of the row."""
        return prices.gt(prices.mean(axis=1), axis=0).astype(float) / 24

    assert not cut_and_compare(Function(ranked)).accused
    assert cut_and_compare(Function(ranked), alone=True).accused


def test_cut_and_compare_has_no_answer_where_there_are_few_trades() -> None:
    def held(prices: pd.DataFrame) -> pd.DataFrame:
        """Buy and hold."""
        return (prices.notna().cumsum() > 0).astype(float)[["S00"]]

    told = cut_and_compare(Function(held))
    assert (told.accused, told.inconclusive) == (False, True)
    assert told.why == "too few trades (0 of 10)"


def test_lag_and_compare_sees_a_bar_ahead_and_accuses_fast_honest_signals() -> None:
    def reversal(prices: pd.DataFrame) -> pd.DataFrame:
        """Honest, and good for a day."""
        steps = -prices.pct_change(fill_method=None).clip(-0.1, 0.1)
        return steps.sub(steps.mean(axis=1), axis=0).fillna(0.0)

    assert lag_and_compare(looks_ahead(1)).accused
    assert lag_and_compare(Function(reversal)).accused  # it is not a leak: the method cannot tell
    assert not lag_and_compare(looks_ahead(20)).accused  # a bar more or less does not matter to it


def test_a_strategy_that_decides_before_the_bar_is_paid_for_the_bar() -> None:
    def today(prices: pd.DataFrame) -> pd.DataFrame:
        """Long what rises today, decided before it does."""
        return prices.gt(prices.shift(1)).astype(float) / prices.shape[1]

    before = Function(today, decides="before")
    assert before.run(MARKET).lag == 0
    assert lag_and_compare(before).accused
    assert not lag_and_compare(Function(today)).accused  # after the close it is momentum
    assert not cut_and_compare(before).accused  # one bar ahead


def test_a_method_that_breaks_has_no_answer() -> None:
    def breaks(prices: pd.DataFrame) -> pd.DataFrame:
        """Raises."""
        raise ValueError("no such column")

    for method in ("full", *METHODS):
        told = asked_of(Function(breaks), method)
        assert (told.accused, told.inconclusive) == (False, True)
        assert "no such column" in told.why


def test_a_leak_on_another_layer_is_not_right() -> None:
    row = {
        "side": "leak",
        "method": "full",
        "accused": True,
        "layer": "targets",
        "expected_layer": "features",
    }
    assert not right(row)
    assert right({**row, "layer": "features"})
    assert right({**row, "method": "cut", "layer": ""})
    assert not right({**row, "side": "honest"})


def test_the_bar_counts_layers_and_alarms() -> None:
    def row(side: str, accused: bool, layer: str = "features") -> dict[str, object]:
        return {
            "side": side,
            "method": "quick",
            "accused": accused,
            "layer": layer,
            "expected_layer": "features",
        }

    five = [row("leak", True)] * 5
    assert against_bar([*five, row("leak", False)], "quick").endswith(
        "5 of 6 on their layer (bar 5), 0 twins accused (bar 0): met"
    )
    assert against_bar([*five, row("leak", True, "targets")], "quick").endswith("met")
    assert against_bar([*five[1:], row("leak", False)] * 2, "quick").endswith(
        "(bar 9), 0 twins accused (bar 0): MISSED"
    )
    assert against_bar([*five, row("honest", True)], "quick").endswith("1 twins accused (bar 0): MISSED")


def test_the_command_prints_and_writes(tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "zoo.json"
    assert main(["--pair", "negative_shift", "--level", "quick", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "negative_shift" in printed and str(out) in printed.replace("\n", "")
    assert out.exists()
    assert main(["--pair", "no such"]) == 2


def test_outputs_without_signals_are_refused() -> None:
    from zoo.pair import outputs

    with pytest.raises(ValueError, match="weights, forecasts or features"):
        outputs({"returns": pd.Series(dtype=float)})
    assert isinstance(outputs({"weights": MARKET.closes}), Outputs)


def test_families_are_named_by_their_modules() -> None:
    assert {pair.family for pair in every()} == {*FAMILIES, *RUNS}
