"""The page stands alone: no script, no request, small, escaped, the same bytes for the same report."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from backcast.data.errors import InputError
from backcast.engine.reports.model import write_report
from backcast.engine.reports.page import A4_HEIGHT_MM, A4_WIDTH_MM, PAGE_REM, write_tearsheet
from backcast.engine.reports.panels import monthly_rows
from backcast.engine.reports.words import cost_words, share

MakeRun = Callable[..., Path]
VOID = {"meta", "link", "br", "img"}


def _page(folder: Path) -> str:
    write_report(folder)
    return write_tearsheet(folder).read_text(encoding="utf-8")


TOLD = (
    "survivors only",
    "0 of 4,420 cells changed",
    "after 3 trials, bar 95%",
    "no: made before runs were compared with the other trials",
    "break-even cost",
    "10 bp per unit traded",
    "2 spells at an old price · 1 rejected order",
    "3 gaps in bars",
    "0 warming up · 12 incomplete",
    "340 without a label",
    "100% (event_at + 15min)",
    "first/tft_us20",
    "5d3c0f2e",
    "7c1d0ab93e21",
    "44aa2c9d10e5",
    "benchmark SPX",
    "all out of sample",
)


class _Balance(HTMLParser):
    """Every tag that opens closes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_stands_alone_and_is_small(made_up_run: MakeRun) -> None:
    page = _page(made_up_run(years=25, means=(0.0003, 0.00035, 0.0001)))
    assert len(page.encode()) <= 150_000
    assert "<script" not in page.lower()
    assert set(re.findall(r"https?://[^\"'\s<>)]*", page)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"@import|url\(|<link|<img|\bsrc=|\bon[a-z]+=", page)


def test_tags_balance(made_up_run: MakeRun) -> None:
    parser = _Balance()
    parser.feed(_page(made_up_run()))
    assert parser.open == []


def test_says_what_a_manager_must_know(made_up_run: MakeRun) -> None:
    page = _page(made_up_run())
    first = page.index("Not distinguishable from luck, and no better than ridge.", page.index("<body>"))
    assert first < page.index("Net Sharpe, a year")
    for told in TOLD:
        assert told in page, told


def test_says_what_decides_and_what_stands_beside_it(made_up_run: MakeRun) -> None:
    luck = {
        "p": 0.004,
        "compared": 1998,
        "counted": 2000,
        "sessions": 1565,
        "block_length": 18,
        "draws": 1000,
    }
    page = _page(made_up_run(change={"trials.json": {"n": 2000, "luck": luck}}))
    for told in ("Chance of luck", "0.4%", "after 2,000 trials, bar 5%", "1,998 of 2,000, on 1,565 sessions",
                 "1,000 draws of blocks of 18 sessions", "Deflated Sharpe probability",
                 "with the null&#39;s error)", "Shortest record for a Sharpe above 0"):  # fmt: skip
        assert told in page, told


def test_the_statistics_stand_on_the_page_with_their_conventions(made_up_run: MakeRun) -> None:
    folder = made_up_run()
    page = _page(folder)
    net = pl.read_parquet(folder / "account.parquet")["net_return"].to_numpy()
    worst = net[net <= np.quantile(net, 0.05)].mean()
    for told in (f"−{-worst:.2%}", "Sharpe, Lo-adjusted", "Expected shortfall, 95%", "Beside SPX"):
        assert told in page, told
    assert 'title="Hit rate: sessions that gained over sessions that gained or lost' in page
    assert 'title="slope of least squares' in page and "Rank IC" not in page


def test_a_run_without_a_benchmark_says_so(made_up_run: MakeRun) -> None:
    folder = made_up_run(change={"manifest.json": {"dataset": {"name": "mine", "benchmark": None}}})
    (folder / "benchmark.parquet").unlink()
    page = _page(folder)
    assert "Beside a benchmark" in page and "no benchmark</i>" in page
    assert "<th>Beta</th>" not in page


def test_the_spread_over_seeds_stands_on_the_page(made_up_run: MakeRun, tmp_path: Path) -> None:
    grid = {"cells": 8, "failed": 0, "chosen": {"seed": 1}}
    seeds = {"n": 4, "mean": 0.52, "sd": 0.091, "low": 0.41, "high": 0.63}
    page = _page(
        made_up_run(change={"manifest.json": {"grid": {**grid, "seeds": seeds}}}, folder=tmp_path / "a")
    )
    assert "Net Sharpe over 4 seeds" in page and "0.41 to 0.63 (mean 0.52, s.d. 0.09)" in page
    none = {"n": 0, "mean": None, "sd": None, "low": None, "high": None}
    page = _page(
        made_up_run(change={"manifest.json": {"grid": {**grid, "seeds": none}}}, folder=tmp_path / "b")
    )
    assert "n/a (mean n/a)" in page


def test_text_from_data_and_config_is_escaped(made_up_run: MakeRun) -> None:
    evil = "<script>alert(1)</script>"
    dataset = {"name": evil, "description": evil, "benchmark": evil, "survivorship": evil, "known_rule": evil}
    change = {"manifest.json": {"model": evil, "run": evil, "dataset": dataset, "config_sha": evil}}
    page = _page(made_up_run(change=change))
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_same_report_same_bytes(made_up_run: MakeRun) -> None:
    folder = made_up_run()
    assert _page(folder) == _page(folder)
    assert not list(folder.glob("*.partial")) and not list(folder.glob(".*.partial"))


def test_drawn_from_the_report_alone(made_up_run: MakeRun, tmp_path: Path) -> None:
    page = _page(made_up_run())
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "report.json").write_bytes((tmp_path / "runs/first/tft_us20/report.json").read_bytes())
    assert write_tearsheet(alone).read_text(encoding="utf-8") == page


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 0}', '{"format": 1}'])
def test_a_broken_report_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(InputError, match=r"report\.json"):
        write_tearsheet(tmp_path)
    assert not (tmp_path / "tearsheet.html").exists()


def test_undefined_figures_are_n_a_with_a_reason(made_up_run: MakeRun) -> None:
    page = _page(made_up_run(years=0.05, means=(0.0003,)))
    assert "Nothing to judge: fewer than 20 sessions." in page
    assert "n/a" in page
    assert not re.search(r"\b(nan|None|inf)\b", page)


@pytest.mark.parametrize("years", [0.9, 10, 25, 45])
def test_print_is_scaled_to_one_sheet(made_up_run: MakeRun, years: float) -> None:
    page = _page(made_up_run(years=years, means=(0.0003, 0.0003, 0.0003, 0.0003)))
    found = re.search(r"@media print\{html\{font-size:([\d.]+)mm", page)
    assert found and 1.5 <= float(found[1]) <= A4_WIDTH_MM / PAGE_REM + 1e-3
    assert A4_HEIGHT_MM < 297


def test_months_carry_sign_and_shade() -> None:
    rows = monthly_rows({"2010-01": 0.05, "2010-02": -0.001, "2010-03": 0.0}, {"2010": 0.0489})
    cells = rows[0]["cells"]
    assert [(c["text"], c["shade"]) for c in cells[:4]] == [
        ("+5.0", "u5"),
        ("−0.1", "d1"),
        ("0.0", ""),
        ("·", "none"),
    ]
    assert rows[0]["total"] == "+4.9"


def test_words_for_shares_and_costs() -> None:
    assert (share(-0.183), share(None), share(-0.0001), share(12.5)) == ("−18.3%", "n/a", "0.0%", "1,250.0%")
    assert (
        cost_words({"fee_bps": 5.0, "half_spread_bps": 2.5})
        == "7.5 bp per unit traded (5 fee + 2.5 half-spread)"
    )
    assert cost_words({"fee_bps": 0.0}) == "none"


def test_report_holds_what_collect_reads(made_up_run: MakeRun) -> None:
    folder = made_up_run()
    write_report(folder)
    report = json.loads((folder / "report.json").read_text())
    for name in ("sharpe_per_year", "deflated_probability", "return_per_year", "volatility_per_year", "max_drawdown",
                 "turnover_per_year"):  # fmt: skip
        assert isinstance(report["strategy"][name], float)


def test_a_cross_validation_of_ones_own_is_not_called_out_of_sample(made_up_run: MakeRun) -> None:
    folder = made_up_run()
    manifest = json.loads((folder / "manifest.json").read_text())
    told = {"design": "mine", "validation": {"paths": 2, "begins": ["2010-01-04"]}}
    (folder / "manifest.json").write_text(json.dumps(manifest | told))
    account = pl.read_parquet(folder / "account.parquet").select("session", "net_return")
    paths = [account.with_columns(path=pl.lit(n, pl.Int32)) for n in range(2)]
    pl.concat(paths).write_parquet(folder / "paths.parquet")
    page = _page(folder)
    assert "sessions, cross-validated" in page and "all out of sample" not in page
