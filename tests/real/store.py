"""The store on real data that disagree with themselves: filings, macro vintages, raw bars with factor and map files.

    python tests/real/store.py DATA

DATA holds `sp500_membership` and its prices, `sec_fsds_pit`, `macro_vintages_nyfed` and `lean_us_equity_raw`, as their READMEs
describe. None of it is committed, so no test needs it: this says whether the store answers what the files themselves say,
and ends with 1 where not.
"""

from __future__ import annotations

import sys
import tempfile
from bisect import bisect_left
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from backcast.data.asof import load_panel
from backcast.data.calendar import clock
from backcast.data.ingest import ingest
from backcast.data.sources.frames import Frames
from backcast.data.sql import select
from backcast.data.store import Store

SMALL = 2e-6
"""Factors have seven digits."""

FOREVER = np.datetime64("2100-01-01", "us")


def filings(store: Store, data: Path) -> list[bool]:
    """33,633 facts stand in several filings, 2,133 with another value; Kimberly-Clark's units error lives for a week."""
    facts = pl.read_parquet(data / "facts_usgaap.parquet").join(
        pl.read_parquet(data / "submissions.parquet"), on="adsh"
    )
    item = pl.concat_str("tag", pl.col("qtrs").cast(pl.String), "uom", separator="/")
    rows = facts.select(
        pl.col("cik").cast(pl.String).alias("symbol"), item.alias("item"), pl.col("ddate").alias("date"), "value",
        pl.col("accepted").alias("known_at"), "name",
    )  # fmt: skip
    keys = ["symbol", "item", "date"]
    several = rows.group_by(keys).agg(n=pl.len(), values=pl.col("value").n_unique()).filter(pl.col("n") > 1)
    double = rows.filter(pl.struct(*keys, "known_at").is_duplicated())
    print(f"  {rows.height:,} facts, {double.height} of them in two filings accepted within the same minute")
    unique = rows.drop("name").unique([*keys, "known_at"], keep="last", maintain_order=True)
    ingest(store, Frames(name="sec", price_basis="raw", facts=unique, time_zone="America/New_York"))
    found = select(
        store,
        "SELECT count(*) n, count(*) FILTER (v > 1) changed FROM (SELECT count(*) n, count(DISTINCT value) v "
        "FROM facts_versions GROUP BY symbol, item, event_at) WHERE n > 1",
        FOREVER,
        "sec",
    )
    print(f"  in several filings {found['n'][0]:,}, with another value {found['changed'][0]:,}")
    kimberly = facts.filter(pl.col("name").str.contains("KIMBERLY"))["cik"][0]
    query = (
        f"SELECT value FROM facts WHERE symbol = '{kimberly}' AND item = 'NetIncomeLoss/1/USD' "
        "AND event_at = TIMESTAMPTZ '2010-03-31 00:00+00'"
    )
    values = [
        select(store, query, np.datetime64(day), "sec")["value"].to_list()
        for day in ("2010-05-01", "2010-05-10", "2010-06-01")
    ]
    print(f"  Kimberly-Clark's net income before, between and after its filings: {values}")
    kept = several.height - found["n"][0] <= double.height
    return [
        kept,
        found["changed"][0] == several.filter(pl.col("values") > 1).height,
        values == [[], [384.0], [3.84e8]],
    ]


def vintages(store: Store, data: Path) -> list[bool]:
    """At each of the vintages' dates, every series as that vintage had it, by a plain reading of the file."""
    raw = pl.read_parquet(data / "nyfed_nowcast_vintages.parquet").drop_nulls()
    rows = raw.select(
        pl.col("series").alias("item"), pl.lit("*").alias("symbol"), pl.col("obs_date").alias("date"), "value",
        pl.col("vintage_date").cast(pl.Datetime("us")).alias("known_at"),
    )  # fmt: skip
    ingest(store, Frames(name="macro", price_basis="raw", facts=rows, time_zone="UTC"))
    right = []
    for vintage in raw["vintage_date"].unique().sort():
        then = raw.filter(pl.col("vintage_date") <= vintage).sort("vintage_date")
        expected = then.unique(["series", "obs_date"], keep="last").sort("series", "obs_date")["value"]
        found = select(
            store, "SELECT value FROM facts ORDER BY item, event_at", np.datetime64(vintage), "macro"
        )
        right.append(found["value"].equals(expected))
    print(f"  {sum(right)} of {len(right)} vintages are answered as they were published")
    return [all(right)]


def members(store: Store, data: Path) -> list[bool]:
    """S&P membership by ticker beside prices: every spell that the prices reach has bars of its own, or is reported."""
    bars = pl.read_parquet(data.parent / "us_eod_sp500_survfree_2013_2018" / "ohlcv_adj.parquet")
    bars = bars.select("symbol", "date", pl.col("close").cast(pl.Float64))
    sessions = clock("XNYS", np.datetime64("1996-01-02"), np.datetime64("2025-12-31"), 0).sessions.tolist()
    odd = bars.filter(~pl.col("date").is_in(sessions))
    bars = bars.filter(pl.col("date").is_in(sessions))
    low, high = bars["date"].min(), bars["date"].max()
    print(f"  {odd.height} bars on no session of XNYS are left out: {sorted(set(map(str, odd['date'])))}")
    spells = pl.read_csv(data / "fja05680_sp500_ticker_start_end.csv", try_parse_dates=True)
    starts = [_at_or_after(day, sessions) for day in spells["start_date"]]
    ends = [None if day is None else _at_or_after(day, sessions) for day in spells["end_date"]]
    spells = spells.select(symbol="ticker").with_columns(
        start=pl.Series(starts), end=pl.Series(ends, dtype=pl.Date)
    )
    rows = pl.concat(
        [
            spells.select("symbol", date="start", member=True),
            spells.filter(pl.col("end").is_not_null()).select("symbol", date="end", member=False),
        ]
    )
    rows = rows.group_by("symbol", "date").agg(pl.col("member").max())  # out and in again on one day is in
    report = ingest(
        store,
        Frames(bars, name="spx", price_basis="total_return", known_rule="event_at + 15min", membership=rows),
    )
    reported = {(f.symbol, f.session) for f in report.findings if f.check == "member without bars"}
    expected = set()
    for symbol, start, end in spells.sort("symbol", "start").iter_rows():
        own = bars.filter((pl.col("symbol") == symbol) & (pl.col("date") >= start))
        within = own if end is None else own.filter(pl.col("date") < end)
        if start <= high and (end is None or end > low) and not within.height:
            expected.add((symbol, str(start)))
    print(
        f"  {spells.height:,} spells; {len(reported)} that the prices reach have no bar of that ticker, all of them reported"
    )
    return [reported == expected, len(reported) > 0]


def _at_or_after(day: date, sessions: list[date]) -> date:
    return sessions[bisect_left(sessions, day)]


def raw_bars(store: Store, data: Path) -> list[bool]:
    """Raw bars by ticker, with map files as renames and delistings and factor files as splits and dividends: each company's
    adjusted returns are those of its own factor file, and no two companies share a series."""
    bars, maps, factors = (
        pl.read_parquet(data / f"{n}.parquet") for n in ("daily_raw", "map_files", "factor_files")
    )
    sessions = clock("XNYS", np.datetime64("1998-01-02"), np.datetime64("2021-03-31"), 0).sessions.tolist()
    odd = bars.filter(~pl.col("date").is_in(sessions))
    bars = bars.filter(pl.col("date").is_in(sessions))
    print(
        f"  {bars.height:,} bars of {bars['symbol'].n_unique()} tickers; {odd.height} on no session of XNYS are left out"
    )
    actions = pl.concat([_moves(maps, bars, sessions), _payments(maps, factors, sessions)], how="diagonal")
    ingest(
        store, Frames(bars, name="lean", price_basis="raw", known_rule="event_at + 15min", actions=actions)
    )
    panel = load_panel(store, "lean", store.version("lean"), ("close",))
    days = {day: t for t, day in enumerate(panel.clock.sessions.tolist())}
    worst, compared, alone = 0.0, 0, []
    for company in sorted(set(maps["permtick"])):
        truth = _company(company, bars, maps, factors).filter(pl.col("date").is_in(list(days)))
        if truth.height < 3:
            continue
        at = [days[day] for day in truth["date"]]
        mine = [s for s, own in enumerate(panel.values[0]) if np.flatnonzero(np.isfinite(own)).tolist() == at]
        alone.append(len(mine) > 0)
        if not mine:
            print(
                f"  {company}: {truth.height} bars from {truth['date'][0]} on are not one series of the panel"
            )
            continue
        theirs = np.diff(np.log(truth["adjusted"].to_numpy()))
        # A dividend inside a hole is measured against the last close known before the hole.
        near = np.diff(at) == 1
        gaps = [np.abs(np.diff(np.log(panel.values[0, s, at])) - theirs)[near].max() for s in mine]
        worst, compared = max(worst, float(min(gaps))), compared + int(near.sum())
        if min(gaps) > SMALL:
            print(f"  {company}: a return differs by {min(gaps):.2e} from its factor file's")
    print(
        f"  {len(alone)} companies, each one series: {all(alone)}; {compared:,} returns, largest difference {worst:.1e}"
    )
    return [all(alone), worst < SMALL]


def _moves(maps: pl.DataFrame, bars: pl.DataFrame, sessions: list[date]) -> pl.DataFrame:
    """Renames and ends of the map files, a ticker being valid through its date; and the end of whoever had it before."""
    rows = []
    for lines in maps.sort("permtick", "date").partition_by("permtick"):
        start, first = lines["date"][0], lines["mapped_symbol"][0]
        before = bars.filter((pl.col("symbol") == first) & (pl.col("date") < start))["date"]
        if len(before):
            rows.append((before.max(), first, "delisting", 1.0, None, before.max()))
        spells = lines[1:].select("date", "mapped_symbol").rows()
        for (until, old), (_, new) in pairwise(spells):
            rows.append((_after(until, sessions), old, "rename", None, new, until))
        until, ticker = spells[-1]
        if until in sessions:
            rows.append((until, ticker, "delisting", 1.0, None, until))
    return _actions(rows)


def _payments(maps: pl.DataFrame, factors: pl.DataFrame, sessions: list[date]) -> pl.DataFrame:
    """Splits and dividends of the factor files, by the ticker that the company had on the ex date."""
    rows = []
    for lines in factors.sort("symbol", "date").partition_by("symbol"):
        spells = maps.filter(pl.col("permtick") == lines["symbol"][0]).sort("date")
        for (_, before, price, split, close), (_, _, next_price, next_split, _) in zip(
            lines.rows(), lines.rows()[1:]
        ):
            ex = _after(before, sessions)
            if before not in sessions or ex is None or not spells.filter(pl.col("date") >= ex).height:
                continue
            ticker = spells.filter(pl.col("date") >= ex)["mapped_symbol"][0]
            if price != next_price:
                rows.append((ex, ticker, "dividend", close * (1 - price / next_price), None, before))
            if split != next_split:
                rows.append((ex, ticker, "split", next_split / split, None, before))
    return _actions(rows)


def _actions(rows: list[tuple[object, ...]]) -> pl.DataFrame:
    """Known at noon of the last day before they count."""
    frame = pl.DataFrame(
        rows, schema=["date", "symbol", "kind", "value", "text", "known"], orient="row"
    ).unique()
    noon = [datetime.combine(day, time(17), UTC) for day in frame["known"]]
    return frame.drop("known").with_columns(
        pl.Series("known_at", noon), pl.col("value").cast(pl.Float64), pl.col("text").cast(pl.String)
    )  # fmt: skip


def _after(day: date, sessions: list[date]) -> date | None:
    """The first session after a day."""
    return next((s for s in sessions if s > day), None)


def _company(company: str, bars: pl.DataFrame, maps: pl.DataFrame, factors: pl.DataFrame) -> pl.DataFrame:
    """date and adjusted close of one company, as its map and factor files say."""
    spells = maps.filter(pl.col("permtick") == company).sort("date")
    begin, parts = spells["date"][0], []
    for until, ticker in spells[1:].select("date", "mapped_symbol").rows():
        parts.append(bars.filter((pl.col("symbol") == ticker) & pl.col("date").is_between(begin, until)))
        begin = until + timedelta(1)
    own = pl.concat(parts).sort("date")
    known = factors.filter(pl.col("symbol") == company).sort("date")
    if not known.height:
        return own.with_columns(adjusted="close")
    joined = own.join_asof(
        known.select("date", "price_factor", "split_factor"), on="date", strategy="forward"
    )
    return joined.with_columns(adjusted=pl.col("close") * pl.col("price_factor") * pl.col("split_factor"))


def main() -> int:
    data, right = Path(sys.argv[1]), True
    with tempfile.TemporaryDirectory() as home:
        store = Store(Path(home))
        for check, folder in (
            (members, "sp500_membership"),
            (filings, "sec_fsds_pit"),
            (vintages, "macro_vintages_nyfed"),
            (raw_bars, "lean_us_equity_raw"),
        ):
            print(f"{folder}:")
            found = check(store, data / folder)
            print("  right" if all(found) else f"  WRONG: {found}")
            right = right and all(found)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
