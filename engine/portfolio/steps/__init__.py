"""Steps that a portfolio's weights go through, one a file."""

from backcast.engine.portfolio.steps.band import Band
from backcast.engine.portfolio.steps.base import Step
from backcast.engine.portfolio.steps.cap_gross import CapGross
from backcast.engine.portfolio.steps.cap_group import CapGroup
from backcast.engine.portfolio.steps.cap_name import CapName
from backcast.engine.portfolio.steps.cap_net import CapNet
from backcast.engine.portfolio.steps.cap_traded import CapTraded
from backcast.engine.portfolio.steps.cap_turnover import CapTurnover
from backcast.engine.portfolio.steps.neutral import Neutral
from backcast.engine.portfolio.steps.volatility import VolatilityTarget

__all__ = [
    "Band",
    "CapGross",
    "CapGroup",
    "CapName",
    "CapNet",
    "CapTraded",
    "CapTurnover",
    "Neutral",
    "Step",
    "VolatilityTarget",
]
