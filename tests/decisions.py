"""Small worlds in which portfolios decide: a panel with gaps, corrections and a late starter, and its truncations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backcast.data.types import Clock, Floats, Panel, Revisions
from backcast.signals.types import Forecast

FIELDS = ("close", "volume", "sector")


def market(
    seed: int,
    symbols: int = 8,
    sessions: int = 90,
    gaps: float = 0.02,
    late: int = 40,
    starters: int = 1,
    corrections: int = 12,
) -> Panel:
    """A panel of closes, volumes and sector codes. The last symbol's first row is at `late`, and so are those of every third
    one before it, `starters` in all; corrections of closes of the others."""
    generator = np.random.default_rng(seed)
    shape = symbols, sessions
    drift = generator.normal(0, 0.01, sessions)
    closes = 50 * np.exp((generator.normal(0, 0.02, shape) + drift).cumsum(axis=1))
    volume = generator.lognormal(8, 1, shape)
    sector = np.repeat((np.arange(symbols) % 3)[:, None], sessions, axis=1).astype(np.float64)
    values = np.stack([closes, volume, sector])
    values[:2, generator.random(shape) < gaps] = np.nan
    starting = np.arange(symbols - 1, -1, -3)[:starters]
    values[:, starting, :late] = np.nan
    at = np.datetime64("2020-01-01T21:00", "us") + np.arange(sessions) * np.timedelta64(1, "D")
    clock = Clock("24/7", at.astype("datetime64[D]"), at, at, at, np.arange(sessions), 252.0)
    known = np.sort(generator.integers(5, sessions, corrections))
    row = known - generator.integers(1, 4, corrections)
    symbol = generator.choice(np.setdiff1d(np.arange(symbols), starting), corrections)
    corrected = closes[symbol, row] * np.exp(generator.normal(0, 0.05, corrections))
    revisions = Revisions.of_field(0, symbol, row, at[known], known, corrected)
    names = tuple(f"S{i:02d}" for i in range(symbols))
    return Panel(FIELDS, names, clock, values, np.isfinite(values[0]), revisions, "raw", 0.0)


def forecasts(panel: Panel, decisions: range | list[int], seed: int = 1, silent: float = 0.1) -> Forecast:
    """Forecasts that persist; a share of them, and those of symbols that nobody has seen, are missing."""
    generator = np.random.default_rng(seed)
    steps = generator.normal(0, 0.01, (len(decisions), len(panel.symbols)))
    mean = 0.6 * steps.cumsum(axis=0) + steps
    mean[generator.random(mean.shape) < silent] = np.nan
    seen = np.isfinite(panel.values[0]).argmax(axis=1)
    mean[np.array(decisions)[:, None] < seen] = np.nan
    quantiles = np.repeat(mean[:, :, None], 5, axis=2)
    rows = np.zeros(len(decisions), dtype=np.int64)
    return Forecast(np.array(decisions, dtype=np.int64), panel.symbols, mean, quantiles, rows)


def some_rows(forecast: Forecast, rows: slice) -> Forecast:
    """Some decisions of a forecast."""
    return Forecast(
        forecast.decisions[rows],
        forecast.symbols,
        forecast.mean[rows],
        forecast.quantiles[rows],
        forecast.fold[rows],
    )


def truncated(panel: Panel, t: int) -> Panel:
    """The panel from a store that ends at a decision: later rows, later versions and symbols not seen do not exist."""
    seen = np.isfinite(panel.values[0, :, : t + 1]).any(axis=1)
    place = np.cumsum(seen) - 1
    kept = panel.revisions.where(panel.revisions.decision <= t)
    return Panel(
        panel.fields,
        tuple(s for s, known in zip(panel.symbols, seen, strict=True) if known),
        panel.clock.slice(0, t + 1),
        np.ascontiguousarray(panel.values[:, seen, : t + 1]),
        np.ascontiguousarray(panel.member[seen, : t + 1]),
        replace(kept, symbol=place[kept.symbol]),
        panel.price_basis,
        panel.known_by_rule,
    )


def narrowed(forecast: Forecast, panel: Panel) -> Forecast:
    """A forecast on the symbols of a smaller panel."""
    at = [forecast.symbols.index(s) for s in panel.symbols]
    return Forecast(
        forecast.decisions, panel.symbols, forecast.mean[:, at], forecast.quantiles[:, at], forecast.fold
    )


def scrambled(panel: Panel, t: int, seed: int) -> Panel:
    """Everything that became known after a decision is something else."""
    generator = np.random.default_rng(seed)
    values = panel.values.copy()
    values[:2, :, t + 1 :] = generator.lognormal(3, 1, values[:2, :, t + 1 :].shape)
    values[2, :, t + 1 :] = generator.integers(0, 9, values[2, :, t + 1 :].shape)
    later = panel.revisions.decision > t
    value = np.where(later, generator.lognormal(3, 1, later.shape), panel.revisions.value)
    return replace(panel, values=values, revisions=replace(panel.revisions, value=value))


def uncorrected(panel: Panel) -> Panel:
    """The panel without its corrections."""
    return replace(panel, revisions=panel.revisions.where(np.zeros(len(panel.revisions), dtype=bool)))


def closes_as_known(panel: Panel, t: int) -> Floats:
    """(S, t + 1) closes by the plainest loop: own versions, then corrections known by t in their order."""
    closes = panel.values[0, :, : t + 1].copy()
    r = panel.revisions
    for i in range(len(r)):
        if r.field[i] == 0 and r.decision[i] <= t:
            closes[r.symbol[i], r.time[i]] = r.value[i]
    return closes
