"""The trial log: distinct configurations count once, failures count, and nothing shrinks it."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from backcast.data.errors import InputError
from backcast.engine.stats import luck
from backcast.engine.trials import TrialLog, launched_by, segments

RETURNS = np.array([0.01, -0.02, 0.03])
DAYS = np.array(["2020-01-02", "2020-01-03", "2020-01-06"], dtype="datetime64[D]")


def files(log: TrialLog) -> list[Path]:
    return sorted(log.folder.glob("[0-9]*"))


def json_log(home: Path, count: int) -> TrialLog:
    """A log as an older version left it: a JSON file a record, without sessions."""
    folder = home / "trials" / "old"
    folder.mkdir(parents=True)
    for n in range(count):
        start = {"trial": f"t{n}", "outcome": "started", "config": {"seed": n}, "pin": {"bars": 1}}
        done = {"trial": f"t{n}", "outcome": "done", "sharpe_per_session": 0.1 * n,
                "period": ["2020-01-02", "2020-01-06"], "returns": RETURNS.tolist()}  # fmt: skip
        for k, record in enumerate((start, done)):
            name = f"{1_700_000_000_000_000_000 + 2 * n + k:020d}-0000000a"
            (folder / f"{name}.json").write_text(json.dumps({"id": name, **record}))
    return TrialLog("old")


def test_a_trial_counts_once_however_often_it_runs() -> None:
    log = TrialLog("a")
    for _ in range(3):
        log.start("same", {}, {"bars": 0})
        log.finish("same", 0.1, RETURNS)
    assert log.count().n == 1
    assert log.count().sharpe_variance is None


def test_failures_count_in_n_and_not_in_the_variance() -> None:
    log = TrialLog("a")
    for name, sharpe in (("x", 0.1), ("y", 0.3), ("flat", None)):
        log.start(name, {}, {})
        log.finish(name, sharpe, RETURNS)
    log.start("broken", {}, {})
    log.fail("broken", "reason")
    log.start("killed", {}, {})
    counted = log.count()
    assert counted.n == 5
    assert counted.sharpe_variance == pytest.approx(np.var([0.1, 0.3], ddof=1))
    assert counted.upto == log.records()[-1]["id"]


def test_lineages_are_apart() -> None:
    TrialLog("a").start("x", {}, {})
    assert TrialLog("b").count().n == 0


def test_a_torn_file_is_an_error_and_not_a_smaller_n() -> None:
    log = TrialLog("a")
    log.start("x", {}, {})
    log.start("y", {}, {})
    file = files(log)[0]
    whole = file.read_bytes()
    for length in (0, 3, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(InputError, match="a whole record of the trial log"):
            log.count()
    file.write_bytes(whole)
    file.rename(file.with_name(file.name.replace(".1.", ".2.")))
    with pytest.raises(InputError, match="1 records"):
        log.count()


def test_a_flipped_byte_is_noticed_or_changes_nothing() -> None:
    log = TrialLog("a")
    log.finish("x", 0.1, RETURNS, DAYS)
    file = files(log)[0]
    whole, expected = file.read_bytes(), log.records()
    for at in range(0, len(whole), 61):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        try:
            assert log.records() == expected
        except InputError:
            continue


def test_a_later_format_is_refused() -> None:
    log = TrialLog("a")
    log.start("x", {}, {})
    file = files(log)[0]
    pq.write_table(pq.read_table(file).replace_schema_metadata({"backcast.trials": "99"}), file)
    with pytest.raises(InputError, match="Update backcast"):
        log.count()


def test_what_a_killed_writer_left_is_ignored_and_some_day_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    log = TrialLog("a")
    log.start("x", {}, {})
    new, old = (log.folder / f".{name}.1.parquet.1.partial" for name in ("new", "old"))
    for path in (new, old):
        path.write_bytes(b"PAR1")
    os.utime(old, (0, 0))
    assert log.count().n == 1
    monkeypatch.setattr(segments, "FAN", 2)
    log.start("y", {}, {})
    assert new.exists() and not old.exists() and log.count().n == 2


def test_nobody_waits_for_ever_for_a_process_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "WAIT", 0.01)
    log = TrialLog("a")
    log.start("x", {}, {})
    with (log.folder / ".gate").open() as gate, (log.folder / ".writers").open() as writers:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(writers, fcntl.LOCK_EX)
        assert log.count().n == 1
        log.start("y", {}, {})
        assert log.count().n == 2


def test_a_record_says_what_was_evaluated_when_and_by_which_code() -> None:
    with launched_by("sweep"):
        log = TrialLog("a")
    log.start("x", {"name": "ümlaut ☃", "api_key": "hidden"}, {"bars": 3})
    log.finish("x", 0.25, RETURNS, DAYS)
    log.fail("x", "reason" * 1000)
    start, done, failed = log.records()
    assert start["config"] == {"name": "ümlaut ☃", "api_key": "<redacted>"} and start["pin"] == {"bars": 3}
    assert (done["returns"], done["period"]) == (RETURNS.tolist(), ["2020-01-02", "2020-01-06"])
    assert done["sessions"] == DAYS.tolist() and done["sharpe_per_session"] == 0.25
    assert len(failed["error"]) == 2000 and failed["returns"] is None
    assert start["launched"] == "sweep" and TrialLog("a", "grid")._launched == "grid"
    assert start["process"] == os.getpid() and start["code"].startswith("0.")
    assert start["id"] < done["id"] < failed["id"]


def test_a_ratio_that_is_not_a_number_is_none() -> None:
    log = TrialLog("a")
    for n, sharpe in enumerate((float("nan"), float("inf"), None, 0.1)):
        log.finish(f"t{n}", sharpe, RETURNS)
    assert [r["sharpe_per_session"] for r in log.records()] == [None, None, None, 0.1]
    assert log.count().sharpe_variance is None


def test_a_huge_configuration() -> None:
    log = TrialLog("a")
    config = {"text": "x" * 3_000_000, "list": list(range(100_000))}
    log.start("x", config, {})
    assert log.records()[0]["config"] == config


def test_returns_are_those_that_a_trial_finished_with_last() -> None:
    log = TrialLog("a")
    log.finish("b", 0.1, RETURNS, DAYS)
    log.finish("a", 0.1, RETURNS[:2], DAYS[:2])
    log.finish("b", 0.1, -RETURNS, DAYS)
    log.finish("undated", 0.1, RETURNS)
    expected = pl.DataFrame(
        {
            "trial": ["a"] * 2 + ["b"] * 3,
            "session": [*DAYS[:2].tolist(), *DAYS.tolist()],
            "net_return": [*RETURNS[:2], *-RETURNS],
        }
    )
    assert log.returns().equals(expected)
    own = log.by_trial()
    assert list(own) == ["a", "b"]
    np.testing.assert_array_equal(own["b"][0], DAYS)
    np.testing.assert_array_equal(own["b"][1], -RETURNS)
    of_frame = luck.by_trial(log.returns())
    assert list(own) == list(of_frame)
    for name, (days, returns) in own.items():
        np.testing.assert_array_equal(days, of_frame[name][0])
        np.testing.assert_array_equal(returns, of_frame[name][1])


def test_bars_of_a_day_are_one_session_and_any_other_mismatch_is_refused() -> None:
    log = TrialLog("a")
    log.finish("a", 0.1, RETURNS[:2], np.repeat(DAYS[:2], 3))
    assert log.records()[0]["sessions"] == DAYS[:2].tolist()
    with pytest.raises(InputError, match="one for each of 2 sessions"):
        log.finish("a", 0.1, RETURNS, DAYS[:2])


def test_nothing_was_logged_yet() -> None:
    log = TrialLog("none")
    assert log.records() == [] and log.by_trial() == {} and log.returns().is_empty()
    assert (log.count().n, log.count().upto, log.folder.exists()) == (0, "", False)
    assert log.count("").n == 0


def test_what_was_counted_can_be_counted_again() -> None:
    log = TrialLog("a")
    counts = [log.count()]
    for n in range(4):
        log.start(f"t{n}", {}, {})
        counts.append(log.count())
        log.finish(f"t{n}", 0.1 * n, RETURNS, DAYS)
        counts.append(log.count())
    assert [log.count(count.upto) for count in counts] == counts
    assert len(log.records(counts[3].upto)) == 3
    assert log.returns(counts[3].upto)["trial"].unique().to_list() == ["t0"]


def test_a_count_waits_for_a_record_whose_id_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else that record would land later with an earlier id, and the count could not be made again."""
    given, write = threading.Event(), segments.Segments._write

    def slowly(self: segments.Segments, table: pl.DataFrame, name: str) -> None:
        given.set()
        threading.Event().wait(0.1)
        write(self, table, name)

    monkeypatch.setattr(segments.Segments, "_write", slowly)
    writer = threading.Thread(target=lambda: TrialLog("a").start("x", {}, {}))
    writer.start()
    given.wait()
    assert TrialLog("a").count().n == 1
    writer.join()


def test_a_reader_has_its_turn_however_many_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "WAIT", 60.0)
    log, over = TrialLog("a"), threading.Event()
    log.start("x", {}, {})

    def overlap() -> None:
        while not over.is_set():
            with log._segments._changing():
                threading.Event().wait(0.01)

    writers = [threading.Thread(target=overlap) for _ in range(6)]
    for writer in writers:
        writer.start()
    assert [TrialLog("a").count().n for _ in range(3)] == [1, 1, 1]  # else it waits for a minute
    over.set()
    for writer in writers:
        writer.join()


def test_a_log_that_is_no_folder_is_an_error_and_not_an_empty_log(home: Path) -> None:
    (home / "trials").mkdir(parents=True)
    (home / "trials" / "a").write_text("")
    with pytest.raises(InputError, match="whole record of the trial log"):
        TrialLog("a").count()


def test_a_batch_is_few_files_and_its_starts_are_there_before_the_work() -> None:
    log, other = TrialLog("a"), TrialLog("a")
    with log.batch():
        with log.batch():
            for n in range(50):
                log.start(f"t{n}", {}, {})
            assert other.count().n == 0
        assert other.count().n == 50
        threads = [threading.Thread(target=lambda n=n: log.fail(f"t{n}", "")) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(other.records()) == 50
        assert len(log.records()) == 58  # its own answers hold what it gathered
    assert len(other.records()) == 58 and len(files(log)) == 2


def test_a_batch_that_ends_in_an_error_keeps_its_records() -> None:
    log = TrialLog("a")
    with pytest.raises(ZeroDivisionError), log.batch():
        log.start("x", {}, {})
        raise ZeroDivisionError
    assert TrialLog("a").count().n == 1


def test_a_batch_does_not_hold_records_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backcast.engine.trials.log.FLUSH_SECONDS", 0.01)
    log = TrialLog("a")
    with log.batch():
        log.start("x", {}, {})
        other, tries = TrialLog("a"), 0
        while other.count().n == 0 and tries < 1000:
            tries += 1
            threading.Event().wait(0.01)
        assert other.count().n == 1


def test_a_batch_leaves_no_thread_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backcast.engine.trials.log.FLUSH_SECONDS", 3600.0)
    log = TrialLog("a")
    with log.batch():
        log.start("x", {}, {})
        (timer,) = (thread for thread in threading.enumerate() if isinstance(thread, threading.Timer))
    timer.join(60)
    assert not timer.is_alive()


def test_a_full_disk_is_told_and_what_was_held_is_written_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, _: bytes) -> None:
        path.touch()
        raise OSError(28, "No space left on device")  # as a write says it, without a name

    log = TrialLog("a")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match=r"No space left on device: '.*trials/a/.*\.parquet'"), log.batch():
            log.start("x", {}, {})
    assert not list(log.folder.glob(".*.partial")), "what was begun takes no room"
    log.start("y", {}, {})
    assert TrialLog("a").count().n == 2


def test_small_segments_are_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "FAN", 3)
    log = TrialLog("a")
    for n in range(30):
        log.finish(f"t{n}", 0.1 * n, RETURNS + n, DAYS)
        assert log.count().n == n + 1
        assert len(files(log)) <= 2 * 4
    assert [r["returns"][0] for r in log.records()] == [0.01 + n for n in range(30)]


@pytest.mark.parametrize("large", [0.5, 3.5, 1000])
def test_merges_that_died_before_they_removed_anything(monkeypatch: pytest.MonkeyPatch, large: float) -> None:
    """With whatever size from which segments are large, so that what is left over is merged with what it became."""
    log = TrialLog("a")
    for n in range(6):
        log.finish(f"t{n}", 0.1 * n, RETURNS, DAYS)
    expected, count = log.records(), log.count()
    before = {path: path.read_bytes() for path in files(log)}
    monkeypatch.setattr(segments, "FAN", 3)
    monkeypatch.setattr(segments, "LARGE", int(large * files(log)[0].stat().st_size))
    for _ in range(4):
        log._segments._merge()
        assert log.records() == expected and log.count() == count
        before |= {path: path.read_bytes() for path in files(log)}
        for path, content in before.items():
            path.write_bytes(content)
        assert log.records() == expected and log.count() == count


def test_a_torn_file_stops_merging_and_not_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    log = TrialLog("a")
    log.start("x", {}, {})
    files(log)[0].write_bytes(b"")
    monkeypatch.setattr(segments, "FAN", 2)
    log.start("y", {}, {})
    assert len(files(log)) == 2
    with pytest.raises(InputError, match="whole record"):
        log.count()


def test_a_reader_whose_files_are_merged_meanwhile_looks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    log = TrialLog("a")
    log.start("x", {}, {})
    listed, stale = log._segments.listed(), [segments.Segment(log.folder / "gone.1.parquet", 1)]
    answers = iter([stale, stale, listed, listed])
    monkeypatch.setattr(segments.Segments, "listed", lambda _: next(answers))
    assert log.count().n == 1


def test_records_of_an_older_log_are_read_and_brought_forward(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = json_log(home, 4)
    expected, count = log.records(), log.count()
    assert count.n == 4 and count.sharpe_variance == pytest.approx(np.var([0, 0.1, 0.2, 0.3], ddof=1))
    assert (
        expected[1]["period"] == ["2020-01-02", "2020-01-06"] and expected[1]["returns"] == RETURNS.tolist()
    )
    assert expected[0]["config"] == {"seed": 0} and expected[0]["at"].year == 2023
    assert log.returns().is_empty()  # nobody knows of which sessions they are
    monkeypatch.setattr(segments, "FAN", 3)
    log.start("new", {}, {})
    assert not list(log.folder.glob("*.json"))
    assert log.records()[:-1] == expected and log.count(count.upto) == count and log.count().n == 5


@pytest.mark.parametrize(
    "text",
    [
        '{"id": "0',
        "[]",
        "{}",
        '{"id": "x", "trial": "a", "outcome": "done"}',
        '{"id": "1-0", "trial": "a", "outcome": "done", "sharpe_per_session": [], "returns": [1]}',
        '{"id": "1-0", "trial": "a", "outcome": "done", "sharpe_per_session": 1, "returns": [[1]]}',
        '{"id": "1-0", "trial": "a", "outcome": "done", "period": ["x", "y"]}',
    ],
)
def test_a_torn_record_of_an_older_log(home: Path, text: str) -> None:
    log = json_log(home, 1)
    files(log)[0].write_text(text)
    with pytest.raises(InputError, match="a whole record of the trial log"):
        log.count()


def test_a_folder_that_cannot_be_written_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    log = TrialLog("a")
    log.start("x", {}, {})

    def denied(*_: Any) -> int:
        raise PermissionError

    monkeypatch.setattr("backcast.engine.trials.segments.os.open", denied)
    assert log.count().n == 1


def test_processes_append_at_once_and_what_is_counted_meanwhile_can_be_counted_again() -> None:
    code = (
        "from backcast.engine.trials import TrialLog, segments\nimport sys\nsegments.FAN = 4\n"
        "for i in range(20): TrialLog('shared').start(f'{sys.argv[1]}-{i}', {}, {})"
    )
    children = [subprocess.Popen([sys.executable, "-c", code, str(n)]) for n in range(3)]
    log, counts = TrialLog("shared"), [TrialLog("shared").count()]
    while any(child.poll() is None for child in children):
        counts.append(log.count())
    assert [child.wait() for child in children] == [0, 0, 0]
    assert log.count().n == 60 and len(log.records()) == 60
    assert [count.n for count in counts] == sorted(count.n for count in counts)
    distinct = {count.upto: count for count in counts}
    assert [log.count(upto) for upto in distinct] == list(distinct.values())


def test_what_is_no_id_and_no_column_is_refused() -> None:
    with pytest.raises(InputError, match="the id of a record"):
        TrialLog("a").count("yesterday")
    with pytest.raises(InputError, match="columns"):
        TrialLog("a").records(columns=["nothing"])


def test_large_segments_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    log = TrialLog("a")
    for n in range(7):
        log.finish(f"t{n}", 0.1, np.random.default_rng(n).normal(size=5000))
    monkeypatch.setattr(segments, "FAN", 4)
    monkeypatch.setattr(segments, "LARGE", int(1.5 * files(log)[0].stat().st_size))
    log._segments._merge()
    assert sorted(segment.records for segment in log._segments.listed()) == [1, 1, 1, 2, 2]
    monkeypatch.setattr(segments, "LARGE", 0)
    log._segments._merge()
    assert len(files(log)) == 5 and log.count().n == 7


def test_a_file_that_is_listed_and_never_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "ATTEMPTS", 2)
    log = TrialLog("a")
    log.start("x", {}, {})
    (log.folder / f"{'9' * 20}-00000000.1.parquet").symlink_to("nowhere")
    with pytest.raises(InputError, match="whole record"):
        log.count()
