"""Laws of the trial log: whatever is told, in whatever batches, it answers as a plain dict does, whatever its files."""

from __future__ import annotations

import random
import uuid

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backcast.engine.trials import TrialLog, segments

RETURNS = np.array([0.01, -0.02])
DAYS = np.array(["2020-01-02", "2020-01-03"], dtype="datetime64[D]")

TOLD = st.tuples(
    st.sampled_from("abcd"),
    st.one_of(
        st.just("started"),
        st.just("failed"),
        st.just(None),
        st.just(float("nan")),
        st.floats(-0.5, 0.5),
    ),
)
BATCHES = st.lists(st.lists(TOLD, min_size=1, max_size=5), max_size=7)


def tell(log: TrialLog, trial: str, what: str | float | None) -> None:
    if what == "started":
        log.start(trial, {}, {})
    elif what == "failed":
        log.fail(trial, "reason")
    else:
        log.finish(trial, what, RETURNS, DAYS)  # type: ignore[arg-type]


def counted(told: list[tuple[str, str | float | None]]) -> tuple[int, float | None]:
    """N and the variance of trials, by a plain dict."""
    sharpes = {trial: what for trial, what in told if isinstance(what, float) and np.isfinite(what)}
    variance = float(np.var(list(sharpes.values()), ddof=1)) if len(sharpes) > 1 else None
    return len({trial for trial, _ in told}), variance


@settings(max_examples=25, deadline=None)
@given(BATCHES, st.integers(2, 4), st.randoms(use_true_random=False))
def test_any_interleaving_counts_as_a_dict_does_and_can_be_counted_again(
    batches: list[list[tuple[str, str | float | None]]], fan: int, draw: random.Random
) -> None:
    logs = [TrialLog(uuid.uuid4().hex)]
    logs.append(TrialLog(logs[0].lineage))
    told: list[tuple[str, str | float | None]] = []
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "FAN", fan)
        for batch in batches:
            log = draw.choice(logs)
            with log.batch():
                for trial, what in batch:
                    tell(log, trial, what)
            told += batch
            seen.append((logs[0].count(), counted(told)))
    for count, (n, variance) in seen:
        assert count.n == n and count.sharpe_variance == (
            None if variance is None else pytest.approx(variance)
        )
        assert logs[1].count(count.upto) == count
    outcomes = [what if isinstance(what, str) else "done" for _, what in told]
    assert [(r["trial"], r["outcome"]) for r in logs[0].records()] == list(
        zip([trial for trial, _ in told], outcomes, strict=True)
    )
    listed = segments.Segments.listed

    def shuffled(own: segments.Segments) -> list[segments.Segment]:
        return draw.sample(found := listed(own), len(found))

    expected = logs[0].records(), logs[0].returns(), logs[0].count()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments.Segments, "listed", shuffled)
        records, returns, count = logs[0].records(), logs[0].returns(), logs[0].count()
    assert (records, count) == (expected[0], expected[2]) and returns.equals(expected[1])
