"""Made data for the zoo: a seeded market with everything in it that a strategy can trip over.

Rows are sessions, labelled by the instant of their close, UTC without a zone: 21:00, on half days 18:00. Prices are raw: splits
leave their jump. Some symbols list late, some are delisted, one ticker is taken over by another company, some bars are missing.
Facts come with restatements and with filings at every hour; index members join and leave, announced a week before. Returns have
a day's reversal and a slow drift by symbol, so that honest strategies earn something and a delay costs something.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pandas as pd
import polars as pl

FIELDS = ("open", "high", "low", "close", "volume")
SHAPES = ("closes", "fields", "long", "polars", "polars_long")


@dataclass(frozen=True)
class Market:
    """fields: open, high, low, close, volume as wide frames (times x symbols). facts: symbol, item, event_at, known_at, value.
    membership: symbol, event_at, known_at, member. actions: symbol, event_at, known_at, kind, value."""

    fields: dict[str, pd.DataFrame]
    facts: pd.DataFrame
    membership: pd.DataFrame
    actions: pd.DataFrame

    @property
    def closes(self) -> pd.DataFrame:
        return self.fields["close"]

    def prices(self, shape: str) -> object:
        """A fresh copy, as the user has it: closes (wide), fields (a mapping of wide frames), long (a row a bar: time, symbol,
        open ... volume), polars (wide closes, first column time), polars_long."""
        if shape == "closes":
            return self.closes.copy()
        if shape == "fields":
            return {name: frame.copy() for name, frame in self.fields.items()}
        if shape == "long":
            return self._long()
        if shape == "polars":
            return pl.from_pandas(self.closes.rename_axis("time").reset_index())
        if shape == "polars_long":
            return pl.from_pandas(self._long())
        raise ValueError(f"shape {shape!r}: expected one of {', '.join(SHAPES)}")

    def until(self, row: int) -> Market:
        """Only what was known at the close of a row."""
        now = self.closes.index[row]
        known = {
            name: getattr(self, name)[lambda t: t["known_at"] <= now].reset_index(drop=True)
            for name in ("facts", "membership", "actions")
        }
        return replace(self, fields={n: f.iloc[: row + 1] for n, f in self.fields.items()}, **known)

    def alone(self, symbol: str) -> Market:
        """The market of one symbol."""
        rows = {
            name: getattr(self, name)[lambda t: t["symbol"] == symbol].reset_index(drop=True)
            for name in ("facts", "membership", "actions")
        }
        return replace(self, fields={n: f[[symbol]] for n, f in self.fields.items()}, **rows)

    def delayed(self, bars: int = 1) -> Market:
        """Everything arrives so many bars later."""
        late = self.closes.index.to_series().shift(-bars)
        later = {}
        for name in ("facts", "membership", "actions"):
            table = getattr(self, name)
            place = np.minimum(self.closes.index.searchsorted(table["known_at"]) + bars, len(late) - 1)
            later[name] = table.assign(known_at=self.closes.index[place])
        return replace(self, fields={n: f.shift(bars) for n, f in self.fields.items()}, **later)

    def _long(self) -> pd.DataFrame:
        frames = {
            n: f.rename_axis("time").rename_axis("symbol", axis=1).stack() for n, f in self.fields.items()
        }
        return pd.DataFrame(frames).dropna().reset_index()


@cache
def market(symbols: int = 24, sessions: int = 720, seed: int = 11) -> Market:
    """The zoo's market; made once, the same for every pair."""
    draw = np.random.default_rng(seed)
    times = _times(sessions)
    names = [f"S{i:02d}" for i in range(symbols)]
    close, opened = _paths(draw, sessions, symbols)
    here = _listed(draw, sessions, symbols)
    actions = _actions(draw, times, names, here)
    factor = _split_factor(actions, times, names)
    fields = _bars(draw, opened / factor, close / factor, here, times, names)
    return Market(fields, _facts(draw, times, names, here), _membership(draw, times, names, here), actions)


def _times(sessions: int) -> pd.DatetimeIndex:
    """Closes of business days from 2018 on without the fixed holidays; half days end three hours earlier."""
    days = pd.bdate_range("2018-01-02", periods=sessions + 20)
    fixed = [(d.month, d.day) in ((1, 1), (7, 4), (12, 25)) for d in days]
    days = days[~np.array(fixed)][:sessions]
    half = np.array([(d.month, d.day) in ((7, 3), (12, 24), (12, 31)) or _black_friday(d) for d in days])
    return pd.DatetimeIndex(days + pd.to_timedelta(np.where(half, 18, 21), unit="h"), name="time")


def _black_friday(day: pd.Timestamp) -> bool:
    return bool(day.month == 11 and day.dayofweek == 4 and 23 <= day.day <= 29)


def _paths(draw: np.random.Generator, sessions: int, symbols: int) -> tuple[np.ndarray, np.ndarray]:
    """Total-return closes and opens: a market with spells of stress, sectors of betas, own noise with a day's reversal."""
    stress = np.where((np.arange(sessions) // 45) % 4 == 3, 2.0, 1.0)
    common = draw.normal(0.0004, 0.007, sessions) * stress
    noise = draw.normal(0, 0.014, (sessions, symbols)) * stress[:, None]
    noise[1:] -= 0.15 * noise[:-1]
    beta, drift = draw.uniform(0.5, 1.5, symbols), draw.normal(0, 0.0006, symbols)
    steps = common[:, None] * beta + noise + drift
    close = draw.uniform(20, 180, symbols) * np.exp(np.cumsum(steps, axis=0))
    gap = draw.normal(0, 0.004, (sessions, symbols))
    opened = np.vstack([close[:1], close[:-1]]) * np.exp(gap)
    return close, opened


def _listed(draw: np.random.Generator, sessions: int, symbols: int) -> np.ndarray:
    """Where there is a bar: late listings, delistings, a recycled ticker, halts of three sessions and single gaps."""
    here = np.ones((sessions, symbols), dtype=bool)
    for s, share in ((3, 0.15), (9, 0.3), (15, 0.5)):
        here[: int(share * sessions), s] = False
    for s, share in ((5, 0.45), (11, 0.62), (17, 0.8)):
        here[int(share * sessions) :, s] = False
    here[int(0.4 * sessions) : int(0.5 * sessions), 7] = False
    for s in range(symbols):
        for at in draw.integers(20, sessions - 5, 2):
            here[at : at + int(draw.integers(1, 4)), s] = False
    return here


def _bars(
    draw: np.random.Generator,
    opened: np.ndarray,
    close: np.ndarray,
    here: np.ndarray,
    times: pd.DatetimeIndex,
    names: list[str],
) -> dict[str, pd.DataFrame]:
    reach = np.exp(np.abs(draw.normal(0, 0.006, (2, *close.shape))))
    high, low = np.maximum(opened, close) * reach[0], np.minimum(opened, close) / reach[1]
    level = draw.normal(13, 0.8, close.shape[1])
    volume = np.round(np.exp(level + draw.normal(0, 0.4, close.shape)))
    arrays = dict(zip(FIELDS, (opened, high, low, close, volume)))
    return {
        name: pd.DataFrame(np.where(here, values, np.nan), index=times, columns=names)
        for name, values in arrays.items()
    }


def _actions(
    draw: np.random.Generator, times: pd.DatetimeIndex, names: list[str], here: np.ndarray
) -> pd.DataFrame:
    """Splits and dividends declared ten sessions before, delistings a week before; event_at is the ex session's close."""
    rows = []
    for s, share, value in ((1, 0.3, 2.0), (6, 0.55, 3.0), (12, 0.7, 2.0), (20, 0.85, 4.0)):
        t = int(share * len(times))
        rows.append((names[s], times[t], times[t - 10], "split", value))
    for s in range(0, len(names), 3):
        paid = [t for t in range(40 + s, len(times), 63) if here[t, s]]
        rows += [(names[s], times[t], times[t - 10], "dividend", float(draw.uniform(0.2, 0.9))) for t in paid]
    for s, name in enumerate(names):
        last = int(np.flatnonzero(here[:, s])[-1])
        if last < len(times) - 10:
            rows.append((name, times[last], times[last - 5], "delisting", 0.0))
    t = int(0.4 * len(times))
    rows.append((names[7], times[t - 1], times[t - 6], "delisting", 0.0))
    columns = ["symbol", "event_at", "known_at", "kind", "value"]
    return pd.DataFrame(rows, columns=columns).sort_values(["known_at", "symbol"], ignore_index=True)


def _split_factor(actions: pd.DataFrame, times: pd.DatetimeIndex, names: list[str]) -> np.ndarray:
    factor = np.ones((len(times), len(names)))
    for row in actions[actions["kind"] == "split"].itertuples():
        factor[times.get_loc(row.event_at) :, names.index(row.symbol)] *= row.value
    return factor


def _facts(
    draw: np.random.Generator, times: pd.DatetimeIndex, names: list[str], here: np.ndarray
) -> pd.DataFrame:
    """earnings: by quarter, filed 20 to 70 days after it at any hour from 12:00 to 02:00, a third restated months later. news:
    a tone at any hour. sector: a number from the listing on, some reclassified. shares: outstanding, by year."""
    rows = []
    quarters = pd.date_range(times[0] - pd.Timedelta("200D"), times[-1], freq="QE")
    for s, name in enumerate(names):
        level = draw.uniform(0.5, 4.0)
        for quarter in quarters:
            level *= np.exp(draw.normal(0.01, 0.15))
            known = quarter + pd.Timedelta(
                days=int(draw.integers(20, 70)), minutes=int(draw.integers(720, 1560))
            )
            rows.append((name, "earnings", quarter, known, level))
            if draw.random() < 0.35:
                later = known + pd.Timedelta(days=int(draw.integers(40, 200)))
                rows.append((name, "earnings", quarter, later, level * np.exp(draw.normal(0, 0.3))))
        for at in np.sort(draw.choice(len(times), 60, replace=False)):
            known = times[at].normalize() + pd.Timedelta(minutes=int(draw.integers(720, 1620)))
            rows.append((name, "news", known, known, float(draw.normal())))
        listed = times[int(np.flatnonzero(here[:, s])[0])]
        rows.append((name, "sector", listed, listed - pd.Timedelta("1D"), float(s % 4)))
        years = pd.date_range(times[0] - pd.Timedelta("400D"), times[-1], freq="YE")
        rows += [
            (name, "shares", year, year + pd.Timedelta("30D"), float(draw.uniform(50, 500))) for year in years
        ]
    for s, share in ((2, 0.35), (7, 0.5), (10, 0.6), (18, 0.75)):
        at = times[int(share * len(times))]
        rows.append((names[s], "sector", at, at - pd.Timedelta("1D"), float((s + 2) % 4)))
    columns = ["symbol", "item", "event_at", "known_at", "value"]
    facts = pd.DataFrame(rows, columns=columns)
    facts = facts[facts["known_at"] <= times[-1]]
    return facts.sort_values(["known_at", "symbol", "item"], ignore_index=True)


def _membership(
    draw: np.random.Generator, times: pd.DatetimeIndex, names: list[str], here: np.ndarray
) -> pd.DataFrame:
    """Two thirds are members from the start; every other month one joins and one leaves, announced five sessions before."""
    inside = [n for s, n in enumerate(names) if here[0, s]][: 2 * len(names) // 3]
    rows = [(n, times[0], times[0], True) for n in inside]
    for t in range(60, len(times), 40):
        waiting = [n for s, n in enumerate(names) if n not in inside and here[t, s]]
        if not waiting:
            continue
        joins, leaves = draw.choice(waiting), draw.choice(inside)
        rows += [(joins, times[t], times[t - 5], True), (leaves, times[t], times[t - 5], False)]
        inside = [n for n in inside if n != leaves] + [joins]
    columns = ["symbol", "event_at", "known_at", "member"]
    return pd.DataFrame(rows, columns=columns)
