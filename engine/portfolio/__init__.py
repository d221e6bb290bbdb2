"""From forecasts to target weights: rules, and the steps that their weights go through."""

from backcast.engine.portfolio.base import Portfolio
from backcast.engine.portfolio.rules.rank import RankPortfolio

__all__ = ["Portfolio", "RankPortfolio"]
