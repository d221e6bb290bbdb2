"""Cross-validation of a forecast: models that are fitted on what lies around what they forecast, purged by label spans.

1. The sessions with decisions, from `begin` on, are cut into `groups` runs of almost equal length (as `KFold` cuts rows).
2. Every choice of `test_groups` of them is a split: a model is fitted on the decisions of the other groups, and forecasts the
   chosen ones.
3. A decision at bar t whose label is known at bar k spans the bars (t, k]: those after it, up to that of the label's last
   input. It is purged from training where it shares a bar with the span of a test decision of any member. Spans are those of
   the labels: of a holding that is halted or delisted as long as it took to be paid out.
4. An embargo keeps out the decisions of so many sessions after each test group's last label is known.
5. Each group is tested in C(groups - 1, test_groups - 1) splits. The j-th of them forecasts it on path j, so that each path has
   one forecast for every decision.

Labels are those known at the end of the data: a model knows what came after what it forecasts. Nobody could have traded such a
path; what it is good for is in `docs/validation.md`. Features stay those of their decision (law 3).

Source: Lopez de Prado, Advances in Financial Machine Learning (2018), chapter 7 (purging, embargo) and 12 (paths).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Bools, Clock, Ints
from backcast.signals.decisions import Every, checked, falls
from backcast.signals.folds import Design, bar_after, date_or_sessions, whole
from backcast.signals.types import Fold, Labels

MOST_GROUPS = 100
MOST_FITS = 1_000
"""Splits of a design, each of which is a fit."""

_NONE = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Split(Fold):
    """A fit on all groups but some, which it forecasts.

    fit_at: the clock's last decision; where the last groups are tested the first decision of theirs, for nothing after it may
    train. group (N,): of each test decision. blocks (K, 2): first bar, and the bar after the last, of each test group.
    session (T,): the ordinal of each bar's session.
    """

    group: Ints = field(default_factory=lambda: _NONE)
    blocks: Ints = field(default_factory=lambda: _NONE.reshape(0, 2))
    session: Ints = field(default_factory=lambda: _NONE)

    @property
    def labels_at(self) -> int:
        """The end of the data, whenever the fit."""
        return len(self.session) - 1

    def kept_out(self, labels: Labels, member: Bools) -> dict[str, Bools]:
        """`purged`: labels that share a bar with a test label, or are known after the fit; `embargoed`: decisions too soon
        after a test group. Cells (S, fit_at + 1); labels and member are (S, T)."""
        end, last = self.fit_at + 1, len(self.session) - 1
        ends = label_ends(labels, member, self.test)
        known = np.minimum(labels.known[:, :end], last)
        bars = np.arange(end)
        covered = np.cumsum(_covered(self.test, ends, last + 1))
        overlap = (covered[known] - covered[bars] > 0) | (known > self.fit_at) | self._tested(bars)
        return {
            "purged": overlap & np.isfinite(labels.values[:, :end]),
            "embargoed": np.broadcast_to(self._embargoed(bars, ends), known.shape),
        }

    def _tested(self, bars: Ints) -> Bools:
        """(N,) bars of test groups."""
        return np.any([(begin <= bars) & (bars < end) for begin, end in self.blocks], axis=0)

    def _embargoed(self, bars: Ints, ends: Ints) -> Bools:
        """(N,) bars of the sessions after a test group, from the one on in which its last label is known."""
        found = np.zeros(len(bars), dtype=bool)
        for number in np.unique(self.group):
            last = int(max(ends[self.group == number].max(), self.test[self.group == number][-1]))
            soon = self.session[bars] < self.session[last] + self.embargo
            found |= (bars >= last) & soon
        return found


def label_ends(labels: Labels, member: Bools, test: Ints) -> Ints:
    """(N,) the bar by which the last label of each decision is known, of the members that have one; the decision's own bar
    where none has."""
    counted = member[:, test] & np.isfinite(labels.values[:, test])
    known = np.minimum(labels.known[:, test], labels.known.shape[1] - 1)
    ends: Ints = np.maximum(np.where(counted, known, -1).max(axis=0, initial=-1), test)
    return ends


def _covered(test: Ints, ends: Ints, bars: int) -> Ints:
    """(bars,) 1 for each bar in (t, end] of a test decision."""
    steps = np.zeros(bars + 1, dtype=np.int64)
    np.add.at(steps, test + 1, 1)
    np.add.at(steps, ends + 1, -1)
    return (np.cumsum(steps[:-1]) > 0).astype(np.int64)


class CombinatorialPurged(Design):
    """Every choice of `test_groups` of the `groups` is forecast by a model of the others: C(groups, test_groups) fits, and
    C(groups - 1, test_groups - 1) paths.

    Parameters
    groups: how many, from 2 to 100. test_groups: of one split, from 1 to groups - 1; at most 1,000 fits in all.
    embargo: sessions after a test group's last label without training decisions.
    begin: ISO date, or number of sessions, before which nothing is trained on or forecast: features that warm up.
    every, train_every: when decisions fall, as for `WalkForward`.

    Raises: InputError for any other value, and from `split` where the clock has too few decisions.
    """

    name: ClassVar[str] = "cpcv"

    def __init__(
        self,
        groups: int,
        test_groups: int,
        embargo: int = 0,
        begin: str | int = 0,
        every: int | str | list[str] = 1,
        train_every: int | str | list[str] | None = None,
    ) -> None:
        self.groups = _count("groups", groups, 2, MOST_GROUPS)
        self.test_groups = _count("test_groups", test_groups, 1, self.groups - 1)
        if self.fits > MOST_FITS:
            raise InputError(
                "folds.test_groups",
                test_groups,
                f"at most {MOST_FITS:,} fits",
                f"{test_groups} of {groups} groups are {self.fits:,}. Choose fewer groups, or fewer of them to test.",
            )
        self.embargo = whole("embargo", embargo, 0)
        self.begin = date_or_sessions("folds.begin", begin, 0)
        self.every: Every = checked("folds.every", every)
        self.train_every: Every = (
            self.every if train_every is None else checked("folds.train_every", train_every)
        )

    @property
    def fits(self) -> int:
        """How many splits there are."""
        return math.comb(self.groups, self.test_groups)

    @property
    def paths(self) -> int:
        """How many paths the forecasts of the splits make up."""
        return math.comb(self.groups - 1, self.test_groups - 1)

    def split(self, clock: Clock) -> list[Fold]:
        """The splits, in lexicographic order of the groups that they test."""
        first = self._first_index(clock)
        decisions = first + np.flatnonzero(falls(clock, self.every)[first:])
        days = np.unique(clock.sessions[decisions])
        if len(days) < self.groups:
            raise InputError(
                "folds.groups",
                self.groups,
                f"at most {len(days)}, the sessions with a decision from folds.begin={self.begin} on",
                f"folds.every is {self.every}, and the data end on {clock.sessions[-1]}.",
            )
        starts = np.array([run[0] for run in np.array_split(days, self.groups)])
        edges = np.r_[first, np.searchsorted(clock.sessions, starts[1:]), len(clock)]
        group = np.searchsorted(edges, decisions, side="right") - 1
        training = first + np.flatnonzero(falls(clock, self.train_every, "folds.train_every")[first:])
        session = np.unique(clock.sessions, return_inverse=True)[1].astype(np.int64)
        chosen = itertools.combinations(range(self.groups), self.test_groups)
        return [
            self._split(number, np.array(tested), edges, decisions, group, training, session)
            for number, tested in enumerate(chosen)
        ]

    def _split(
        self,
        number: int,
        tested: Ints,
        edges: Ints,
        decisions: Ints,
        group: Ints,
        training: Ints,
        session: Ints,
    ) -> Split:
        inside = np.isin(group, tested)
        blocks = np.column_stack([edges[tested], edges[tested + 1]]).astype(np.int64)
        place = np.searchsorted(edges, training, side="right") - 1
        train = training[(place >= 0) & ~np.isin(place, tested)]
        trailing = int(np.setdiff1d(np.arange(self.groups), tested).max()) + 1
        last = len(session) - 1 if trailing == self.groups else int(decisions[group == trailing][0])
        test = decisions[inside].astype(np.int64)
        return Split(
            number, last, train.astype(np.int64), test, self.embargo, last, group[inside], blocks, session
        )

    def routes(self, folds: Sequence[Fold]) -> Ints:
        """(P, D): on path j each group is forecast by the j-th split that tests it."""
        decisions = np.unique(np.concatenate([fold.test for fold in folds]))
        found = np.full((self.paths, len(decisions)), -1, dtype=np.int64)
        seen = np.zeros(self.groups, dtype=np.int64)
        for fold in folds:
            assert isinstance(fold, Split)
            for number in np.unique(fold.group):
                at = np.searchsorted(decisions, fold.test[fold.group == number])
                found[seen[number], at] = fold.number
                seen[number] += 1
        return found

    def facts(self) -> dict[str, int]:
        """Its groups, how many are tested at once, and the embargo in sessions."""
        return {"groups": self.groups, "test_groups": self.test_groups, "embargo": self.embargo}

    def _first_index(self, clock: Clock) -> int:
        """Index of the first bar of which anything is used."""
        if not len(clock):
            raise InputError("dataset", "no sessions", "at least one session")
        if isinstance(self.begin, int):
            return bar_after(clock, self.begin, "folds.begin")
        if self.begin > clock.sessions[-1]:
            expected = f"a date not after {clock.sessions[-1]}, where the data end"
            raise InputError("folds.begin", str(self.begin), expected)
        return int(np.searchsorted(clock.sessions, self.begin))


class PurgedKFold(CombinatorialPurged):
    """Each of the `groups` is forecast by a model of all others: as many fits, and one path. Parameters and errors as for
    `CombinatorialPurged`, with one group to test.

    Source: Lopez de Prado (2018), section 7.4.
    """

    name: ClassVar[str] = "purged_kfold"

    def __init__(
        self,
        groups: int,
        embargo: int = 0,
        begin: str | int = 0,
        every: int | str | list[str] = 1,
        train_every: int | str | list[str] | None = None,
    ) -> None:
        super().__init__(groups, 1, embargo, begin, every, train_every)


def _count(name: str, value: object, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InputError(f"folds.{name}", value, f"a whole number from {least} to {most}")
    return value
