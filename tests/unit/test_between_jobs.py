"""What the jobs of one process share is what each of them would have read."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from backcast.data import asof
from backcast.data.ingest import ingest
from backcast.data.readonce import ReadOnce
from backcast.data.synthetic import SyntheticSource
from backcast.engine import between_jobs


class Cut(ReadOnce):
    """A store that shows less than its pin holds."""


@pytest.fixture
def store() -> Iterator[ReadOnce]:
    made = ReadOnce()
    ingest(made, SyntheticSource(symbols=4, sessions=60))
    yield made
    between_jobs.forget()


def test_nothing_is_kept_before_a_sweep_asks_for_it(store: ReadOnce) -> None:
    pin = store.version("synthetic")
    first, second = (between_jobs.read(asof.load_panel, store, "synthetic", pin) for _ in range(2))
    assert first is not second


def test_the_next_job_has_the_same_panel_and_its_own_if_one_wrote_into_it(
    store: ReadOnce, capsys: pytest.CaptureFixture[str]
) -> None:
    pin = store.version("synthetic")
    between_jobs.keep()
    first = between_jobs.read(asof.load_panel, store, "synthetic", pin)
    assert between_jobs.read(asof.load_panel, ReadOnce(), "synthetic", pin) is first
    first.values[0, 0, 0] += 1.0
    again = between_jobs.read(asof.load_panel, ReadOnce(), "synthetic", pin)
    np.testing.assert_array_equal(again.values, asof.load_panel(store, "synthetic", pin).values)
    assert "written into" in capsys.readouterr().err


def test_another_pin_an_instant_and_a_store_that_is_cut_share_nothing(store: ReadOnce) -> None:
    pin = store.version("synthetic")
    between_jobs.keep()
    first = between_jobs.read(asof.load_panel, store, "synthetic", pin)
    half = first.clock.decides_at[30]
    assert len(between_jobs.read(asof.load_panel, store, "synthetic", pin, half).clock) == 31
    assert between_jobs.read(asof.load_panel, Cut(), "synthetic", pin) is not first
    older = {table: max(0, version - 1) for table, version in pin.items()}
    seen: list[dict[str, int]] = []
    between_jobs.read(lambda store, dataset, asked: seen.append(asked), store, "synthetic", older)
    assert seen == [older]
