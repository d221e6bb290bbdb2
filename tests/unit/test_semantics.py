"""What `docs/features.md` says, sentence by sentence: each names one of these tests, or another file's."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from language import arity, compiled, literals, panel, written

from backcast.data.types import Floats
from backcast.signals.functions import FUNCTIONS, HORIZON

ROWS = 40
ROOT = Path(__file__).parents[2]
STRICT = [
    name
    for name, signature in FUNCTIONS.items()
    if signature.literals == ("window",) and name.startswith("ts_")
]
STRICT = [name for name in STRICT if name != "ts_known"]


def _of(text: str, *series: Floats) -> Floats:
    """The feature of one symbol; series are close, volume, high."""
    cells = panel(np.stack(series)[:, None])
    return compiled(text, fields=cells.fields).evaluate(cells).values[0, 0]


def _in_five(function: str) -> str:
    """The function of prices over five rows."""
    inputs = ("close > 0",) if function == "ts_since" else ("close", "volume")[: arity(function)]
    return written(function, inputs, (5,))


def _walk(seed: int = 1) -> Floats:
    return 100 + np.cumsum(np.random.default_rng(seed).normal(size=ROWS))


@pytest.mark.parametrize("function", STRICT)
def test_the_first_answer_needs_a_full_window(function: str) -> None:
    answer = _of(_in_five(function), _walk(), _walk(2))
    back = 5 if function in ("ts_count_up", "ts_count_down") else 4
    assert np.isnan(answer[:back]).all()
    assert np.isfinite(answer[back:]).all()


@pytest.mark.parametrize("function", STRICT)
def test_one_unknown_row_makes_every_window_over_it_unknown(function: str) -> None:
    close = _walk()
    close[20] = np.nan
    text = (
        "ts_since(close > 0, 5)"
        if function == "ts_since"
        else written(function, ("close", "volume")[: arity(function)], (5,))
    )
    answer = _of(text, close, _walk(2))
    after = 26 if function in ("ts_count_up", "ts_count_down") else 25
    assert np.isnan(answer[20:after]).all()
    assert np.isfinite(answer[after:]).all()


def test_a_halt_is_not_filled() -> None:
    close = _walk()
    close[10:13] = np.nan
    assert np.isnan(_of("close", close)[10:13]).all()
    assert np.isnan(_of("returns(close, 1)", close)[10:14]).all()
    assert np.isfinite(_of("returns(close, 1)", close)[14:]).all()


def test_a_new_listing_warms_up_from_its_first_bar() -> None:
    listed, old = _walk(), _walk()
    listed[:15] = np.nan
    late, early = (_of("ts_std(returns(close, 1), 5)", close) for close in (listed, old))
    assert np.isnan(late[:20]).all()
    assert np.array_equal(late[20:], early[20:])


def test_min_periods_counts_known_rows_the_latest_or_not() -> None:
    close = np.full(ROWS, np.nan)
    close[[3, 5, 9]] = [2.0, 4.0, 9.0]
    mean = _of("ts_mean(close, 6, 2)", close)
    assert np.flatnonzero(np.isfinite(mean)).tolist() == [5, 6, 7, 8, 9, 10]
    assert mean[[5, 8, 9]].tolist() == [3.0, 3.0, 6.5]
    assert _of("ts_known(close, 6)", close)[[0, 5, 20]].tolist() == [0.0, 2.0, 0.0]


@pytest.mark.parametrize("function", [name for name, signature in FUNCTIONS.items() if signature.optional])
def test_with_every_row_known_min_periods_changes_nothing(function: str) -> None:
    plain, partial = (_of(written(function, ("close",), values), _walk()) for values in literals(function, 7))
    np.testing.assert_allclose(partial[6:], plain[6:], rtol=1e-13)


def test_std_divides_by_one_less_and_bollinger_by_all() -> None:
    close = np.arange(ROWS) * 1.0
    assert _of("ts_std(close, 3)", close)[-1] == 1.0
    band = _of("bollinger_upper(close, 3, 1)", close)[-1] - close[-2]
    assert band == pytest.approx((2 / 3) ** 0.5, rel=1e-14)


def test_equal_values_share_their_mean_place_and_the_latest_counts() -> None:
    close = np.tile([1.0, 2.0, 2.0, 1.0], 10)
    assert _of("ts_rank(close, 4)", close)[-1] == 1.5 / 4
    assert _of("ts_argmax(close, 4)", close)[-1] == 1
    assert _of("ts_argmin(close, 4)", close)[-1] == 0


def test_infinities_are_unknown() -> None:
    close = _walk()
    close[10], close[20] = np.inf, 0.0
    assert np.isnan(_of("close", close)[10])
    assert np.isnan(_of("1 / close", close)[20])
    assert np.isnan(_of("log(close)", close)[20])
    assert np.isfinite(_of("ts_mean(close, 3)", close)[13:]).all()


def test_an_overflow_is_unknown_and_leaves_no_trace() -> None:
    close = _walk()
    close[10:12] = 1.5e308
    for function in (
        "ts_sum",
        "ts_product",
        "ts_var",
        "ts_slope",
        "ts_kurt",
        "ts_zscore",
        "ts_demean",
        "decay_linear",
    ):
        answer = _of(written(function, ("close",), (5,)), close)
        assert not np.isinf(answer).any(), function
        clean = _of(written(function, ("close",), (5,)), _walk())
        assert np.array_equal(answer[16:], clean[16:]), function


def test_denormals_are_numbers() -> None:
    close = np.arange(1, ROWS + 1) * 5e-324
    assert _of("ts_sum(close, 3)", close)[-1] == (38 + 39 + 40) * 5e-324
    assert _of("ts_rank(close, 5)", close)[-1] == 1.0
    assert _of("close > ref(close, 1)", close)[-1] == 1.0
    assert _of("ts_skew(close, 5)", close)[-1] == pytest.approx(0.0, abs=1e-12)


def test_spreads_whose_squares_vanish_count_as_none() -> None:
    close = np.arange(ROWS) * 1e-170
    assert _of("ts_std(close, 5)", close)[-1] == 0.0
    assert np.isnan(_of("ts_zscore(close, 5)", close)[-1])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("ts_std(close, 7)", 0.0), ("ts_var(close, 7)", 0.0), ("ts_demean(close, 7)", 0.0), ("ts_slope(close, 7)", 0.0),
        ("ts_resid(close, 7)", 0.0), ("ts_cov(close, volume, 7)", 0.0), ("ewm_std(close, 7)", 0.0),
        ("ts_std(close, 7, 3)", 0.0),
        ("ts_zscore(close, 7)", np.nan), ("ts_corr(close, volume, 7)", np.nan), ("ts_skew(close, 7)", np.nan),
        ("ts_kurt(close, 7)", np.nan), ("ts_rsquare(close, 7)", np.nan), ("ts_beta(volume, close, 7)", np.nan),
        ("rsi(close, 7)", np.nan), ("bollinger_percent(close, 7, 2)", np.nan), ("ts_beta(close, volume, 7)", 0.0),
    ],
)  # fmt: skip
def test_a_constant_window(text: str, value: float) -> None:
    answer = _of(text, np.full(ROWS, 0.1), _walk())[10:]
    assert np.array_equal(answer, np.full(len(answer), value), equal_nan=True)


def test_since_looks_back_one_window_only() -> None:
    close = np.zeros(ROWS)
    close[10] = 1.0
    since = _of("ts_since(close, 5)", close)
    assert since[10:15].tolist() == [0, 1, 2, 3, 4]
    assert np.isnan(since[15:]).all()
    assert np.isnan(since[:10]).all()


def test_an_exponential_mean_forgets_what_its_horizon_leaves() -> None:
    spiked, plain = _walk(), _walk()
    spiked[2] = 1e9
    one, two = (_of("ewm_mean(close, 3)", close) for close in (spiked, plain))
    beyond = 2 + HORIZON * 3
    assert np.array_equal(one[beyond:], two[beyond:])
    assert (one[2:beyond] != two[2:beyond]).all()


def test_only_members_as_known_count() -> None:
    rng = np.random.default_rng(3)
    values, member = rng.normal(size=(3, 6, ROWS)), np.ones((6, ROWS), dtype=bool)
    member[2, 10:20] = False  # left the universe, and came back
    cells = panel(values, member)
    gone = replace(cells, values=np.where(member, values, 1e9))
    for function in (name for name, signature in FUNCTIONS.items() if signature.group == "across symbols"):
        text = written(function, cells.fields[: arity(function)], literals(function, 0)[0])
        graph = compiled(text, fields=cells.fields)
        answer, other = (graph.evaluate(p).values[0] for p in (cells, gone))
        assert np.array_equal(np.isnan(answer[2]), ~member[2]), function
        assert np.array_equal(answer, other, equal_nan=True), function


def test_a_window_over_places_among_members_needs_membership_throughout() -> None:
    member = np.ones((4, ROWS), dtype=bool)
    member[1, 10] = False
    cells = panel(np.random.default_rng(1).normal(size=(1, 4, ROWS)), member)
    answer = compiled("ts_mean(cs_rank(close), 3)", fields=cells.fields).evaluate(cells).values[0]
    assert np.flatnonzero(np.isnan(answer[1])).tolist() == [0, 1, 10, 11, 12]
    assert np.flatnonzero(np.isnan(answer[0])).tolist() == [0, 1]


def test_every_sentence_names_a_test_that_exists() -> None:
    text = (ROOT / "docs" / "features.md").read_text()
    named = set(re.findall(r"`(?:\w+\.)?(test_\w+)`", text))
    there = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in [file.stem, *re.findall(r"def (test_\w+)", file.read_text())]
    }
    assert len(named) > 20
    assert named <= there, named - there


def test_every_function_is_in_the_document() -> None:
    text = (ROOT / "docs" / "features.md").read_text()
    assert [name for name in FUNCTIONS if f"`{name}" not in text and f" {name}" not in text] == []
