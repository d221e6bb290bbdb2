"""The bundled data against what is known of them from elsewhere: index levels, splits, takeovers, holidays."""

from __future__ import annotations

import importlib.util
from datetime import date

import polars as pl
import pytest

from backcast.data.adjust import ratios
from backcast.data.errors import InputError
from backcast.data.ingest import ingest
from backcast.data.quality import check
from backcast.data.sources.base import Batch
from backcast.data.sources.bundled import US20, SP500Of2009
from backcast.data.store import Store


@pytest.fixture(scope="module")
def us20() -> Batch:
    return US20().read()


@pytest.fixture(scope="module")
def members() -> Batch:
    return SP500Of2009().read()


def rows(batch: Batch, table: str) -> pl.DataFrame:
    return pl.DataFrame(batch.tables[table]).with_columns(date=pl.col("event_at").dt.date())


def test_us20_is_twenty_symbols_and_the_index(us20: Batch) -> None:
    bars = rows(us20, "bars")
    assert bars["symbol"].n_unique() == 21
    assert (bars["date"].min(), bars["date"].max()) == (date(1990, 1, 2), date(2022, 12, 28))
    assert us20.info.benchmark == "SP500"
    index = dict(bars.filter(pl.col("symbol") == "SP500").select("date", "close").iter_rows())
    # closes of the S&P 500 as published: the crash of October 2008, the low of March 2009, the peak of 2022
    assert index[date(2008, 10, 15)] == pytest.approx(907.84, abs=0.01)
    assert index[date(2009, 3, 9)] == pytest.approx(676.53, abs=0.01)
    assert index[date(2022, 1, 3)] == pytest.approx(4796.56, abs=0.01)


def test_us20_splits_leave_no_trace_in_total_returns(us20: Batch) -> None:
    apple = rows(us20, "bars").filter(pl.col("symbol") == "AAPL").sort("date")
    step = dict(zip(apple["date"], apple["close"] / apple["close"].shift(1), strict=True))
    for ex in (date(2014, 6, 9), date(2020, 8, 31)):  # 7:1 and 4:1
        assert 0.9 < step[ex] < 1.1


def test_us20_says_that_it_knows_only_survivors(us20: Batch) -> None:
    assert us20.info.survivorship is not None
    found = check(us20.info, us20.tables)
    assert {f.check for f in found} == {"survivorship", "stale run"}
    assert {(f.symbol, f.session[:3]) for f in found if f.check == "stale run"} == {("RRC", "199")}


def test_members_are_the_file(members: Batch) -> None:
    bars = rows(members, "bars")
    assert (bars.height, bars["symbol"].n_unique(), bars["date"].n_unique()) == (122_574, 524, 245)
    # Apple's close and volume of 2010-01-27, the day of the iPad: 207.88, about 61.5 million shares
    apple = bars.row(
        by_predicate=(pl.col("symbol") == "AAPL") & (pl.col("date") == date(2010, 1, 27)), named=True
    )
    assert apple["close"] == pytest.approx(207.88, abs=0.05)
    assert apple["volume"] == pytest.approx(61.5e6, rel=0.05)


def test_members_findings_are_the_files_faults(members: Batch) -> None:
    found = check(members.info, members.tables)
    counts = {name: sum(f.check == name for f in found) for name in {f.check for f in found}}
    assert {"missing session": 7, "ohlc order": 78}.items() <= counts.items()
    assert set(counts) == {"missing session", "ohlc order", "gap"}
    assert all(f.severity == "warning" for f in found)


def test_adjusted_opens_jump_only_where_there_was_news(members: Batch) -> None:
    """After splits, spin-offs and the special dividend what is left of overnight moves is takeovers and earnings."""
    bars, actions = rows(members, "bars").sort("date"), rows(members, "actions")
    for a in actions.filter(pl.col("kind") != "rename").iter_rows(named=True):
        names = {a["symbol"], "ETFC"} if a["symbol"] == "ETFCD" else {a["symbol"]}
        own = bars.filter(pl.col("symbol").is_in(names))
        before = own.filter(pl.col("date") < a["date"])["close"][-1]
        after = own.filter(pl.col("date") >= a["date"])["open"][0]
        together = actions.filter(
            (pl.col("symbol") == a["symbol"]) & (pl.col("date") == a["date"]) & (pl.col("kind") != "rename")
        )
        ratio = 1.0
        for kind, value in together.select("kind", "value").iter_rows():
            ratio *= ratios(kind, value, a["symbol"], before)[0]
        assert after * ratio / before == pytest.approx(1.0, abs=0.07), a


def test_no_other_overnight_move_looks_like_a_split(members: Batch) -> None:
    bars = rows(members, "bars").sort("symbol", "date")
    step = pl.col("open") / pl.col("close").shift(1).over("symbol")
    large = bars.with_columns(step=step).filter((pl.col("step") < 0.79) | (pl.col("step") > 1.35))
    explained = rows(members, "actions").select("symbol", "date")
    left = large.join(explained, on=["symbol", "date"], how="anti").select("symbol", "date", "step")
    # takeovers of Airgas by Air Products and of McAfee by Intel; E*Trade resumes its old ticker after 1:10
    assert {r[:2] for r in left.iter_rows()} == {
        ("ARG", date(2010, 2, 5)), ("MFE", date(2010, 8, 19)), ("ETFC", date(2010, 6, 30))} - set(
            explained.iter_rows())  # fmt: skip


def test_actions_are_known_by_the_close_before_unless_valued_on_the_day(members: Batch) -> None:
    actions = rows(members, "actions").with_columns(known=pl.col("known_at") < pl.col("event_at"))
    valued = actions.filter(~pl.col("known"))
    assert valued["symbol"].to_list() == ["CAH", "STR", "TWX"]
    assert (valued["known_at"] == valued["event_at"]).all()
    renames = actions.filter(pl.col("kind") == "rename").sort("date")
    assert list(zip(renames["symbol"], renames["text"], strict=True)) == [
        ("AOC", "AON"), ("ETFC", "ETFCD"), ("FPL", "NEE"), ("ETFCD", "ETFC")]  # fmt: skip


def test_membership_is_presence(members: Batch) -> None:
    bars, states = rows(members, "bars"), rows(members, "membership")
    joined = states.filter(pl.col("member"))
    left = states.filter(~pl.col("member"))
    assert not set(left["symbol"]) & set(bars.filter(pl.col("date") == date(2010, 8, 20))["symbol"])
    assert {"NEE", "AON", "ETFCD"}.isdisjoint(joined["symbol"])  # a new ticker is no new member
    assert {"FPL", "AOC"}.isdisjoint(left["symbol"])
    out = dict(left.select("symbol", "date").iter_rows())
    last = dict(bars.group_by("symbol").agg(pl.col("date").max()).iter_rows())
    assert all(last[s] < day for s, day in out.items())
    assert "BNI" in out and out["BNI"] <= date(2010, 2, 16)  # bought by Berkshire Hathaway on 2010-02-12


def test_reading_again_is_the_same_batch_and_it_enters_the_store(members: Batch) -> None:
    assert SP500Of2009().read().batch == members.batch
    report = ingest(Store(), SP500Of2009())
    assert report.added == {name: t.num_rows for name, t in members.tables.items()}


@pytest.mark.parametrize("source", [US20(), SP500Of2009()], ids=lambda s: s.name)
def test_a_missing_package_is_an_error_with_its_remedy(
    source: US20 | SP500Of2009, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'backcast\[bundled\]'"):
        source.read()
