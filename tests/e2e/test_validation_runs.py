"""Purged k-fold and combinatorial purged cross-validation from a command to its page, and what is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from market import MARKET

from backcast.data import asof
from backcast.data.errors import InputError
from backcast.data.ingest import ingest
from backcast.data.store import Store
from backcast.data.types import Bools, Clock
from backcast.engine import validation, walkforward
from backcast.engine.audit import purge
from backcast.engine.cli import compose, main
from backcast.engine.configure import digest, experiment, trial_config
from backcast.engine.reports.model import build_report
from backcast.engine.reports.page import render
from backcast.engine.reports.verdict import CROSS_VALIDATED
from backcast.engine.sessions import compounded
from backcast.engine.stats import performance
from backcast.engine.trials import TrialLog
from backcast.signals.folds import WalkForward
from backcast.signals.models.baseline import Mean
from backcast.signals.types import Fold, Labels
from backcast.signals.validation import CombinatorialPurged, Split

SMALL = ("model=ridge", *(text for text in MARKET if not text.startswith("folds")))
CPCV = (*SMALL, "folds=cpcv", "folds.groups=4", "folds.begin=40", "folds.embargo=5")


@pytest.fixture(scope="module")
def folder(place: Path) -> Path:
    return place / "runs" / "validation" / "cpcv"


@pytest.fixture(autouse=True)
def run(folder: Path, home: Path) -> Path:
    """The run that most tests here look at."""
    if not folder.exists():
        assert main(["run", *CPCV, "audit=full", "study=validation", "job=cpcv"]) == 0
    return folder


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text())


def test_the_run_says_what_it_is(run: Path) -> None:
    manifest = read(run, "manifest.json")
    assert manifest["design"] == "cpcv"
    told = manifest["validation"]
    assert (told["groups"], told["test_groups"], told["splits"], told["paths"]) == (4, 2, 6, 3)
    folds = pl.read_parquet(run / "folds.parquet")
    assert folds["test_groups"].to_list() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    assert (folds["embargoed_rows"] > 0).to_list() == [True, True, True, True, True, False]
    assert (folds["purged_rows"] > 0).all() and len(list((run / "models").iterdir())) == 6


def test_the_first_path_is_the_runs_own_account(run: Path) -> None:
    paths, account = pl.read_parquet(run / "paths.parquet"), pl.read_parquet(run / "account.parquet")
    assert paths["path"].unique().to_list() == [0, 1, 2]
    first = paths.filter(pl.col("path") == 0)
    assert first["session"].equals(account["session"]) and first["net_return"].equals(account["net_return"])
    assert paths.group_by("path").agg(pl.col("session").n_unique()).n_unique("session") == 1
    forecasts = pl.read_parquet(run / "forecasts.parquet")
    own = forecasts.group_by("decided_at").agg(pl.col("fold").unique())
    assert own["fold"].list.len().max() == 1 and set(forecasts["fold"]) == {0, 1, 2}


def test_every_path_is_its_forecasts_traded(run: Path, tmp_path: Path) -> None:
    """The whole path again by hand: of each group the forecasts of the j-th model that did not see it, then the account."""
    made, store = experiment(compose([*CPCV, "study=s", "job=j"])), Store()
    pin = read(run, "manifest.json")["store"]["pin"]
    world = walkforward.observe(made, store, pin, 1)
    market = asof.load_market(store, made.source.name, pin)
    recorded, clock = pl.read_parquet(run / "paths.parquet"), world.panel.clock
    folds = made.folds.split(clock)
    fitted = walkforward.forecast(made, made.model, world, tmp_path, 1, lambda _: None)
    for path, tested in enumerate([(0, 0, 1, 2), (1, 3, 3, 4), (2, 4, 5, 5)]):
        own = fitted.paths[path]
        for group, number in enumerate(tested):
            model = made.model.load(run / "models" / f"{number:03d}")
            t = int(folds[number].test[folds[number].group == group][3])
            mean, _ = walkforward.forecast_instant(model, world.features, world.panel.member, t)
            np.testing.assert_array_equal(own.mean[np.searchsorted(own.decisions, t)], mean)
        _, account = walkforward.trade(made, world, market, own)
        net = compounded(clock.sessions[account.sessions], account.net_return)
        np.testing.assert_array_equal(recorded.filter(pl.col("path") == path)["net_return"].to_numpy(), net)


def test_one_trial_is_counted_with_the_returns_of_the_first_path(run: Path) -> None:
    log = TrialLog(read(run, "manifest.json")["store"]["lineage"])
    before, again = log.count().n, run.parent / "again"
    assert main(["run", *CPCV, "study=validation", "job=again"]) == 0
    assert log.count().n == before  # the same configuration, whatever its paths
    assert (again / "paths.parquet").read_bytes() == (run / "paths.parquet").read_bytes()
    trial = digest(trial_config(compose([*CPCV, "study=s", "job=j"])))
    returns = log.returns().filter(pl.col("trial") == trial)
    assert returns["net_return"].to_list() == pl.read_parquet(run / "account.parquet")["net_return"].to_list()


def test_the_page_never_calls_it_a_track_record(run: Path) -> None:
    report = build_report(run)
    assert report.verdict.sentence == CROSS_VALIDATED and report.verdict.level == "doubt"
    years = read(run, "manifest.json")["periods_per_year"]
    paths = pl.read_parquet(run / "paths.parquet").partition_by("path", maintain_order=True)
    ratios = [
        performance.sharpe_per_year(performance.sharpe_per_session(p["net_return"].to_numpy()), years)
        for p in paths
    ]
    assert report.paths is not None
    np.testing.assert_allclose(report.paths["sharpes"], ratios, rtol=1e-12)
    moments = report.paths["mean"], report.paths["sd"]
    assert moments == pytest.approx((np.mean(ratios), np.std(ratios, ddof=1)))
    assert "over 3 paths" in report.verdict.detail and "first path" in report.verdict.detail
    page = (run / "tearsheet.html").read_text()
    assert CROSS_VALIDATED in page and "Paths below zero" in page and "combinatorial purged" in page
    assert (
        "etter than luck" not in page
        and "all out of sample" not in page
        and "Deflated probability</small>" not in page
    )
    assert page.count("<circle") >= 3
    assert len(report.folds) == 3  # splits 0, 1 and 2 forecast the first path


def test_a_skill_however_large_is_no_track_record(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "runs" / "rich"
    shutil.copytree(run, copy)
    account = pl.read_parquet(copy / "account.parquet").with_columns(pl.col("net_return") + 0.01)
    account.write_parquet(copy / "account.parquet")
    report = build_report(copy)
    assert report.strategy.sharpe_per_year is not None and report.strategy.sharpe_per_year > 5
    assert report.verdict.sentence == CROSS_VALIDATED
    assert "etter than luck" not in render(report.to_json())


def test_the_audit_checks_the_purge_and_replays_no_fit(run: Path) -> None:
    audit = read(run, "audit.json")
    states = {c["name"]: (c["cells"], c["state"]) for c in audit["checks"]}
    assert audit["passed"] is True
    rows = int(pl.read_parquet(run / "folds.parquet")["train_rows"].sum())
    for name in ("training labels apart from test labels", "embargo after every test decision",
                 "nothing trains what forecasts it"):  # fmt: skip
        assert states[name] == (rows, "passed")
    assert states["fit replay"] == (0, "information")
    assert not any("saved models" in name for name in states)
    assert states["replay: forecasts"][0] > 0


def test_other_verbs_work_on_it(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(run), "--level", "quick"]) == 0
    assert main(["verify", str(run)]) == 0
    assert main(["stats", str(run), "--draws", "0"]) == 0
    assert (
        "Cross-validated; the figures above are of the first path. Net Sharpe a year over 3 paths"
        in capsys.readouterr().out
    )
    symbol, day = (
        pl.read_parquet(run / "fills.parquet").drop_nulls("decided_at").select("symbol", "decided_at").row(0)
    )
    assert main(["trace", str(run), symbol, f"{day:%Y-%m-%d}"]) == 0


def test_it_is_compared_with_its_like_alone(
    run: Path, ridge_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(ridge_run), str(run)]) == 2
    assert "One of the two was cross-validated" in capsys.readouterr().err
    assert main(["compare", str(run), str(run)]) == 0


def test_k_fold_has_one_path(run: Path) -> None:
    job = run.parent / "kfold"
    if not job.exists():
        grid = "+grid.folds.groups=[3,5]"
        assert (
            main(
                ["run", *SMALL, "folds=purged_kfold", "folds.begin=40", grid, "study=validation", "job=kfold"]
            )
            == 0
        )
    manifest, paths = read(job, "manifest.json"), pl.read_parquet(job / "paths.parquet")
    assert manifest["design"] == "purged_kfold" and manifest["validation"]["paths"] == 1
    assert manifest["grid"]["cells"] == 2 and manifest["validation"]["groups"] in (3, 5)
    assert paths["net_return"].equals(pl.read_parquet(job / "account.parquet")["net_return"])
    assert read(job, "audit.json")["passed"] is True
    assert "the one path" in build_report(job).verdict.detail


def test_nothing_can_be_fitted_today_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retrain", *CPCV, "--as-of", "2016-06-01"]) == 2
    assert "folds = 'cpcv': expected a walk forward" in capsys.readouterr().err


def test_a_purge_by_rows_fails_the_audit_and_stops_the_page(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of the horizon counted, where a holding whose payment came late reaches further into the test."""
    monkeypatch.setattr(Split, "kept_out", by_rows)
    late = ("dataset.name=paid_late", "+dataset.rates.delistings=1.5", "execution.exit_after=15")
    assert (
        main(["run", *CPCV, *late, "folds.every=1", "folds.embargo=0", "study=validation", "job=rows"]) == 0
    )
    audit = read(run.parent / "rows", "audit.json")
    (check,) = (c for c in audit["checks"] if c["state"] == "leak")
    assert audit["passed"] is False and check["name"] == "training labels apart from test labels"
    assert 0 < check["changed"] < 0.05 * check["cells"]
    sentence = build_report(run.parent / "rows").verdict.sentence
    assert sentence.startswith("Do not use: the leak audit failed in labels")


def by_rows(split: Split, labels: Labels, member: Bools) -> dict[str, Bools]:
    """What `kept_out` would be, were a label known 6 rows after its decision always."""
    bars = np.arange(split.fit_at + 1)
    inside = np.any([(begin <= bars) & (bars < end) for begin, end in split.blocks], axis=0)
    near = inside | np.any([(begin - 6 < bars) & (bars < end + 5) for begin, end in split.blocks], axis=0)
    return {"purged": np.broadcast_to(near, member[:, : split.fit_at + 1].shape)}


def nothing(split: Split, labels: Labels, member: Bools) -> dict[str, Bools]:
    return {"purged": np.zeros_like(member[:, : split.fit_at + 1])}


def no_embargo(split: Split, labels: Labels, member: Bools) -> dict[str, Bools]:
    return {"purged": KEPT_OUT(split, labels, member)["purged"]}


KEPT_OUT = Split.kept_out


class TrainsOnTests(CombinatorialPurged):
    """Every decision may train every split, and nothing is purged."""

    def split(self, clock: Clock) -> list[Fold]:
        folds = super().split(clock)
        everything = np.unique(np.concatenate([np.r_[fold.train, fold.test] for fold in folds]))
        return [replace(fold, train=everything[everything <= fold.fit_at]) for fold in folds]


@pytest.mark.parametrize(
    ("kept_out", "design", "accused"),
    [
        (KEPT_OUT, CombinatorialPurged, set()),
        (nothing, CombinatorialPurged, {"training labels apart from test labels"}),
        (no_embargo, CombinatorialPurged, {"embargo after every test decision"}),
        (
            nothing,
            TrainsOnTests,
            {"training labels apart from test labels", "nothing trains what forecasts it"},
        ),
    ],
)
def test_the_audit_finds_what_a_design_did_not_keep_out(
    kept_out: Any, design: Any, accused: set[str], run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, store = experiment(compose([*CPCV, "study=s", "job=j"])), Store()
    world = walkforward.observe(made, store, store.version(made.source.name), 1)
    monkeypatch.setattr(Split, "kept_out", kept_out)
    found = purge.checks(replace(made, folds=design(4, 2, embargo=8, begin=40, every=1)), world)
    leaks = {check.name: check for check in found if check.failed}
    assert accused <= set(leaks) and (accused or not leaks)
    if accused:
        finding = leaks[min(accused)].finding
        assert finding is not None and finding.symbol in world.panel.symbols and finding.at


def test_noise_has_no_sharpe_ratio_on_average(tmp_path: Path) -> None:
    """Four markets without a signal, traded for free: the mean over paths and markets is zero within three errors."""
    store, ratios, years = Store(), [], 0.0
    for seed in range(4):
        more = ("dataset.signal=0.0", f"dataset.seed={seed}", f"dataset.name=silent{seed}", "costs=free")
        config = compose([*CPCV, *more, "study=s", "job=j"])
        made = experiment(config)
        ingest(store, made.source)
        pin = store.version(made.source.name)
        world, market = (
            walkforward.observe(made, store, pin, 1),
            asof.load_market(store, made.source.name, pin),
        )
        fitted = walkforward.forecast(made, made.model, world, tmp_path / str(seed), 1, lambda _: None)
        _, account = walkforward.trade(made, world, market, fitted.forecast)
        paths = validation.trade_paths(config, world, market, fitted, account, 1)
        by_path = paths.group_by("path").agg(pl.col("net_return").mean() / pl.col("net_return").std())
        ratios.append(float(by_path["net_return"].mean()) * 252**0.5)  # type: ignore[arg-type]
        years += len(account.sessions) / 252
    assert abs(np.mean(ratios)) < 3 / years**0.5


@pytest.mark.parametrize("kind", [{"kind": "expanding"}, {"kind": "rolling", "train_sessions": 120}])
def test_walk_forward_refits_from_weekly_to_yearly(kind: dict[str, Any], run: Path, tmp_path: Path) -> None:
    """Of every kind and cadence: a fit a period, every decision forecast by the newest fit, and labels known by then."""
    made, store = experiment(compose([*CPCV, "study=s", "job=j"])), Store()
    world = walkforward.observe(made, store, store.version(made.source.name), 1)
    days = world.panel.clock.sessions
    weeks = (days.astype("datetime64[D]").astype(int) + 3) // 7
    months = days.astype("datetime64[M]").astype(int)
    for refit, periods in {"weekly": weeks, "2weeks": None, "monthly": months, "quarterly": months // 3,
                           "6months": None, "yearly": months // 12}.items():  # fmt: skip
        one = replace(made, folds=WalkForward(**kind, first_fit=150, refit=refit, embargo=2))
        folds = walkforward.folds_of(one, world.panel)
        if periods is not None:
            assert len(folds) == len(np.unique(periods[150:])), refit
        fitted = walkforward.forecast(one, Mean(), world, tmp_path / refit, 1, lambda _: None)
        np.testing.assert_array_equal(fitted.forecast.decisions, np.arange(150, len(days)))
        assert len(fitted.paths) == 1 and all(c["rows"] > 0 for c in fitted.counts)
        for fold in folds[:: max(1, len(folds) // 5)]:
            train, _ = walkforward.fold_training(one, world, fold, one.model)
            first = int(train.rows.any(axis=0).argmax())
            assert first >= fold.fit_at - kind.get("train_sessions", fold.fit_at)
            known = walkforward.labels_as_known(one, world, fold.fit_at).known[:, : fold.fit_at + 1]
            assert known[train.rows].max() <= fold.fit_at - 2


def test_paths_without_a_table_are_refused(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "runs" / "torn"
    shutil.copytree(run, copy)
    (copy / "paths.parquet").unlink()
    with pytest.raises(InputError, match=r"paths\.parquet"):
        build_report(copy)
