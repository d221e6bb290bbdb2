"""Conditions of the data: each made data set that has one is told so, and its honest twin is not."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np
import polars as pl
import pytest

from backcast.data import asof
from backcast.data.calendar import clock
from backcast.data.ingest import ingest
from backcast.data.schema import TABLES
from backcast.data.sources.base import Source
from backcast.data.sources.bundled import US5, US20, SP500Of2009
from backcast.data.sources.frames import Frames
from backcast.data.store import Store
from backcast.data.synthetic import SyntheticSource
from backcast.engine.audit import knowledge, prices, universe
from backcast.engine.audit.conditions import conditions
from backcast.engine.audit.findings import Check
from backcast.engine.audit.tables import tables_of

YEARS = 7


def days(years: int = YEARS) -> list[dt.date]:
    """Sessions of XNYS."""
    first = np.datetime64("2010-01-04")
    sessions = clock("XNYS", first, first + np.timedelta64(365 * years, "D"), 30).sessions
    return [day.item() for day in sessions]


def bars(
    symbols: int = 30, gone: dict[int, int] | None = None, seed: int = 0, cents: bool = True
) -> pl.DataFrame:
    """Closes in whole cents; `gone`: of a symbol the session after its last bar."""
    generator = np.random.default_rng(seed)
    sessions = days()
    closes = 40 * np.exp(generator.normal(0, 0.015, (symbols, len(sessions))).cumsum(axis=1))
    closes = np.maximum(np.round(closes, 2), 0.01) if cents else closes
    parts = [
        pl.DataFrame(
            {"symbol": f"S{s:02d}", "date": sessions[: (gone or {}).get(s, len(sessions))]}
        ).with_columns(close=pl.Series(closes[s, : (gone or {}).get(s, len(sessions))]))
        for s in range(symbols)
    ]
    return pl.concat(parts)


def looked(source: Source) -> dict[str, Check]:
    """The conditions of a source, by name."""
    store = Store()
    ingest(store, source)
    pin = store.version(source.name)
    panel, market = asof.load_panel(store, source.name, pin), asof.load_market(store, source.name, pin)
    return {c.name: c for c in conditions(tables_of(store, source.name, pin, panel, market))}


def frames(frame: pl.DataFrame, **more: Any) -> dict[str, Check]:
    settings = {"price_basis": "raw", "known_rule": "event_at + 15min", "calendar": "XNYS", **more}
    return looked(Frames(name="mine", frame=frame, **settings))


def told(found: dict[str, Check], name: str) -> str:
    finding = found[name].finding
    return "" if finding is None else finding.sentence


def test_poisson_is_the_sum_of_its_terms() -> None:
    for mean, most in ((0.5, 0), (3.0, 2), (40.0, 30)):
        terms = [math.exp(-mean) * mean**k / math.factorial(k) for k in range(most + 1)]
        assert universe.poisson(most, mean) == pytest.approx(sum(terms))
    assert universe.poisson(0, 0.0) == 1.0


def test_a_universe_that_nobody_leaves_is_warned_of() -> None:
    found = frames(bars())
    assert found[universe.SURVIVORS].state == "warning"
    years = 30 * (days()[-1] - days()[0]).days / 365.25
    assert f"{0.03 * years:,.1f} would have" in told(found, universe.SURVIVORS)
    assert "0 of 30 names left" in told(found, universe.SURVIVORS)


def test_its_twin_with_leavers_is_counted() -> None:
    found = frames(bars(gone={1: 300, 2: 700, 3: 1100, 4: 1500}))
    assert found[universe.SURVIVORS].state == "information"
    assert told(found, universe.SURVIVORS).startswith("4 of 30 names left")


def test_a_few_symbols_that_stay_prove_nothing() -> None:
    assert frames(bars(symbols=4))[universe.SURVIVORS].state == "information"


def test_what_the_source_says_of_survivors_is_told() -> None:
    found = frames(bars(symbols=4), survivorship="picked today")
    assert found[universe.SURVIVORS].state == "warning"
    assert "picked today" in told(found, universe.SURVIVORS)


def members(rows: list[tuple[str, int, bool]]) -> pl.DataFrame:
    sessions = days()
    frame = [{"symbol": s, "date": sessions[t], "member": m} for s, t, m in rows]
    return pl.DataFrame(frame)


def test_members_of_one_day_are_told_from_members_as_they_stood() -> None:
    frame = bars(gone={28: 800, 29: 1200})
    today = [(f"S{s:02d}", 0, True) for s in range(28)]
    found = frames(frame, membership=members(today))
    assert found[universe.SURVIVORS].state == "warning"
    assert "those of one day" in told(found, universe.SURVIVORS)


def test_members_as_they_stood_are_counted() -> None:
    rows = [(f"S{s:02d}", 0, True) for s in range(30)]
    rows += [(f"S{s:02d}", 200 * s, False) for s in range(1, 6)]
    found = frames(bars(gone={5: 1100}), membership=members(rows))
    assert found[universe.SURVIVORS].state == "information"
    assert told(found, universe.SURVIVORS).startswith("5 of 30 names left")


def test_members_that_leave_while_nobody_ever_stops_trading_are_warned_of() -> None:
    rows = [(f"S{s:02d}", 0, True) for s in range(30)] + [(f"S{s:02d}", 200 * s, False) for s in range(1, 6)]
    check = frames(bars(), membership=members(rows))[universe.SURVIVORS]
    years = 30 * (days()[-1] - days()[0]).days / 365.25
    assert check.state == "warning" and check.finding is not None
    assert f"none ever end in {years:,.0f} symbol-years" in check.finding.sentence
    assert f"{0.03 * years:,.1f} would" in check.finding.sentence


def test_few_members_of_whom_nobody_stops_trading_prove_nothing() -> None:
    rows = [(f"S{s:02d}", 0, True) for s in range(8)] + [("S01", 300, False)]
    found = frames(bars(symbols=8), membership=members(rows))
    assert found[universe.SURVIVORS].state == "information"


def test_names_that_end_without_a_fact_are_told_from_those_with_one() -> None:
    gone = {1: 300, 2: 700, 3: 1100}
    silent = frames(bars(gone=gone))
    assert silent[universe.ENDINGS].state == "warning"
    finding = silent[universe.ENDINGS].finding
    assert finding is not None and finding.symbol == "S01" and finding.at.startswith(str(days()[299]))
    assert told(silent, universe.ENDINGS).startswith("3 of the 3 names")


def test_names_that_end_with_a_fact_are_not() -> None:
    gone = {1: 300, 2: 700, 3: 1100}
    sessions = days()
    facts = pl.DataFrame(
        [
            {"symbol": f"S{s:02d}", "date": sessions[t - 1], "kind": "delisting", "value": 10.0}
            for s, t in gone.items()
        ]
    )
    found = frames(bars(gone=gone), actions=facts)
    assert found[universe.ENDINGS].state == "passed"
    assert told(found, universe.SURVIVORS).startswith("3 of 30 names left")


def test_names_whose_prices_end_as_they_leave_an_index_are_information() -> None:
    rows = [(f"S{s:02d}", 0, True) for s in range(30)]
    rows += [("S01", 300, False), ("S02", 700, False)]
    found = frames(bars(gone={1: 300, 2: 700}), membership=members(rows))
    assert found[universe.ENDINGS].state == "information"
    assert "the prices of 2 end as they leave" in told(found, universe.ENDINGS)


def with_a_gap(length: int, factor: float) -> pl.DataFrame:
    """The first symbol without bars for so many sessions, and at so many times its price after."""
    frame, sessions = bars(symbols=6), days()
    first, last = sessions[500], sessions[500 + length]
    mine = pl.col("symbol") == "S00"
    later = pl.when(mine & (pl.col("date") >= last)).then((pl.col("close") * factor).round(2))
    moved = frame.with_columns(close=later.otherwise(pl.col("close")))
    return moved.filter(~(mine & (pl.col("date") >= first) & (pl.col("date") < last)))


@pytest.mark.parametrize(("length", "factor"), [(300, 30.0), (10, 8.0), (200, 1 / 40)])
def test_a_recycled_ticker_is_named(length: int, factor: float) -> None:
    check = frames(with_a_gap(length, factor))[universe.TICKERS]
    assert check.state == "warning" and check.finding is not None
    assert (check.finding.symbol, check.finding.at[:10]) == ("S00", str(days()[500 + length]))
    assert f"after {length:,} sessions" in check.finding.sentence


@pytest.mark.parametrize(
    ("length", "factor", "state"), [(300, 1.0, "information"), (10, 1.0, "passed"), (10, 1.5, "passed")]
)
def test_a_halt_or_a_hole_is_no_other_company(length: int, factor: float, state: str) -> None:
    assert frames(with_a_gap(length, factor))[universe.TICKERS].state == state


def test_a_ticker_that_two_companies_had_by_the_facts_is_not_accused() -> None:
    ended = pl.DataFrame([{"symbol": "S00", "date": days()[499], "kind": "delisting", "value": 1.0}])
    found = frames(with_a_gap(300, 30.0), actions=ended)
    assert found[universe.TICKERS].state == "passed"


SPLIT_AT = 900


def with_splits(off: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Raw closes of which four symbols split two for one, and the actions, `off` sessions after the prices fell."""
    frame, sessions = bars(symbols=6), days()
    splits = {f"S{s:02d}": SPLIT_AT + 20 * s for s in range(4)}
    factor = pl.lit(1.0)
    for symbol, t in splits.items():
        fell = (pl.col("symbol") == symbol) & (pl.col("date") >= sessions[t])
        factor = pl.when(fell).then(0.5).otherwise(factor)
    raw = frame.with_columns(close=(pl.col("close") * factor).round(2))
    rows = [
        {"symbol": s, "date": sessions[t + off], "kind": "split", "value": 2.0} for s, t in splits.items()
    ]
    return raw, pl.DataFrame(rows)


def test_raw_prices_that_fall_by_their_splits_are_raw() -> None:
    raw, actions = with_splits()
    found = frames(raw, actions=actions)
    assert found[prices.RAW].state == "passed"
    assert found[prices.DATED].state == "passed" and found[prices.DATED].cells == 4


def test_prices_without_a_trace_of_their_splits_are_adjusted() -> None:
    _, actions = with_splits()
    check = frames(bars(symbols=6), actions=actions)[prices.RAW]
    assert check.state == "warning" and check.finding is not None
    assert "4 of 4 splits left no trace" in check.finding.sentence
    assert (check.finding.symbol, check.finding.at[:10]) == ("S00", str(days()[SPLIT_AT]))


def test_bars_dated_a_session_early_are_named() -> None:
    raw, actions = with_splits(off=1)
    check = frames(raw, actions=actions)[prices.DATED]
    assert check.state == "warning" and check.finding is not None
    assert (check.finding.symbol, check.finding.depth, check.finding.through) == ("S00", 1, "bars")


@pytest.mark.parametrize("single", [False, True])
def test_back_adjusted_closes_leave_the_grid_of_exchanges(single: bool) -> None:
    sessions = days()
    newest = pl.DataFrame({"date": sessions, "at": range(len(sessions))})
    back = 0.995 ** ((len(sessions) - 1 - pl.col("at")) // 63)  # a dividend a quarter, taken off backwards
    adjusted = bars().join(newest, on="date").with_columns(close=pl.col("close") * back).drop("at")
    if single:
        adjusted = adjusted.with_columns(pl.col("close").cast(pl.Float32).cast(pl.Float64))
    assert frames(adjusted)[prices.RAW].state == "warning"


def test_cents_kept_in_single_precision_are_still_cents() -> None:
    single = bars().with_columns(pl.col("close").cast(pl.Float32).cast(pl.Float64))
    assert frames(single)[prices.RAW].state == "passed"


def test_prices_of_many_decimals_by_nature_raise_no_alarm() -> None:
    assert frames(bars(cents=False))[prices.RAW].state == "passed"


def test_prices_that_say_that_they_are_adjusted_are_information() -> None:
    assert frames(bars(), price_basis="total_return")[prices.RAW].state == "information"


def accounts(lag_days: int, restated: bool = False) -> pl.DataFrame:
    """Earnings of eight symbols at each quarter's end, known so many days after it."""
    ends = pl.date_range(dt.date(2010, 3, 31), dt.date(2016, 9, 30), "3mo", eager=True).dt.month_end()
    rows = [
        {"symbol": f"S{s:02d}", "item": "earnings", "date": end, "known_at": end + dt.timedelta(days=lag_days),
         "value": float(s)}
        for s in range(8)
        for end in ends
    ]  # fmt: skip
    frame = pl.DataFrame(rows)
    if not restated:
        return frame
    again = frame.filter(pl.col("symbol") == "S00").with_columns(
        pl.col("known_at") + pl.duration(days=200), pl.col("value") + 1
    )
    return pl.concat([frame, again])


def with_facts(facts: pl.DataFrame) -> dict[str, Check]:
    instant = pl.col("known_at").cast(pl.Datetime("us")).dt.replace_time_zone("UTC") + pl.duration(hours=22)
    return frames(bars(symbols=8), facts=facts.with_columns(instant))


def test_accounts_known_at_their_periods_end_are_named() -> None:
    check = with_facts(accounts(0))[knowledge.PERIODS]
    assert check.state == "warning" and check.finding is not None
    assert (check.finding.column, check.finding.symbol, check.finding.at[:10]) == (
        "earnings",
        "S00",
        "2010-03-31",
    )
    assert check.finding.through == "facts"


def test_accounts_known_weeks_later_are_not() -> None:
    found = with_facts(accounts(40, restated=True))
    assert found[knowledge.PERIODS].state == "passed" and found[knowledge.PERIODS].cells == 8 * 27
    assert found[knowledge.RESTATED].state == "passed"


def filed(shift_days: int = 0, hour: int = 0, zone: str = "UTC", any_day: bool = False) -> pl.DataFrame:
    """Accounts filed on working days 25 to 70 days after their quarter, or on any day, known so many days after that."""
    generator = np.random.default_rng(3)
    rows = accounts(0)
    lag = pl.Series(generator.integers(25, 70, rows.height)).cast(pl.Duration("us")) * 86_400_000_000
    day = rows["known_at"].cast(pl.Datetime("us")) + lag
    frame = rows.with_columns(known_at=day)
    if not any_day:
        weekday = pl.col("known_at").dt.weekday()
        later = pl.when(weekday > 5).then(8 - weekday).otherwise(0)
        frame = frame.with_columns(pl.col("known_at") + pl.duration(days=later))
    shifted = pl.col("known_at") + pl.duration(days=shift_days, hours=hour)
    return frame.with_columns(shifted.dt.replace_time_zone(zone).dt.convert_time_zone("UTC"))


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_filings_at_midnight_are_dates_without_a_time(zone: str) -> None:
    check = frames(bars(symbols=8), facts=filed(zone=zone))[knowledge.HOURS]
    assert check.state == "warning" and check.finding is not None and check.changed == check.cells == 8 * 27
    assert f"100% of 216 account figures are known from the midnight ({zone})" in check.finding.sentence


@pytest.mark.parametrize(
    "facts",
    [
        filed(hour=21),
        filed(shift_days=1),
        filed(any_day=True),
        accounts(45).with_columns(pl.col("known_at").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")),
    ],
    ids=["in the evening", "the midnight after", "a lag that falls anywhere", "a constant lag"],
)
def test_filings_that_have_a_time_or_a_rule_are_not(facts: pl.DataFrame) -> None:
    check = frames(bars(symbols=8), facts=facts)[knowledge.HOURS]
    assert check.state == "passed" and check.cells == 8 * 27


def test_accounts_that_nobody_restates_are_information() -> None:
    assert with_facts(accounts(40))[knowledge.RESTATED].state == "information"


def test_what_is_dated_often_or_within_a_month_is_no_account() -> None:
    sessions = days()
    daily = [{"symbol": "S00", "item": "score", "date": d, "known_at": d, "value": 1.0} for d in sessions]
    announced = [
        {"symbol": "S01", "item": "surprise", "date": dt.date(year, month, 15), "known_at": dt.date(year, month, 15),
         "value": 1.0}
        for year in range(2010, 2016)
        for month in (2, 5, 8, 11)
    ]  # fmt: skip
    found = with_facts(pl.DataFrame([*daily, *announced]))
    assert found[knowledge.PERIODS].cells == 0 and found[knowledge.PERIODS].state == "passed"


def test_a_rule_is_told_with_its_share() -> None:
    assert told(frames(bars(symbols=3)), knowledge.RULE).startswith("100% of the rows were known by a rule")


def test_a_bar_known_before_its_end_is_a_leak() -> None:
    store = Store()
    ingest(store, Frames(name="mine", frame=bars(symbols=3), price_basis="raw", calendar="XNYS",
                         known_rule="event_at + 15min"))  # fmt: skip
    pin = store.version("mine")
    held = pl.DataFrame(store.read("mine", "bars", pin)).head(1)
    early = held.with_columns(
        known_at=pl.col("event_at") - pl.duration(hours=6, minutes=30), batch=pl.lit("x"), close=1.0
    )
    store.append("mine", "bars", early.to_arrow().cast(TABLES["bars"].schema), "x")
    pin = store.version("mine")
    panel, market = asof.load_panel(store, "mine", pin), asof.load_market(store, "mine", pin)
    check = knowledge.bars(tables_of(store, "mine", pin, panel, market))
    assert (check.state, check.changed) == ("leak", 1) and check.finding is not None
    assert (check.finding.symbol, check.finding.depth, check.finding.through) == ("S00", 1, "bars")
    assert "6.5 hours" in check.finding.sentence


STATES = {
    "us20": {universe.SURVIVORS: "warning", prices.RAW: "information", knowledge.RULE: "information"},
    "us5": {universe.SURVIVORS: "warning", knowledge.RULE: "information"},
    "sp500_2009": {
        universe.SURVIVORS: "information",
        universe.ENDINGS: "information",
        knowledge.RULE: "information",
    },
    "synthetic": {universe.SURVIVORS: "information", universe.ENDINGS: "information"},
}
"""Of each bundled data set what is told of it; everything else passes. us20 and us5 say themselves that they are survivors."""

BUNDLED: dict[str, Source] = {
    "us20": US20(),
    "us5": US5(),
    "sp500_2009": SP500Of2009(),
    "synthetic": SyntheticSource(),
}


@pytest.mark.parametrize("name", STATES)
def test_of_the_bundled_data_nothing_false_is_said(name: str) -> None:
    found = looked(BUNDLED[name])
    assert {c.name: c.state for c in found.values() if c.state != "passed"} == STATES[name]


@pytest.mark.parametrize("seed", range(4))
def test_the_synthetic_market_is_raw_and_of_one_company_a_ticker(seed: int) -> None:
    busy = {"splits": 1.0, "renames": 0.2, "gaps": 4.0, "halts": 1.0, "delistings": 0.1}
    found = looked(SyntheticSource("busy", symbols=40, sessions=800, seed=seed, rates=busy))
    for name in (
        prices.RAW,
        prices.DATED,
        universe.TICKERS,
        knowledge.BARS,
        knowledge.PERIODS,
        knowledge.HOURS,
    ):
        assert found[name].state == "passed", (name, found[name].finding)
    assert found[prices.DATED].cells > 20
    assert found[universe.SURVIVORS].state == "information"
