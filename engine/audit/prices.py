"""Whether prices are what the source says: raw ones quoted on the exchange's grid, that fall by their splits on their days."""

from __future__ import annotations

import numpy as np
import polars as pl

from backcast.data.quality_bars import off_grid
from backcast.data.types import Floats, Ints
from backcast.engine.audit.findings import INFORMATION, WARNING, Check, Finding
from backcast.engine.audit.tables import Tables

RAW, DATED = "prices as quoted then", "prices on their days"

LEAST_SPLIT = np.log(1.5)
"""Smaller splits are lost among the moves of a day."""


def conditions(tables: Tables) -> list[Check]:
    """Whether prices were adjusted afterwards; and, where splits tell, whether bars carry their own dates."""
    splits = _Splits(tables)
    found = [raw(tables, splits)]
    return [*found, dated(tables, splits)] if splits.session.size else found


class _Splits:
    """The larger splits of a raw market with a close on each of the four sessions around them, (N,): symbol, session (the ex
    date), and by how many sessions off it the price fell by the ratio: -1, 0, 1, or 9 where it never did."""

    def __init__(self, tables: Tables) -> None:
        market = tables.market
        symbol, session = np.nonzero(np.abs(np.log(market.split)) >= LEAST_SPLIT)
        inside = (session >= 2) & (session + 1 < len(market.clock))
        symbol, session = symbol[inside], session[inside]
        log = np.full((len(symbol), 4), np.nan)
        closes = market.field("close")
        for k in range(4):
            near = closes[symbol, session - 2 + k]
            log[:, k] = np.log(np.where(near > 0, near, np.nan))
        known = np.isfinite(log).all(axis=1)
        alone = (market.split[symbol, np.maximum(session - 1, 0)] == 1) if len(symbol) else known
        chosen = known & alone
        self.symbol, self.session = symbol[chosen], session[chosen]
        expected = -np.log(market.split[self.symbol, self.session])
        self.fell = _fell(np.diff(log[chosen], axis=1), expected)


def _fell(steps: Floats, expected: Floats) -> Ints:
    """(N,) which of three steps (N, 3) is the split: -1, 0 or 1; 9 for none."""
    fits = np.abs(steps - expected[:, None]) < np.abs(expected[:, None]) / 2
    near = np.where(fits, np.abs(steps - expected[:, None]), np.inf)
    return np.where(fits.any(axis=1), near.argmin(axis=1) - 1, 9).astype(np.int64)


def raw(tables: Tables, splits: _Splits) -> Check:
    """WARNING where prices that are called raw were adjusted backwards: levels know what came later."""
    market = tables.market
    check = Check(RAW, "data", "grid of early closes, falls by splits, prices below zero", tables.bars)
    basis = tables.info.price_basis
    if basis != "raw":
        sentence = (
            f"Prices are adjusted backwards ({basis}): splits and dividends were known late, and levels leak."
        )
        remedy = "Read nothing but ratios of prices; expressions of levels are refused."
        check.finding = Finding(INFORMATION, sentence, remedy, column="close")
        return check
    never = np.flatnonzero(splits.fell == 9)
    odd, long = off_grid(_frame(tables))
    below = market.field("close") <= 0
    if len(never) > len(splits.session) / 2:
        i = int(never[np.argmin(splits.session[never])])
        why = f"{len(never):,} of {len(splits.session):,} splits left no trace in them"
        _accuse(check, why, market.symbols[splits.symbol[i]], str(market.clock.closes_at[splits.session[i]]))
    elif odd > long / 2:
        _accuse(
            check,
            f"early closes of {odd:,} of {long:,} symbols are off any exchange's grid, newer ones on it",
        )
    elif below.any():
        t, s = (int(i) for i in np.argwhere(below.T)[0])
        _accuse(check, "some are zero or below", market.symbols[s], str(market.clock.closes_at[t]))
    return check


def _accuse(check: Check, why: str, symbol: str = "", at: str = "") -> None:
    sentence = f"The source calls its prices raw, and they are adjusted backwards: {why}. Their levels leak."
    remedy = (
        "Say so (dataset.price_basis: split_adjusted or total_return), or take raw prices with their actions."
    )
    check.finding = Finding(WARNING, sentence, remedy, column="close", symbol=symbol, at=at)


def _frame(tables: Tables) -> pl.DataFrame:
    """(symbol, close) of the newest version, in the order of symbols and time. What was kept in single precision is read as the
    decimal that it was made of, where there is one."""
    s, t = np.nonzero(tables.traded)
    close = tables.market.field("close")[s, t]
    single, decimal = close.astype(np.float32), np.round(close, 4)
    made = (single == close) & (decimal.astype(np.float32) == single)
    return pl.DataFrame({"symbol": s, "close": np.where(made, decimal, close)})


def dated(tables: Tables, splits: _Splits) -> Check:
    """WARNING where most splits show in the prices a session before they happened: bars carry the date of the day before."""
    market = tables.market
    check = Check(DATED, "data", "the session on which prices fall by each split", len(splits.session))
    early = np.flatnonzero(splits.fell == -1)
    if len(early) <= (splits.fell != 9).sum() / 2 or not len(early):
        return check
    i = int(early[np.argmin(splits.session[early])])
    sentence = (
        f"Prices fall by {len(early):,} of {len(splits.session):,} splits one session before their day: bars seem to be dated "
        "a session early, so that a decision reads prices of the next one."
    )
    remedy = "See in which time zone the source dates its bars (dataset.known_at, or shift its dates)."
    symbol, at = market.symbols[splits.symbol[i]], str(market.clock.closes_at[splits.session[i] - 1])
    check.finding = Finding(WARNING, sentence, remedy, "close", symbol, at, depth=1, through="bars")
    return check
