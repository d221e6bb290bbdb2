"""From forecasts to target weights: rules, and the steps that their weights go through."""

from backcast.engine.portfolio.base import Portfolio
from backcast.engine.portfolio.rules.inverse_volatility import InverseVolatilityPortfolio
from backcast.engine.portfolio.rules.mean_variance import MeanVariancePortfolio
from backcast.engine.portfolio.rules.overlapping import OverlappingPortfolio
from backcast.engine.portfolio.rules.rank import RankPortfolio
from backcast.engine.portfolio.rules.risk_parity import RiskParityPortfolio
from backcast.engine.portfolio.rules.score import ScorePortfolio
from backcast.engine.portfolio.rules.topk import TopKPortfolio

__all__ = [
    "InverseVolatilityPortfolio",
    "MeanVariancePortfolio",
    "OverlappingPortfolio",
    "Portfolio",
    "RankPortfolio",
    "RiskParityPortfolio",
    "ScorePortfolio",
    "TopKPortfolio",
]
