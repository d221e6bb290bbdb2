"""What `signals/scale.py` says of a function is what happens when prices and volumes are multiplied by constants.

A wrong "invariant" would let back-adjusted levels, which hold later splits, into a model.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from language import CALENDAR, FIELDS, arity, everything, literals, panel, written

from backcast.data.types import Floats
from backcast.signals.feature import FeatureSet
from backcast.signals.functions import FUNCTIONS
from backcast.signals.kernels.operators import CROSS_SECTION, ELEMENTWISE, ROLLING
from backcast.signals.scale import Scale, scale_of

SYMBOLS, ROWS = 7, 60
RNG = np.random.default_rng(8)
WALKS = 100 * np.exp(np.cumsum(RNG.normal(0, 0.02, (len(FIELDS), SYMBOLS, ROWS)), axis=2))
PANEL = panel(WALKS)
PRICE, VOLUME = RNG.uniform(0.05, 20, (2, SYMBOLS, 1))
FACTORS = np.stack([VOLUME if name == "volume" else PRICE for name in FIELDS])
SCALED = replace(PANEL, values=WALKS * FACTORS)
INPUTS = ["close", "open", "volume", "close * volume", "log(close)", "returns(close, 1)", "log(volume) - log(close)",
          "-close", "0", "2", "close + volume", "close > open"]  # fmt: skip


def _claim(text: str) -> tuple[Scale | None, Floats, Floats]:
    graph = FeatureSet({"f": text}).compile(FIELDS, "raw")
    one, two = (graph.evaluate(cells).values[0] for cells in (PANEL, SCALED))
    return graph.nodes[graph.outputs[0]].scale, one, two


def _texts(function: str) -> list[str]:
    number = arity(function)
    pairs = product(INPUTS, repeat=min(number, 2))
    values = [()] if function not in FUNCTIONS else literals(function, 4) or literals(function, 0)
    return [written(function, (*pair, *pair[:1])[:number], one) for pair in pairs for one in values[-1:]]


@pytest.mark.parametrize("function", everything())
def test_a_claimed_scale_is_what_happens(function: str) -> None:
    claims = 0
    for text in _texts(function):
        claim, one, two = _claim(text)
        if claim is None:
            continue
        claims += 1
        shift = claim.price_log * np.log(PRICE) + claim.volume_log * np.log(VOLUME)
        expected = one * PRICE**claim.price * VOLUME**claim.volume + shift
        assert np.array_equal(np.isnan(expected), np.isnan(two)), text
        size = np.nanmax(np.abs(expected), axis=1, initial=1e-3, keepdims=True)
        np.testing.assert_allclose(two / size, expected / size, rtol=1e-6, atol=1e-8, err_msg=text)
    assert claims, "nothing is claimed of it"


FREE_OF_LEVEL = [
    "rsi(close, 5)", "adx(high, low, close, 3)", "plus_di(high, low, close, 3)", "atr(high, low, close, 3) / close",
    "macd(close, 3, 6) / close", "macd_histogram(close, 3, 6, 4) / ts_std(close, 5)", "bollinger_percent(close, 9, 2)",
    "bollinger_width(close, 9, 2)", "obv(close, volume, 9) / ts_sum(volume, 9)", "log_returns(close, 2)", "ts_skew(close, 9)",
    "ts_rsquare(close, 9)", "ts_resid(close, 9) / close", "ts_beta(returns(close, 1), returns(open, 1), 9)",
    "ts_since(close > ref(close, 1), 9)", "ts_count_up(close, 9)", "decay_linear(close, 9) / close",
    "ts_product(close / ref(close, 1), 5)", "exp(delta(log(close), 3))", "cs_residual(returns(close, 1), returns(volume, 1))",
    "ts_cov(log(close), log(volume), 9)", "power(close / open, 3)", "month()", "close > open and volume > ref(volume, 1)",
]  # fmt: skip
OF_LEVEL = [
    "atr(high, low, close, 3)", "macd(close, 3, 6)", "obv(close, volume, 9)", "cs_residual(close, open)", "exp(close)",
    "cs_neutralise(returns(close, 1), close)", "cs_scale(close)", "ts_product(log(close), 3)", "clip(close, 0, 9)",
    "sqrt(close)", "ts_sum(log(close), 9, 3)", "ts_autocorr(close + 1, 9, 1)", "not log(close)", "ewm_std(close, 3)",
]  # fmt: skip


@pytest.mark.parametrize("text", FREE_OF_LEVEL)
def test_free_of_level(text: str) -> None:
    claim, _, _ = _claim(text)
    assert claim is not None
    assert claim.invariant


@pytest.mark.parametrize("text", OF_LEVEL)
def test_of_level(text: str) -> None:
    claim, _, _ = _claim(text)
    assert claim is None or not claim.invariant


@pytest.mark.parametrize("name", CALENDAR)
def test_the_calendar_has_no_level(name: str) -> None:
    assert _claim(f"{name}()")[0] == Scale()


@pytest.mark.parametrize("operator", sorted({*ELEMENTWISE, *ROLLING, *CROSS_SECTION}))
def test_every_operator_has_a_rule(operator: str) -> None:
    scale_of(operator, (Scale(price=1),) * 3, (3.0,))


def test_an_operator_without_a_rule_is_a_bug() -> None:
    with pytest.raises(KeyError):
        scale_of("ts_unheard_of", (Scale(price=1),), (3.0,))
