"""The laws of time at a pinned version: small random worlds against a plain oracle, and against their own truncation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from backcast.data import asof
from backcast.data.calendar import clock
from backcast.data.schema import DatasetInfo
from backcast.data.sources.base import batch
from backcast.data.store import Store
from backcast.data.types import Panel

SESSIONS = 14
CLOCK = clock("XNYS", np.datetime64("2020-01-02"), np.datetime64("2020-03-01"), 30).slice(0, SESSIONS)
INFO = DatasetInfo("world", "XNYS", "raw", ("close", "volume"))
SMALL = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
Row = dict[str, Any]


def after(session: int, sessions_later: int, minutes: int = 15) -> np.datetime64:
    """An instant some sessions and minutes after a close."""
    at = CLOCK.closes_at[min(session + sessions_later, SESSIONS - 1)]
    beyond = max(0, session + sessions_later - SESSIONS + 1)
    return at + np.timedelta64(minutes, "m") + np.timedelta64(beyond, "D")


def world(seed: int) -> dict[str, list[Row]]:
    """Bars with late ones, gaps and corrections; splits and dividends, some known late; restated facts; membership."""
    draw = np.random.default_rng(seed)
    rows: dict[str, list[Row]] = {"bars": [], "actions": [], "facts": [], "membership": []}
    for symbol in ("AA", "BB", "CC"):
        for t in range(SESSIONS):
            if t and draw.random() < 0.1:
                continue
            late = int(draw.integers(1, 4)) if t and draw.random() < 0.15 else 0
            row = {"symbol": symbol, "event_at": CLOCK.closes_at[t], "known_at": after(t, late)}
            rows["bars"].append(
                {**row, "close": float(draw.uniform(10, 20)), "volume": float(draw.integers(1, 99))}
            )
            for k in range(int(draw.random() < 0.2) + int(draw.random() < 0.1)):
                again = {**row, "known_at": after(t, late + 1 + k + int(draw.integers(0, 4)), 16 + k)}
                rows["bars"].append({**again, "close": float(draw.uniform(10, 20)), "volume": 50.0})
        for t in draw.choice(np.arange(2, SESSIONS), size=2, replace=False).tolist():
            kind = "split" if draw.random() < 0.5 else "dividend"
            value = float(draw.choice([2.0, 0.5, 3.0])) if kind == "split" else float(draw.uniform(0.1, 2))
            known = after(t, int(draw.integers(-2, 4)))
            rows["actions"].append({"symbol": symbol, "kind": kind, "value": value, "text": None,
                                    "event_at": CLOCK.closes_at[t], "known_at": known})  # fmt: skip
            if draw.random() < 0.5:  # corrected, before its ex date or after
                later = known + np.timedelta64(int(draw.integers(1, 6)) * 24 * 60 + 7, "m")
                again = rows["actions"][-1] | {"value": value * 1.5, "known_at": later}
                rows["actions"].append(again)
        for t in range(0, SESSIONS, 4):
            for k in range(1 + int(draw.random() < 0.5)):
                rows["facts"].append({"symbol": symbol, "item": "eps", "value": float(draw.normal()),
                                      "event_at": CLOCK.closes_at[t], "known_at": after(t, 1 + 3 * k, 5)})  # fmt: skip
        rows["membership"].append({"symbol": symbol, "member": True, "event_at": CLOCK.closes_at[0],
                                   "known_at": CLOCK.closes_at[0]})  # fmt: skip
        out = int(draw.integers(3, SESSIONS))
        rows["membership"].append({"symbol": symbol, "member": False, "event_at": CLOCK.closes_at[out],
                                   "known_at": after(out, -1)})  # fmt: skip
    return rows


def stored(rows: dict[str, list[Row]], home: Path) -> tuple[Store, dict[str, int]]:
    store = Store(home)
    frames = {}
    for name, given_rows in ((name, r) for name, r in rows.items() if r):
        columns = {k: [r[k] for r in given_rows] for k in given_rows[0]}
        instants = {k: np.array(columns.pop(k)) for k in ("event_at", "known_at")}
        utc = [
            pl.Series(k, v.astype("datetime64[us]")).dt.replace_time_zone("UTC") for k, v in instants.items()
        ]
        frames[name] = pl.DataFrame(columns, schema_overrides={"text": pl.String}).with_columns(utc)
    made = batch(INFO, frames)
    store.create(INFO)
    store.commit("world", [made.tables], made.batch)
    return store, store.version("world")


def oracle(rows: dict[str, list[Row]], k: int) -> np.ndarray[Any, Any]:
    """(3, T) closes as somebody at decision k knows them, by the words of data/asof.py and data/adjust.py alone."""
    out = np.full((3, SESSIONS), np.nan)
    now = CLOCK.decides_at[k]
    for s, symbol in enumerate(("AA", "BB", "CC")):
        mine = sorted((r for r in rows["bars"] if r["symbol"] == symbol), key=lambda r: r["known_at"])
        raw, first = [np.nan] * SESSIONS, [np.nan] * SESSIONS
        for r in mine:
            t = int(np.searchsorted(CLOCK.closes_at, r["event_at"]))
            if r["known_at"] <= CLOCK.decides_at[t]:
                first[t] = r["close"]
            if t <= k and r["known_at"] <= now:
                raw[t] = r["close"]
        for t in range(k + 1):
            factor = 1.0
            newest = {(a["event_at"], a["kind"]): a for a in sorted(rows["actions"], key=lambda a: a["known_at"])
                      if a["symbol"] == symbol and a["known_at"] <= now}  # fmt: skip
            for a in newest.values():
                ex = int(np.searchsorted(CLOCK.closes_at, a["event_at"]))
                before = [p for p in first[:ex] if np.isfinite(p)]
                if ex <= t and before:
                    last = before[-1]
                    factor *= a["value"] if a["kind"] == "split" else last / (last - a["value"])
            out[s, t] = raw[t] * factor
    return out


def same(a: Panel, b: Panel, n: int) -> bool:
    """Whether panel b is the first n sessions of panel a."""
    until = a.clock.decides_at[n - 1]
    early, other = (p.revisions.where(p.revisions.known_at <= until) for p in (a, b))
    late_enough = all(np.array_equal(getattr(early, f), getattr(other, f), equal_nan=f == "value")
                      for f in ("field", "symbol", "time", "known_at", "value"))  # fmt: skip
    return bool(np.array_equal(a.values[:, :, :n], b.values, equal_nan=True)
                and np.array_equal(a.member[:, :n], b.member) and late_enough)  # fmt: skip


@SMALL
@given(seed=st.integers(0, 10_000))
def test_what_was_known_equals_the_oracle(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    rows = world(seed)
    store, pin = stored(rows, tmp_path_factory.mktemp("home"))
    panel = asof.load_panel(store, "world", pin)
    close = panel.fields.index("close")
    for k in range(SESSIONS):
        got = asof.as_known(panel, panel.clock.decides_at[k])[close]
        np.testing.assert_allclose(got, oracle(rows, k), rtol=1e-12)
        np.testing.assert_allclose(panel.values[close, :, k], oracle(rows, k)[:, k], rtol=1e-12)


@SMALL
@given(seed=st.integers(0, 10_000), n=st.integers(1, SESSIONS))
@example(seed=200, n=9)  # no bar of the last session is known by its decision
def test_a_truncated_store_is_a_prefix(seed: int, n: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    rows = world(seed)
    store, pin = stored(rows, tmp_path_factory.mktemp("home"))
    whole = asof.load_panel(store, "world", pin)
    assert same(whole, asof.load_panel(store, "world", pin, until=whole.clock.decides_at[n - 1]), n)


@SMALL
@given(seed=st.integers(0, 10_000), k=st.integers(3, SESSIONS - 1))
def test_nothing_known_later_changes_what_was_known(
    seed: int, k: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Scrambles every row with known_at after decision k, and adds restatements of everything from then on."""
    rows, now = world(seed), CLOCK.decides_at[k]
    scrambled: dict[str, list[Row]] = {}
    for name, given_rows in rows.items():
        early = [r for r in given_rows if r["known_at"] <= now]
        late = [
            {**r, **({"close": r["close"] * 3} if name == "bars" else {})}
            for r in given_rows
            if r["known_at"] > now
        ]
        again = {
            (r["symbol"], r["event_at"]): {**r, "known_at": now + np.timedelta64(7, "m"), "close": 1.0}
            for r in early
            if name == "bars"
        }
        scrambled[name] = early + (late if name != "actions" else []) + list(again.values())
    tables = [stored(r, tmp_path_factory.mktemp("home")) for r in (rows, scrambled)]
    panels = [asof.load_panel(store, "world", pin, until=now) for store, pin in tables]
    assert same(panels[0], panels[1], k + 1)
    full = asof.load_panel(tables[1][0], "world", tables[1][1])
    np.testing.assert_array_equal(full.values[:, :, : k + 1], panels[0].values)


@SMALL
@given(seed=st.integers(0, 10_000))
def test_the_order_of_rows_and_batches_is_of_no_matter(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows = world(seed)
    shuffled = {
        name: [r[i] for i in np.random.default_rng(seed).permutation(len(r))] for name, r in rows.items()
    }
    whole = [
        asof.load_panel(s, "world", p)
        for s, p in (stored(r, tmp_path_factory.mktemp("h")) for r in (rows, shuffled))
    ]
    assert same(whole[0], whole[1], len(whole[0].clock))
