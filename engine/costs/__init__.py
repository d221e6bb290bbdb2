"""What trading and holding cost: kinds of cost, one a file, and `TotalCost`, which puts them together."""

from backcast.engine.costs.base import Cost
from backcast.engine.costs.borrow import BorrowFee
from backcast.engine.costs.fee import Fee
from backcast.engine.costs.impact import AlmgrenImpact, SquareRootImpact
from backcast.engine.costs.interest import Interest
from backcast.engine.costs.linear import LinearCost
from backcast.engine.costs.spread import HalfSpread
from backcast.engine.costs.total import TotalCost

__all__ = [
    "AlmgrenImpact",
    "BorrowFee",
    "Cost",
    "Fee",
    "HalfSpread",
    "Interest",
    "LinearCost",
    "SquareRootImpact",
    "TotalCost",
]
