"""The tear sheet: one page drawn from report.json alone, in words and numbers that need no explanation nearby."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from backcast.data.calendar import DAILY
from backcast.data.durable import write_text
from backcast.data.errors import InputError
from backcast.data.market import PAY_AFTER_DAYS
from backcast.engine.reports.audit_panel import audit_panel
from backcast.engine.reports.axes import WIDTH
from backcast.engine.reports.charts import DRAWDOWN_HEIGHT, EQUITY_HEIGHT, drawdown_chart, equity_chart
from backcast.engine.reports.holdout import holdout_words
from backcast.engine.reports.model import FORMAT
from backcast.engine.reports.numbers_panel import strip, tables
from backcast.engine.reports.panels import (
    cost_note,
    cost_row,
    flow_row,
    haircut_row,
    monthly_rows,
    rival_rows,
    tiles,
    trust_rows,
)
from backcast.engine.reports.paths_panel import HEIGHT as PATHS_HEIGHT
from backcast.engine.reports.paths_panel import path_chart, path_tile
from backcast.engine.reports.words import BASES, cost_words, execution_words
from backcast.engine.runs import RunFolder
from backcast.signals.decisions import in_words

if TYPE_CHECKING:
    from jinja2 import Environment

AGAIN = "Draw it again with `backcast report RUN`."
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
A4_WIDTH_MM, A4_HEIGHT_MM, PAGE_REM = 194.0, 281.0, 96.0
"""The printable part of a page with 8 mm margins, and the width of the page's column in rem."""
DESIGNS = {"purged_kfold": "purged k-fold", "cpcv": "combinatorial purged cross-validation"}
"""Designs whose sessions are not out of sample as a walk forward's are, where their name is not enough."""
SHORT_YEARS, LONG_YEARS = 8, 14
"""Up to so many years the monthly table leaves room below it for what was paid and received, and for how numbers are made."""
MONTHLY_ROOM, ROW_LEAST, ROW_MOST = 46.0, 0.95, 1.9
"""Height of the monthly table and bounds of its rows, in rem: many years make low rows, so that one page is enough."""


def write_tearsheet(folder: Path) -> Path:
    """Draws tearsheet.html from the folder's report.json, the same bytes for the same report; returns its path.

    Errors: InputError where report.json is missing, broken or of another version.
    """
    run = RunFolder(folder)
    report = run.read_json("report.json")
    found = report.get("format") if isinstance(report, dict) else None
    if found != FORMAT:
        raise InputError(str(folder / "report.json"), found, f"a report of format {FORMAT}", AGAIN)
    try:
        text = render(report)
    except (KeyError, TypeError, IndexError) as error:
        raise InputError(str(folder / "report.json"), str(error), "a whole report", AGAIN) from error
    target = folder / "tearsheet.html"
    write_text(target, text)
    return target


def render(report: dict[str, Any]) -> str:
    """The page as text. Everything that comes from data or config is escaped."""
    return environment().get_template("tearsheet.html.j2").render(**view(report))


def environment() -> Environment:
    """The templates of all pages; what is put into them is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).parent / "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                       lstrip_blocks=True)  # fmt: skip


def view(report: dict[str, Any]) -> dict[str, Any]:
    """What the template shows, every number already in words."""
    rows = monthly_rows(report["monthly"], report["yearly"])
    shown = {
        "header": report["header"],
        "facts": facts(report["header"], bool(report.get("paths"))),
        "pins": pins(report["header"], report["trust"]),
        "verdict": report["verdict"],
        "significance": report["significance"],
        "tiles": tiles(report),
        "strip": strip(report["statistics"]),
        "numbers": tables(report["statistics"]),
        "rivals": rival_rows(report),
        "equity": equity_chart(report["curves"], report["folds"]),
        "drawdown": drawdown_chart(report["drawdown"], report["folds"]),
        "paths": path_chart(report["paths"]) if report.get("paths") else "",
        "trust": trust_rows(report),
        "audit_passed": report["trust"]["audit_passed"],
        "audit": audit_panel(report["trust"]),
        "costs": cost_row(report),
        "cost_note": cost_note(report),
        "flows": flow_row(report),
        "haircuts": haircut_row(report),
        "short": len(rows) <= SHORT_YEARS,
        "long": len(rows) > LONG_YEARS,
        "pay_after_days": PAY_AFTER_DAYS,
        "vanished": report["trust"]["events"].get("vanished", 0),
        "months": MONTHS,
        "years": rows,
        "row_rem": round(min(ROW_MOST, max(ROW_LEAST, MONTHLY_ROOM / (len(rows) + 1))), 3),
    }
    if report.get("paths"):
        shown["tiles"][1] = path_tile(report["paths"])
    fitting = min(A4_WIDTH_MM / PAGE_REM, A4_HEIGHT_MM / height_rem(shown))
    return {**shown, "print_rem_mm": f"{fitting:.3f}"}


def height_rem(shown: dict[str, Any]) -> float:
    """The height of the page in rem, estimated from what is on it and rounded up, so that print fits one sheet."""
    verdict, years = shown["verdict"], len(shown["years"])
    head = 3.0 + sum(_lines(text, 130, 1.5) for text in [*shown["facts"], shown["pins"]])
    said = 3.6 + _lines(verdict["sentence"], 75, 2.4) + _lines(verdict["detail"], 120, 1.8)
    said += sum(_lines(text, 100, 2.1) for text in verdict["warnings"])
    rivals = 4.8 + 1.85 * len(shown["rivals"])
    charts = 2 * 3.2 + (EQUITY_HEIGHT + DRAWDOWN_HEIGHT) / WIDTH * PAGE_REM
    charts += 3.2 + PATHS_HEIGHT / WIDTH * PAGE_REM if shown["paths"] else 0.0
    how, money = 3.2 + 14.0, 5.6 + (5.6 if shown["haircuts"] else 0.0)
    left = 10.2 + sum(_lines(row["value"], 36, 1.9) for row in shown["trust"])
    right = 3.2 + (years + 1) * shown["row_rem"]
    below, right = (how / 2, right) if shown["long"] else (0.0, right + how)
    left, right = (left, right + money) if shown["short"] else (left + money, right)
    rivals += 6.0 if shown["strip"] else 0.0
    return head + said + 7.4 + rivals + charts + max(left, right) + below


def _lines(text: str, characters: int, rem: float) -> float:
    """Height of a text that breaks after so many characters."""
    return -(-len(text) // characters) * rem


def facts(header: dict[str, Any], cross_validated: bool) -> list[str]:
    """What was run: one line for the data, one for the trading, one for the holdout where there is one."""
    design = (
        DESIGNS.get(header.get("design", ""), "cross-validated") if cross_validated else "all out of sample"
    )
    dataset, portfolio = header["dataset"], header["portfolio"]
    side = str(portfolio.get("side", "")).replace("_", "-")
    data = [
        f"{header['begins']} to {header['ends']}",
        f"{header['sessions']:,} sessions, {design}",
        str(dataset.get("description") or dataset["name"]),
        BASES.get(dataset.get("price_basis", ""), ""),
        f"benchmark {dataset['benchmark']}" if dataset.get("benchmark") else "no benchmark",
    ]
    trading = [
        f"{side}, gross {portfolio['gross']:g}x" if side and "gross" in portfolio else side,
        in_words(header.get("every") or 1, dataset.get("frequency", DAILY) != DAILY),
        *execution_words(header["execution"]),
        f"costs {cost_words(header['costs'])}",
        f"{header['simulator']} simulator" if header["simulator"] else "",
        f"paid in {header['paid_in']:,.0f}" if header["paid_in"] else "",
        f"taken out {header['taken_out']:,.0f}" if header["taken_out"] else "",
    ]
    held = holdout_words(header.get("holdout"))
    return [*(" · ".join(p for p in parts if p) for parts in (data, trading)), *([held] if held else [])]


def pins(header: dict[str, Any], trust: dict[str, Any]) -> str:
    """From which data, code and configuration it can be made again."""
    code = header["code"]
    git = f" (git {code['git']})" if code.get("git") else ""
    return " · ".join([
        f"run {header['run']}",
        f"data {header['dataset']['name']} {data_version(trust['store'])}",
        f"backcast {code.get('version', '?')}{git}",
        f"config {str(header['config_sha'])[:12]}",
    ])  # fmt: skip


def data_version(store: dict[str, Any]) -> str:
    """The pinned store version: which lineage, and the version of each table."""
    tables = ", ".join(f"{name} v{version}" for name, version in sorted(store.get("pin", {}).items()))
    return f"{str(store.get('lineage', ''))[:8]} ({tables})"
