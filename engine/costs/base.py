"""What a trading cost is."""

from __future__ import annotations

from abc import ABC, abstractmethod


class Cost(ABC):
    """Costs that are proportional to the traded value; later kinds add to this face.

    fee_bps and half_spread_bps: basis points of the traded value, charged as cash and as a worse price.
    """

    fee_bps: float
    half_spread_bps: float

    @abstractmethod
    def to_json(self) -> dict[str, float]:
        """The figures of the manifest; every key that ends in `_bps` is a cost per unit traded."""
