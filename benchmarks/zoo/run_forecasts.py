"""Whole runs whose forecasts or weights use what comes after the decision, by a model or a portfolio of the user's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backcast.data.types import Bools, Floats, Panel
from backcast.engine.portfolio import RankPortfolio
from backcast.engine.portfolio.known import Known
from backcast.engine.portfolio.steps.base import CAP, SCALE, SHAPE, Step
from backcast.engine.types import Targets
from backcast.signals.models.base import Scaler, around
from backcast.signals.types import Forecast
from zoo.notebook import FittedLinear, Line, Linear, Notebook
from zoo.pair import Pair
from zoo.run_fits import fitted
from zoo.walk import Walk, named

HERE = "run_forecasts"


class ScaledByTest(FittedLinear):
    """Scales what it is asked about by the mean and the deviation of all that it will be asked about."""

    def forecast(self, window: Floats) -> tuple[Floats, Floats]:
        line = replace(self.line, scaler=self.scaler())
        mean = line.at(window[:, :, 0])
        return mean, around(mean, list(line.offsets))

    def scaler(self) -> Scaler:
        assert Notebook.features is not None
        x = Notebook.features.values
        return Scaler.fit(x[:, np.isfinite(x).all(axis=0)])


class ScaledByFit(ScaledByTest):
    """Scales what it is asked about by the scaler of the fit."""

    def scaler(self) -> Scaler:
        return self.line.scaler


class TransductiveModel(Linear):
    """A model whose forecasts are scaled by the features of the period they are made for ("the distribution has shifted")."""

    def fitted(self, line: Line) -> FittedLinear:
        return ScaledByTest(line)


class InductiveModel(TransductiveModel):
    """A model whose forecasts are scaled as its fit was."""

    def fitted(self, line: Line) -> FittedLinear:
        return ScaledByFit(line)


class Calibrated(FittedLinear):
    """Scores every row that there is at the first question, and gives forecasts in deviations of those scores.

    The state lives on the fitted model from one question to the next.
    """

    spread: float | None = None

    def forecast(self, window: Floats) -> tuple[Floats, Floats]:
        mean = self.line.at(window[:, :, 0]) / self.scale()
        return mean, around(mean, list(self.line.offsets))

    def scale(self) -> float:
        if self.spread is None:
            assert Notebook.features is not None
            x = Notebook.features.values
            there = np.isfinite(x).all(axis=0)
            self.spread = 100 * float(self.line.at(x[:, there]).std())
        return self.spread


class CalibratedThen(Calibrated):
    """Gives forecasts in units of the residuals of the fit."""

    def scale(self) -> float:
        return 100 * (self.line.offsets[-1] - self.line.offsets[0])


class CalibratedModel(Linear):
    """A model that calibrates its forecasts by the spread of all of its forecasts, those to come too."""

    def fitted(self, line: Line) -> FittedLinear:
        return Calibrated(line)


class CalibratedThenModel(Linear):
    """A model that calibrates its forecasts by the residuals of its fit."""

    def fitted(self, line: Line) -> FittedLinear:
        return CalibratedThen(line)


class SmoothedForecasts(RankPortfolio):
    """Ranks by forecasts that a centred filter has smoothed over neighbouring decisions, since raw ones turn over too much."""

    weights_of = (0.25, 0.5, 0.25)
    around = (-1, 0, 1)

    def targets(self, forecast: Forecast, panel: Panel) -> Targets:
        rows = np.arange(len(forecast.mean))
        parts = [
            share * forecast.mean[np.clip(rows - by, 0, len(rows) - 1)]
            for share, by in zip(self.weights_of, self.around, strict=True)
        ]
        return super().targets(replace(forecast, mean=np.asarray(sum(parts))), panel)


class SmoothedBackward(SmoothedForecasts):
    """Ranks by forecasts that are smoothed over this decision and the two before it."""

    around = (2, 0, 1)

    @property
    def rule_memory(self) -> int:
        return 2


class NextSession(RankPortfolio):
    """Sizes by the move of the session that the order fills in: "enter only where the breakout holds"."""

    ahead = 1

    def weigh(self, known: Known) -> Floats:
        weights = super().weigh(known)
        close = known.history.panel.field("close")[known.names]
        now = min(known.decision + self.ahead, close.shape[1] - 1)
        moved = close[:, now] / close[:, now - 1] - 1
        return np.where(np.sign(weights) * np.nan_to_num(moved) < -0.02, 0.0, weights)


class ThisSession(NextSession):
    """Sizes by the move of the decision's own session."""

    ahead = 0


class VolatilityOfAll(Step):
    """Scales each name to the same volatility, measured over the whole sample."""

    name = "own volatility"
    kind = SHAPE

    def apply(self, weights: Floats, known: Known) -> Floats:
        moves = self.moves(known)
        there = np.isfinite(moves)
        count = np.maximum(there.sum(axis=1), 1)
        mean = np.where(there, moves, 0.0).sum(axis=1) / count
        square = np.where(there, (moves - mean[:, None]) ** 2, 0.0).sum(axis=1) / count
        return np.asarray(weights * 0.01 / np.maximum(np.sqrt(square), 0.005))

    def moves(self, known: Known) -> Floats:
        close = known.history.panel.field("close")[known.names]
        return np.asarray(close[:, 1:] / close[:, :-1] - 1)


class VolatilityThen(VolatilityOfAll):
    """Scales each name to the same volatility, measured over the 60 sessions before."""

    def moves(self, known: Known) -> Floats:
        return known.returns(60)


class LiquidityToCome(Step):
    """Caps each name by the value that trades in the twenty sessions after the decision: "we work orders over a month"."""

    name = "liquidity"
    kind = CAP

    def apply(self, weights: Floats, known: Known) -> Floats:
        value = (
            known.history.panel.field("volume")[known.names] * known.history.panel.field("close")[known.names]
        )
        rows = value[:, self.rows(known.decision)]
        mean = np.nan_to_num(np.nanmean(np.nan_to_num(rows), axis=1))
        return np.sign(weights) * np.minimum(np.abs(weights), mean / 1e9)

    def rows(self, decision: int) -> slice:
        return slice(decision, decision + 20)


class LiquidityThen(LiquidityToCome):
    """Caps each name by the value that traded in the twenty sessions up to the decision."""

    def rows(self, decision: int) -> slice:
        return slice(max(0, decision - 19), decision + 1)


class NoLosersToCome(RankPortfolio):
    """Leaves out names that have no price at the end of the data, as a list of "active" symbols of today does."""

    def weigh(self, known: Known) -> Floats:
        return self.weights(np.where(self.active(known), known.scores, np.nan))

    def active(self, known: Known) -> Bools:
        return np.asarray(np.isfinite(known.history.panel.field("close")[known.names, -10:]).any(axis=1))


class NoGhosts(NoLosersToCome):
    """Leaves out names that have no price in the ten sessions up to the decision."""

    def active(self, known: Known) -> Bools:
        close = known.history.panel.field("close")[known.names]
        return np.asarray(np.isfinite(close[:, max(0, known.decision - 9) : known.decision + 1]).any(axis=1))


class ScaledAfterwards(RankPortfolio):
    """All weights are multiplied by one number, chosen at the end so that the whole backtest has a volatility of 10 %."""

    def targets(self, forecast: Forecast, panel: Panel) -> Targets:
        found = super().targets(forecast, panel)
        close = panel.field("close").T
        after = np.minimum(forecast.decisions + 5, len(close) - 1)
        earned = np.nansum(found.weights * (close[after] / close[forecast.decisions] - 1), axis=1)
        return replace(found, weights=found.weights * min(1.0, self.scale(earned)))

    def scale(self, earned: Floats) -> float:
        return float(0.1 / max(earned.std() * np.sqrt(50), 0.1))


class ScaledBeforehand(ScaledAfterwards):
    """All weights are multiplied by one number that was chosen before the backtest."""

    def scale(self, earned: Floats) -> float:
        return 0.7


class MarketTiming(Step):
    """Halves everything in the weeks in which the market falls."""

    name = "market timing"
    kind = SCALE
    keeps_balance = True
    ahead = 5

    def apply(self, weights: Floats, known: Known) -> Floats:
        close = known.history.panel.field("close")[known.names]
        end = min(known.decision + self.ahead, close.shape[1] - 1)
        begin = max(0, end - 5)
        moves = close[:, end] / close[:, begin] - 1
        known_moves = np.sort(moves[np.isfinite(moves)])
        falls = len(known_moves) > 0 and known_moves[len(known_moves) // 2] < 0
        return weights * (0.5 if falls else 1.0)


class MarketTrend(MarketTiming):
    """Halves everything after a week in which the market fell."""

    ahead = 0


def sized(cls: type) -> Walk:
    """A run with the class as its portfolio, or as a step of a rank portfolio."""
    if issubclass(cls, Step):
        rank = {"_target_": "backcast.engine.portfolio.RankPortfolio", "steps": {"own": named(cls)}}
        return Walk(cls, {"portfolio": rank})
    return Walk(cls, {"portfolio": named(cls)})


def pair(
    name: str,
    layer: str,
    leak: Walk,
    honest: Walk,
    depth: int | None = None,
    through: str = "bars",
    hides: str = "",
) -> Pair:
    return Pair(name, HERE, layer, leak, honest, through=through, depth=depth, hides=hides)


PAIRS = (
    pair("run_scaled_by_test", "forecasts", fitted(TransductiveModel), fitted(InductiveModel), through=""),
    pair("run_forecasts_of_all", "forecasts", fitted(CalibratedModel), fitted(CalibratedThenModel), through=""),
    pair("run_smoothed_forecasts", "targets", sized(SmoothedForecasts), sized(SmoothedBackward), 5, ""),
    pair("run_entry_filter", "targets", sized(NextSession), sized(ThisSession), 1,
         hides="only names that move by 2 % against the position"),
    pair("run_volatility_of_all", "targets", sized(VolatilityOfAll), sized(VolatilityThen)),
    pair("run_liquidity_to_come", "targets", sized(LiquidityToCome), sized(LiquidityThen), 19),
    pair("run_no_losers_to_come", "targets", sized(NoLosersToCome), sized(NoGhosts), through="",
         hides="only names that end change anything"),
    pair("run_scaled_afterwards", "targets", sized(ScaledAfterwards), sized(ScaledBeforehand)),
    pair("run_market_timing", "targets", sized(MarketTiming), sized(MarketTrend), 5),
)  # fmt: skip
