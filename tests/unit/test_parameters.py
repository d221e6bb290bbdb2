"""Which parameters mattered: shares of variance beside scipy's, the order of parameters, and their pictures."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest
from scipy.stats import f_oneway

from backcast.engine.reports.parameters import DOTS, MOST_VALUES, chart, parameters
from backcast.engine.stats.explained import explained


def test_shares_are_those_of_the_analysis_of_variance() -> None:
    generator = np.random.default_rng(1)
    group = generator.integers(0, 4, 60)
    values = generator.normal(0, 1, 60) + 0.5 * group
    found = explained(values, group)
    f = f_oneway(*(values[group == g] for g in range(4))).statistic
    assert found is not None and found.groups == 4
    assert found.share == pytest.approx(3 * f / (3 * f + 56))
    assert found.adjusted == pytest.approx(1 - (1 - found.share) * 59 / 56)


def test_noise_explains_nothing_on_average() -> None:
    generator = np.random.default_rng(2)
    found = [explained(generator.normal(size=30), generator.integers(0, 5, 30)) for _ in range(400)]
    assert abs(np.mean([one.adjusted for one in found if one])) < 0.02


@pytest.mark.parametrize(
    ("values", "group"), [([1.0, 2.0], [0, 0]), ([1.0, 2.0], [0, 1]), ([1.0, 1.0, 1.0], [0, 1, 1])]
)
def test_nothing_can_be_told_of_too_little(values: list[float], group: list[int]) -> None:
    assert explained(np.array(values), np.array(group)) is None


def _settings() -> tuple[pl.DataFrame, np.ndarray]:
    n = np.arange(48)
    frame = pl.DataFrame({
        "noise": [str(k % 3) for k in n], "alpha": [str(10.0 ** (k // 12)) for k in n], "job": [f"j{k}" for k in n],
        "same": ["x"] * 48, "twin": [f"t{k // 12}" for k in n], "rate": [str(0.01 * k) for k in n],
    })  # fmt: skip
    return frame, (n // 12) * 0.5 + np.random.default_rng(3).normal(0, 0.1, 48)


def test_the_one_that_explains_most_comes_first_and_those_that_change_together_stand_together() -> None:
    frame, sharpes = _settings()
    found = parameters(frame, sharpes)
    assert [one.names for one in found] == [("alpha", "twin"), ("rate",), ("noise",), ("job",)]
    assert found[0].labels == ("1.0", "10.0", "100.0", "1000.0"), "numbers in their order"
    assert len(found[1].labels) == 6 and found[1].labels[0] == "0–0.07"
    assert found[3].found is None, "each value once"


@pytest.mark.parametrize("count", [48, DOTS + 80])
def test_the_picture_shows_each_value_and_escapes_it(count: int) -> None:
    names = np.array(["<b>", *(f"value {k}" for k in range(14))])
    place = np.arange(count) % len(names)
    sharpes = np.random.default_rng(4).normal(0, 0.5, count)
    one = parameters(pl.DataFrame({"x": names[place]}), sharpes)[0]
    picture = str(chart(0, one, sharpes, sharpes > 1))
    assert "<b>" not in picture and "&lt;b&gt;" in picture
    assert picture.count('stroke="#b34700"') == MOST_VALUES
    drawn = int((place < MOST_VALUES).sum())
    assert picture.count("<circle") == (drawn if count <= DOTS else 0)
    assert picture.count("<rect") == (0 if count <= DOTS else MOST_VALUES)
    assert not re.search(r"\bnan\b", picture)
    assert str(chart(0, one, sharpes, sharpes > 1)) == picture
