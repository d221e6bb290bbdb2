"""What a vendor would send of a synthetic market: raw prices with gaps, late and wrong bars, actions, members, facts."""

from __future__ import annotations

import numpy as np
import polars as pl

from backcast.data.synthetic_truth import VOLATILITY, SyntheticTruth

LATE_BY = 3
"""Sessions by which late bars and corrections are known after their decision."""


def tables(
    truth: SyntheticTruth, rates: dict[str, float], generator: np.random.Generator
) -> dict[str, pl.DataFrame]:
    """The rows of each table, with known_at as the vendor gave them."""
    return {
        "bars": _tickers(_bars(truth, rates, generator), truth),
        "actions": _actions(truth),
        "membership": _membership(truth),
        "facts": _facts(truth, rates["restatements"], generator),
    }


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
