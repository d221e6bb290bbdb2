"""All decisions of a rank portfolio at once are its decisions one at a time, to the last bit."""

from __future__ import annotations

import numpy as np
from decisions import forecasts, market, some_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from backcast.data.types import Floats
from backcast.engine.portfolio import RankPortfolio
from backcast.engine.portfolio.known import Known
from backcast.signals.types import Forecast, Ranking

SCORES = arrays.arrays(
    np.float64,
    st.tuples(st.integers(1, 6), st.integers(1, 12)),
    elements=st.sampled_from([-1.0, -0.0, 0.0, 0.5, 0.5 + 1e-16, 2.0, 1e300, np.nan, np.inf, -np.inf]),
)
RULES = st.tuples(st.sampled_from(["long_short", "long_only"]), st.floats(0.1, 3.0), st.floats(0.01, 0.5))


def of(mean: Floats) -> Forecast:
    rows, symbols = mean.shape
    names = tuple(f"S{i}" for i in range(symbols))
    return Forecast(
        np.arange(rows), names, mean, np.empty((rows, symbols, 5)), np.zeros(rows, dtype=np.int64)
    )


@settings(deadline=None)
@given(scores=SCORES, rule=RULES)
def test_every_row_is_the_rules_own(scores: Floats, rule: tuple[str, float, float]) -> None:
    portfolio = RankPortfolio(*rule)
    together = portfolio.weigh_all(of(scores))
    assert together is not None
    assert together.tolist() == [portfolio.weights(row).tolist() for row in scores]


@settings(deadline=None)
@given(scores=SCORES)
def test_places_are_those_of_a_plain_sort(scores: Floats) -> None:
    found = Ranking.of(scores)
    for row, at, count in zip(scores, found.place, found.count, strict=True):
        finite = [s for s in range(len(row)) if np.isfinite(row[s])]
        order = sorted(finite, key=lambda s, row=row: (-row[s], s))  # type: ignore[misc]
        assert count == len(order) and [at[s] for s in order] == list(range(count))
        assert all(at[s] == len(row) for s in set(range(len(row))) - set(finite))


@settings(deadline=None)
@given(seed=st.integers(0, 500), rule=RULES)
def test_targets_are_the_last_stage_of_every_decision(seed: int, rule: tuple[str, float, float]) -> None:
    """In a market with gaps and late starters, and from any part of the decisions."""
    panel, portfolio = market(seed, starters=2), RankPortfolio(*rule)
    forecast = forecasts(panel, range(20, 60), seed)
    weights = portfolio.targets(forecast, panel).weights
    for row in (0, 7, 39):
        stages = portfolio.stages(forecast, panel, int(forecast.decisions[row]))
        assert weights[row].tolist() == stages[-1][1].tolist()
    part = some_rows(forecast, slice(5, 9))
    assert portfolio.targets(part, panel).weights.tolist() == weights[5:9].tolist()


def test_a_rule_of_somebodys_own_decides_by_itself() -> None:
    class Half(RankPortfolio):
        def weigh(self, known: Known) -> Floats:
            return super().weigh(known) / 2

    panel = market(3)
    forecast = forecasts(panel, range(20, 40))
    half, whole = (rule().targets(forecast, panel).weights for rule in (Half, RankPortfolio))
    assert half.tolist() == (whole / 2).tolist() and whole.any()
