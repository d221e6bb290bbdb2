"""A seeded market with a planted signal, and every nuisance of real data; its truth comes with it.

Open-to-open log returns are market + own noise + signal: the score of a session adds signal x volatility / sqrt(horizon) a
session to the return over the `horizon` sessions after the next open, which is what a decision at that session's
close can earn. The score is the fact `alpha`, known at the close. Raw prices are the total-return prices divided by
the cumulated splits and dividends, so adjusting them forward gives the truth back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from backcast.data.calendar import clock
from backcast.data.errors import InputError
from backcast.data.schema import DatasetInfo, check_name
from backcast.data.sources.base import Batch, Source, batch
from backcast.data.types import Bools, Clock, Floats

VOLATILITY = 0.02
"""Standard deviation of a session's own log return; the market adds half of it."""

LATE_BY = 3
"""Sessions by which late bars and corrections are known after their decision."""


@dataclass(frozen=True)
class SyntheticTruth:
    """What the market really was. S symbols, T sessions of `clock`.

    opens, closes (S, T): total-return prices from the first session on, without gaps or errors. alpha (S, T): the planted
    scores. information_coefficient: the correlation of a score with the symbol's own return from the next open over
    `horizon` sessions, by construction. listed (S, T): from listing to the last session. factor (S, T): what raw
    prices are multiplied by. ended: last session's index of each symbol that ends, and its proceeds
    in total-return units (None: no fact).
    """

    clock: Clock
    symbols: tuple[str, ...]
    opens: Floats
    closes: Floats
    alpha: Floats
    information_coefficient: float
    listed: Bools
    factor: Floats
    ended: dict[str, tuple[int, float | None]]
    renamed: dict[str, tuple[int, str]]
    corrected: Bools
    late: Bools


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
        self.rates = _rates(rates or {})

    def read(self) -> Batch:
        return self.market()[0]

    def market(self) -> tuple[Batch, SyntheticTruth]:
        """The batch that enters the store, and the truth behind it."""
        truth = _truth(self)
        info = DatasetInfo(
            name=self.name,
            calendar="XNYS",
            price_basis="raw",
            bar_fields=("open", "high", "low", "close", "volume"),
            description=f"synthetic market, seed {self.seed}, planted signal {self.signal}",
            known_rule="event_at + 15min",
        )
        generator = np.random.default_rng([self.seed, 2])
        bars = _bars(truth, self.rates, generator)
        frames = {
            "bars": _tickers(bars, truth),
            "actions": _actions(truth),
            "membership": _membership(truth),
            "facts": _facts(truth, self.rates["restatements"], generator),
        }
        return batch(info, frames), truth


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


def _whole(name: str, value: object, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(f"dataset.{name}", value, f"an integer from {low} to {high}")
    return value


def _truth(source: SyntheticSource) -> SyntheticTruth:
    """Prices, scores and lives."""
    generator = np.random.default_rng([source.seed, 1])
    shape, h = (source.symbols, source.sessions), source.horizon
    days = np.timedelta64(source.sessions * 2 + 40, "D")
    whole = clock("XNYS", source.start, source.start + days, 30).slice(0, source.sessions)
    alpha = generator.normal(size=shape)
    noise = generator.normal(size=shape) * np.sqrt(1 - source.signal**2)
    market = 0.5 * generator.normal(size=source.sessions)
    lagged = np.concatenate([np.zeros((source.symbols, h)), alpha], axis=1).cumsum(axis=1)
    recent = lagged[:, h:] - lagged[:, :-h]  # scores of the h sessions up to each
    pushed = np.concatenate([np.zeros((source.symbols, 1)), recent[:, :-1]], axis=1) / np.sqrt(h)
    steps = VOLATILITY * (noise + source.signal * pushed + market)  # from this open to the next
    first = np.exp(generator.normal(np.log(50), 0.7, size=(source.symbols, 1)))
    opens = first * np.exp(
        np.concatenate([np.zeros((source.symbols, 1)), steps[:, :-1]], axis=1).cumsum(axis=1)
    )
    closes = opens * np.exp(0.8 * steps + 0.1 * VOLATILITY * generator.normal(size=shape))
    symbols = tuple(f"SYN{i:0{len(str(source.symbols - 1))}d}" for i in range(source.symbols))
    listed, ended = _lives(source, symbols, generator)
    renamed = {
        symbol: (int(generator.integers(10, source.sessions - 5)), f"{symbol}N")
        for symbol in symbols
        if generator.random() < source.rates["renames"] * source.sessions / 252
    }
    variance = h * (1 - source.signal**2) + source.signal**2 * (2 * h * h + 1) / 3
    return SyntheticTruth(
        whole,
        symbols,
        opens,
        closes,
        alpha,
        float(source.signal * h / np.sqrt(h) / np.sqrt(variance)) if source.signal else 0.0,
        listed,
        _factors(source, closes, generator),
        {
            s: (last, None if got is None else got * float(closes[symbols.index(s), last]))
            for s, (last, got) in ended.items()
        },
        renamed,
        _some(source, "corrections", generator) & listed,
        _some(source, "late", generator) & listed,
    )


def _lives(
    source: SyntheticSource, symbols: tuple[str, ...], generator: np.random.Generator
) -> tuple[Bools, dict[str, tuple[int, float | None]]]:
    """Who is listed when, and of each symbol that ends its last session and the share of its last price that is paid."""
    at = np.arange(source.sessions)
    listed = np.ones((source.symbols, source.sessions), dtype=bool)
    ended: dict[str, tuple[int, float | None]] = {}
    chance = min(0.9, source.rates["delistings"] * source.sessions / 252)
    for s, symbol in enumerate(symbols):
        if generator.random() < min(source.rates["listings"], 1.0):
            listed[s, at < generator.integers(1, source.sessions // 2)] = False
        if generator.random() < chance:
            last = int(generator.integers(source.sessions // 2, source.sessions - 10))
            listed[s, at > last] = False
            ended[symbol] = (last, float(generator.uniform(0, 1)) if generator.random() < 0.5 else None)
    return listed, ended


def _factors(source: SyntheticSource, closes: Floats, generator: np.random.Generator) -> Floats:
    """(S, T) what raw prices are multiplied by: 2-for-1 splits, and dividends of 0.5 % of the last close."""
    steps = np.ones(closes.shape)
    splits, dividends = (_some(source, kind, generator) for kind in ("splits", "dividends"))
    steps[splits] *= 2.0
    steps[dividends & ~splits] *= 1 / (1 - 0.005)
    steps[:, 0] = 1.0
    return np.asarray(steps.cumprod(axis=1))


def _some(source: SyntheticSource, kind: str, generator: np.random.Generator) -> Bools:
    """(S, T) cells chosen at a rate a year."""
    return np.asarray(generator.random((source.symbols, source.sessions)) < source.rates[kind] / 252)


def _bars(truth: SyntheticTruth, rates: dict[str, float], generator: np.random.Generator) -> pl.DataFrame:
    """The rows that a vendor would send: raw prices, some late, some wrong and corrected, some never."""
    shape = truth.closes.shape
    here = truth.listed & (generator.random(shape) >= rates["gaps"] / 252)
    halts = generator.random(shape) < rates["halts"] / 252
    for lag in range(3):
        here[:, lag:] &= ~halts[:, : shape[1] - lag]
    s, t = np.nonzero(here)
    raw_open, raw_close = (p[s, t] / truth.factor[s, t] for p in (truth.opens, truth.closes))
    wiggle = np.exp(np.abs(generator.normal(0, 0.3 * VOLATILITY, (2, len(s)))))
    known = truth.clock.closes_at + np.timedelta64(15, "m")
    late_at = known[np.minimum(t + LATE_BY, shape[1] - 1)] + np.timedelta64(1, "D") * (
        t + LATE_BY >= shape[1]
    )
    frame = pl.DataFrame(
        {
            "s": s,
            "t": t,
            "open": raw_open,
            "high": np.maximum(raw_open, raw_close) * wiggle[0],
            "low": np.minimum(raw_open, raw_close) / wiggle[1],
            "close": raw_close,
            "volume": np.round(np.exp(generator.normal(13, 0.5, len(s)))),
            "event_at": truth.clock.closes_at[t],
            "known_at": np.where(truth.late[s, t], late_at, known[t]),
            "known_basis": "vendor",
        }
    )
    wrong = truth.corrected[s, t] & ~truth.late[s, t]
    prices = ("open", "high", "low", "close")
    first = frame.filter(wrong).with_columns(pl.col(c) * 1.05 for c in prices)
    second = frame.filter(wrong).with_columns(pl.Series("known_at", late_at[wrong]))
    return pl.concat([frame.filter(~wrong), first, second])


def _tickers(bars: pl.DataFrame, truth: SyntheticTruth) -> pl.DataFrame:
    """The rows under the ticker of their day, with instants in UTC."""
    s, t = bars["s"].to_numpy(), bars["t"].to_numpy()
    names = np.array(truth.symbols, dtype=object)[s]
    for symbol, (session, new) in truth.renamed.items():
        names[(s == truth.symbols.index(symbol)) & (t >= session)] = new
    return bars.drop("s", "t").with_columns(
        pl.Series("symbol", names.tolist()), *_utc("event_at", "known_at")
    )


def _actions(truth: SyntheticTruth) -> pl.DataFrame:
    """Splits, dividends, renames and delistings, each known at the close before; a delisting at its last close."""
    rows: list[tuple[str, str, float | None, str | None, int, int]] = []
    steps = truth.factor[:, 1:] / truth.factor[:, :-1]
    for s, t in np.argwhere(steps > 1.0).tolist():
        ticker = _ticker(truth, s, t + 1)
        raw = truth.closes[s, t] / truth.factor[s, t]
        if steps[s, t] > 1.5:
            rows.append((ticker, "split", 2.0, None, t + 1, t))
        else:
            rows.append((ticker, "dividend", float(raw * (1 - 1 / steps[s, t])), None, t + 1, t))
    rows += [(old, "rename", None, new, at, at - 1) for old, (at, new) in truth.renamed.items()]
    for symbol, (last, proceeds) in truth.ended.items():
        if proceeds is not None:
            s = truth.symbols.index(symbol)
            rows.append(
                (
                    _ticker(truth, s, last),
                    "delisting",
                    proceeds / float(truth.factor[s, last]),
                    None,
                    last,
                    last,
                )
            )
    columns = [[row[i] for row in rows] for i in range(6)]
    closes = truth.clock.closes_at
    return pl.DataFrame(
        {
            "symbol": pl.Series(columns[0], dtype=pl.String),
            "kind": pl.Series(columns[1], dtype=pl.String),
            "value": pl.Series(columns[2], dtype=pl.Float64),
            "text": pl.Series(columns[3], dtype=pl.String),
            "event_at": closes[np.array(columns[4], dtype=np.int64)],
            "known_at": closes[np.array(columns[5], dtype=np.int64)],
            "known_basis": "vendor",
        }
    ).with_columns(_utc("event_at", "known_at"))


def _ticker(truth: SyntheticTruth, s: int, t: int) -> str:
    session, new = truth.renamed.get(truth.symbols[s], (len(truth.clock), ""))
    return new if t >= session else truth.symbols[s]


def _membership(truth: SyntheticTruth) -> pl.DataFrame:
    """Members from listing to the last session."""
    joins = truth.listed.argmax(axis=1)
    rows = [(truth.symbols[s], int(t), True) for s, t in enumerate(joins)]
    rows += [
        (_ticker(truth, truth.symbols.index(symbol), last + 1), last + 1, False)
        for symbol, (last, _) in truth.ended.items()
    ]
    at = np.array([t for _, t, _ in rows])
    closes = truth.clock.closes_at[at]
    frame = {"symbol": [s for s, _, _ in rows], "member": [m for _, _, m in rows], "event_at": closes,
             "known_at": closes, "known_basis": "vendor"}  # fmt: skip
    return pl.DataFrame(frame).with_columns(_utc("event_at", "known_at"))


def _facts(truth: SyntheticTruth, restatements: float, generator: np.random.Generator) -> pl.DataFrame:
    """`alpha`, the score of each session; `earnings` of each quarter, some restated two quarters later."""
    s, t = np.nonzero(truth.listed)
    closes = truth.clock.closes_at
    tickers = np.array(truth.symbols, dtype=object)[s]
    for symbol, (session, new) in truth.renamed.items():
        tickers[(s == truth.symbols.index(symbol)) & (t >= session)] = new
    alpha = pl.DataFrame({"symbol": tickers.tolist(), "item": "alpha", "value": truth.alpha[s, t],
                          "event_at": closes[t], "known_at": closes[t]})  # fmt: skip
    quarters = np.arange(0, len(truth.clock), 63)
    qs, qt = (a.ravel() for a in np.meshgrid(np.arange(len(truth.symbols)), quarters, indexing="ij"))
    alive = truth.listed[qs, qt]
    qs, qt = qs[alive], qt[alive]
    names = [_ticker(truth, int(a), int(b)) for a, b in zip(qs, qt, strict=True)]
    values = generator.lognormal(0, 1, len(qs))
    published, restated_at = np.minimum(qt + 25, len(closes) - 1), np.minimum(qt + 126, len(closes) - 1)
    frame = {
        "symbol": names,
        "item": "earnings",
        "value": values,
        "event_at": closes[qt],
        "known_at": closes[published],
    }
    earnings = pl.DataFrame(frame)
    chosen = (generator.random(len(qs)) < min(1.0, restatements / 4)) & (restated_at > published)
    restated = earnings.with_columns(
        pl.col("value") * 0.8, pl.Series("known_at", closes[restated_at])
    ).filter(chosen)
    whole = pl.concat([alpha, earnings, restated]).with_columns(pl.lit("vendor").alias("known_basis"))
    return whole.with_columns(_utc("event_at", "known_at"))


def _utc(*names: str) -> list[pl.Expr]:
    return [pl.col(name).cast(pl.Datetime("us")).dt.replace_time_zone("UTC") for name in names]
