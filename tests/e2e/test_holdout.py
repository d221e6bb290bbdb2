"""A sealed holdout, from the first run to the last page: nothing of a run depends on it, one run opens it, once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import backcast
from backcast.data.altered import TABLES_READ, Held
from backcast.data.durable import write_sealed
from backcast.data.errors import InputError
from backcast.data.seals import HoldoutWarning, Seals, end_before
from backcast.data.store import Store
from backcast.data.synthetic import SyntheticSource
from backcast.data.tables import Tables
from backcast.engine import research
from backcast.engine.cli import main
from backcast.engine.runs import RunFolder
from backcast.engine.trials import TrialLog
from backcast.engine.unseal import Candidate, unseal

NAME, DATE = "synthetic", "2016-03-05"
MARKET = ("dataset=synthetic", "folds=monthly", "folds.first_fit=200", "features=ohlcv", "model=ridge")
SEALED = (*MARKET, f"folds.holdout_from={DATE}", "study=s")
TRADED = ("forecasts.parquet", "targets.parquet", "fills.parquet", "account.parquet", "events.parquet")

Enter = Callable[[str], Path]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a place to work in for each world."""
    return tmp_path_factory.mktemp("worlds")


@pytest.fixture(autouse=True)
def home(base: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of the world in which most happens here."""
    return _enter(base / "real", monkeypatch)


@pytest.fixture(scope="module")
def data(base: Path) -> Held:
    store = Store(base / "source")
    _fill(store, SyntheticSource(NAME, 12, 340, 3))
    return Held.of(store, NAME, store.version(NAME))


@pytest.fixture(scope="module")
def first(base: Path, data: Held) -> Path:
    """The run that seals."""
    return _run_in(base / "real", data.whole, *SEALED, "job=first")


@pytest.fixture(scope="module")
def opened(base: Path, first: Path) -> Path:
    """Its evaluation on the holdout, after an attempt that died."""
    with pytest.MonkeyPatch.context() as patch:
        _enter(base / "real", patch)
        patch.setattr(research, "_evaluate", _dies)
        with pytest.raises(ZeroDivisionError):
            main(["unseal", str(first), "--yes"])
        patch.undo()
        _enter(base / "real", patch)
        assert main(["unseal", str(first)]) == 0, "what was cut off is finished without asking again"
    return first / "holdout"


def _dies(*_: object) -> None:
    raise ZeroDivisionError("planted")


def _fill(store: Store, source: SyntheticSource) -> None:
    batch = source.read()
    store.create(batch.info)
    store.commit(NAME, [batch.tables], "b")


def _enter(place: Path, patch: pytest.MonkeyPatch) -> Path:
    place.mkdir(exist_ok=True)
    patch.setenv("BACKCAST_HOME", str(place / "home"))
    patch.chdir(place)
    return place / "home"


def _run_in(place: Path, tables: Tables, *overrides: str) -> Path:
    """A run in a world of its own, whose lineage has the same name in all of them."""
    with pytest.MonkeyPatch.context() as patch:
        store = Store(_enter(place, patch))
        store.create(tables.info(NAME))
        rows = {name: tables.read(NAME, name, {}) for name in TABLES_READ}
        store.commit(NAME, [{name: table for name, table in rows.items() if table.num_rows}], "b")
        write_sealed(store.folder / NAME / "dataset.json", {**store.facts(NAME), "lineage": "f" * 32})
        return backcast.run(*overrides).folder.resolve()


def _end(data: Held) -> np.datetime64:
    return end_before(data.whole.info(NAME), np.datetime64(DATE))


def test_another_future_leaves_every_file_as_it_was(base: Path, data: Held, first: Path) -> None:
    other = _run_in(base / "other", data.scrambled(_end(data), 1), *SEALED, "job=first")
    names = sorted(
        str(p.relative_to(first)) for p in first.rglob("*") if p.is_file() and "holdout/" not in str(p)
    )
    assert names == sorted(str(p.relative_to(other)) for p in other.rglob("*") if p.is_file())
    assert {"report.json", "tearsheet.html", "audit.json", "manifest.json", *TRADED} <= set(names)
    for name in (n for n in names if n not in ("status.json", "trials.json")):
        assert (first / name).read_bytes() == (other / name).read_bytes(), name
    mine, theirs = (json.loads((p / "trials.json").read_text()) for p in (first, other))
    assert {**mine, "upto": ""} == {**theirs, "upto": ""}, "records are named by when they were made"


def test_another_future_leaves_every_cell_of_a_grid_as_it_was(base: Path, data: Held) -> None:
    more = (*SEALED, "audit=off", "+grid.portfolio.quantile=[0.25,0.1]", "job=grid")
    one = _run_in(base / "grid", data.whole, *more)
    other = _run_in(base / "grid_other", data.scrambled(_end(data), 2), *more)
    for name in ("grid.parquet", "report.json", *TRADED):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_a_store_that_simply_ends_there_gives_the_same_account(base: Path, data: Held, first: Path) -> None:
    ended = _run_in(base / "ended", data.truncated(_end(data)), *MARKET, "study=s", "job=first", "audit=off")
    for name in TRADED:
        assert (first / name).read_bytes() == (ended / name).read_bytes(), name
    assert pl.read_parquet(first / "account.parquet")["session"].max() == np.datetime64("2016-03-04").item()


def test_from_then_on_nobody_goes_further(first: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more in ((), ("folds.holdout_from=2016-03-07",), ("+folds.test_from=2016-03-07",)):
        assert main(["run", *MARKET, *more, "study=s", f"job=no{len(str(more))}"]) == 2
        said = capsys.readouterr().err
        assert (
            f"expected {DATE} or an earlier date. The holdout of synthetic is sealed from then on (by s/first"
            in said
        )
        assert f"set folds.holdout_from={DATE}. `backcast unseal RUN` opens it, once." in said
    assert main(["run", *SEALED, "+grid.folds.holdout_from=[2016-02-01,2016-12-01]", "job=grid"]) == 2
    assert "expected one value for all cells" in capsys.readouterr().err
    assert main(["retrain", *SEALED[:-1]]) == 2
    assert "its own holdout is retrain.holdout_sessions" in capsys.readouterr().err
    assert TrialLog("f" * 32).count().n == 1, "what was refused is no trial"


def test_the_store_is_asked_up_to_there(
    first: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    query = "SELECT max(event_at) FROM bars"
    for command, late in (
        (["sql", query], ["--as-of", "2016-04-01"]),
        (["store", "prices", NAME], ["--as-of", "2016-04-01"]),
        (["store", "universe", NAME], ["--as-of", "2016-04-01"]),
        (["store", "symbols", NAME], ["--as-of", "2016-04-01"]),
        (["store", "cell", NAME, "bars", "SYN00"], ["--as-of", "2016-04-01"]),
    ):
        out = tmp_path / f"{len(list(tmp_path.iterdir()))}.parquet"
        assert main([*command, "--output", str(out)]) == 0
        assert f"sealed from {DATE} on: this is as of 2016-03-07T14:29:59" in capsys.readouterr().err
        frame = pl.read_parquet(out)
        assert frame.height > 0
        ahead = (
            "left",
            "superseded_at",
            "ingested_at",
        )  # what was announced, a version's end, and when it came to us
        for name in (c for c in frame.columns if frame[c].dtype.is_temporal() and c not in ahead):
            assert str(frame[name].max())[:10] < DATE, (command, name)
        assert main([*command, *late]) == 2
        assert "`backcast unseal RUN` opens it, once." in capsys.readouterr().err
    assert main(["store", "changes", NAME, "bars", "2016-02-01", "2016-04-01"]) == 2
    assert main(["store", "export", NAME, "bars", str(tmp_path / "bars.parquet")]) == 0
    assert str(pl.read_parquet(tmp_path / "bars.parquet")["known_at"].max())[:10] < DATE
    with pytest.raises(InputError, match="sealed"):
        backcast.store(NAME).as_of("2016-04-01")


def test_what_reads_a_run_again_sees_what_it_saw(first: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (first / "report.json").read_bytes()
    assert main(["report", str(first)]) == main(["verify", str(first)]) == 0
    assert main(["stats", str(first), "--draws", "0"]) == 0
    assert main(["trace", str(first), "SYN00", "2016-02-20"]) == 0
    assert main(["audit", str(first), "--at", "2016-02-20"]) == 0
    assert (first / "report.json").read_bytes() == before
    outcomes = pl.read_parquet(first / "statistics" / "outcomes.parquet")
    assert outcomes.filter(pl.col("session") >= pl.date(2016, 3, 1))["h5"].is_null().all(), (
        "its end lies beyond"
    )
    assert "sealed" not in capsys.readouterr().err
    assert f"Holdout from {DATE}, sealed: nothing here has seen it" in (first / "tearsheet.html").read_text()


def test_a_run_that_saw_it_before_is_said_to(
    base: Path, data: Held, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = ("model=mean", "audit=off", "study=s")
    old = _run_in(base / "old", data.whole, *MARKET, *quick, "job=old")
    _enter(base / "old", monkeypatch)
    assert main(["stats", str(old), "--draws", "0"]) == main(["report", str(old)]) == 0
    assert "sealed" not in capsys.readouterr().err
    with pytest.warns(HoldoutWarning, match=f"synthetic is sealed from {DATE} on, for every run"):
        sealed = backcast.run(*MARKET, *quick, f"folds.holdout_from={DATE}", "job=sealed")
    assert "1 trial had seen sessions of the holdout" in sealed.report.verdict.warnings[0]
    assert main(["compare", str(sealed.folder), str(old)]) == 0
    assert f"{old} shows sessions from {DATE} on" in capsys.readouterr().err
    for verb in (["report"], ["verify"], ["stats", "--draws", "0"]):
        assert main([*verb, str(old)]) == 0
        assert (
            f"shows sessions from {DATE} on, which were sealed after it was made" in capsys.readouterr().err
        )
    assert main(["unseal", str(old), "--yes"]) == 2
    assert "expected a run with folds.holdout_from" in capsys.readouterr().err
    assert main(["unseal", "--status"]) == 0
    assert "trials that had seen it before: 1; not opened." in capsys.readouterr().out
    store = Store()
    write_sealed(store.folder / NAME / "dataset.json", {**store.facts(NAME), "lineage": "e" * 32})
    with pytest.warns(
        HoldoutWarning, match=rf"synthetic was sealed from {DATE} on, and was made anew since.*seals it again"
    ):
        backcast.run(*MARKET, *quick, "job=anew")


def test_opening_it_is_asked_for(
    first: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["unseal", str(first)]) == 2
    assert "This opens the holdout of synthetic" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: "yes")
    assert main(["unseal", str(first)]) == 2
    assert "Nothing was opened." in capsys.readouterr().err
    assert main(["unseal"]) == main(["unseal", "nowhere", "--yes"]) == 2
    seal = Seals.at_home().of("f" * 32)
    assert seal is not None and seal.sealed


def test_one_run_opens_it_once(opened: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seal = Seals.at_home().of("f" * 32)
    assert seal is not None and seal.opened is not None
    assert (seal.opened.run, seal.opened.seen_before) == ("s/first", 0)
    account = pl.read_parquet(opened / "account.parquet")
    assert str(account["session"].min()) >= DATE
    assert account["session"].max() > np.datetime64("2016-04-01").item()
    before = account["equity"][0] / (1 + account["net_return"][0])
    assert before == pytest.approx(1e6), "it begins with the capital"
    page = (opened / "tearsheet.html").read_text()
    assert f"Holdout from {DATE}, opened once, at {seal.opened.at}, by this run" in page
    trials = json.loads((opened / "trials.json").read_text())
    assert (trials["n"], trials["sharpe_variance"]) == (1, None), "nobody chose it by these sessions"
    assert TrialLog("f" * 32).count().n == 1, "the same configuration on other sessions is no trial"
    assert main(["unseal", str(opened.parent), "--yes"]) == 2
    assert f"It was opened at {seal.opened.at}, by this run" in capsys.readouterr().err
    late = Candidate(RunFolder(opened.parent), "s/first", seal, seal.opened.trial, {}, None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="a holdout that is not open yet"):  # one that waited for another
        unseal(late)
    for verb in (["report"], ["verify"], ["stats", "--draws", "0"], ["audit", "--level", "quick"]):
        assert main([*verb, str(opened)]) == 0


def test_then_it_is_open_to_all_and_pages_say_so(opened: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seal = Seals.at_home().of("f" * 32)
    assert seal is not None and seal.opened is not None
    later = backcast.run(*MARKET, "model.alpha=7", "audit=off", "study=s", "job=later")
    told = f"The holdout from {DATE} on was opened at {seal.opened.at} for s/first: these sessions are no holdout any more."
    assert told in later.report.verdict.warnings
    forecasts, own = (pl.read_parquet(p / "forecasts.parquet") for p in (later.folder, opened))
    cells = ["decided_at", "symbol", "fold"]
    assert own.select(cells).equals(
        forecasts.filter(pl.col("decided_at") >= own["decided_at"].min()).select(cells)
    )
    second = backcast.run(*SEALED, "model.alpha=7", "audit=off", "job=second")
    assert f"not in this run; opened once, at {seal.opened.at}, by s/first" in second.tearsheet.read_text()
    capsys.readouterr()
    assert main(["unseal", str(second.folder), "--yes"]) == 2
    assert (
        f"expected s/first, for which the holdout of synthetic was opened at {seal.opened.at}"
        in capsys.readouterr().err
    )
    assert main(["unseal", "--status"]) == 0
    assert f"opened at {seal.opened.at} by s/first." in capsys.readouterr().out
    assert backcast.store(NAME).as_of("2016-04-15").table("bars").height > 0


def test_its_forecasts_are_those_of_the_whole_walk(opened: Path) -> None:
    whole = backcast.run(*MARKET, "audit=off", "study=s", "job=whole")
    forecasts, own, early = (
        pl.read_parquet(p / "forecasts.parquet") for p in (whole.folder, opened, opened.parent)
    )
    assert pl.concat([early, own]).equals(forecasts.filter(~_between(forecasts, early, own)))


def _between(forecasts: pl.DataFrame, early: pl.DataFrame, own: pl.DataFrame) -> pl.Series:
    at = forecasts["decided_at"]
    return (at > early["decided_at"].max()) & (at < own["decided_at"].min())


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("2014-06-01", "expected a date after 2015-01-02 and not after"),
        ("2031-01-01", "expected a date after 2015-01-02 and not after"),
        ("2015-02-01", "expected a date that leaves folds before it"),
        ("soon", "an ISO date such as '2021-01-01', or null"),
        ("2016-02-31", "an ISO date such as '2021-01-01', or null"),
        ("2016", "an ISO date such as '2021-01-01', or null"),
    ],
)
def test_a_date_that_can_be_none_is_one_clear_error_and_seals_nothing(
    value: str,
    says: str,
    base: Path,
    data: Held,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = base / "dates"
    if not place.exists():
        with pytest.raises(InputError):
            _run_in(place, data.whole, *MARKET, "folds.holdout_from=soon", "study=s", "job=none")
    _enter(place, monkeypatch)
    assert main(["run", *MARKET, f"folds.holdout_from={value}", "study=s"]) == 2
    said = capsys.readouterr().err
    assert said.count("error: ") == 1 and "folds.holdout_from = " in said and says in said
    assert Seals.at_home().of("f" * 32) is None
    assert not TrialLog("f" * 32).records()
