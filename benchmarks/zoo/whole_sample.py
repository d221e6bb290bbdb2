"""A number of the whole sample used on every row: means, spreads, quantiles, factors, regimes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.cluster.vq import kmeans2
from scipy.signal import detrend

from zoo.weights import long_only, long_short, moves, pair, shared

YEAR = 250


def zscore_whole(prices: pd.DataFrame) -> dict[str, Any]:
    """A z-score with the mean and spread of the whole sample.

    `(x - x.mean()) / x.std()` in one line, over all the rows there are.
    """
    level = np.log(prices / prices.rolling(60).mean())
    score = (level - level.mean()) / level.std()
    return {"features": {"zscore": score}, "weights": long_short(-score)}


def zscore_trailing(prices: pd.DataFrame) -> dict[str, Any]:
    """A z-score with the mean and spread of the last year."""
    level = np.log(prices / prices.rolling(60).mean())
    past = level.rolling(YEAR, min_periods=60)
    score = (level - past.mean()) / past.std()
    return {"features": {"zscore": score}, "weights": long_short(-score)}


def winsorised_whole(prices: pd.DataFrame) -> dict[str, Any]:
    """Returns winsorised at quantiles of the whole sample.

    Outliers are clipped at the 1st and 99th percentile before anything else is done, "as the paper does".
    """
    steps = moves(prices)
    clean = steps.clip(steps.quantile(0.01), steps.quantile(0.99), axis=1)
    score = clean.rolling(10, min_periods=5).sum()
    return {"features": {"clean": clean, "momentum": score}, "weights": long_short(score)}


def winsorised_trailing(prices: pd.DataFrame) -> dict[str, Any]:
    """Returns winsorised at quantiles of the year that ends with the row."""
    steps = moves(prices)
    past = steps.rolling(YEAR, min_periods=60)
    clean = steps.clip(past.quantile(0.01), past.quantile(0.99))
    score = clean.rolling(10, min_periods=5).sum()
    return {"features": {"clean": clean, "momentum": score}, "weights": long_short(score)}


def pca_whole(prices: pd.DataFrame) -> dict[str, Any]:
    """Residuals of factors that were found in the whole sample.

    Statistical arbitrage: the first three principal components of all returns are taken out, what remains should revert.
    """
    steps = moves(prices).fillna(0.0).clip(-0.3, 0.3)
    rest = _without_factors(steps, _factors(steps)).where(prices.notna())
    return {"features": {"residual": rest}, "weights": long_short(-rest.rolling(5).sum())}


def pca_walked(prices: pd.DataFrame) -> dict[str, Any]:
    """Factors found each quarter in the year before it."""
    steps = moves(prices).fillna(0.0).clip(-0.3, 0.3)
    rest = steps * np.nan
    for begin in range(120, len(steps), 60):
        block = steps.iloc[begin : begin + 60]
        rest.iloc[begin : begin + 60] = _without_factors(
            block, _factors(steps.iloc[max(0, begin - YEAR) : begin])
        )
    rest = rest.where(prices.notna())
    return {"features": {"residual": rest}, "weights": long_short(-rest.rolling(5).sum())}


def _factors(steps: pd.DataFrame) -> np.ndarray:
    """The first three principal directions (symbols x 3)."""
    centred = steps.to_numpy() - steps.to_numpy().mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    return directions[:3].T


def _without_factors(steps: pd.DataFrame, factors: np.ndarray) -> pd.DataFrame:
    return steps - (steps.to_numpy() @ factors) @ factors.T


def rank_over_time(prices: pd.DataFrame) -> dict[str, Any]:
    """Where a price stands among all prices the symbol ever had.

    `rank(pct=True)` runs down the column when axis=1 is forgotten, and then ranks over the whole sample.
    """
    place = prices.rank(pct=True)
    return {"features": {"place": place}, "weights": long_only(0.3 - place)}


def rank_so_far(prices: pd.DataFrame) -> dict[str, Any]:
    """Where a price stands among those of the year that ends with the row."""
    place = prices.rolling(YEAR, min_periods=60).rank(pct=True)
    return {"features": {"place": place}, "weights": long_only(0.3 - place)}


def minmax_whole(prices: pd.DataFrame) -> dict[str, Any]:
    """Prices scaled into 0 to 1 between their lowest and highest ever.

    The first cell of many notebooks on neural networks for stocks: `MinMaxScaler().fit_transform(prices)`. That 0.02 is near
    the lowest price that will ever be is worth knowing.
    """
    scaled = (prices - prices.min()) / (prices.max() - prices.min())
    return {"features": {"scaled": scaled}, "weights": long_only(0.2 - scaled)}


def minmax_so_far(prices: pd.DataFrame) -> dict[str, Any]:
    """Between the lowest and highest price so far."""
    low, high = prices.expanding().min(), prices.expanding().max()
    scaled = (prices - low) / (high - low)
    return {"features": {"scaled": scaled}, "weights": long_only(0.2 - scaled)}


def calm_by_quantile(prices: pd.DataFrame) -> dict[str, Any]:
    """Trades only in calm times, as calm as four fifths of the whole sample.

    The momentum score is honest. The regime filter compares today's market volatility with a quantile of all days, stress to
    come included.
    """
    score, spread = _momentum_and_spread(prices)
    calm = spread < spread.quantile(0.8)
    return {"features": {"momentum": score}, "weights": long_short(score).mul(calm.astype(float), axis=0)}


def calm_by_past_quantile(prices: pd.DataFrame) -> dict[str, Any]:
    """As calm as four fifths of the days so far."""
    score, spread = _momentum_and_spread(prices)
    calm = spread < spread.expanding(60).quantile(0.8)
    return {"features": {"momentum": score}, "weights": long_short(score).mul(calm.astype(float), axis=0)}


def _momentum_and_spread(prices: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    return moves(prices, 60), moves(prices).mean(axis=1).rolling(20).std()


def regimes_whole(prices: pd.DataFrame) -> dict[str, Any]:
    """Regimes from a clustering of all days.

    A hidden Markov model, a mixture or a clustering is fitted once, each day gets its regime, and the strategy is backtested
    on "regimes that were there at the time". Centres and labels all come from the whole sample.
    """
    days = _market_days(prices)
    return _by_regime(prices, pd.Series(_stressed(days, days), index=prices.index))


def regimes_walked(prices: pd.DataFrame) -> dict[str, Any]:
    """The clusters are fitted every 200 days to the days before."""
    days = _market_days(prices)
    stressed = pd.Series(0.0, index=prices.index)
    for begin in range(120, len(days), 200):
        stressed.iloc[begin : begin + 200] = _stressed(days[:begin], days[begin : begin + 200])
    return _by_regime(prices, stressed)


def _market_days(prices: pd.DataFrame) -> np.ndarray:
    market = moves(prices).clip(-0.3, 0.3).mean(axis=1).fillna(0.0)
    return np.column_stack([market, market.abs().rolling(10, min_periods=1).mean()]) * 100


def _stressed(fitted: np.ndarray, days: np.ndarray) -> np.ndarray:
    """1 on the days that lie nearer to the centre with the greater mean of absolute moves; found from the extremes."""
    centres = fitted[[fitted[:, 1].argmin(), fitted[:, 1].argmax()]]
    centres, _ = kmeans2(fitted, centres, iter=20, minit="matrix", missing="warn")
    away = ((days[:, None, :] - centres[None]) ** 2).sum(axis=2)
    return (away.argmin(axis=1) == centres[:, 1].argmax()).astype(float)


def _by_regime(prices: pd.DataFrame, stressed: pd.Series) -> dict[str, Any]:
    """Reverses in stress, follows otherwise."""
    shown = pd.DataFrame(np.repeat(stressed.to_numpy()[:, None], prices.shape[1], axis=1), prices.index)
    shown.columns = prices.columns
    weights = long_short(moves(prices, 20)).mul(1 - 2 * stressed, axis=0)
    return {"features": {"stressed": shown}, "weights": weights}


def volatility_target_whole(prices: pd.DataFrame) -> dict[str, Any]:
    """Sized to a tenth of volatility a year with the volatility of the whole sample.

    One number, `returns.std()`, scales the positions: smaller throughout when a crash is still to come.
    """
    score = moves(prices, 60)
    weights = long_short(score)
    earned = (weights.shift(1) * moves(prices)).sum(axis=1)
    size = 0.1 / (earned.std() * np.sqrt(252))
    return {"features": {"momentum": score}, "weights": weights * size}


def volatility_target_trailing(prices: pd.DataFrame) -> dict[str, Any]:
    """Sized with the volatility of the last quarter."""
    score = moves(prices, 60)
    weights = long_short(score)
    earned = (weights.shift(1) * moves(prices)).sum(axis=1)
    size = 0.1 / (earned.rolling(60).std() * np.sqrt(252)).replace(0.0, np.nan)
    return {"features": {"momentum": score}, "weights": weights.mul(size.clip(upper=4), axis=0).fillna(0.0)}


def hedged_with_whole_beta(prices: pd.DataFrame) -> dict[str, Any]:
    """Betas of the whole sample in the score.

    Momentum of what is left when each symbol's beta times the market is taken off; the beta comes from one regression over
    everything.
    """
    steps = moves(prices).clip(-0.3, 0.3)
    market = steps.mean(axis=1)
    beta = steps.apply(lambda x: x.cov(market)) / market.var()
    rest = steps - np.outer(market, beta)
    return {"features": {"residual": rest}, "weights": long_short(rest.rolling(40, min_periods=20).sum())}


def hedged_with_past_beta(prices: pd.DataFrame) -> dict[str, Any]:
    """Betas of the year that ends with the row."""
    steps = moves(prices).clip(-0.3, 0.3)
    market = steps.mean(axis=1)
    past = steps.rolling(YEAR, min_periods=60)
    beta = past.cov(market).div(market.rolling(YEAR, min_periods=60).var(), axis=0)
    rest = steps - beta.mul(market, axis=0)
    return {"features": {"residual": rest}, "weights": long_short(rest.rolling(40, min_periods=20).sum())}


def hedge_ratio_whole(prices: pd.DataFrame) -> dict[str, Any]:
    """A pair trade whose hedge ratio was estimated on the period it trades.

    One regression over all rows gives the ratio and the mean of the spread; that the spread comes back to it is then no news.
    """
    one, other = _two(prices)
    slope, level = np.polyfit(other, one, 1) if len(one) > 2 else (1.0, 0.0)
    spread = one - slope * other - level
    return _traded(prices, spread / spread.std())


def hedge_ratio_trailing(prices: pd.DataFrame) -> dict[str, Any]:
    """The ratio and mean of the last half year."""
    one, other = _two(prices)
    past = other.rolling(120, min_periods=60)
    slope = past.cov(one) / past.var()
    spread = one - one.rolling(120, min_periods=60).mean() - slope * (other - past.mean())
    return _traded(prices, spread / spread.rolling(120, min_periods=60).std())


def _two(prices: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    logs = np.log(prices[["S00", "S02"]].ffill())
    return logs["S00"].fillna(0.0), logs["S02"].fillna(0.0)


def _traded(prices: pd.DataFrame, spread: pd.Series) -> dict[str, Any]:
    """Against a spread of more than one deviation."""
    side = -np.sign(spread.where(spread.abs() > 1, 0.0)).fillna(0.0)
    weights = prices * 0.0
    weights["S00"], weights["S02"] = side / 2, -side / 2
    shown = pd.DataFrame({"S00": spread, "S02": -spread})
    return {"features": {"spread": shown}, "weights": weights.fillna(0.0)}


def low_pass_whole(prices: pd.DataFrame) -> dict[str, Any]:
    """Noise removed by a Fourier transform of the whole series.

    "Denoising" keeps the slow tenth of the frequencies; every one of them is made of all rows.
    """
    logs = np.log(prices.ffill()).fillna(0.0)
    waves = np.fft.rfft(logs.to_numpy(), axis=0)
    waves[max(2, len(waves) // 10) :] = 0
    smooth = pd.DataFrame(np.fft.irfft(waves, n=len(logs), axis=0), logs.index, logs.columns)
    trend = smooth.diff().where(prices.notna())
    return {"features": {"trend": trend}, "weights": long_only(trend)}


def low_pass_trailing(prices: pd.DataFrame) -> dict[str, Any]:
    """An exponential mean keeps the slow part of what was."""
    logs = np.log(prices.ffill()).fillna(0.0)
    trend = logs.ewm(span=20).mean().diff().where(prices.notna())
    return {"features": {"trend": trend}, "weights": long_only(trend)}


def trend_line_whole(prices: pd.DataFrame) -> dict[str, Any]:
    """The distance from a straight line through all prices.

    `scipy.signal.detrend` before a mean-reversion rule: the line knows where the price will end.
    """
    logs = np.log(prices.ffill()).fillna(0.0)
    away = pd.DataFrame(detrend(logs.to_numpy(), axis=0), logs.index, logs.columns).where(prices.notna())
    return {"features": {"away": away}, "weights": long_short(-away)}


def trend_line_trailing(prices: pd.DataFrame) -> dict[str, Any]:
    """The distance from a line through the last thirty days."""
    logs = np.log(prices.ffill()).fillna(0.0)
    ages = np.arange(30) - 14.5
    slope = sum(logs.shift(29 - i) * ages[i] for i in range(30)) / (ages**2).sum()
    away = (logs - logs.rolling(30).mean() - slope * ages[-1]).where(prices.notna())
    return {"features": {"away": away}, "weights": long_short(-away)}


def risk_parity_whole(prices: pd.DataFrame) -> dict[str, Any]:
    """Weights by the inverse volatility of the whole sample.

    The covariance matrix handed to the optimiser is `returns.cov()`, once, and the backtest begins at the first row of it.
    """
    risk = moves(prices).clip(-0.3, 0.3).std()
    return {"weights": shared((1 / risk) * prices.notna())}


def risk_parity_trailing(prices: pd.DataFrame) -> dict[str, Any]:
    """Weights by the inverse volatility of the last quarter."""
    risk = moves(prices).clip(-0.3, 0.3).rolling(60, min_periods=20).std().replace(0.0, np.nan)
    return {"weights": shared((1 / risk) * prices.notna())}


def share_of_volume(prices: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Today's volume as a share of all the volume there will be.

    Volumes are made comparable by dividing each column by its sum.
    """
    volume = prices["volume"]
    share = volume / volume.sum()
    return {"features": {"share": share}, "weights": long_short(share)}


def share_of_past_volume(prices: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """As a share of the last year's."""
    volume = prices["volume"]
    share = volume / volume.rolling(YEAR, min_periods=20).sum()
    return {"features": {"share": share}, "weights": long_short(share)}


PAIRS = (
    pair(zscore_whole, zscore_trailing, "features"),
    pair(winsorised_whole, winsorised_trailing, "features", hides="only the days beyond the quantiles move"),
    pair(pca_whole, pca_walked, "features"),
    pair(rank_over_time, rank_so_far, "features"),
    pair(minmax_whole, minmax_so_far, "features"),
    pair(calm_by_quantile, calm_by_past_quantile, "targets"),
    pair(regimes_whole, regimes_walked, "features"),
    pair(volatility_target_whole, volatility_target_trailing, "targets"),
    pair(hedged_with_whole_beta, hedged_with_past_beta, "features"),
    pair(hedge_ratio_whole, hedge_ratio_trailing, "features"),
    pair(low_pass_whole, low_pass_trailing, "features"),
    pair(trend_line_whole, trend_line_trailing, "features"),
    pair(risk_parity_whole, risk_parity_trailing, "targets"),
    pair(share_of_volume, share_of_past_volume, "features", shape="fields"),
)
