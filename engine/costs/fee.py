"""What a broker and an exchange charge for an order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from backcast.data.errors import InputError
from backcast.engine.costs.base import Cost, number
from backcast.engine.costs.charge import Rates


class Fee(Cost):
    """A fee an order: bps of its value, or by tiers of its value, per share and per order, at least and at most so much.

    tiers: pairs of a traded value of the order, in currency, and the basis points of the part of the value from there up to
    the next tier, the first from 0 (marginal, as a tax's brackets are; not with `bps`). minimum: in currency an order.
    maximum: a share of the order's value (0.01: 1 %), below 1; it wins over the minimum, as at brokers that cap both.
    """

    def __init__(
        self,
        bps: float = 0.0,
        per_share: float = 0.0,
        per_order: float = 0.0,
        minimum: float = 0.0,
        maximum: float | None = None,
        tiers: Sequence[Sequence[float]] | None = None,
    ) -> None:
        self._bps = number("fee.bps", bps, 10_000, "basis points")
        self._per_share = number("fee.per_share", per_share, 1e6, "an amount a share")
        self._per_order = number("fee.per_order", per_order, 1e9, "an amount an order")
        self._minimum = number("fee.minimum", minimum, 1e9, "an amount an order")
        self._maximum = None if maximum is None else number("fee.maximum", maximum, 1, "a share of the value")
        if tiers is not None and self._bps:
            raise InputError("costs.fee.bps", bps, "0 where there are tiers", "The first tier says it.")
        self._tiers = [(0.0, self._bps)] if tiers is None else _tiers(tiers)

    def rates(self) -> Rates:
        floors, bps = (np.array(column) for column in zip(*self._tiers))
        return Rates(
            floors=floors,
            fees=bps / 1e4,
            per_share=self._per_share,
            per_order=self._per_order,
            minimum=self._minimum,
            maximum=np.inf if self._maximum is None else self._maximum,
        )

    def to_json(self) -> dict[str, object]:
        first = {"fee_bps": self._tiers[0][1]}
        rest = {
            "fee_per_share": self._per_share,
            "fee_per_order": self._per_order,
            "fee_minimum": self._minimum,
            "fee_maximum": self._maximum,
            "fee_tiers": [list(tier) for tier in self._tiers] if len(self._tiers) > 1 else None,
        }
        return {**first, **{name: value for name, value in rest.items() if value}}


def _tiers(value: object) -> list[tuple[float, float]]:
    wanted = "pairs of a traded value and basis points, ascending, the first from 0"
    try:
        pairs = [(floor, bps) for floor, bps in value]  # type: ignore[attr-defined]
    except (TypeError, ValueError) as error:
        raise InputError("costs.fee.tiers", value, wanted) from error
    found = [
        (number("fee.tiers", floor, 1e15, "a traded value"), number("fee.tiers", bps, 10_000, "basis points"))
        for floor, bps in pairs
    ]
    floors = [floor for floor, _ in found]
    if not found or floors[0] != 0 or any(b <= a for a, b in pairwise(floors)):
        raise InputError("costs.fee.tiers", value, wanted)
    return found
