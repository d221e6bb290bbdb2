"""A store with a holdout is the store that ends there: every table, and everything that is made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from backcast.data import asof, history, views
from backcast.data.altered import Held
from backcast.data.errors import InputError
from backcast.data.heldout import HeldOut
from backcast.data.query import connected, first, versions
from backcast.data.reader import Reader
from backcast.data.schema import FINDINGS
from backcast.data.seals import HoldoutWarning, Seal, Seals, end_before
from backcast.data.sql import select
from backcast.data.store import Store
from backcast.data.synthetic import SyntheticSource

NAME, DATE = "held", np.datetime64("2015-08-09")  # a Sunday
END = np.datetime64("2015-08-10T13:29:59.999999")
FOUND = [
    ("before", "2015-08-07", 1),
    ("after", "2015-08-10", 1),
    ("of several", "2015-08-07", 3),
    ("of all", "", 1),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Late bars, corrections, splits, delistings, renames, restated facts, members and a benchmark."""
    store = Store(tmp_path_factory.mktemp("home"))
    batch = SyntheticSource(NAME, 12, 220, 1, 0.05, 5, "2015-01-02").read()
    findings = pa.Table.from_pylist(
        [
            {
                "batch": "b",
                "severity": "warning",
                "check": c,
                "symbol": "",
                "session": s,
                "detail": "",
                "count": n,
            }
            for c, s, n in FOUND
        ],
        schema=FINDINGS,
    )
    store.create(replace(batch.info, benchmark="SYN03"))
    store.commit(NAME, [batch.tables], "b", inspect=lambda files: findings)
    store.refresh(NAME, always=True)
    return store


@pytest.fixture(scope="module")
def ended(whole: Store, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store into which nothing that was known later has come."""
    store = Store(tmp_path_factory.mktemp("ended"))
    tables = Held.of(whole, NAME, whole.version(NAME)).truncated(END)
    store.create(whole.info(NAME))
    rows = {name: tables.read(NAME, name, {}) for name in ("bars", "actions", "membership", "facts")}
    store.commit(NAME, [{name: table for name, table in rows.items() if table.num_rows}], "b")
    return store


@pytest.fixture
def cut(whole: Store) -> HeldOut:
    return HeldOut({NAME: DATE}, whole.folder.parent)


def same(one: Any, other: Any) -> bool:
    if is_dataclass(one):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))
    return bool(one == other)


LOADED: dict[str, Callable[[Store], Any]] = {
    "panel": lambda store: asof.load_panel(store, NAME, store.version(NAME)),
    "market": lambda store: asof.load_market(store, NAME, store.version(NAME)),
    "benchmark": lambda store: asof.load_benchmark(store, NAME, store.version(NAME)),
    "delistings": lambda store: asof.delistings(store, NAME, store.version(NAME)),
    "clock": lambda store: asof.load_clock(store, NAME, store.version(NAME)),
    "items": lambda store: store.items(NAME, store.version(NAME)),
    "last bar": lambda store: store.last_bar(NAME, store.version(NAME)),
    "as of": lambda store: store.as_of(NAME, "bars", np.datetime64("2030-01-01")),
    "prices": lambda store: views.prices(store, NAME, END, "back").to_dicts(),
    "symbols": lambda store: views.symbols(store, NAME, END).to_dicts(),
    "every version": lambda store: (
        history.cell(store, NAME, "bars", {"symbol": "SYN00"}).drop("source").to_dicts()
    ),
    "changes": lambda store: history.changes(
        store, NAME, "bars", np.datetime64("2015-08-01"), np.datetime64("2030-01-01")
    ).to_dicts(),
    "sql": lambda store: select(store, "SELECT count(*), max(event_at) FROM bars_versions", END).to_dicts(),
}


@pytest.mark.parametrize("what", LOADED)
def test_it_is_the_store_that_ends_there(what: str, cut: HeldOut, ended: Store, whole: Store) -> None:
    load = LOADED[what]
    found = load(cut)
    assert same(found, load(ended))
    if what not in (
        "items",
        "prices",
        "symbols",
        "sql",
        "delistings",
    ):  # some of which end at that instant in any store
        assert not same(found, load(whole))


def test_it_ends_before_the_first_session_of_the_holdout_opens(cut: HeldOut, whole: Store) -> None:
    info = whole.info(NAME)
    assert end_before(info, DATE) == END == cut.end(NAME)
    assert end_before(info, np.datetime64("2015-08-10")) == END
    assert cut.read(NAME, "bars", cut.version(NAME))["known_at"].to_numpy().max() <= END
    clock = asof.load_clock(cut, NAME, cut.version(NAME))
    assert str(clock.sessions[-1]) == "2015-08-07"
    assert (
        cut.read(NAME, "bars", cut.version(NAME), np.datetime64("2030-01-01")).num_rows
        == cut.read(NAME, "bars", cut.version(NAME)).num_rows
    )


def test_exported_rows_end_there_too(cut: HeldOut, ended: Store) -> None:
    counts = []
    for store in (cut, ended):
        with store.reading(NAME, "bars", store.version(NAME)) as files, connected() as connection:
            counts.append(first(connection, f"SELECT count(*), max(known_at) FROM ({versions(files)})"))
    assert counts[0] == counts[1]


def test_findings_that_may_tell_of_the_holdout_are_left_out(cut: HeldOut, whole: Store) -> None:
    pin = whole.version(NAME)
    assert whole.findings(NAME, pin).num_rows == len(FOUND)
    assert cut.findings(NAME, pin)["check"].to_pylist() == ["before"]
    assert cut.findings_by_check(NAME, pin) == {"before": 1}


def test_later_moments_are_refused_and_now_is_the_end(cut: HeldOut) -> None:
    with pytest.warns(HoldoutWarning, match="sealed from 2015-08-09 on: this is as of 2015-08-10T13:29:59"):
        assert cut.moment(NAME, None) == END
    assert cut.moment(NAME, END) == END
    with pytest.raises(InputError, match=r"expected an instant up to 2015-08-10T13:29:59.*unseal RUN"):
        cut.moment(NAME, END + np.timedelta64(1, "us"))


def test_a_seal_holds_for_python_and_ends_with_its_opening(whole: Store, tmp_path: Path) -> None:
    store = HeldOut(home=whole.folder.parent)
    lineage, seals = whole.lineage(NAME), Seals.at_home(whole.folder.parent)
    assert store.end(NAME) is None
    pin = store.version(NAME)
    assert store.read(NAME, "bars", pin)["known_at"].to_numpy().max() > END, (
        "and it keeps the table in memory"
    )
    seals.put(Seal(lineage, NAME, str(DATE), "2026-01-01T00:00:00Z", "study/job", 0))
    try:
        assert store.read(NAME, "bars", pin)["known_at"].to_numpy().max() <= END
        mine = Reader(NAME, store=store)
        assert str(mine.panel().clock.sessions[-1]) == "2015-08-07"
        with pytest.warns(HoldoutWarning):
            assert mine.as_of().table("bars")["known_at"].max().replace(tzinfo=None) <= END.item()
        for ask in (lambda: mine.as_of("2015-09-01"), lambda: mine.panel(until="2015-09-01"),
                    lambda: mine.changes("bars", "2015-07-01", "2015-09-01")):  # fmt: skip
            with pytest.raises(InputError, match="sealed from 2015-08-09"):
                ask()
        assert mine.as_of("2015-07-01").table("bars").height > 0
    finally:
        (seals.folder / f"{lineage}.json").unlink()


def test_a_holdout_from_new_years_eve_begins_in_the_new_year(whole: Store) -> None:
    info = replace(whole.info(NAME), calendar="XTKS")  # closed from the 31st to the 3rd
    assert str(end_before(info, np.datetime64("2015-12-31"))) == "2016-01-03T23:59:59.999999"
