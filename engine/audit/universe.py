"""Who is in the data: does anyone ever leave, is anything known of how names ended, is each ticker one company.

None of this proves a leak. It says under which conditions of the data a result was made, and how improbable they are.
"""

from __future__ import annotations

import math

import numpy as np

from backcast.data.quality_bars import ABSENT
from backcast.engine.audit.findings import INFORMATION, WARNING, Check, Finding
from backcast.engine.audit.tables import ENDS, Tables, lives_of

LEAVE_A_YEAR = 0.03
"""Of a hundred listed names so many are gone a year later: mergers, failures, buy-outs (US stocks: 3 to 8)."""
SELDOM_A_YEAR = 0.005
"""Fewer than this leave no universe of stocks that was not chosen at its end."""
IMPROBABLE = 0.01

SHOWN = 5
SPELL = 5
"""Sessions without a bar after which another price may be another company's."""
JUMP_OF_A_SPELL = math.log(5.0)
JUMP_OF_AN_ABSENCE = math.log(1.5)
SIGMAS = 4.0
LEAST_SIGMA = 0.005
"""Of a bar's return: a symbol that hardly moved may move that much."""

SURVIVORS, ENDINGS, TICKERS = "who leaves the universe", "how names end", "one company a ticker"


def conditions(tables: Tables) -> list[Check]:
    """Who leaves, how names end, and which tickers two companies had."""
    return [survivors(tables), endings(tables), tickers(tables)]


def survivors(tables: Tables) -> Check:
    """WARNING where so few leave that the sample must have been chosen at its end, or its source says so; else their count."""
    left, names, years, constant = _departures(tables)
    check = Check(SURVIVORS, "universe", "names that leave, against a Poisson count", names)
    told = tables.info.survivorship
    if not names:
        return check
    shown = f"{left:,} of {names:,} names left in {years:,.0f} symbol-years"
    if told:
        chosen = f"The source says of its universe: {told}. {_upper(shown)}."
        return _with(check, WARNING, chosen, "Take the members as they stood, those that left with them.")
    if _still_trading(tables):
        return _with(check, WARNING, *_unended(tables, left, names), column="symbol")
    nobody = left == 0 and poisson(0, LEAVE_A_YEAR * years) < IMPROBABLE
    seldom = left > 0 and poisson(left, SELDOM_A_YEAR * years) < IMPROBABLE
    if not nobody and not seldom:
        return _with(check, INFORMATION, f"{_upper(shown)}.", "Nothing: this is what happened.")
    rate = LEAVE_A_YEAR if nobody else SELDOM_A_YEAR
    chance = _odds(poisson(left, rate * years))
    subject = f"The {names:,} members are those of one day: nobody joins or leaves" if constant else ""
    sentence = (
        f"{subject or _upper(shown)}{' in ' + format(years, ',.0f') + ' symbol-years' if subject else ''}; at "
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
    """How many left, of how many names, in how many symbol-years; and whether a membership table never changes."""
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


def _still_trading(tables: Tables) -> bool:
    """Whether members leave, and of nobody the prices ever end, in so many symbol-years that this is improbable."""
    if not tables.membership.num_rows or not _departures(tables)[0]:
        return False
    lives = lives_of(tables)
    fact = any(tables.market.symbols[s] in tables.market.endings for s in lives.symbol)
    ended = fact or bool(lives.ended.any())
    return not ended and poisson(0, LEAVE_A_YEAR * float(lives.years.sum())) < IMPROBABLE


def _unended(tables: Tables, left: int, names: int) -> tuple[str, str]:
    """What is said where nobody's prices end, and what to do."""
    years = float(lives_of(tables).years.sum())
    mean = LEAVE_A_YEAR * years
    return (
        f"{left:,} of {names:,} names left the universe, and the prices of none ever end in {years:,.0f} symbol-years; at "
        f"{LEAVE_A_YEAR:.1%} a year {mean:,.1f} would ({_odds(poisson(0, mean))} that it is chance). Names that stop trading "
        "are missing.",
        "Use data with the names that were delisted, merged or bought, and what their holders got.",
    )


def poisson(most: int, mean: float) -> float:
    """The probability of at most so many, where `mean` are expected."""
    if mean <= 0:
        return 1.0
    terms = (k * math.log(mean) - mean - math.lgamma(k + 1) for k in range(most + 1))
    return min(1.0, math.fsum(math.exp(term) for term in terms))


def endings(tables: Tables) -> Check:
    """WARNING where most names that end do so without a fact of what their holders got, and did not leave an index then."""
    lives, market = lives_of(tables), tables.market
    check = Check(
        ENDINGS, "universe", "a delisting or merger fact for each name that ends", len(lives.symbol)
    )
    ended = np.flatnonzero(lives.ended)
    silent = [i for i in ended.tolist() if market.symbols[lives.symbol[i]] not in market.endings]
    if not silent:
        return check
    open_end = [i for i in silent if not _left_then(tables, int(lives.symbol[i]), int(lives.last[i]))]
    first = min(open_end or silent, key=lambda i: (lives.last[i], lives.symbol[i]))
    told = (
        f"{len(silent):,} of the {len(ended):,} names whose prices end have no fact of what their holders got"
    )
    if len(open_end) < len(silent):
        told += f"; the prices of {len(silent) - len(open_end):,} end as they leave the universe"
    return _with(
        check,
        WARNING if len(open_end) > len(ended) / 2 else INFORMATION,
        f"{told}. What came after is missing.",
        "Give delisting and merger actions with their proceeds, or set execution.haircut.",
        column="actions",
        symbol=market.symbols[lives.symbol[first]],
        at=str(market.clock.closes_at[lives.last[first]]),
    )


def _left_then(tables: Tables, s: int, last: int) -> bool:
    """Whether a membership table says that a symbol left around its last bar: then who holds it sells."""
    if not tables.membership.num_rows:
        return False
    end = min(last + ENDS, tables.panel.member.shape[1] - 1)
    return not bool(tables.panel.member[s, end])


def tickers(tables: Tables) -> Check:
    """WARNING where a symbol comes back as what must be another company: after its end, or at a price that its own past does
    not explain."""
    market = tables.market
    check = Check(TICKERS, "universe", "prices before and after each absence, and after each end")
    joined: list[tuple[int, int, int, str]] = []
    absent: list[tuple[int, int, int, str]] = []
    for s, symbol in enumerate(market.symbols):
        for t, away, why in _returns(tables, s):
            (joined if why else absent).append((t, s, away, why))
        if symbol in market.endings:
            after = np.flatnonzero(tables.traded[s])
            after = after[after > market.endings[symbol][0]]
            joined += [(int(t), s, 0, "it trades on after its delisting") for t in after[:1]]
    check.cells = int(tables.traded.sum())
    fitting = len({s for _, s, _, _ in absent} - {s for _, s, _, _ in joined})
    beside = f"{fitting:,} {'come' if fitting > 1 else 'comes'} back after more than {ABSENT} sessions at a price that fits."
    if joined:
        t, s, _, why = min(joined)
        more = [market.symbols[k] for k in sorted({k for _, k, _, _ in joined} - {s})]
        named = ", ".join([*more[:SHOWN], *([f"{len(more) - SHOWN:,} more"] if len(more) > SHOWN else [])])
        others = (f" So may {named}." if more else "") + (f" Besides, {beside}" if fitting else "")
        sentence = f"{market.symbols[s]} may be two companies under one ticker: {why}.{others}"
        remedy = "Split it: a delisting where the first one ended, or a rename action."
        where = {"symbol": market.symbols[s], "at": str(market.clock.closes_at[t])}
        return _with(check, WARNING, sentence, remedy, column="close", **where)
    if absent:
        t, s, away, _ = max(absent, key=lambda one: one[2])
        sentence = f"Of the symbols {beside} The longest absence is {away:,} sessions."
        where = {"symbol": market.symbols[s], "at": str(market.clock.closes_at[t])}
        return _with(check, INFORMATION, sentence, "See that they are the same companies.", **where)
    return check


def _returns(tables: Tables, s: int) -> list[tuple[int, int, str]]:
    """Of each long absence of a symbol, and of each short one after which its price is another: where it comes back, after how
    many sessions, and why that is another company, empty where the price fits."""
    closes, growth = tables.market.field("close")[s], np.cumprod(tables.market.split[s])
    at = np.flatnonzero(closes > 0)
    away = np.diff(tables.ordinals[at]) - 1
    if not (away > SPELL).any():
        return []
    step = np.diff(np.log(closes[at] * growth[at]))
    sigma = max(float(np.median(np.abs(step))) * 1.4826, LEAST_SIGMA)
    bound = np.maximum(JUMP_OF_AN_ABSENCE, SIGMAS * sigma * np.sqrt(away + 1))
    bound = np.where(away > ABSENT, bound, np.maximum(bound, JUMP_OF_A_SPELL))
    found = []
    for i in np.flatnonzero((away > ABSENT) | ((away > SPELL) & (np.abs(step) > bound))).tolist():
        why = f"it comes back after {away[i]:,} sessions at {math.exp(step[i]):.3g} times its price"
        found.append((int(at[i + 1]), int(away[i]), why if abs(step[i]) > bound[i] else ""))
    return found


def _with(check: Check, severity: str, sentence: str, remedy: str, **where: str) -> Check:
    check.finding = Finding(severity, sentence, remedy, **where)  # type: ignore[arg-type]  # only texts are given
    return check


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _odds(chance: float) -> str:
    return "less than one in a million" if chance < 1e-6 else f"a probability of {chance:.1g}"
