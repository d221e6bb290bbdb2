"""SELECTs over the store: as known at an instant, and nothing but SELECTs."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from backcast.data import sql
from backcast.data.errors import InputError
from backcast.data.ingest import ingest
from backcast.data.sql import select
from backcast.data.store import Store
from backcast.data.synthetic import SyntheticSource
from backcast.engine.cli import main

NOW = np.datetime64("2030-01-01", "us")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    made = Store(tmp_path_factory.mktemp("home"))
    ingest(made, SyntheticSource(symbols=5, sessions=60))
    return made


def test_nothing_after_the_instant_is_seen(store: Store) -> None:
    whole = select(store, "SELECT count(*) n, max(known_at) FROM bars", NOW)
    middle = select(store, "SELECT median(known_at) FROM bars", NOW).item().replace(tzinfo=None)
    half = select(store, "SELECT count(*) n, max(known_at) FROM synthetic.bars", np.datetime64(middle, "us"))
    assert 0 < half["n"][0] < whole["n"][0]
    assert half["max(known_at)"][0].replace(tzinfo=None) <= middle


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELECT * FROM read_csv('/etc/passwd')", "read_csv"),
        ("SELECT * FROM '/etc/passwd'", "not of a file"),
        ('SELECT * FROM "/etc/passwd"', "not of a file"),
        ('SELECT * FROM "/tmp/x".csv', "not of a file"),
        ('SELECT * FROM "/tmp".bars."x.parquet"', "not of a file"),
        ("SELECT * FROM duckdb_views", "duckdb_views"),
        ("SELECT (SELECT count(*) FROM glob('/*')) FROM bars", "glob"),
        ("WITH x AS (FROM parquet_metadata('x')) FROM x", "parquet_metadata"),
        ("SELECT * FROM query('COPY bars TO ''x''')", "query"),
        ("SELECT * FROM duckdb_secrets()", "duckdb_secrets"),
        ("COPY (SELECT 1) TO '/tmp/x'", "one SELECT"),
        ("CREATE TABLE x AS SELECT 1", "one SELECT"),
        ("ATTACH 'x.db'", "one SELECT"),
        ("SET threads = 1", "one SELECT"),
        ("INSTALL httpfs", "one SELECT"),
        ("SELECT 1; SELECT 2", "one SELECT"),
        ("SELECT nothing FROM bars", "nothing"),
        ("SELEC", "SELEC"),
        ("", "one SELECT"),
    ],
)
def test_anything_else_is_refused(store: Store, query: str, says: str) -> None:
    with pytest.raises(InputError) as error:
        select(store, query, NOW)
    assert says in str(error.value)


def test_python_variables_are_no_tables(store: Store) -> None:
    frame = {"a": [1]}
    with pytest.raises(InputError, match="frame"):
        select(store, "SELECT * FROM frame", NOW)
    assert frame


def test_the_command_shows_and_writes(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BACKCAST_HOME", str(store.folder.parent))
    assert main(["sql", "SELECT count(*) AS n FROM bars", "--as-of", "2030-01-01"]) == 0
    assert "1 rows." in capsys.readouterr().out
    target = tmp_path / "out.csv"
    assert main(["sql", "SELECT symbol, close FROM bars", "--output", str(target)]) == 0
    assert str(target) in capsys.readouterr().out
    assert target.read_text().startswith("symbol,close\n")
    assert main(["sql", "SELECT 1", "--output", str(tmp_path / "out.doc")]) == 2
    assert main(["sql", "SELECT 1", "--as-of", "never"]) == 2
    assert main(["sql", "SELECT 1", "--dataset", "nothing"]) == 3
    assert main(["sql", "SELECT 1", "--snapshot", "x"]) == 2


def test_only_the_files_of_the_views_can_be_opened(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where the look at names let one through."""
    monkeypatch.setattr(sql, "_refuse_files", lambda *_: None)
    for name in (
        f'"{store.folder}/synthetic/bars/*".parquet',
        f'"{store.folder}/synthetic/head.json"',
        "read_text('/etc/passwd')",
    ):
        with pytest.raises(InputError, match="sql"):
            select(store, f"SELECT * FROM {name}", NOW)
    assert select(store, "SELECT count(*) FROM bars", NOW).item() > 0


def test_a_damaged_data_set_hides_no_other(store: Store) -> None:
    other = store.folder / "zz"
    other.mkdir()
    try:
        (other / "dataset.json").write_text("{}")
        assert select(store, "SELECT count(*) FROM synthetic.bars", NOW).item() > 0
        with pytest.raises(InputError, match=r"dataset\.json"):
            select(store, "SELECT count(*) FROM zz.bars", NOW)
    finally:
        shutil.rmtree(other)


def test_symbols_in_capitals_and_as_a_name_of_a_column(store: Store) -> None:
    assert select(store, "SELECT count(*) FROM SYMBOLS", NOW).item() > 0
    assert (
        select(store, "SELECT count(*) AS symbols FROM bars", np.datetime64("1990-01-01", "us")).item() == 0
    )
