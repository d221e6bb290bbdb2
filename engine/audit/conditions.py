"""Under which conditions of its data a result was made: survivors, recycled tickers, prices adjusted afterwards, times of
knowledge. A condition is a warning or information; only a bar that is known before its end is a proved leak."""

from __future__ import annotations

from backcast.engine.audit import knowledge, prices, universe
from backcast.engine.audit.findings import Check
from backcast.engine.audit.tables import Tables


def conditions(tables: Tables) -> list[Check]:
    """Every condition, in the order of the layers."""
    return [*knowledge.conditions(tables), *prices.conditions(tables), *universe.conditions(tables)]
