"""Charts are plain SVG that says the same without colour."""

from __future__ import annotations

import itertools
import math
from typing import Any
from xml.etree import ElementTree

import pytest

from backcast.engine.reports.axes import grid_values, spread_out
from backcast.engine.reports.charts import (
    CHALLENGERS,
    STYLES,
    drawdown_chart,
    equity_chart,
)


def _curve(name: str, kind: str, values: list[float]) -> dict[str, Any]:
    return {"name": name, "kind": kind, "days": list(range(10_000, 10_000 + len(values))), "values": values}


CURVES = [
    _curve("tft", "net", [1 + i / 100 for i in range(100)]),
    _curve("tft", "gross", [1 + i / 90 for i in range(100)]),
    _curve("<ridge & co>", "challenger", [1 + i / 101 for i in range(100)]),
    _curve("a name that is much too long", "challenger", [1 - i / 200 for i in range(100)]),
]
FOLDS = [(9_990, 10_030), (10_031, 10_070), (10_071, 10_099)]


def test_charts_are_well_formed_named_and_escaped() -> None:
    for chart in (
        equity_chart(CURVES, FOLDS),
        drawdown_chart(_curve("drawdown", "drawdown", [0.0, -0.2, -0.1]), FOLDS),
    ):
        root = ElementTree.fromstring(chart)
        names = {child.tag.split("}")[1] for child in root}
        assert {"title", "desc", "path", "text"} <= names
        assert root.get("role") == "img"
    assert "<ridge" not in equity_chart(CURVES, FOLDS)


def test_every_line_has_a_name_of_its_own_and_a_pattern() -> None:
    styles = [*STYLES.values(), *CHALLENGERS]
    assert len({dash for _, dash, _ in styles}) == len(styles)
    chart = equity_chart(CURVES, FOLDS)
    assert "tft net 1.99x" in chart and "before costs 2.10x" in chart and "a name that is …" in chart


def _contrast_on_white(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)


def test_colours_can_be_read() -> None:
    assert min(_contrast_on_white(colour) for colour, _, _ in [*STYLES.values(), *CHALLENGERS]) >= 4.5


def test_labels_keep_their_order_and_distance() -> None:
    places = spread_out([50.0, 51.0, 50.5, 199.0, 10.0], 0.0, 200.0, 13.0)
    ordered = [places[i] for i in (4, 0, 2, 1, 3)]
    assert all(b - a >= 13.0 - 1e-9 for a, b in itertools.pairwise(ordered))
    assert min(places) >= 0 and max(places) <= 200


def test_labels_at_the_bottom_are_pushed_up() -> None:
    assert spread_out([198.0, 199.0, 200.0], 0.0, 200.0, 10.0) == [180.0, 190.0, 200.0]


@pytest.mark.parametrize(
    ("low", "high"), [(0.95, 1.05), (0.9, 1.22), (0.7, 2.2), (0.5, 6.0), (0.2, 90.0), (1e-3, 2e4)]
)
def test_gridlines_are_few_but_enough(low: float, high: float) -> None:
    found = grid_values(low, high)
    assert 3 <= len(found) <= 8
    assert all(low <= v <= high for v in found)


def test_a_lost_account_is_drawn_to_its_last_positive_value() -> None:
    chart = equity_chart([_curve("tft", "net", [1.0, 0.5, -0.2])], FOLDS)
    assert "tft net 0.50x" in chart
    ElementTree.fromstring(chart)


def test_one_point_and_flat_curves_are_drawn() -> None:
    for values in ([1.0], [1.0, 1.0]):
        assert "nan" not in equity_chart([_curve("tft", "net", values)], FOLDS)
    assert not math.isnan(len(drawdown_chart(_curve("d", "drawdown", [0.0, 0.0]), FOLDS)))
