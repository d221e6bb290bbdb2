"""The probability of backtest overfitting against a plain loop, closed forms and noise."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backcast.data.errors import InputError
from backcast.engine.stats.overfitting import overfitting, overfitting_of_noise


def _plain(returns: np.ndarray, blocks: int) -> list[tuple[float, int, float, float]]:
    """Logit, best, and its ratios inside and outside, split by split, as the paper tells it."""
    bounds = [len(returns) * k // blocks for k in range(blocks + 1)]
    found = []
    for chosen in combinations(range(blocks), blocks // 2):
        mask = np.zeros(len(returns), dtype=bool)
        for k in chosen:
            mask[bounds[k] : bounds[k + 1]] = True
        train, test = (
            part.mean(axis=0) / part.std(axis=0, ddof=1) for part in (returns[mask], returns[~mask])
        )
        best = int(train.argmax())
        rank = sum(other < test[best] for other in test) + 1
        share = rank / (returns.shape[1] + 1)
        found.append((float(np.log(share / (1 - share))), best, float(train[best]), float(test[best])))
    return found


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.integers(24, 90), st.sampled_from([2, 4, 6, 8]))
def test_every_split_equals_the_plain_loop(seed: int, strategies: int, sessions: int, blocks: int) -> None:
    generator = np.random.default_rng(seed)
    returns = generator.normal(generator.normal(0, 0.002, strategies), 0.01, (sessions, strategies))
    found, plain = overfitting(returns, blocks), _plain(returns, blocks)
    np.testing.assert_allclose(found.logits, [p[0] for p in plain], atol=1e-12)
    assert found.chosen.tolist() == [p[1] for p in plain]
    np.testing.assert_allclose(found.inside, [p[2] for p in plain], rtol=1e-9)
    np.testing.assert_allclose(found.outside, [p[3] for p in plain], rtol=1e-9, atol=1e-12)
    assert found.probability == np.mean([p[0] <= 0 for p in plain])
    assert found.loss == np.mean([p[3] < 0 for p in plain])


def test_true_skill_is_never_overfitted() -> None:
    returns = np.random.default_rng(1).normal(0, 0.01, (400, 20))
    returns[:, 7] += 0.02
    found = overfitting(returns, 8)
    assert found.probability == 0 and found.loss == 0
    assert (found.chosen == 7).all()


def test_what_one_half_gains_the_other_loses() -> None:
    """Strategies whose block means add up to zero: the best in one half is the worst in the other, so the probability is 1."""
    blocks, length, strategies = 8, 40, 15
    means = np.random.default_rng(2).normal(0, 0.01, (blocks, strategies))
    means -= means.mean(axis=0)
    swings = np.tile([1.0, -1.0], blocks * length // 2)[:, None]
    found = overfitting(np.repeat(means, length, axis=0) + swings, blocks)
    assert found.probability == 1 and found.loss == 1
    assert found.slope == pytest.approx(-1, abs=0.01)


def test_on_noise_it_is_a_half_give_or_take() -> None:
    """0.50 with a standard deviation of 0.13 over seeds: a single 0.3 or 0.7 says nothing."""
    seeds = [np.random.default_rng(seed).normal(0, 0.01, (500, 50)) for seed in range(60)]
    found = np.array([overfitting(world, 8).probability for world in seeds])
    assert found.mean() == pytest.approx(0.5, abs=0.06)
    assert 0.05 < found.std() < 0.25


def test_the_null_band_holds_noise_and_not_skill() -> None:
    generator = np.random.default_rng(3)
    noise = generator.normal(0, 0.01, (600, 30))
    low, median, high = overfitting_of_noise(noise, 8, worlds=40)
    assert low < overfitting(noise, 8).probability < high
    assert median == pytest.approx(0.5, abs=0.12)
    skilled = noise.copy()
    skilled[:, 0] += 0.003
    low, _, _ = overfitting_of_noise(skilled, 8, worlds=40)
    assert overfitting(skilled, 8).probability < low


def test_the_null_band_is_of_no_skill_whatever_the_means() -> None:
    noise = np.random.default_rng(4).normal(0, 0.01, (300, 10))
    moved = noise * np.linspace(1, 3, 10) + np.linspace(-0.01, 0.01, 10)
    np.testing.assert_allclose(
        overfitting_of_noise(moved, 6, worlds=10), overfitting_of_noise(noise, 6, worlds=10)
    )


def test_copies_share_their_rank() -> None:
    returns = np.tile(np.random.default_rng(5).normal(0, 0.01, (100, 1)), (1, 5))
    assert (overfitting(returns, 4).logits == 0).all()


@pytest.mark.parametrize(
    ("change", "blocks", "told"),
    [
        (lambda x: x[:, :1], 4, "two strategies"),
        (lambda x: x, 5, "blocks"),
        (lambda x: x, 50, "blocks"),
        (lambda x: np.where(np.arange(x.shape[1]) == 1, np.nan, x), 4, "NaN"),
        (lambda x: np.where(np.arange(x.shape[1]) == 1, 0.0, x), 4, "never traded"),
        (lambda x: np.where((np.arange(60)[:, None] < 40) & (np.arange(4) == 1), 0.0, x), 4, "every half"),
    ],
)
def test_returns_that_cannot_be_split_are_refused(change: object, blocks: int, told: str) -> None:
    returns = np.random.default_rng(6).normal(0, 0.01, (60, 4))
    with pytest.raises(InputError, match=told):
        overfitting(change(returns), blocks)  # type: ignore[operator]  # a parameter is an object to mypy
