"""Labels against hand-computed returns, and the instant at which they are known."""

from __future__ import annotations

import numpy as np
import pytest

from backcast.data.errors import InputError
from backcast.signals.labels import ForwardReturn
from backcast.signals.types import FillTable


def test_hand_computed_returns_and_known_indices() -> None:
    price = np.array([[10.0, 11.0, 12.0, 9.0, 18.0]])
    known = np.array([1, 2, 3, 4, 5])  # each fill is seen by the next decision; the last not yet
    labels = ForwardReturn(2).build(FillTable(price, known))
    np.testing.assert_allclose(labels.values[0, :3], [12 / 10 - 1, 9 / 11 - 1, 18 / 12 - 1], rtol=1e-15)
    assert np.isnan(labels.values[0, 3:]).all()
    assert labels.known.tolist() == [[3, 4, 5, 5, 5]]


def test_a_fill_that_is_known_late_delays_the_label() -> None:
    known = np.array([4, 2, 3, 4])  # the entry of decision 0 is learned only by decision 4
    labels = ForwardReturn(1).build(FillTable(np.ones((1, 4)), known))
    assert labels.known.tolist() == [[4, 3, 4, 4]]


@pytest.mark.parametrize("price", [[np.nan, 2.0], [2.0, np.nan], [0.0, 2.0], [-1.0, 2.0], [2.0, np.inf]])
def test_no_label_without_both_fills(price: list[float]) -> None:
    labels = ForwardReturn(1).build(FillTable(np.array([price]), np.array([1, 2])))
    assert np.isnan(labels.values).all()


def test_a_total_loss_is_a_label() -> None:
    labels = ForwardReturn(1).build(FillTable(np.array([[5.0, 0.0]]), np.array([1, 2])))
    assert labels.values[0, 0] == -1.0


def test_a_horizon_beyond_the_data_gives_no_label() -> None:
    labels = ForwardReturn(7).build(FillTable(np.ones((2, 5)), np.arange(1, 6)))
    assert np.isnan(labels.values).all() and (labels.known == 5).all()


@pytest.mark.parametrize("horizon", [0, -5, 2.5, "5", True, None])
def test_a_wrong_horizon_is_refused(horizon: object) -> None:
    with pytest.raises(InputError, match=r"label\.horizon"):
        ForwardReturn(horizon)
