"""Statistics in a terminal: a table a section, every figure with its unit and its convention, or why there is none."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from backcast.engine.stats.figure import Figure, Unit
from backcast.engine.stats.statistics import Section, Statistics

WIDTH = 150
DEEPEST = 5
_SHARES = (Unit.SHARE, Unit.SHARE_PER_SESSION, Unit.SHARE_PER_YEAR, Unit.SHARE_PER_HORIZON)
_PER = {
    Unit.SHARE: "%",
    Unit.SHARE_PER_SESSION: "% a session",
    Unit.SHARE_PER_YEAR: "% a year",
    Unit.SHARE_PER_HORIZON: "% a horizon",
    Unit.RATIO_PER_SESSION: "a session",
    Unit.RATIO_PER_YEAR: "a year",
    Unit.TIMES_PER_YEAR: "x equity a year",
    Unit.MULTIPLE: "x equity",
    Unit.ERRORS: "errors",
    Unit.CORRELATION: "",
    Unit.RATIO: "",
    Unit.BPS: "bp",
}
_DIGITS = {
    Unit.SHARE_PER_HORIZON: 3,
    Unit.RATIO_PER_SESSION: 4,
    Unit.CORRELATION: 4,
    Unit.BPS: 1,
    Unit.SESSIONS: 0,
    Unit.DAYS: 0,
    Unit.DATES: 0,
    Unit.NAMES: 1,
    Unit.TRIALS: 0,
    Unit.CURRENCY: 0,
}


def draw(found: Statistics, console: Console | None = None) -> None:
    """Everything but the tables by session."""
    out = console or _console()
    header = found.header
    free = f"risk-free rate {100 * header['risk_free_per_year']:g} % a year"
    out.print(
        f"{header['run']}: {header['sessions']:,} sessions, {header['begins']} to {header['ends']}",
        markup=False,
    )
    year = f"A year is {header['periods_per_year']:g} sessions"
    calendar = f" ({header['calendar']})" if header["calendar"] else ""
    out.print(
        f"{year}{calendar}; returns {header['returns']}; {free}. ± is one standard error.", markup=False
    )
    for section in found.sections:
        out.print(section_table(section))
    if found.tables["drawdowns"].height:
        out.print(_deepest(found))
    out.print(_months(found))


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def section_table(section: Section) -> Table:
    """A row a figure; what is a figure over its error stands in the row of that figure."""
    table = Table("", "", "±", "t", "95 % interval", "", "convention, or why there is none", box=SIMPLE_HEAD)
    table.title, table.title_justify = section.title, "left"
    for column in table.columns[:5]:
        column.no_wrap = True
    for column in table.columns[1:5]:
        column.justify = "right"
    ratios = {
        (one.name.removesuffix("_t"), one.item): one for one in section.figures if one.name.endswith("_t")
    }
    there = {(one.name, one.item) for one in section.figures}
    said: set[str] = set()
    for one in section.figures:
        if one.name.endswith("_t") and (one.name.removesuffix("_t"), one.item) in there:
            continue
        words = one.reason if one.value is None else one.convention
        words = "" if words in said else words
        said.add(words)
        table.add_row(*_cells(one, ratios.get((one.name, one.item))), f"[dim]{_plain(words)}[/dim]")
    return table


def _cells(one: Figure, ratio: Figure | None) -> tuple[str, ...]:
    name = _plain(one.name.replace("_", " ") + (f" [{one.item}]" if one.item else ""))
    if one.value is None:
        return name, "n/a", "", "", "", ""
    interval = ""
    if one.low is not None and one.high is not None:
        interval = f"{_number(one, one.low)} to {_number(one, one.high)}"
    return (
        name,
        _number(one, one.value),
        "" if one.error is None else _number(one, one.error),
        "" if ratio is None else "n/a" if ratio.value is None else f"{ratio.value:.2f}",
        interval,
        _PER.get(one.unit, str(one.unit)),
    )


def _number(figure: Figure, value: float) -> str:
    scale = 100 if figure.unit in _SHARES else 1
    return f"{scale * value:,.{_DIGITS.get(figure.unit, 2)}f}"


def _deepest(found: Statistics) -> Table:
    table = Table(
        "peak", "trough", "recovered", "depth %", "sessions", "to trough", "to recovery", box=SIMPLE_HEAD
    )
    table.title, table.title_justify = f"The {DEEPEST} deepest drawdowns", "left"
    for column in table.columns[3:]:
        column.justify = "right"
    for row in found.tables["drawdowns"].head(DEEPEST).iter_rows(named=True):
        table.add_row(
            row["peak"] or "the start",
            row["trough"],
            row["recovered"] or "not yet",
            f"{100 * row['depth']:.2f}",
            *(
                f"{row[name]:,}" if row[name] is not None else ""
                for name in ("sessions", "to_trough", "to_recovery")
            ),
        )
    return table


def _months(found: Statistics) -> Table:
    """A row a year, a column a month, in percent."""
    names = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    table = Table("", *names, "year", box=SIMPLE_HEAD)
    table.title, table.title_justify = "Compound returns by month, %", "left"
    for column in table.columns[1:]:
        column.justify = "right"
    months = dict(found.tables["monthly"].iter_rows())
    for year in sorted({month[:4] for month in months}):
        cells = [months.get(f"{year}-{number:02d}") for number in range(1, 13)]
        table.add_row(year, *map(_percent, cells), _percent(found.figure("year_return", year).value))
    return table


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _plain(text: str) -> str:
    """Text in which rich sees no markup."""
    return text.replace("[", r"\[")
