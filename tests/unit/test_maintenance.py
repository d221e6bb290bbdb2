"""What a store says of its own health, and what it lets go."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from backcast.data.history import batches, cell
from backcast.data.ingest import ingest
from backcast.data.log import CHECKPOINT_EVERY
from backcast.data.maintenance import collect_garbage, damage, garbage
from backcast.data.store import Store
from backcast.data.synthetic import SyntheticSource
from backcast.engine.cli import main

LATE = np.datetime64("2030-01-01", "us")


@pytest.fixture
def store(home: Path) -> Store:
    made = Store()
    ingest(made, SyntheticSource(symbols=12, sessions=250))
    made.refresh("synthetic", always=True)
    return made


def flip(path: Path, at: float) -> None:
    """One bit of a file."""
    content = bytearray(path.read_bytes())
    content[int(at * (len(content) - 1))] ^= 0b100
    path.write_bytes(content)


def test_a_whole_store_is_whole(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert damage(store, "synthetic") == []
    assert main(["store", "check"]) == 0
    assert "whole" in capsys.readouterr().out


@pytest.mark.parametrize("at", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize(
    "name",
    [
        "dataset.json",
        "head.json",
        "bars/part-*.parquet",
        "facts/part-*.parquet",
        "findings/part-*.parquet",
        "bars/_delta_log/*1.json",
        ".read/facts/copy.json",
        ".read/facts/*/current-0000.parquet",
        ".read/facts/*/superseded-0000.parquet",
        "snapshots/first.json",
    ],
)
def test_a_flipped_bit_is_named(
    store: Store, name: str, at: float, capsys: pytest.CaptureFixture[str]
) -> None:
    store.snapshot("synthetic", "first")
    [file] = sorted((store.folder / "synthetic").glob(name))[:1]
    flip(file, at)
    found = damage(store, "synthetic")
    assert found, f"a flipped bit of {file} was not noticed"
    assert main(["store", "check"]) == 3


@pytest.mark.parametrize("at", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_flipped_bit_of_a_checkpoint_changes_no_answer_or_is_named(store: Store, at: float) -> None:
    rows = store.read("synthetic", "facts", store.version("synthetic"))
    for k in range(CHECKPOINT_EVERY):
        row = {**rows.slice(0, 1).to_pylist()[0], "item": f"item {k}"}
        store.append("synthetic", "facts", pa.Table.from_pylist([row], rows.schema), f"batch {k}")
    [file] = (store.folder / "synthetic" / "facts" / "_delta_log").glob("*.checkpoint.parquet")
    before = store.read("synthetic", "facts", store.version("synthetic"))
    assert before.num_rows == rows.num_rows + CHECKPOINT_EVERY
    flip(file, at)
    if not damage(store, "synthetic"):
        assert store.read("synthetic", "facts", store.version("synthetic")).equals(before)


@pytest.mark.parametrize("name", ["bars/part-*.parquet", ".read/facts/*/current-0000.parquet"])
def test_a_truncated_and_a_missing_file_are_named(store: Store, name: str) -> None:
    [file] = (store.folder / "synthetic").glob(name)
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    assert any(file.name in line for line in damage(store, "synthetic"))
    file.unlink()
    assert any(file.name in line for line in damage(store, "synthetic"))


def test_garbage_is_shown_and_then_removed(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    folder = store.folder / "synthetic"
    (folder / "bars" / "part-left.parquet").write_bytes(b"left by a killed writer")
    store.refresh("synthetic", always=True)
    before = store.as_of("synthetic", "facts", LATE)
    found = garbage(store, "synthetic", 0.0)
    assert {g.reason for g in found} == {"no commit names it", "an older read copy"}
    assert garbage(store, "synthetic") == []  # too young: a reader may be at it
    assert main(["gc", "--older-than", "0"]) == 0
    assert "remove them with --apply" in capsys.readouterr().out
    assert (folder / "bars" / "part-left.parquet").exists()
    assert len(collect_garbage(store, "synthetic", 0.0)) == len(found)
    assert garbage(store, "synthetic", 0.0) == []
    assert store.as_of("synthetic", "facts", LATE).equals(before)
    assert damage(store, "synthetic") == []


def test_a_snapshot_is_a_version_for_ever(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    pin = store.version("synthetic")
    assert main(["store", "snapshot", "synthetic", "first"]) == 0
    rows = store.read("synthetic", "bars", pin)
    row = rows.slice(0, 1).to_pylist()[0]
    later = {**row, "close": 2 * row["close"], "known_at": LATE.item().replace(tzinfo=UTC)}
    store.append("synthetic", "bars", pa.Table.from_pylist([later], rows.schema), "late")
    assert store.version("synthetic") != pin == store.version("synthetic", "first")
    assert main(["store", "snapshot", "synthetic", "first"]) == 2
    assert "another version" in capsys.readouterr().err
    assert main(["store", "snapshot", "synthetic", "../evil"]) == 2


def test_provenance_of_a_cell(store: Store) -> None:
    [whence] = batches(store, "synthetic")
    symbol = store.read("synthetic", "facts", store.version("synthetic"))["symbol"][0].as_py()
    found = cell(store, "synthetic", "facts", {"symbol": symbol})
    assert set(found["batch"]) == {whence["batch"]}
    assert set(found["source"]) == {"SyntheticSource"}
    known = found.filter(found["superseded_at"].is_not_null())
    assert (known["superseded_at"] > known["known_at"]).all()


def test_export_holds_every_version(store: Store, tmp_path: Path) -> None:
    target = tmp_path / "facts.parquet"
    assert main(["store", "export", "synthetic", "facts", str(target)]) == 0
    held = store.read("synthetic", "facts", store.version("synthetic"))
    assert pl.read_parquet(target).drop("superseded_at").height == held.num_rows
    assert main(["store", "export", "synthetic", "facts", str(target)]) == 2
    assert main(["store", "list"]) == 0
