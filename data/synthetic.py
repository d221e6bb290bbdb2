"""A seeded market with a planted signal, and every nuisance of real data; its truth comes with it.

Open-to-open log returns are market + own noise + signal: the score of a session adds push x volatility / sqrt(horizon) a
session to the return over the `horizon` sessions after the next open, which is what a decision at that session's
close can earn; push is what makes their correlation `signal`. The score is the fact `alpha`, known at the close. Raw prices
are the total-return prices divided by the cumulated splits and dividends, so adjusting them forward gives the truth back.
"""

from __future__ import annotations

import numpy as np

from backcast.data.errors import InputError
from backcast.data.schema import DatasetInfo, check_name
from backcast.data.sources.base import Batch, Source, batch
from backcast.data.synthetic_rows import tables
from backcast.data.synthetic_truth import MarketPlan, SyntheticTruth, truth_of


class SyntheticSource(Source):
    """symbols, sessions: the size. signal: strength of the planted score (a correlation, 0 to 0.5) over `horizon` sessions.
    Rates are a year and symbol, 0 switches off: splits, dividends, delistings (half with a fact of the proceeds), renames,
    corrections, late, gaps, halts (of 3 sessions), restatements (of quarterly `earnings`). listings: share of the
    symbols that list after the start.
    """

    def __init__(
        self,
        name: str = "synthetic",
        symbols: int = 50,
        sessions: int = 750,
        seed: int = 0,
        signal: float = 0.05,
        horizon: int = 5,
        start: str = "2015-01-02",
        rates: dict[str, float] | None = None,
    ) -> None:
        self.name = check_name(name)
        self.symbols = _whole("symbols", symbols, 2, 100_000)
        self.sessions = _whole("sessions", sessions, 30, 20_000)
        self.seed = _whole("seed", seed, 0, 2**32)
        self.horizon = _whole("horizon", horizon, 1, 250)
        if isinstance(signal, bool) or not isinstance(signal, int | float) or not 0 <= signal <= 0.5:
            raise InputError("dataset.signal", signal, "a correlation from 0 to 0.5")
        self.signal = float(signal)
        try:
            self.start = np.datetime64(start, "D")
        except (ValueError, TypeError) as error:
            raise InputError("dataset.start", start, "an ISO date") from error
        self.push = _push(self.signal, self.horizon)
        self.rates = _rates(rates or {})

    def read(self) -> Batch:
        return self.market()[0]

    def market(self) -> tuple[Batch, SyntheticTruth]:
        """The batch that enters the store, and the truth behind it."""
        truth = truth_of(
            MarketPlan(
                self.symbols,
                self.sessions,
                self.seed,
                self.signal,
                self.push,
                self.horizon,
                self.start,
                self.rates,
            )
        )
        info = DatasetInfo(
            name=self.name,
            calendar="XNYS",
            price_basis="raw",
            bar_fields=("open", "high", "low", "close", "volume"),
            description=f"synthetic market, seed {self.seed}, planted signal {self.signal}",
            known_rule="event_at + 15min",
        )
        generator = np.random.default_rng([self.seed, 2])
        return batch(info, tables(truth, self.rates, generator)), truth


RATES = {
    "splits": 0.1,
    "dividends": 4.0,
    "delistings": 0.04,
    "renames": 0.02,
    "corrections": 1.0,
    "late": 1.0,
    "gaps": 0.5,
    "halts": 0.1,
    "restatements": 0.3,
    "listings": 0.1,
}
"""The default rates: what a year of a real vendor's data looks like."""


def _rates(given: dict[str, float]) -> dict[str, float]:
    for name, rate in given.items():
        if name not in RATES:
            raise InputError(f"dataset.rates.{name}", rate, f"one of {', '.join(RATES)}")
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 50:
            raise InputError(f"dataset.rates.{name}", rate, "a rate from 0 to 50")
    return {**RATES, **given}


def _push(signal: float, horizon: int) -> float:
    """What a score must move for a correlation of `signal` with the return over `horizon` sessions.

    The return's variance is h (1 - p^2) of noise and p^2 (2 h^2 + 1) / 3 of the overlapping scores, its covariance with one
    score p sqrt(h); the correlation of the two, solved for p.
    """
    scores = (2 * horizon**2 + 1) / 3
    room = horizon * (1 + signal**2) - signal**2 * scores
    if signal**2 * horizon > room:
        limit = np.sqrt(horizon / scores)
        raise InputError(
            "dataset.signal", signal, f"at most {limit:.3f} with a horizon of {horizon} sessions"
        )
    return float(signal * np.sqrt(horizon / room))


def _whole(name: str, value: object, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(f"dataset.{name}", value, f"an integer from {low} to {high}")
    return value
