"""The report is a pure function of a run folder, and its verdict leads with the worst news."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import kurtosis, norm, skew

from backcast.data.errors import InputError
from backcast.engine.reports.model import POINTS, Report, build_report, write_report
from backcast.engine.reports.verdict import Grounds, chance, judge, percent, signed

MakeRun = Callable[..., Path]
GOOD = Grounds("", "", 1.2, 0.8, 1.6, 0.99, 3, (("ridge", 0.5, 0.1, 0.9),), ())


def _with(**changes: Any) -> Grounds:
    return Grounds(**{**GOOD.__dict__, **changes})


@pytest.mark.parametrize(
    ("grounds", "sentence", "level"),
    [
        (GOOD, "Better than luck, and better than ridge.", "good"),
        (_with(rivals=()), "Better than luck.", "good"),
        (_with(deflated=0.9499), "Not distinguishable from luck.", "doubt"),
        (_with(low=-0.1), "Not distinguishable from luck.", "doubt"),
        (_with(deflated=0.3, luck=0.05, rivals=()), "Better than luck.", "good"),
        (_with(deflated=0.99, luck=0.0501), "Not distinguishable from luck.", "doubt"),
        (_with(low=-0.1, luck=0.01), "Not distinguishable from luck.", "doubt"),
        (
            _with(deflated=0.5, rivals=(("ridge", 0.1, -0.4, 0.6),)),
            "Not distinguishable from luck, and no better than ridge.",
            "doubt",
        ),
        (
            _with(rivals=(("ridge", 0.1, -0.4, 0.6), ("lightgbm", 0.5, 0.1, 0.9), ("mean", 0.0, -1.0, 1.0))),
            "No better than ridge or mean, though better than luck.",
            "doubt",
        ),
        (_with(rivals=(("flat", None, None, None),)), "Better than luck.", "good"),
        (
            _with(sharpe=-1.0, low=-1.5, high=-0.5, deflated=0.0),
            "Loses money after costs, beyond what bad luck explains.",
            "doubt",
        ),
        (_with(undefined="returns do not vary"), "Nothing to judge: returns do not vary.", "stop"),
        (_with(stopped="Do not use: x.", undefined="y", deflated=0.1), "Do not use: x.", "stop"),
    ],
)
def test_the_first_sentence_by_precedence(grounds: Grounds, sentence: str, level: str) -> None:
    found = judge(grounds)
    assert (found.sentence, found.level) == (sentence, level)


def test_numbers_in_the_verdict_are_never_rounded_in_its_favour() -> None:
    assert percent(0.9499) == "94.9%"
    assert (percent(0.9996), percent(0.0004), percent(0.283)) == ("over 99.9%", "under 0.1%", "28%")
    assert (percent(0.0034), percent(0.01)) == ("0.3%", "1%")
    assert (signed(-0.004, "+"), signed(-0.5), signed(0.5, "+")) == ("0.00", "−0.50", "+0.50")


def test_the_chance_of_luck_is_told_with_its_bar_and_the_deflated_ratio_beside_it() -> None:
    detail = judge(_with(deflated=0.3, luck=0.004, trials=2000, rivals=())).detail
    assert "Chance of luck after 2,000 trials: 0.4% (StepM, bar 5%)." in detail
    assert "Deflated Sharpe probability 30% after 2,000 trials." in detail
    assert (chance(0.0499), chance(0.0504), chance(0.32)) == ("4.99%", "5.04%", "32%")
    assert "bar 95%" in judge(GOOD).detail and "StepM" not in judge(GOOD).detail


def test_report_of_noise(made_up_run: MakeRun) -> None:
    report = build_report(made_up_run())
    assert report.verdict.sentence == "Not distinguishable from luck, and no better than ridge."
    assert "survivors only" in report.verdict.warnings[0]
    assert report.strategy.name == "tft"
    assert [c.figures.name for c in report.challengers] == ["ridge"]
    assert report.benchmark is not None and report.benchmark.figures.turnover_per_year == 0
    assert report.trust.events == {"frozen_price": 2, "rejected_order": 1}
    assert report.trust.audit_cells == 4420


def test_figures_agree_with_the_account(made_up_run: MakeRun) -> None:
    folder = made_up_run()
    account = pl.read_parquet(folder / "account.parquet")
    own = build_report(folder).strategy
    net = account["net_return"].to_numpy()
    assert own.sharpe_per_year == pytest.approx(net.mean() / net.std(ddof=1) * 252**0.5)
    assert own.return_per_year == pytest.approx((account["equity"][-1] / 1e6) ** (252 / len(net)) - 1)
    equity = np.r_[1e6, account["equity"].to_numpy()]
    assert own.max_drawdown == pytest.approx((equity / np.maximum.accumulate(equity) - 1).min())


def test_same_files_same_bytes_wherever_they_lie(made_up_run: MakeRun, tmp_path: Path) -> None:
    folder = made_up_run()
    write_report(folder)
    first = (folder / "report.json").read_bytes()
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved)
    write_report(moved)
    assert (moved / "report.json").read_bytes() == first
    assert str(tmp_path).encode() not in first
    parsed = json.loads(first)
    assert parsed["strategy"]["sharpe_per_year"] == build_report(folder).strategy.sharpe_per_year


def test_a_failed_audit_comes_before_everything(made_up_run: MakeRun) -> None:
    bad = [{"name": "truncation replay", "layer": "features", "cells": 812, "changed": 12, "first": None}]
    verdict = build_report(
        made_up_run(means=(0.002,), change={"audit.json": {"passed": False, "checks": bad}})
    ).verdict
    assert verdict.sentence == "Do not use: the leak audit failed in features (12 of 812 cells changed)."
    assert verdict.level == "stop"


def test_a_run_without_an_audit_warns(made_up_run: MakeRun) -> None:
    report = build_report(made_up_run(change={"audit.json": {"passed": None, "checks": []}}))
    assert any(w.startswith("Not audited") for w in report.verdict.warnings)


def _edit(folder: Path, name: str, edit: Callable[[pl.DataFrame], pl.DataFrame]) -> Report:
    edit(pl.read_parquet(folder / name)).write_parquet(folder / name)
    return build_report(folder)


def test_a_strategy_that_never_trades(made_up_run: MakeRun) -> None:
    idle = {"gross_return": 0.0, "net_return": 0.0, "turnover": 0.0, "equity": 1e6}
    report = _edit(
        made_up_run(), "account.parquet", lambda f: f.with_columns(**{k: pl.lit(v) for k, v in idle.items()})
    )
    assert report.verdict.sentence == "Nothing to judge: the strategy never traded."
    assert report.strategy.sharpe_per_year is None and report.strategy.undefined == "returns do not vary"
    assert report.strategy.break_even_bps is None


def test_a_bankrupt_account_ends_where_it_was_lost(made_up_run: MakeRun) -> None:
    def ruin(frame: pl.DataFrame) -> pl.DataFrame:
        row = pl.int_range(frame.height)
        net = pl.when(row == 100).then(-1.5).when(row > 100).then(None).otherwise(pl.col("net_return"))
        return frame.with_columns(
            equity=pl.when(row < 100).then(pl.col("equity")).otherwise(-5.0), net_return=net
        )

    report = _edit(made_up_run(), "account.parquet", ruin)
    assert report.verdict.sentence.startswith("Do not use: the account lost everything by 1998-")
    assert report.strategy.sessions == 101
    assert report.strategy.return_per_year == -1.0


def test_an_account_whose_owner_took_all_of_it_lost_nothing(made_up_run: MakeRun) -> None:
    def take(frame: pl.DataFrame) -> pl.DataFrame:
        row, before = pl.int_range(frame.height), pl.col("equity").shift(1)
        return frame.with_columns(
            equity=pl.when(row < 100).then(pl.col("equity")).otherwise(0.0),
            deposit=pl.when(row == 100).then(-before).otherwise(0.0),
            net_return=pl.when(row >= 100).then(0.0).otherwise(pl.col("net_return")),
        )

    report = _edit(made_up_run(), "account.parquet", take)
    assert "lost" not in report.verdict.sentence
    assert report.strategy.sessions == 101


def test_one_trial_is_plain_probabilistic_sharpe(made_up_run: MakeRun) -> None:
    own = build_report(made_up_run(change={"trials.json": {"n": 1, "sharpe_variance": None}})).strategy
    assert own.deflated_probability == own.probabilistic_probability


def _luck(p: Any, more: Any = ()) -> dict[str, Any]:
    told = {"p": p, "compared": 1998, "counted": 2000, "sessions": 1565, "block_length": 18, "draws": 1000}
    return {"trials.json": {"n": 2000, "luck": told | dict(more)}}


def test_the_chance_of_luck_decides_where_the_folder_has_one(made_up_run: MakeRun, tmp_path: Path) -> None:
    found = build_report(made_up_run(means=(0.0006,), change=_luck(0.02), folder=tmp_path / "a"))
    assert found.strategy.deflated_probability < 0.95  # type: ignore[operator]
    assert found.verdict.sentence == "Better than luck."
    assert "Chance of luck after 2,000 trials: 2.0% (StepM, bar 5%)" in found.verdict.detail
    worse = build_report(made_up_run(means=(0.0006,), change=_luck(0.06), folder=tmp_path / "b"))
    assert worse.verdict.sentence == "Not distinguishable from luck."


@pytest.mark.parametrize("change", [{}, _luck(None)])
def test_without_a_chance_of_luck_the_deflated_probability_decides(
    made_up_run: MakeRun, change: dict[str, Any]
) -> None:
    found = build_report(made_up_run(means=(0.0006,), change={"trials.json": {"n": 2000}, **change}))
    assert found.significance.luck is None and found.significance.without
    assert found.verdict.sentence == "Not distinguishable from luck."
    assert "(bar 95%)" in found.verdict.detail


def test_the_probabilities_have_two_conventions(made_up_run: MakeRun) -> None:
    folder = made_up_run()
    net = pl.read_parquet(folder / "account.parquet")["net_return"].to_numpy()
    ratio, length = net.mean() / net.std(ddof=1), len(net)
    bar = 0.02 * ((1 - np.euler_gamma) * norm.ppf(2 / 3) + np.euler_gamma * norm.ppf(1 - 1 / (3 * np.e)))
    at_bar = (1 - skew(net) * bar + (kurtosis(net) + 2) / 4 * bar**2) / length
    found = build_report(folder).significance
    assert found.probabilistic_at_benchmark == pytest.approx(norm.cdf(ratio * length**0.5))
    assert found.deflated_at_benchmark == pytest.approx(norm.cdf((ratio - bar) / at_bar**0.5))
    at_ratio = 1 - skew(net) * ratio + (kurtosis(net) + 2) / 4 * ratio**2
    needed = 1 + at_ratio * (norm.ppf(0.95) / ratio) ** 2
    assert found.needed_years == pytest.approx(needed / 252)


@pytest.mark.parametrize(
    ("name", "value"), [("p", 1.5), ("p", "0"), ("p", True), ("compared", -1), ("draws", 0.5)]
)
def test_a_broken_chance_of_luck_is_refused(made_up_run: MakeRun, name: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"trials\.json: {name}"):
        build_report(made_up_run(change=_luck(0.01, {name: value})))


def test_trials_without_a_variance_still_deflate(made_up_run: MakeRun) -> None:
    report = build_report(made_up_run(change={"trials.json": {"n": 9, "sharpe_variance": None}}))
    assert report.strategy.deflated_probability < report.strategy.probabilistic_probability  # type: ignore[operator]
    assert any("Fewer than two trials" in w for w in report.verdict.warnings)


@pytest.mark.parametrize(("left", "told"), [(0, "no name ever left the universe"), (4, "")])
def test_survivorship_is_found_where_the_data_set_does_not_tell(
    made_up_run: MakeRun, left: int, told: str
) -> None:
    dataset = {"name": "mine", "survivorship": None, "benchmark": None}
    manifest = {"dataset": dataset, "coverage": {"left_universe": left, "joined": 3}}
    report = build_report(made_up_run(change={"manifest.json": manifest}))
    assert report.trust.survivorship == told
    assert any("Survivorship" in w for w in report.verdict.warnings) is bool(told)


def test_long_only_has_to_beat_its_benchmark(made_up_run: MakeRun) -> None:
    change = {"manifest.json": {"portfolio": {"side": "long_only", "gross": 1.0}}}
    report = build_report(made_up_run(means=(0.00035,), years=25, change=change))
    assert report.verdict.sentence == "No better than SPX, though better than luck."


def test_a_benchmark_with_holes_is_compared_where_it_is_known(made_up_run: MakeRun) -> None:
    folder = made_up_run()
    report = _edit(folder, "benchmark.parquet", lambda f: f.tail(f.height - 200))
    assert report.benchmark is not None
    assert report.benchmark.figures.sessions == report.strategy.sessions - 200


def test_thinned_curves_keep_ends_and_extremes(made_up_run: MakeRun) -> None:
    folder = made_up_run(years=25)
    report = build_report(folder)
    equity = pl.read_parquet(folder / "account.parquet")["equity"].to_numpy() / 1e6
    net = next(c for c in report.curves if c.kind == "net")
    assert len(net.values) <= 2 * POINTS + 2
    assert max(net.values) == pytest.approx(equity.max(), rel=1e-5)
    assert min(net.values) == pytest.approx(equity.min(), rel=1e-5)
    assert net.values[-1] == pytest.approx(equity[-1], rel=1e-5)
    assert min(report.drawdown.values) == pytest.approx(report.strategy.max_drawdown, rel=1e-5)


FILES = ("manifest.json", "trials.json", "audit.json", "account.parquet", "folds.parquet", "events.parquet")


@pytest.mark.parametrize("name", [*FILES, "challengers/ridge/account.parquet"])
@pytest.mark.parametrize("damage", ["missing", "torn"])
def test_a_half_written_folder_is_refused_by_file(made_up_run: MakeRun, name: str, damage: str) -> None:
    path = made_up_run() / name
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError, match=path.name):
        build_report(path.parents[2] if "/" in name else path.parent)


@pytest.mark.parametrize(
    ("name", "edit", "told"),
    [
        ("account.parquet", lambda f: f.drop("turnover"), "turnover"),
        ("account.parquet", lambda f: f.head(0), "at least one session"),
        ("account.parquet", lambda f: f.reverse(), "ascending"),
        ("account.parquet", lambda f: f.with_columns(net_return=pl.lit(None, pl.Float64)), "finite"),
        ("folds.parquet", lambda f: f.head(0), "at least one fold"),
        ("folds.parquet", lambda f: f.tail(1), "out-of-sample"),
    ],
)
def test_tables_that_make_no_sense_are_refused(
    made_up_run: MakeRun, name: str, edit: Callable[[pl.DataFrame], pl.DataFrame], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        _edit(made_up_run(), name, edit)


def test_failed_runs_and_no_runs_are_refused(made_up_run: MakeRun, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="out of memory"):
        build_report(made_up_run(change={"status.json": {"state": "failed", "error": "out of memory"}}))
    with pytest.raises(InputError, match="run folder"):
        build_report(tmp_path / "nowhere")


def test_a_run_that_reports_on_itself_has_no_status_yet(made_up_run: MakeRun) -> None:
    folder = made_up_run()
    (folder / "status.json").unlink()
    assert build_report(folder).verdict.sentence
