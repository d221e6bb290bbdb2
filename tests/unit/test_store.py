"""The store: batches, corrections, pins, bounds, damage, several processes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from backcast.data.calendar import clock
from backcast.data.catalog import FORMAT, home
from backcast.data.errors import InputError, StaleDataError
from backcast.data.history import changes
from backcast.data.log import Log
from backcast.data.maintenance import damage
from backcast.data.schema import TABLES, DatasetInfo, Declared
from backcast.data.sources.base import batch
from backcast.data.sql import select
from backcast.data.store import Store, StoreWarning

CLOCK = clock("XNYS", np.datetime64("2020-01-02"), np.datetime64("2020-01-10"), 30)
INFO = DatasetInfo("prices", "XNYS", "raw", ("close",))


def bars(closes: list[float], late: int = 15, symbol: str = "A") -> pa.Table:
    events = CLOCK.closes_at[: len(closes)]
    frame = pl.DataFrame({"symbol": symbol, "close": closes, "event_at": events,
                          "known_at": events + np.timedelta64(late, "m")})  # fmt: skip
    utc = [pl.col(c).dt.replace_time_zone("UTC") for c in ("event_at", "known_at")]
    return batch(INFO, {"bars": frame.with_columns(utc)}).tables["bars"]


@pytest.fixture
def store() -> Store:
    made = Store()
    made.create(INFO)
    return made


def closes(store: Store, pin: dict[str, int] | None = None, until: str | None = None) -> list[float]:
    instant = None if until is None else np.datetime64(until, "us")
    rows = store.read("prices", "bars", pin or store.version("prices"), instant)
    return [float(x) for x in rows["close"].to_pylist()]


def test_a_repeated_batch_changes_nothing(store: Store) -> None:
    assert store.append("prices", "bars", bars([1.0, 2.0]), "one") == 2
    pin = store.version("prices")
    assert store.append("prices", "bars", bars([1.0, 2.0]), "one") == 0
    assert store.append("prices", "bars", bars([1.0, 2.0]), "another") == 0
    assert store.version("prices") == pin
    assert store.append("prices", "bars", bars([1.0, 2.0, 3.0]), "longer") == 1
    assert closes(store) == [1.0, 2.0, 3.0]


def test_a_correction_is_a_row_with_a_later_known_at(store: Store) -> None:
    store.append("prices", "bars", bars([1.0, 2.0]), "one")
    with pytest.raises(InputError, match="A correction needs a later known_at"):
        store.append("prices", "bars", bars([1.0, 9.0]), "two")
    assert store.append("prices", "bars", bars([1.5], late=60), "two") == 1
    assert closes(store) == [1.0, 1.5, 2.0]


def test_a_pin_sees_what_it_saw(store: Store) -> None:
    store.append("prices", "bars", bars([1.0]), "one")
    pin = store.version("prices")
    store.append("prices", "bars", bars([1.0, 2.0]), "two")
    assert closes(store, pin) == [1.0]
    assert closes(store) == [1.0, 2.0]


def test_until_is_a_bound_on_known_at(store: Store) -> None:
    store.append("prices", "bars", bars([1.0, 2.0, 3.0]), "one")
    assert closes(store, until="2020-01-03T21:14:59") == [1.0]
    assert closes(store, until="2020-01-03T21:15:00") == [1.0, 2.0]


def test_rows_that_break_the_schema_are_refused(store: Store) -> None:
    table = bars([1.0, 2.0])
    with pytest.raises(InputError, match="columns"):
        store.append("prices", "bars", table.drop_columns(["volume"]), "x")
    twice = pa.concat_tables([table, table])
    with pytest.raises(InputError, match="one row a symbol"):
        store.append("prices", "bars", twice, "x")
    named = table.set_column(
        table.schema.get_field_index("known_basis"), "known_basis", pa.array(["guess"] * 2)
    )
    with pytest.raises(InputError, match="observed, vendor, rule"):
        store.append("prices", "bars", named, "x")
    assert closes(store) == []


def test_a_data_set_keeps_its_facts(store: Store) -> None:
    other, lineage = DatasetInfo("prices", "XNYS", "total_return", ("close",)), store.lineage("prices")
    store.create(other)  # nothing rests on the facts of an empty data set
    assert store.info("prices") == other
    store.create(INFO)
    store.append("prices", "bars", bars([1.0]), "one")
    assert store.lineage("prices") == lineage
    with pytest.raises(InputError, match="price_basis"):
        store.create(other)
    assert store.info("prices") == INFO


@pytest.mark.parametrize("name", ["../evil", "a/b", "", "A", "1a", "a" * 65, "a b"])
def test_a_name_is_never_a_path(name: str) -> None:
    with pytest.raises(InputError, match=r"dataset\.name"):
        DatasetInfo(name, "XNYS", "raw", ("close",))
    with pytest.raises(InputError, match=r"dataset\.name"):
        Store().info(name)


def test_what_is_not_there_or_damaged_is_said(store: Store) -> None:
    with pytest.raises(StaleDataError, match="backcast ingest"):
        store.version("others")
    file = store.folder / "prices" / "dataset.json"
    file.write_text(file.read_text().replace("raw", "row"))
    with pytest.raises(InputError, match="Restore the file"):
        store.info("prices")


@pytest.mark.parametrize("torn", ["", '{"add": {"path"'])
def test_a_torn_last_entry_is_set_aside_and_reported(store: Store, torn: str) -> None:
    store.append("prices", "bars", bars([1.0]), "one")
    log = store.folder / "prices" / "bars" / "_delta_log"
    (log / f"{2:020d}.json").write_text(torn)
    assert closes(store) == [1.0]
    with pytest.warns(StoreWarning, match="cut off before it was acknowledged"):
        store.append("prices", "bars", bars([1.0, 2.0]), "two")
    assert closes(store) == [1.0, 2.0]


def test_an_acknowledged_entry_that_is_damaged_is_an_error_and_no_half_answer(store: Store) -> None:
    store.append("prices", "bars", bars([1.0]), "one")
    (store.folder / "prices" / "bars" / "_delta_log" / f"{1:020d}.json").write_text('{"add": {"path"')
    with pytest.raises(InputError, match="a readable version of the table"):
        closes(store)


def test_processes_append_at_once(store: Store) -> None:
    code = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_store import bars
from backcast.data.store import Store
for k in range(3): Store().append("prices", "bars", bars([1.0, 2.0], symbol=f"S{{sys.argv[1]}}{{k}}"), f"{{sys.argv[1]}}{{k}}")
"""
    children = [subprocess.Popen([sys.executable, "-c", code, str(n)]) for n in range(3)]
    assert [child.wait() for child in children] == [0, 0, 0]
    assert len(closes(store)) == 18


def test_home_is_the_nearest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("BACKCAST_HOME")
    (tmp_path / ".backcast").mkdir()
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    assert home() == tmp_path / ".backcast"
    monkeypatch.setenv("BACKCAST_HOME", "~/elsewhere")
    assert home() == Path.home() / "elsewhere"


OLD_ACTIONS = pa.schema(
    [field for field in TABLES["actions"].schema if field.name not in ("declared_on", "pay_on")]
)


def as_format_1(store: Store) -> dict[str, Any]:
    """The data set `prices` as the first format had it: no head, no findings, no dates of payment; gives its facts."""
    folder = store.folder / "prices"
    shutil.rmtree(folder / "findings")
    shutil.rmtree(folder / "actions")
    log = Log(folder / "actions", OLD_ACTIONS)
    log.create()
    row = {"symbol": "A", "kind": "split", "value": 2.0, "text": None, "event_at": CLOCK.closes_at[1].item(),
           "known_at": CLOCK.closes_at[0].item(), "known_basis": "vendor", "ingested_at": CLOCK.closes_at[1].item(),
           "batch": "one"}  # fmt: skip
    log.commit(log.stage([pa.Table.from_pylist([row], schema=OLD_ACTIONS)]), "one", {})
    facts: dict[str, Any] = json.loads((folder / "dataset.json").read_text())
    del facts["seal"]
    (folder / "dataset.json").write_text(json.dumps({**facts, "format": 1}))
    (folder / "head.json").unlink()
    return facts


def test_a_store_of_format_1_is_read_and_brought_forward_by_the_first_write(store: Store) -> None:
    store.append("prices", "bars", bars([1.0]), "one")
    facts, folder, at = as_format_1(store), store.folder / "prices", np.datetime64("2021-01-01", "us")
    pin = store.version("prices")
    before = store.as_of("prices", "actions", at).to_pylist()
    assert [(row["value"], row["pay_on"]) for row in before] == [(2.0, None)]
    assert closes(store) == [1.0]
    store.append("prices", "bars", bars([1.0, 2.0]), "two")
    assert closes(store) == [1.0, 2.0]
    assert json.loads((folder / "dataset.json").read_text())["format"] == FORMAT
    assert damage(store, "prices") == []
    paid = {**before[0], "event_at": CLOCK.closes_at[2].item(), "pay_on": date(2020, 2, 3)}
    utc = {k: v.replace(tzinfo=UTC) for k, v in paid.items() if isinstance(v, datetime)}
    new = pa.Table.from_pylist([paid | utc], schema=TABLES["actions"].schema)
    store.append("prices", "actions", new, "three")
    for _ in ("from the log", "from the read copy"):
        rows = store.as_of("prices", "actions", at).to_pylist()
        assert [row["pay_on"] for row in rows] == [None, date(2020, 2, 3)]
        assert (
            store.as_of("prices", "actions", at, pin).to_pylist() == before
        )  # a pin of before still answers
        store.refresh("prices", always=True)
    assert damage(store, "prices") == []
    (folder / "dataset.json").write_text(json.dumps({**facts, "format": 99}))
    with pytest.raises(InputError):
        store.info("prices")


def test_a_table_is_added_to_a_store_of_format_1(store: Store) -> None:
    store.append("prices", "bars", bars([1.0]), "one")
    as_format_1(store)
    own = Declared("notes", (("symbol", "text"), ("note", "text")), ("symbol",))
    store.create(replace(INFO, declared=(own,)))
    assert store.version("prices")["notes"] == 0
    assert closes(store) == [1.0]
    store.append("prices", "bars", bars([1.0, 2.0]), "two")
    assert damage(store, "prices") == []


def test_a_repeated_row_of_format_1_is_known(store: Store) -> None:
    store.append("prices", "bars", bars([1.0]), "one")
    as_format_1(store)
    at = np.datetime64("2021-01-01", "us")
    assert store.append("prices", "actions", store.as_of("prices", "actions", at), "again") == 0


def test_questions_write_nothing(store: Store) -> None:
    """A store on a read-only mount answers: nothing under it is made, changed or touched by reading."""
    store.append("prices", "bars", bars([1.0, 2.0]), "one")
    store.refresh("prices", always=True)
    store.snapshot("prices", "first")

    def state() -> dict[str, tuple[int, int]]:
        return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in store.folder.rglob("*")}

    before, at = state(), np.datetime64("2021-01-01", "us")
    assert closes(store) == [1.0, 2.0]
    assert store.as_of("prices", "bars", at).num_rows == 2
    assert select(store, "SELECT count(*) FROM bars", at).item() == 2
    assert store.version("prices", "first") == store.version("prices")
    assert changes(store, "prices", "bars", np.datetime64("2019-01-01", "us"), at).height == 2
    assert damage(store, "prices") == []
    assert state() == before
