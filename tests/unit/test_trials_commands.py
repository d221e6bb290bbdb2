"""The trial log for people: the table, SQL and nothing but SQL, JSON and files, and which logs there are."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import backcast
from backcast.data.errors import InputError
from backcast.data.ingest import ingest
from backcast.data.maintenance import collect_dropped, collect_garbage
from backcast.data.store import Store
from backcast.data.synthetic import SyntheticSource
from backcast.engine.cli import main
from backcast.engine.trials import TrialLog, of_dataset

RETURNS = np.array([0.01, -0.02, 0.03])
DAYS = np.array(["2020-01-02", "2020-01-03", "2020-01-06"], dtype="datetime64[D]")
CONFIG = {"dataset": {"name": "synthetic"}, "model": {"alpha": 1.0}}
DOCS = Path(__file__).parents[2] / "docs" / "trials.md"

Shown = Callable[[], str]


def told(lineage: str) -> TrialLog:
    """A log with a trial that was evaluated twice, one that failed and one that never ended."""
    made = TrialLog(lineage)
    made.start("a" * 64, CONFIG, {"bars": 1, "actions": 1})
    made.finish("a" * 64, 0.1, RETURNS, DAYS)
    made.start("[red]b", CONFIG, {"bars": 2, "actions": 1})
    made.fail("[red]b", "no reason")
    made.start("c" * 64, CONFIG, {"bars": 0})
    made.start("a" * 64, CONFIG, {"bars": 1, "actions": 1})
    made.finish("a" * 64, 0.2, 2 * RETURNS, DAYS)
    return made


@pytest.fixture
def log(home: Path) -> TrialLog:
    """Of a data set in the store."""
    ingest(Store(), SyntheticSource(symbols=3, sessions=30))
    return told(Store().lineage("synthetic"))


@pytest.fixture
def alone(home: Path) -> TrialLog:
    """Of a lineage that the store has no data of."""
    return told("0123456789abcdef")


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Shown:
    return lambda: capsys.readouterr().out


def test_a_row_a_trial_the_newest_first(alone: TrialLog) -> None:
    frame = backcast.trials(alone.lineage).frame()
    assert frame["trial"].to_list() == ["a" * 64, "c" * 64, "[red]b"]
    assert frame["evaluations"].to_list() == [2, 1, 1]
    assert frame["outcome"].to_list() == ["done", "unfinished", "failed"]
    assert frame["sharpe_per_session"].to_list() == [0.2, None, None]
    assert frame["error"].to_list() == [None, None, "no reason"]
    assert frame["first_session"].to_list() == [DAYS[0].item(), None, None]
    assert (frame["first_evaluated_at"] <= frame["last_evaluated_at"]).all()
    assert json.loads(frame["config"][0]) == CONFIG
    assert backcast.trials(alone.lineage).count() == alone.count()
    assert backcast.trials(alone.lineage).returns().equals(alone.returns())


def test_the_command_shows_n_and_the_trials(log: TrialLog, shown: Shown) -> None:
    assert main(["trials", "synthetic"]) == 0
    out = shown()
    assert out.startswith("synthetic: 3 trials; no variance yet")
    assert "[red]b" in out and "Sharpe per session" in out and "0.2000" in out and "n/a" in out
    assert "2020-01-02 to 2020-01-06" in out and "actions=1 bars=2" in out
    assert main(["trials"]) == 0
    assert re.search(rf"synthetic +│ {log.lineage} +│ True +│ 3 ", shown())
    log.finish("other", 0.4, RETURNS, DAYS)
    main(["trials", "synthetic"])
    assert "4 trials; variance of their Sharpe ratios per session 0.02." in shown()


def test_json_and_files(log: TrialLog, shown: Shown, tmp_path: Path) -> None:
    assert main(["trials", "synthetic", "--json"]) == 0
    told = json.loads(shown())
    assert (told["n"], told["upto"], len(told["trials"])) == (3, log.count().upto, 3)
    assert main(["trials", "--json"]) == 0
    assert json.loads(shown())[0]["trials"] == 3
    query = "SELECT 'NaN'::DOUBLE AS x, count(*) AS n, sum(process) > 0 AS s, min(first_session) AS d FROM records"
    assert main(["trials", "--json", "--sql", query]) == 0
    assert json.loads(shown()) == [{"x": None, "n": 7, "s": True, "d": "2020-01-02"}]
    for more in ([], ["--sql", "SELECT * FROM returns"]):
        target = tmp_path / f"{len(more)}.parquet"
        assert main(["trials", "synthetic", "--output", str(target), *more]) == 0
        assert pl.read_parquet(target).height == 3
    assert main(["trials", "synthetic", "--output", str(tmp_path / "x.doc")]) == 2
    assert main(["trials", "synthetic", "--json", "--output", str(tmp_path / "x.csv")]) == 2


def test_sql_answers_over_three_views(alone: TrialLog) -> None:
    trials = backcast.trials(alone.lineage)
    assert trials.sql("SELECT count(*) FROM trials").item() == 3
    assert trials.sql("SELECT count(*) FROM records WHERE outcome = 'started'").item() == 4
    assert trials.sql("SELECT sum(net_return) FROM returns").item() == pytest.approx(0.04)
    joined = "SELECT sum(net_return) FROM trials JOIN RETURNS USING (trial) WHERE sharpe_per_session > 0"
    assert trials.sql(joined).item() == pytest.approx(0.04)
    assert trials.sql("SELECT config->>'$.model.alpha' FROM trials LIMIT 1").item() == "1.0"


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELECT * FROM read_csv('/etc/passwd')", "read_csv"),
        ("SELECT * FROM '/etc/passwd'", "not of a file"),
        ('SELECT * FROM "/tmp/x".csv', "not of a file"),
        ("SELECT (SELECT count(*) FROM glob('/*')) FROM trials", "glob"),
        ("SELECT * FROM duckdb_views", "duckdb_views"),
        ("SELECT * FROM main.trials", "the name of a view"),
        ("SELECT * FROM query('DROP VIEW trials')", "query"),
        ("COPY trials TO '/tmp/x'", "one SELECT"),
        ("DROP VIEW trials", "one SELECT"),
        ("SELECT 1; SELECT 2", "one SELECT"),
        ("SET threads = 1", "one SELECT"),
        ("SELECT content FROM read_text('/etc/passwd')", "read_text"),
        ("SELECT getenv('HOME') FROM trials", "getenv"),
        ("SELECT * FROM records_table", "records_table"),
        ("SELECT * FROM bars", "bars"),
        ("", "one SELECT"),
    ],
)
def test_anything_else_is_refused(alone: TrialLog, query: str, says: str) -> None:
    with pytest.raises(InputError) as error:
        backcast.trials(alone.lineage).sql(query)
    assert says in str(error.value)


def test_python_variables_are_no_tables(alone: TrialLog) -> None:
    frame = {"a": [1]}
    with pytest.raises(InputError, match="frame"):
        backcast.trials(alone.lineage).sql("SELECT * FROM frame")
    assert frame


def test_a_name_that_has_nothing_is_one_error(log: TrialLog, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("nothing", "../store", "", log.lineage[:7]):
        assert main(["trials", name]) == 2
        error = capsys.readouterr().err
        assert (
            error.count("\n") == 1 and "expected a data set, or a lineage that has trials: synthetic" in error
        )


def test_without_any_trial(home: Path, shown: Shown, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trials"]) == 0
    assert "0 rows." in shown()
    assert main(["trials", "us20"]) == 2
    assert "there is none yet" in capsys.readouterr().err
    assert main(["trials", "--sql", "SELECT 1"]) == 2
    assert "expected a DATASET before it" in capsys.readouterr().err
    ingest(Store(), SyntheticSource(symbols=3, sessions=30))
    assert main(["trials", "synthetic"]) == 0
    assert shown().startswith("synthetic: 0 trials")


def test_dropping_a_data_set_and_collecting_garbage_leave_its_trials(log: TrialLog, shown: Shown) -> None:
    store, before = Store(), log.records()
    collect_garbage(store, "synthetic", 0.0)
    store.drop("synthetic")
    collect_dropped(store, -1.0)
    main(["gc", "--apply", "--older-than", "0"])
    shown()
    assert log.records() == before
    assert main(["trials", "--json"]) == 0
    assert json.loads(shown()) == [
        {"dataset": "synthetic", "lineage": log.lineage, "in_store": False, "trials": 3,
         "sharpe_variance_per_session": None}
    ]  # fmt: skip
    assert backcast.trials(log.lineage[:12]).count() == log.count()
    with pytest.raises(InputError, match=log.lineage[:12]):
        backcast.trials("synthetic")


def test_a_torn_log_hides_no_other(log: TrialLog) -> None:
    other = told("fedcba9876543210")
    for path in other.folder.glob("*.parquet"):
        path.write_bytes(b"")
    assert backcast.trials("synthetic").count().n == 3
    assert main(["trials"]) == main(["trials", other.lineage]) == 2


def test_a_damaged_data_set_hides_no_log(log: TrialLog) -> None:
    (Store().folder / "synthetic" / "dataset.json").write_text("{}")
    assert [(one.lineage, one.in_store) for one in of_dataset.logs()] == [(log.lineage, False)]


def test_the_queries_of_the_documentation_run(alone: TrialLog) -> None:
    queries = re.findall(r"```sql\n(.*?)```", DOCS.read_text(), flags=re.DOTALL)
    assert len(queries) >= 3
    for query in queries:
        assert backcast.trials(alone.lineage).sql(query).height > 0
