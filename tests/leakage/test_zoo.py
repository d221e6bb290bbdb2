"""The zoo itself: its pairs are declared in full, its market holds what they need, and the simpler methods do what they say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from zoo.answers import LEAK, ONE_THREAD, RUN, TWIN, Question, answer, answers, asked_of, questions, row
from zoo.catalogue import LAYER, PAGE, page
from zoo.families import FAMILIES, RUNS, every
from zoo.honest import COUNT
from zoo.known import KNOWN, UNMENDED
from zoo.market import SHAPES, market
from zoo.named import NAMED, covered
from zoo.pair import Function, Outputs, Said, wide
from zoo.peers import METHODS, cut_and_compare, lag_and_compare
from zoo.results import SHARE, against_bar, misses, right
from zoo.run import chosen, main

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


def test_the_catalogue_holds_every_pair_and_says_what_the_layers_are() -> None:
    entries = [line.removeprefix("### ") for line in PAGE.read_text().split("\n") if line.startswith("### ")]
    assert entries == [pair.name for pair in every()]
    assert tuple(LAYER) == LAYERS


def test_what_the_issue_names_is_planted() -> None:
    names = {pair.name for pair in every()}
    assert all(pairs and set(pairs) <= names for pairs in NAMED.values())
    assert covered(names).startswith(f"{len(NAMED)} of the {len(NAMED)} leaks")
    assert covered(["pca_whole"]).startswith(f"1 of the {len(NAMED)} leaks")


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


def said(
    side: str, accused: bool, layer: str = "features", method: str = "quick", **more: object
) -> dict[str, object]:
    """A row of answers of a leak among features."""
    row = {
        "pair": "p",
        "side": side,
        "method": method,
        "accused": accused,
        "layer": layer,
        "expected_layer": "features",
    }
    return {**row, "inconclusive": False, "why": "", **more}


def test_a_leak_on_another_layer_is_not_right() -> None:
    assert not right(said(LEAK, True, "targets"))
    assert right(said(LEAK, True))
    assert right(said(LEAK, True, "", "cut"))
    assert not right(said(TWIN, True)) and not right(said(RUN, True))
    assert right(said(TWIN, False)) and right(said(RUN, False))


def test_the_bar_counts_layers_and_alarms() -> None:
    five, miss = [said(LEAK, True)] * 5, said(LEAK, False)
    words, met = against_bar([*five, miss, said(RUN, False)], "quick")
    assert met and words.startswith(
        "quick: 5 of 6 on their layer (bar 5), 0 twins accused (bar 0), 0 of 1 honest runs"
    )
    assert against_bar([*five, said(LEAK, True, "targets")], "quick")[1]
    assert not against_bar([*five[1:], miss] * 2, "quick")[1]
    assert not against_bar([*five, said(TWIN, True)], "quick")[1]
    assert not against_bar([*five, said(RUN, True)], "quick")[1]
    full = [{**row, "method": "full"} for row in five]
    assert against_bar(full, "full")[1]
    assert not against_bar([*full, {**miss, "method": "full"}], "full")[1]


def test_a_miss_is_told_with_its_reason_and_one_without_says_so() -> None:
    known, level = next((name, level) for level, of in KNOWN.items() for name in of)
    (told,) = misses([said(LEAK, False, method=level, pair=known)])
    assert told == f"{level}: {known}: missed: {KNOWN[level][known]}."
    (told,) = misses([said(LEAK, True, "targets", why="weights move")])
    assert told == "quick: p: told as targets, is features: NO REASON KNOWN. It said: weights move"
    (told,) = misses([said(TWIN, False, inconclusive=True, why="broke: E")])
    assert told == "quick: p: the honest one has no answer. broke: E"
    assert not misses([said(TWIN, False), said(LEAK, True)])


def test_known_misses_are_few_and_each_has_its_reason() -> None:
    names = {pair.name for pair in every()}
    for level, (part, whole) in SHARE.items():
        assert set(KNOWN[level]) <= names
        assert whole * len(KNOWN[level]) <= (whole - part) * len(names) + whole * UNMENDED[level]
        assert all(len(why) > 20 for why in KNOWN[level].values())


def test_a_true_warning_of_its_data_accuses_no_honest_run() -> None:
    question = Question("honest_03", RUN, "full")
    assert not row(question, Said(True, why="how names end: half have no fact"))["accused"]
    assert row(question, Said(True, why="the future of features: one cell moves"))["accused"]


def test_a_sample_is_spread_over_the_catalogue_and_always_the_same() -> None:
    pairs, runs = chosen("", "", 40)
    assert (pairs, runs) == chosen("", "", 40)
    assert len(pairs) == 40 and len(runs) == -(-40 * COUNT // len(every()))
    assert len({pair.family for pair in pairs}) > 12
    assert chosen("", "", 0) == (every(), list(range(COUNT)))
    assert chosen("honest", "", 3)[1] == [0, 13, 26]
    assert chosen("shifts", "", 0)[1] == []


def test_a_pair_gives_the_same_answers_in_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ONE_THREAD:
        monkeypatch.setenv(name, "1")
    asked = questions(every(name="negative_shift"), [], ["cut"])
    there = {(r["side"], r["accused"], r["why"]) for r in answers(asked, 2)}
    assert there == {(r["side"], r["accused"], r["why"]) for r in map(answer, asked)}
    assert len(there) == 2


def test_the_command_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "zoo.json"
    assert main(["--pair", "negative_shift", "--level", "quick", "--workers", "1", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "negative_shift" in printed and str(out) in printed
    assert "1 of 1 on their layer (bar 1), 0 twins accused (bar 0)" in printed
    written = json.loads(out.read_text())
    assert written["met"] is True and len(written["answers"]) == 2 * 4
    assert main(["--pair", "no such"]) == 2


def test_the_command_ends_with_1_where_a_bar_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Function, "audit", lambda self, level: Said(False))
    asked = ["--pair", "negative_shift", "--no-peers", "--workers", "1", "--out", str(tmp_path / "zoo.json")]
    assert main(asked) == 1
    assert "full: negative_shift: missed: NO REASON KNOWN." in capsys.readouterr().out
    assert main([*asked, "--known"]) == 1
    monkeypatch.setitem(KNOWN, "full", {"negative_shift": "it is blind"})
    monkeypatch.setitem(KNOWN, "quick", {"negative_shift": "it is blind"})
    assert main(asked) == 1
    assert main([*asked, "--known"]) == 0


def test_outputs_without_signals_are_refused() -> None:
    from zoo.pair import outputs

    with pytest.raises(ValueError, match="weights, forecasts or features"):
        outputs({"returns": pd.Series(dtype=float)})
    assert isinstance(outputs({"weights": MARKET.closes}), Outputs)


def test_families_are_named_by_their_modules() -> None:
    assert {pair.family for pair in every()} == {*FAMILIES, *RUNS}
