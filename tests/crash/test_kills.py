"""Kill -9 at random instants, many processes at once, no room on the disk: nothing acknowledged is lost, nothing half is seen.

`BACKCAST_KILLS` says how many kills (`make crash`: 2000); the default is what CI runs.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import resource
import signal
import time
import warnings
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from backcast.data.maintenance import collect_garbage, damage, garbage
from backcast.data.schema import DatasetInfo
from backcast.data.sources.base import batch
from backcast.data.store import Store, StoreWarning

KILLS = int(os.environ.get("BACKCAST_KILLS", "50"))
INFO = DatasetInfo("world", "XNYS", "raw", ("close",))
START = np.datetime64("2020-01-02T21:00", "us")
SYMBOLS = 20

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__, "deltalake", "duckdb", "pyarrow.parquet"])


def tables(n: int) -> dict[str, pa.Table]:
    """Batch n: a bar and a fact for each symbol; a tenth of the symbols corrects the batch before."""
    at = START + np.timedelta64(n, "D")
    rows = [(f"S{k:02d}", at, at + np.timedelta64(15, "m"), float(n)) for k in range(SYMBOLS)]
    if n:
        before = at - np.timedelta64(1, "D")
        rows += [(f"S{k:02d}", before, at + np.timedelta64(15, "m"), n + 0.5) for k in range(SYMBOLS // 10)]
    symbol, event, known, value = (list(c) for c in zip(*rows, strict=True))
    frame = pl.DataFrame({"symbol": symbol, "event_at": np.array(event), "known_at": np.array(known)})
    utc = [pl.col(c).dt.replace_time_zone("UTC") for c in ("event_at", "known_at")]
    frame = frame.with_columns(utc)
    facts = frame.with_columns(pl.lit("eps").alias("item"), pl.Series("value", value))
    return batch(INFO, {"bars": frame.with_columns(pl.Series("close", value)), "facts": facts}).tables


def work(home: Path, acknowledged: Connection, seed: int) -> None:
    """Commits one batch after another, with maintenance in between, until it is killed."""
    warnings.simplefilter("ignore", StoreWarning)
    store, draw = Store(home), random.Random(seed)
    n = store.version("world")["bars"]  # a batch is a version
    while True:
        store.commit("world", [tables(n)], f"batch {n}")
        acknowledged.send(n)
        n += 1
        step = draw.random()
        if step < 0.2:
            store.refresh("world", always=step < 0.15)
        elif step < 0.3:
            store.snapshot("world", f"s{n}")
        elif step < 0.4:
            collect_garbage(store, "world", 0.0)


def whole_batches(store: Store) -> int:
    """How many batches are seen, each with all rows of all its tables; fails on half of one."""
    pin = store.version("world")
    seen = pin["bars"]
    assert pin["facts"] == seen
    for table, column in (("bars", "close"), ("facts", "value")):
        rows = pl.DataFrame(store.read("world", table, pin))
        expected = SYMBOLS * seen + SYMBOLS // 10 * max(0, seen - 1)
        assert rows.height == expected
        newest = pl.DataFrame(store.as_of("world", table, np.datetime64("2100-01-01", "us")))
        assert newest.height == SYMBOLS * seen
        corrected = newest.filter(pl.col(column) != pl.col(column).floor()).height
        assert corrected == SYMBOLS // 10 * max(0, seen - 1)
    return seen


def killed_worker(home: Path, seed: int, after: float) -> int:
    """Lets a worker live for some seconds after its first answer and gives the newest batch it acknowledged, or -1."""
    receiver, sender = CONTEXT.Pipe(duplex=False)
    worker = CONTEXT.Process(target=work, args=(home, sender, seed), daemon=True)
    worker.start()
    sender.close()
    newest = -1
    if seed % 4:  # the others are killed while they start
        newest = receiver.recv()
    time.sleep(after)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    try:
        while receiver.poll():
            newest = receiver.recv()
    except EOFError:
        pass
    return newest


def test_kills_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    store, draw, newest, cut_off = Store(tmp_path), random.Random(7), -1, 0
    store.create(INFO)
    for k in range(KILLS):
        newest = max(newest, killed_worker(tmp_path, k, draw.random() ** 2 * 0.15))
        seen = whole_batches(store)
        assert seen >= newest + 1, f"kill {k}: batch {newest} was acknowledged, {seen} are there"
        assert damage(store, "world") == []
        cut_off += any("older" not in g.reason for g in garbage(store, "world", 0.0))
        if seen > 60:  # start anew, so that a kill stays cheap
            store, newest = Store(tmp_path / str(k)), -1
            tmp_path = tmp_path / str(k)
            store.create(INFO)
    assert cut_off, "no kill hit a writer at work"
    print(f"{cut_off} of {KILLS} kills cut a writer off")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StoreWarning)
        n = store.version("world")["bars"]
        store.commit("world", [tables(n)], f"batch {n}")
    collect_garbage(store, "world", 0.0)
    assert whole_batches(store) == n + 1


def append(home: Path, writer: int, batches: int) -> None:
    """A writer with symbols of its own."""
    store = Store(home)
    for n in range(batches):
        own = {}
        for name, rows in tables(n).items():
            names = pa.array([f"{writer}-{s}" for s in rows["symbol"].to_pylist()])
            own[name] = rows.set_column(0, "symbol", names)
        store.commit("world", [own], f"{writer}:{n}")
        if n == batches // 2:
            store.refresh("world", always=True)
            collect_garbage(store, "world", 3600.0)


def read(home: Path, stop: object, failures: object) -> None:
    """A reader: every answer holds whole batches alone, and never fewer than before."""
    store, before = Store(home), 0
    while not stop.is_set():  # type: ignore[attr-defined]
        try:
            pin = store.version("world")
            bars, facts = (pl.DataFrame(store.read("world", t, pin)).height for t in ("bars", "facts"))
            newest = pl.DataFrame(store.as_of("world", "bars", np.datetime64("2100-01-01", "us"), pin)).height
            assert bars == facts >= before and newest % SYMBOLS == 0
            before = bars
        except Exception as error:
            failures.put(f"{type(error).__name__}: {error}")  # type: ignore[attr-defined]
            return


def test_four_writers_and_four_readers(tmp_path: Path) -> None:
    store, batches = Store(tmp_path), 8
    store.create(INFO)
    stop, failures = CONTEXT.Event(), CONTEXT.Queue()
    readers = [CONTEXT.Process(target=read, args=(tmp_path, stop, failures)) for _ in range(4)]
    writers = [CONTEXT.Process(target=append, args=(tmp_path, w, batches)) for w in range(4)]
    for process in (*readers, *writers):
        process.start()
    for process in writers:
        process.join()
    stop.set()
    for process in readers:
        process.join()
    assert failures.empty(), failures.get()
    assert [p.exitcode for p in (*writers, *readers)] == [0] * 8
    expected = 4 * (SYMBOLS * batches + SYMBOLS // 10 * (batches - 1))
    assert store.read("world", "bars", store.version("world")).num_rows == expected
    assert damage(store, "world") == []


def without_room(home: Path, most: int) -> None:
    """No file may grow beyond so many bytes, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    try:
        Store(home).commit("world", [tables(1)], "batch 1")
    except Exception:
        os._exit(7)
    os._exit(0)


@pytest.mark.parametrize("most", [0, 100, 1_000, 3_000])
def test_no_room_on_the_disk_leaves_the_store_as_it_was(tmp_path: Path, most: int) -> None:
    store = Store(tmp_path)
    store.create(INFO)
    store.commit("world", [tables(0)], "batch 0")
    process = CONTEXT.Process(target=without_room, args=(tmp_path, most))
    process.start()
    process.join()
    assert process.exitcode == 7
    assert whole_batches(store) == 1
    assert damage(store, "world") == []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StoreWarning)
        store.commit("world", [tables(1)], "batch 1")
    assert whole_batches(store) == 2


def test_a_clock_that_goes_backwards_changes_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    store.create(INFO)
    now = time.time()
    for n, drift in enumerate((0.0, -86_400.0 * 400, 3_600.0)):
        monkeypatch.setattr(time, "time", lambda drift=drift: now + drift)
        store.commit("world", [tables(n)], f"batch {n}")
    assert whole_batches(store) == 3
    assert damage(store, "world") == []
