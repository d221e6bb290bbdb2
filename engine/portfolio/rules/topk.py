"""Top k with drop."""

from __future__ import annotations

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Floats, Ints
from backcast.engine.portfolio.base import Portfolio, Steps
from backcast.engine.portfolio.known import Known
from backcast.engine.portfolio.settings import flag, number, whole


class TopKPortfolio(Portfolio):
    """Holds `topk` names, long only, and at each decision replaces at most `n_drop` of them by better ones.

    The rule is that of qlib's TopkDropoutStrategy (method_sell bottom, method_buy top): the best names not held, as many as
    n_drop and the free places, are candidates; of held names and candidates together the worst n_drop, where held, are sold;
    the best candidates take the free places. Names that stay are left alone, and the free share of equity times `gross`
    (qlib's risk_degree) is split evenly among what is bought; with `rebalance` every name gets gross / topk instead.

    Where ours differs: what is held are the previous targets above 0, drifted, and not the account's positions (an order
    without a bar in its session did not fill, and is not among them); whether a name will trade is not asked (the fill is
    the execution's affair, and what fails is an event there); hold_thresh is 1; a name without a forecast is never bought
    and ranks last where held; equal scores rank in the order of their symbols; n_drop=0 sells nothing.
    """

    rule = "top k with drop"
    side = "long_only"

    def __init__(
        self, topk: int = 50, n_drop: int = 5, gross: float = 0.95, rebalance: bool = False, steps: Steps = ()
    ) -> None:
        self.topk = whole("portfolio.topk", topk, 1, "names")
        self.n_drop = whole("portfolio.n_drop", n_drop, 0, "names")
        if self.n_drop > self.topk:
            raise InputError("portfolio.n_drop", n_drop, f"at most topk, {topk}")
        self.gross = number("portfolio.gross", gross, 1.0)
        self.rebalance = flag("portfolio.rebalance", rebalance)
        self.leaves_alone = not self.rebalance
        super().__init__(steps)

    def weigh(self, known: Known) -> Floats:
        held = known.previous > 0
        sell, buy = self.exchange(known.scores, held)
        kept = held.copy()
        kept[sell] = False
        weights = np.where(kept, known.previous, 0.0)
        if self.rebalance:
            weights[kept] = self.gross / self.topk
            weights[buy] = self.gross / self.topk
        elif len(buy):
            weights[buy] = max(0.0, 1.0 - float(weights.sum())) * self.gross / len(buy)
        return weights

    def exchange(self, scores: Floats, held: np.ndarray) -> tuple[Ints, Ints]:
        """The places of the names to sell and of those to buy, best first, by scores (N,) and what is held (N,)."""
        order = np.argsort(-np.where(np.isfinite(scores), scores, -np.inf), kind="stable")
        count = int(held.sum())
        candidates = order[~held[order] & np.isfinite(scores[order])]
        today = candidates[: max(0, self.n_drop + self.topk - count)]
        pool = held.copy()
        pool[today] = True
        together = order[pool[order]]
        last = together[len(together) - min(self.n_drop, len(together)) :]
        sell = last[held[last]]
        return sell, today[: max(0, len(sell) + self.topk - count)]
