"""Who is in the data: does anyone ever leave, is anything known of how names ended, is each ticker one company.

None of this proves a leak. It says under which conditions of the data a result was made, and how improbable they are.
"""

from __future__ import annotations

import math

import numpy as np

from backcast.data.quality_bars import ABSENT
from backcast.engine.audit.findings import INFORMATION, WARNING, Check, Finding
from backcast.engine.audit.tables import Tables, lives_of

LEAVE_A_YEAR = 0.03
"""Of a hundred listed names so many are gone a year later: mergers, failures, buy-outs (US stocks: 3 to 8)."""
SELDOM_A_YEAR = 0.005
"""Fewer than this leave no universe of stocks that was not chosen at its end."""
IMPROBABLE = 0.01

SPELL = 5
"""Sessions without a bar after which another price may be another company's."""
JUMP_OF_A_SPELL = math.log(5.0)
JUMP_OF_AN_ABSENCE = math.log(1.5)
SIGMAS = 4.0
LEAST_SIGMA = 0.005
"""Of a bar's return: a symbol that hardly moved may move that much."""

SURVIVORS, ENDINGS, TICKERS = "who leaves the universe", "how names end", "one company a ticker"


def conditions(tables: Tables) -> list[Check]:
    """The three conditions of a universe."""
    return [survivors(tables), endings(tables), tickers(tables)]


def survivors(tables: Tables) -> Check:
    """WARNING where so few leave that the sample must have been chosen at its end, or its source says so; else their count."""
    left, names, years, constant = _departures(tables)
    check = Check(SURVIVORS, "universe", "names that leave, against a Poisson count", names)
    told = tables.info.survivorship
    if not names:
        return check
    shown = f"{left:,} of {names:,} names left in {years:,.0f} years of names"
    if told:
        chosen = f"The source says of its universe: {told}. {_upper(shown)}."
        return _with(check, WARNING, chosen, "Take the members as they stood, those that left with them.")
    nobody = left == 0 and poisson(0, LEAVE_A_YEAR * years) < IMPROBABLE
    seldom = left > 0 and poisson(left, SELDOM_A_YEAR * years) < IMPROBABLE
    if not nobody and not seldom:
        return _with(check, INFORMATION, f"{_upper(shown)}.", "Nothing: this is what happened.")
    rate = LEAVE_A_YEAR if nobody else SELDOM_A_YEAR
    chance = _odds(poisson(left, rate * years))
    subject = f"The {names:,} members are those of one day: nobody joins or leaves" if constant else ""
    sentence = (
        f"{subject or _upper(shown)}{' in ' + format(years, ',.0f') + ' years of names' if subject else ''}; at "
        f"{rate:.1%} a year {rate * years:,.1f} would have ({chance} that it is chance). Survivors look better than they were."
    )
    return _with(
        check,
        WARNING,
        sentence,
        "Use data with the names that left, or a membership table with its dates.",
        column="membership" if tables.membership.num_rows else "symbol",
    )


def _departures(tables: Tables) -> tuple[int, int, float, bool]:
    """How many left, of how many names, in how many years of names; and whether a membership table never changes."""
    lives, market, panel = lives_of(tables), tables.market, tables.panel
    fact = np.array([market.symbols[s] in market.endings for s in lives.symbol], dtype=bool)
    gone = lives.ended | fact
    if not tables.membership.num_rows:
        return int(gone.sum()), len(gone), float(lives.years.sum()), False
    member = panel.member[lives.symbol]
    ever = member.any(axis=1)
    traded = np.flatnonzero(tables.traded.any(axis=0))
    gone = (gone | ~member[:, traded[-1]]) & ever
    first = int(member.any(axis=0).argmax())
    constant = not gone.any() and bool(member[ever][:, first].all())
    return int(gone.sum()), int(ever.sum()), float(member.sum() / panel.clock.periods_per_year), constant


def poisson(most: int, mean: float) -> float:
    """The probability of at most so many, where `mean` are expected."""
    if mean <= 0:
        return 1.0
    terms = (k * math.log(mean) - mean - math.lgamma(k + 1) for k in range(most + 1))
    return min(1.0, math.fsum(math.exp(term) for term in terms))


def endings(tables: Tables) -> Check:
    """WARNING where most names that end do so without a fact of what their holders got."""
    lives, market = lives_of(tables), tables.market
    check = Check(ENDINGS, "universe", "a delisting or merger fact for each name that ends", len(lives.symbol))
    ended = np.flatnonzero(lives.ended)
    silent = [i for i in ended if market.symbols[lives.symbol[i]] not in market.endings]
    if not silent:
        return check
    first = min(silent, key=lambda i: (lives.last[i], lives.symbol[i]))
    sentence = (
        f"{len(silent):,} of the {len(ended):,} names whose prices end have no fact of what their holders got: what they "
        "lost last is missing."
    )
    return _with(
        check,
        WARNING if len(silent) > len(ended) / 2 else INFORMATION,
        sentence,
        "Give delisting and merger actions with their proceeds, or set execution.haircut.",
        column="actions",
        symbol=market.symbols[lives.symbol[first]],
        at=str(market.clock.closes_at[lives.last[first]]),
    )


def tickers(tables: Tables) -> Check:
    """WARNING where a symbol comes back as what must be another company: after its end, or at a price that its own past does
    not explain."""
    market = tables.market
    check = Check(TICKERS, "universe", "prices before and after each absence, and after each end")
    closes, days = market.field("close"), _ordinals(tables)
    growth = np.cumprod(market.split, axis=1)
    joined: list[tuple[int, int, str]] = []
    absent = 0
    for s, symbol in enumerate(market.symbols):
        at = np.flatnonzero(np.isfinite(closes[s]))
        check.cells += len(at)
        if symbol in market.endings and len(at):
            after = at[at > market.endings[symbol][0]]
            if len(after):
                joined.append((int(after[0]), s, "it trades on after its delisting"))
        if len(at) < 2:
            continue
        away = np.diff(days[at]) - 1
        if away.max() <= SPELL:
            continue
        value = np.log(np.maximum(closes[s, at] * growth[s, at], 1e-300))
        step = np.diff(value)
        sigma = max(float(np.median(np.abs(step))) * 1.4826, LEAST_SIGMA)
        bound = np.maximum(JUMP_OF_AN_ABSENCE, SIGMAS * sigma * np.sqrt(away + 1))
        bound = np.where(away > ABSENT, bound, np.maximum(bound, JUMP_OF_A_SPELL))
        absent += int((away > ABSENT).sum())
        for i in np.flatnonzero((away > SPELL) & (np.abs(step) > bound)).tolist():
            words = f"it comes back after {away[i]:,} sessions at {math.exp(step[i]):.3g} times its price"
            joined.append((int(at[i + 1]), s, words))
    if joined:
        t, s, why = min(joined)
        sentence = f"{_names(len({s for _, s, _ in joined}))} may be two companies under one ticker: {why}."
        remedy = "Split it: a delisting where the first one ended, or a rename action."
        where = {"symbol": market.symbols[s], "at": str(market.clock.closes_at[t])}
        return _with(check, WARNING, sentence, remedy, column="close", **where)
    if absent:
        sentence = f"Symbols come back {absent:,} times after more than {ABSENT} sessions, at prices that fit."
        return _with(check, INFORMATION, sentence, "See that they are the same companies.")
    return check


def _ordinals(tables: Tables) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """(T,) of each bar the number of its session, of those in which anything traded."""
    days = tables.market.clock.sessions
    anything = tables.traded.any(axis=0)
    return np.searchsorted(np.unique(days[anything]), days).astype(np.int64)


def _with(check: Check, severity: str, sentence: str, remedy: str, **where: str) -> Check:
    check.finding = Finding(severity, sentence, remedy, **where)  # type: ignore[arg-type]  # only texts are given
    return check


def _names(count: int) -> str:
    return "A symbol" if count == 1 else f"{count:,} symbols"


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _odds(chance: float) -> str:
    return "less than one in a million" if chance < 1e-6 else f"a probability of {chance:.1g}"
