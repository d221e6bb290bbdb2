"""What a page believes of audit.json: a leak whatever else the file says, and no pass of a file that contradicts itself."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from market import MARKET

from backcast.data.errors import InputError
from backcast.engine.audit import own
from backcast.engine.audit.findings import INFORMATION, LAYERS, LEAK, WARNING, Check, Finding, verdict
from backcast.engine.cli import compose
from backcast.engine.reports.audit_panel import audit_panel, delay_words
from backcast.engine.reports.audited import audited
from backcast.engine.reports.folder import read_evidence
from backcast.engine.reports.model import build_report, write_report
from backcast.engine.reports.page import write_tearsheet
from backcast.engine.reports.trust import trust_in
from backcast.engine.research import run

MakeRun = Callable[..., Path]

LOOKS = Finding(
    LEAK, "It looks ahead.", "Shift it.", "momentum", "AAPL", "2020-03-04T21:30", 5, "bars", 1.0, 2.0, "backcast audit runs/s/j"
)  # fmt: skip
SURE = Check("truncation replay: features", "features", "again", 100, 0)
LEAKY = Check("truncation replay: features", "features", "again", 100, 7, LOOKS)
LATER = Check("truncation replay: targets", "targets", "again", 50, 3)
WARNED = Check(
    "how names end", "universe", "facts", 20, 0, Finding(WARNING, "Nothing is known of ends.", "Ask.")
)
TOLD = Check("known by a rule", "data", "rows", 20, 0, Finding(INFORMATION, "100% by a rule.", "Ask."))
UNDONE = Check("live replay", "features", "again", 0, 0, inconclusive="it raised")
PROVED = Check("static", "features", "graph", 0, 0, proved=True)


def written(*checks: Check, level: str = "quick", **more: Any) -> dict[str, Any]:
    """audit.json as a run writes it, through JSON."""
    found: dict[str, Any] = json.loads(json.dumps(verdict(level, checks, **more)))
    return found


def page(folder: Path) -> str:
    write_report(folder)
    return write_tearsheet(folder).read_text(encoding="utf-8")


def test_what_a_run_writes_is_read_as_it_is() -> None:
    read = audited(written(LATER, SURE, WARNED, TOLD, PROVED, UNDONE))
    states = [(c["layer"], c["state"]) for c in read.checks]
    order = [LAYERS.index(layer) for layer, _ in states]
    assert order == sorted(order)
    assert sorted(s for _, s in states) == [
        "inconclusive",
        "information",
        "leak",
        "passed",
        "proved",
        "warning",
    ]
    assert read.passed is False  # cells that changed with nothing that says why
    assert audited(written(SURE, WARNED, TOLD)).passed is True
    assert audited(written(SURE, LEAKY)).passed is False
    off = audited(written(level="off"))
    assert (off.passed, off.doubt, off.level) == (None, "", "off")


def edited(change: Callable[[dict[str, Any]], Any]) -> Any:
    value = copy.deepcopy(written(SURE, LEAKY, WARNED))
    changed = change(value)
    return value if changed is None else changed


def clean(change: Callable[[dict[str, Any]], Any]) -> Any:
    value = copy.deepcopy(written(SURE, WARNED))
    changed = change(value)
    return value if changed is None else changed


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.update(passed=True),
        lambda v: v.update(passed=None),
        lambda v: v.update(passed="yes"),
        lambda v: v.pop("passed") or None,
        lambda v: v.update(level="off"),
        lambda v: v.update(level="none"),
        lambda v: [c.update(state="passed") for c in v["checks"]] and None,
        lambda v: v["checks"][1].update(finding=None, state="passed") or v.update(passed=True),
        lambda v: v["checks"][0].update(cells="many") or v.update(passed=True),
    ],
)
def test_a_leak_stays_a_leak_whatever_the_file_says(change: Any) -> None:
    assert audited(edited(change)).passed is False


@pytest.mark.parametrize(
    "change",
    [
        lambda v: [],
        lambda v: "passed",
        lambda v: 1,
        lambda v: {},
        lambda v: v.update(passed=1),
        lambda v: v.update(passed="true"),
        lambda v: v.update(passed=None),
        lambda v: v.pop("passed") and None,
        lambda v: v.update(level="off"),
        lambda v: v.update(level="perfect"),
        lambda v: v.update(level=None),
        lambda v: v.update(level=["quick"]),
        lambda v: v.update(checks=[]),
        lambda v: v.update(checks=None),
        lambda v: v.update(checks={"all": "passed"}),
        lambda v: v["checks"].append("fine"),
        lambda v: v["checks"].append({"name": "fine"}),
        lambda v: v["checks"][0].update(layer="elsewhere"),
        lambda v: v["checks"][0].update(layer=["features"]),
        lambda v: v["checks"][0].update(changed=-1),
        lambda v: v["checks"][0].update(cells=True),
        lambda v: v["checks"][0].update(finding="none"),
        lambda v: v["checks"][1]["finding"].update(severity="fine"),
        lambda v: [c.update(cells=0) for c in v["checks"]] and None,
    ],
)
def test_a_file_that_contradicts_itself_is_shown_as_not_audited(change: Any, made_up_run: MakeRun) -> None:
    value = clean(change)
    read = audited(value)
    assert read.passed is None and read.doubt
    folder = made_up_run(means=(0.002,))
    (folder / "audit.json").write_text(json.dumps(value))
    text = page(folder)
    assert "Not audited" in text and "not believed" in text
    assert "Passed at level" not in text


def test_a_failed_verdict_without_its_leak_stays_failed() -> None:
    assert audited(clean(lambda v: v.update(passed=False))).passed is False


OLD = {"name": "truncation replay: features", "layer": "features", "cells": 812, "changed": 12,
       "first": {"symbol": "GE", "column": "mom", "at": "2001-02-03"}}  # fmt: skip


def test_an_older_file_is_read() -> None:
    read = audited({"level": "quick", "passed": False, "checks": [OLD]})
    assert read.passed is False and read.checks[0]["finding"]["symbol"] == "GE"
    fine = {**OLD, "changed": 0, "first": None}
    assert audited({"level": "quick", "passed": True, "checks": [fine]}).passed is True


def test_a_torn_file_is_refused_in_a_line(made_up_run: MakeRun) -> None:
    folder = made_up_run()
    (folder / "audit.json").write_text('{"level": "quick"')
    with pytest.raises(InputError, match=r"audit\.json"):
        build_report(folder)


def test_the_leak_is_told_beside_the_verdict_and_on_the_sheet(made_up_run: MakeRun) -> None:
    change = {
        "audit.json": written(
            LEAKY,
            LATER,
            WARNED,
            chance={"features": {"1": 1.0, "20": 1.0}, "targets": {"20": 0.9999, "5": 0.25}},
        )
    }
    folder = made_up_run(means=(0.002,), change=change)
    verdict_ = build_report(folder).verdict
    assert verdict_.sentence == "Do not use: the leak audit failed in features (10 of 150 cells changed)."
    assert any(w.startswith("Leak in features: It looks ahead.") for w in verdict_.warnings)
    text = page(folder)
    for words in (
        "momentum of AAPL at 2020-03-04 21:30", "it looks 5 bars ahead", "through the table of bars", "Shift it.",
        "backcast audit runs/s/j", "FAILED", ">LEAK<", ">changed<", "A consequence of what leaks above it.",
        "of features 100% at any depth; of targets 25% at 5 bars, 99.9% at 20 bars", "Nothing is known of ends.",
    ):  # fmt: skip
        assert words in text, words


def test_warnings_are_stamped_and_do_not_fail(made_up_run: MakeRun) -> None:
    folder = made_up_run(means=(0.002,), change={"audit.json": written(SURE, WARNED, TOLD, UNDONE)})
    report = build_report(folder)
    assert report.verdict.level != "stop"
    assert "Nothing is known of ends." in report.verdict.warnings
    assert not any("by a rule" in w for w in report.verdict.warnings)
    assert any("could not run 1 of 4 checks" in w and "live replay" in w for w in report.verdict.warnings)
    text = page(folder)
    assert "passed: 0 of 100 cells changed · 1 warning" in text and "Not run to its end: it raised." in text


def test_the_audit_says_more_of_survivors_than_the_count(made_up_run: MakeRun) -> None:
    alone = Finding(WARNING, "0 of 30 names left in 300 symbol-years; 9.0 would have.", "Ask.")
    found = Check("who leaves the universe", "universe", "", 30, 0, alone)
    dataset = {"name": "mine", "survivorship": None, "benchmark": None}
    manifest = {"dataset": dataset, "coverage": {"left_universe": 0, "joined": 3}}
    folder = made_up_run(change={"audit.json": written(SURE, found), "manifest.json": manifest})
    told = [w for w in build_report(folder).verdict.warnings if "30 names" in w]
    assert len(told) == 1 and told[0].startswith("Survivorship: 0 of 30 names left")


def test_text_from_data_is_escaped_and_cut(made_up_run: MakeRun) -> None:
    evil = "<script>alert(1)</script>"
    finding = Finding(LEAK, evil, evil, evil, evil, evil, 1, evil, None, None, evil)
    checks = [
        Check(evil, "features", evil, 10, 1, finding),
        Check("long", "data", "x" * 100_000, 1, 0, inconclusive=evil),
    ]
    text = page(
        made_up_run(
            change={
                "audit.json": written(
                    *checks, chance={evil: 0.5, "features": {evil: 0.5}, "targets": evil}, delay={evil: evil}
                )
            }
        )
    )
    assert "<script" not in text and "&lt;script&gt;" in text
    assert len(text.encode()) <= 150_000


def test_many_findings_leave_the_page_small(made_up_run: MakeRun) -> None:
    many = [
        Check(
            f"check {n}",
            LAYERS[n % 10],
            "d" * 90,
            10**9,
            0,
            Finding(WARNING, "w" * 380, "r" * 200, "c", f"S{n}", "2020"),
        )
        for n in range(40)
    ]
    folder = made_up_run(
        years=25, means=(0.0003, 0.00035, 0.0001), change={"audit.json": written(SURE, *many)}
    )
    text = page(folder)
    assert len(text.encode()) <= 150_000
    assert "The audit found 36 more: see its sheet below." in text


@pytest.mark.parametrize(
    "delay", [{}, {"sharpe_per_year": "1"}, {"sharpe_per_year": 1.0}, {"sharpe_per_year": None}]
)
def test_a_delay_that_is_not_whole_is_not_told(delay: dict[str, Any]) -> None:
    assert delay_words(delay) == ""


def test_a_delay_is_told_with_its_size(made_up_run: MakeRun) -> None:
    delay = {"bars": 1, "sharpe_per_year": 1.2, "delayed_sharpe_per_year": -0.35, "return_per_year": 0.1,
             "delayed_return_per_year": -0.02}  # fmt: skip
    text = page(made_up_run(change={"audit.json": written(SURE, delay=delay)}))
    assert "Sharpe 1.20 → −0.35, return 10.0% → −2.0%" in text


def test_the_audit_has_a_sheet_of_its_own_in_print(made_up_run: MakeRun) -> None:
    text = page(made_up_run())
    assert re.search(r"main\.more\{break-before:page\}", text)
    assert text.count("<main") == 2


def test_a_panel_without_an_audit_is_a_line() -> None:
    trust = {
        "audit_checks": [],
        "audit_passed": None,
        "audit_doubt": "",
        "audit_level": "off",
        "audit_chance": {},
    }
    assert audit_panel(trust) == {"head": "Not audited: the audit was off.", "rows": [], "lines": []}


@pytest.mark.parametrize("override", ["audit=off", "audit.level=off", "audit.instants=2"])
def test_no_configuration_hides_an_audit_that_failed_or_is_off(
    override: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = own.checks

    def failing(*arguments: Any) -> tuple[list[Check], dict[str, Any]]:
        checks, more = honest(*arguments)
        return [*checks, LEAKY], more

    monkeypatch.setattr("backcast.engine.audit.own.checks", failing)
    found = run(compose([*MARKET, "model=mean", "study=s", "job=j", override]), tmp_path / "run")
    text = found.tearsheet.read_text()
    if "off" in override:
        assert "Not audited: nobody checked" in text and "Not audited: the audit was off." in text
        assert found.report.trust.audit_passed is None
    else:
        assert found.report.verdict.level == "stop" and "Do not use" in text
    assert asdict(found.report.trust)["audit_level"] == ("off" if "off" in override else "quick")


def test_trust_is_made_of_what_is_believed(made_up_run: MakeRun) -> None:
    trust = trust_in(
        read_evidence(made_up_run(change={"audit.json": edited(lambda v: v.update(passed=True))}))
    )
    assert trust.audit_passed is False and trust.stopped.startswith("Do not use")
