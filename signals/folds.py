"""Walk-forward folds: when a model is fitted, which decisions may train it, which ones it then forecasts."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from backcast.data.errors import InputError
from backcast.data.types import Bools, Clock, Ints
from backcast.signals.decisions import Every, checked, falls
from backcast.signals.types import Fold

_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_ADVERBS = {"weekly": "1week", "monthly": "1month", "quarterly": "1quarter", "yearly": "1year"}
_REFIT = (
    "weekly, monthly, quarterly, yearly, or a number of weeks, months, quarters or years such as '2years'"
)


class Design(ABC):
    """How a result is validated: which fits there are, and which of them forecasts which decision.

    name: what the run's manifest calls it. every: when decisions fall (see `signals/decisions.py`).
    """

    name: ClassVar[str]
    every: Every

    @abstractmethod
    def split(self, clock: Clock) -> list[Fold]:
        """Every fit, numbered in order. Errors: InputError where the clock leaves none."""

    @abstractmethod
    def routes(self, folds: Sequence[Fold]) -> Ints:
        """(P, D) the number of the fold that forecasts each of the D decisions, ascending, on each of the P paths."""

    def facts(self) -> dict[str, int]:
        """What a manifest says of its settings, beside its fits and paths."""
        return {}


class WalkForward(Design):
    """Refits at the first decision of each period and forecasts the decisions of that period.

    Parameters
    kind: `expanding` trains on everything before the fit, `rolling` on the last `train_sessions` sessions.
    first_fit: ISO date of the first fit, or the number of sessions of history that it needs.
    refit: weekly, monthly, quarterly, yearly, or e.g. `2years`; calendar periods, the first fit's the first.
    train_sessions: rolling only, sessions before that of the fit; a shorter history trains with what there is.
    embargo: sessions between the instant by which a training label is known and the fit.
    every: when decisions fall (see `signals/decisions.py`): a number of bars, session, daily, weekly, monthly, times of day.
    train_every: the same for training decisions; default `every`, 1 trains on every bar.

    Whatever is called sessions counts sessions on any clock; numbers in `every` and `train_every` count bars, which on a
    daily clock are the same.

    Raises: InputError for any other value, and from `split` where the clock leaves no fold.
    """

    name: ClassVar[str] = "walk_forward"

    def __init__(
        self,
        kind: str,
        first_fit: str | int,
        refit: str,
        train_sessions: int | None = None,
        embargo: int = 0,
        every: int | str | list[str] = 1,
        train_every: int | str | list[str] | None = None,
    ) -> None:
        if kind not in ("expanding", "rolling"):
            raise InputError("folds.kind", kind, "expanding or rolling")
        if (kind == "rolling") != (train_sessions is not None):
            raise InputError(
                "folds.train_sessions",
                train_sessions,
                "a number of sessions with kind=rolling, and null with kind=expanding",
                f"kind is {kind}.",
            )
        self.kind = kind
        self.first_fit = date_or_sessions("folds.first_fit", first_fit, 1)
        self.refit = refit
        self._unit, self._count = _period(refit)
        self.train_sessions = None if train_sessions is None else whole("train_sessions", train_sessions, 1)
        self.embargo = whole("embargo", embargo, 0)
        self.every: Every = checked("folds.every", every)
        self.train_every: Every = (
            self.every if train_every is None else checked("folds.train_every", train_every)
        )

    def split(self, clock: Clock) -> list[Fold]:
        """The folds of a clock in time order; their tests partition the decisions from the first fit on."""
        first = self._first_index(clock)
        decisions = first + np.flatnonzero(falls(clock, self.every)[first:])
        if not len(decisions):
            raise InputError(
                "folds.first_fit",
                str(self.first_fit),
                "a date with decisions on or after it",
                f"The data end on {clock.sessions[-1]}, and folds.every is {self.every}.",
            )
        period = self._period_of(clock.sessions[decisions])
        starts = np.flatnonzero(np.diff(period, prepend=period[0] - 1))
        tests = np.split(decisions, starts[1:])
        training = falls(clock, self.train_every, "folds.train_every")
        folds = [self._fold(k, clock, training, test) for k, test in enumerate(tests)]
        if not len(folds[0].train):
            raise InputError(
                "folds.first_fit",
                str(self.first_fit),
                "a date with training decisions before it",
                f"The data begin on {clock.sessions[0]}.",
            )
        return folds

    def routes(self, folds: Sequence[Fold]) -> Ints:
        """One path: each decision by the newest fit."""
        return np.repeat([fold.number for fold in folds], [len(fold.test) for fold in folds])[None]

    def fold_at(self, clock: Clock, fit_at: int, test_end: int) -> Fold:
        """One fold that fits at any bar and tests the decisions in [fit_at, test_end)."""
        test = fit_at + np.flatnonzero(falls(clock, self.every)[fit_at:test_end])
        if not len(test):
            raise InputError(
                "folds.every", self.every, f"a decision among the {test_end - fit_at} bars from the fit on"
            )
        return self._fold(0, clock, falls(clock, self.train_every, "folds.train_every"), test, fit_at)

    def _fold(
        self, number: int, clock: Clock, training: Bools, test: Ints, fit_at: int | None = None
    ) -> Fold:
        fit_at = int(test[0]) if fit_at is None else fit_at
        start = 0 if self.train_sessions is None else clock.before(fit_at, self.train_sessions)
        train = start + np.flatnonzero(training[start:fit_at])
        known_by = clock.before(fit_at, self.embargo)
        return Fold(number, fit_at, train.astype(np.int64), test.astype(np.int64), self.embargo, known_by)

    def _first_index(self, clock: Clock) -> int:
        """Index of the first bar at which a fit may happen."""
        if not len(clock):
            raise InputError("dataset", "no sessions", "at least one session")
        if isinstance(self.first_fit, int):
            return bar_after(clock, self.first_fit, "folds.first_fit")
        if not clock.sessions[0] < self.first_fit <= clock.sessions[-1]:
            raise InputError(
                "folds.first_fit",
                str(self.first_fit),
                f"a date after {clock.sessions[0]} and not after {clock.sessions[-1]}, where the data are",
            )
        return int(np.searchsorted(clock.sessions, self.first_fit))

    def _period_of(self, sessions: npt.NDArray[np.datetime64]) -> Ints:
        """The period of each session: whole calendar units, grouped from the first session's unit on."""
        if self._unit == "week":
            unit = (sessions.astype("datetime64[D]").astype(np.int64) + 3) // 7  # 1970-01-01 was a Thursday
        else:
            unit = sessions.astype("datetime64[M]").astype(np.int64) // _MONTHS[self._unit]
        groups: Ints = (unit - unit[0]) // self._count
        return groups


def folds_from(folds: Sequence[Fold], clock: Clock, date: np.datetime64) -> list[Fold]:
    """The folds with tests in sessions from a date on, and those tests alone; their fits stay as they are.

    Errors: InputError where there is none.
    """
    tests = [fold.test[clock.sessions[fold.test] >= date] for fold in folds]
    found = [replace(fold, test=test) for fold, test in zip(folds, tests, strict=True) if len(test)]
    if not found:
        raise InputError(
            "folds.test_from", str(date), f"a date with decisions on or after it, before {clock.sessions[-1]}"
        )
    return found


def bar_after(clock: Clock, sessions: int, parameter: str) -> int:
    """Index of the first bar that has so many sessions before its own. Errors: InputError where the clock is shorter."""
    days = np.unique(clock.sessions)
    if sessions >= len(days):
        raise InputError(parameter, sessions, f"fewer sessions than the data have ({len(days)})")
    return int(np.searchsorted(clock.sessions, days[sessions]))


def date_or_sessions(parameter: str, value: object, least: int) -> np.datetime64 | int:
    """A date, or a number of sessions. Errors: InputError for anything else."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= least:
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        try:
            return np.datetime64(value, "D")
        except ValueError:
            pass
    expected = f"an ISO date such as '1998-01-01', or a number of sessions, at least {least}"
    raise InputError(parameter, value, expected)


def _period(refit: object) -> tuple[str, int]:
    text = _ADVERBS.get(refit, refit) if isinstance(refit, str) else ""
    found = re.fullmatch(r"(\d{1,4}) ?(week|month|quarter|year)s?", text)
    if found is None or int(found[1]) < 1:
        raise InputError("folds.refit", refit, _REFIT)
    return found[2], int(found[1])


def whole(name: str, value: object, least: int) -> int:
    """A parameter that is a number of sessions. Errors: InputError for anything else."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InputError(f"folds.{name}", value, f"a whole number of sessions, at least {least}")
    return value
