"""Two simpler ways to look for look-ahead, written as fairly as we can, on the same strategies.

cut_and_compare is our reading of freqtrade's `lookahead-analysis`: for a sample of trades the data are cut after the trade's
row, the strategy is run again, and the signals of the row that made the trade are compared. The trade is filled a row after
its signal, so that the cut data hold one row beyond it. freqtrade cuts for the traded pair alone; as that accuses every
strategy that looks at other symbols, the kinder reading (all symbols, and the other tables as known then) is what the zoo
counts, and `alone` is shown beside it.

lag_and_compare is what many do by hand: give the strategy its inputs a bar later, and accuse where the result collapses.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from zoo.pair import Outputs, Said, Strategy

TRADES, FEWEST = 20, 10
"""How many trades are looked at, and how many there must be for an answer: freqtrade's own defaults."""

SIGNIFICANT, COLLAPSE = 2.0, 0.5
"""A result counts from a t-statistic of 2 on, and collapses where a bar's delay leaves less than half of it."""

TOLERANCE = 1e-9


def cut_and_compare(strategy: Strategy, alone: bool = False) -> Said:
    """Accuses where a signal changes when the data after its trade's row are cut."""
    market = strategy.market
    if market is None:
        return Said(False, why="cannot be run on other data", inconclusive=True)
    began = time.perf_counter()
    made = strategy.run(market)
    signals = made.signals
    trades = _trades(signals)
    if len(trades) < FEWEST:
        return Said(False, why=f"too few trades ({len(trades)} of {FEWEST})", inconclusive=True)
    for row, symbol in trades:
        known = market.until(row + made.lag)
        try:
            again = strategy.run(known.alone(symbol) if alone else known).signals
        except Exception as error:
            why = f"raised on cut data: {type(error).__name__}: {error}"
            return Said(False, why=why, inconclusive=True, seconds=time.perf_counter() - began)
        label = signals.index[row]
        columns = [symbol] if alone else list(signals.columns)
        if not _equal(signals.loc[label, columns], _row(again, label, columns)):
            why = f"the signal of {label} for {symbol} changes when the data are cut after its trade"
            return Said(True, why=why, seconds=time.perf_counter() - began)
    return Said(False, seconds=time.perf_counter() - began)


def lag_and_compare(strategy: Strategy) -> Said:
    """Accuses where a significant result keeps less than half of its Sharpe ratio when the inputs come a bar later."""
    market = strategy.market
    if market is None:
        return Said(False, why="cannot be run on other data", inconclusive=True)
    began = time.perf_counter()
    own = _result(strategy.run(market), market.closes)
    try:
        delayed = strategy.run(market.delayed())
    except Exception as error:
        why = f"raised on delayed data: {type(error).__name__}: {error}"
        return Said(False, why=why, inconclusive=True, seconds=time.perf_counter() - began)
    late = _result(Outputs(delayed.signals, lag=delayed.lag), market.closes)
    why = f"t-statistic {own:.1f}, a bar later {late:.1f}"
    accused = own >= SIGNIFICANT and late < COLLAPSE * own
    return Said(accused, why=why, seconds=time.perf_counter() - began)


METHODS: dict[str, Callable[[Strategy], Said]] = {
    "cut": cut_and_compare,
    "cut alone": lambda strategy: cut_and_compare(strategy, alone=True),
    "lag": lag_and_compare,
}


def _trades(signals: pd.DataFrame) -> list[tuple[int, str]]:
    """Up to TRADES cells, spread evenly, at which a symbol's signal differs from the row before."""
    held = signals.fillna(0.0).to_numpy(dtype=float)
    rows, columns = np.nonzero(np.diff(held, axis=0))
    inside = np.flatnonzero(rows + 1 < len(held) - 2)  # a trade on the last row is a forced exit
    chosen = inside[np.unique(np.linspace(0, len(inside) - 1, TRADES).astype(int))] if len(inside) else []
    return [(int(rows[i]) + 1, str(signals.columns[columns[i]])) for i in chosen]


def _row(frame: pd.DataFrame, label: pd.Timestamp, columns: list[str]) -> pd.Series:
    """A row by label; what is not there is not known."""
    row = frame.loc[label] if label in frame.index else pd.Series(dtype=float)
    return row.reindex(columns)


def _equal(one: pd.Series, other: pd.Series) -> bool:
    """A symbol without a signal and one with a signal of zero are the same trade."""
    a, b = (np.nan_to_num(row.to_numpy(dtype=float)) for row in (one, other))
    return bool(np.allclose(a, b, rtol=TOLERANCE, atol=1e-12))


def _result(made: Outputs, closes: pd.DataFrame) -> float:
    """The t-statistic of the mean return: as reported, or of signals held over the row they are for."""
    returns = made.returns
    if returns is None:
        moves = closes.pct_change(fill_method=None)
        moves = moves.where(moves.abs() < 0.4)  # splits are no result
        held = made.signals.reindex(index=closes.index, columns=closes.columns).shift(made.lag)
        returns = (held * moves).sum(axis=1)
    returns = returns.astype(float).fillna(0.0)
    spread = returns.std()
    return float(returns.mean() / spread * np.sqrt(len(returns))) if spread > 0 else 0.0
