"""The verb `features`: what the language has, what an expression means and costs, and how it is computed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from backcast.data.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from backcast.data.types import Floats
    from backcast.signals.feature import FeatureSet

WIDTH = 150
TREES = 12
"""Features of a set whose trees the terminal shows."""


def add_features(parser: argparse.ArgumentParser) -> None:
    """The arguments of `backcast features`."""
    verbs = parser.add_subparsers(dest="features_verb", required=True, metavar="VERB")
    made = verbs.add_parser("list", help="All functions and the feature sets there are.")
    made.set_defaults(function=list_all, overrides_allowed=False)
    made = verbs.add_parser("show", help="A function, with numbers; or a feature set, with what each costs.")
    made.add_argument("name", metavar="NAME", help="a function, a set of conf/features, or your YAML file")
    made.set_defaults(function=show, overrides_allowed=False)
    made = verbs.add_parser(
        "plot", help="Draw how an expression or a feature set is computed, as an SVG file."
    )
    made.add_argument(
        "what", metavar="EXPR|SET", help="an expression, a set of conf/features, or your YAML file"
    )
    made.add_argument("--output", metavar="FILE", type=Path, help="default: feature.svg or SET.svg, here")
    made.set_defaults(function=plot, overrides_allowed=False)
    made = verbs.add_parser(
        "check", help="What an expression reads, how far back, what it costs, and an example."
    )
    made.add_argument("expression", metavar="EXPR", help='such as "close / ref(close, 20) - 1"')
    made.add_argument(
        "--dataset", metavar="NAME", help="whose fields it must be written in (default: any names)"
    )
    made.set_defaults(function=check, overrides_allowed=False)


def list_all(arguments: argparse.Namespace, _: list[str]) -> int:
    from rich.table import Table

    from backcast.engine.features import sheet
    from backcast.signals.functions import FUNCTIONS

    for kind in sheet.SEMANTICS:
        table = Table("function", "meaning", title=f"{kind[0].upper()}{kind[1:]}", title_justify="left")
        for name in FUNCTIONS:
            if sheet.kind_of(name) == kind:
                table.add_row(*map(_plain, sheet.definition(name)))
        _console().print(table)
    print("And + - * / < <= > >= == != with parentheses. `backcast features show FUNCTION` gives numbers.\n")
    table = Table("feature set", "features", "what it is", title="Feature sets", title_justify="left")
    for name, path in sheet.feature_sets().items():
        chosen = sheet.read_set(name)
        assert chosen is not None  # it is one of the names
        table.add_row(name, str(len(chosen.expressions) + len(chosen.own)), _plain(sheet.about(path)))
    _console().print(table)
    return 0


def show(arguments: argparse.Namespace, _: list[str]) -> int:
    from backcast.engine.features.sheet import read_set

    chosen = read_set(arguments.name)
    if chosen is not None:
        _show_set(chosen)
    else:
        _show_function(arguments.name)
    return 0


def _show_set(chosen: FeatureSet) -> None:
    from rich.table import Table

    from backcast.engine.features import sheet

    table = Table("feature", "expression", "rows back", "ns a cell", "scale")
    for one in sheet.sheets(chosen):
        words = one.scale.partition(":")[0]
        table.add_row(_plain(one.name), _plain(one.text), str(one.lookback), f"{one.cost_ns:.0f}", words)
    _console().print(table)
    graph, fields = sheet.compiled(chosen), sheet.fields_of(chosen)
    together = sheet.cost_ns(graph, sheet.made_panel(fields or ("close",), 64, 512))
    print(
        f"{len(graph.names)} features of {', '.join(fields) or 'no field'}; {len(graph.nodes)} operators, shared ones once: "
        f"{together:.0f} ns a cell together. The first full row is the {_th(graph.lookback + 1)}."
    )


def _show_function(name: str) -> None:
    from rich.table import Table

    from backcast.engine.features import sheet

    made = sheet.example(name)
    written, meaning = sheet.definition(name)
    kind = sheet.kind_of(name)
    print(f"{written}: {meaning}\n{kind[0].upper()}{kind[1:]}. {sheet.SEMANTICS[kind]}\n")
    table = Table("", *made.columns)
    for label, numbers in made.rows.items():
        table.add_row(_plain(label), *(_number(v) for v in numbers))
    _console().print(table)


def plot(arguments: argparse.Namespace, _: list[str]) -> int:
    from backcast.engine.features import sheet
    from backcast.engine.features.drawing import Drawing, tree_lines
    from backcast.signals.feature import FeatureSet

    chosen, title = sheet.read_set(arguments.what), arguments.what
    name = Path(arguments.what).stem if chosen is not None else "feature"
    if chosen is None:
        chosen = FeatureSet({"feature": arguments.what})
    graph = sheet.compiled(chosen)
    output = arguments.output or Path(f"{name}.svg")
    if output.suffix != ".svg":
        raise InputError("--output", str(output), "a name that ends in .svg")
    if not output.parent.is_dir():
        raise InputError("--output", str(output), "a file in a folder that exists")
    for feature in graph.names[:TREES]:
        if len(graph.names) > 1:
            print(f"{feature}:")
        print("\n".join(tree_lines(graph, feature)))
    if len(graph.names) > TREES:
        print(f"... and {len(graph.names) - TREES} more, in the drawing.")
    partial = output.with_name(f".{output.name}.partial")
    partial.write_text(Drawing(graph).svg(title), encoding="utf-8")
    partial.replace(output)
    print(f"Written: {output.resolve()}")
    return 0


def check(arguments: argparse.Namespace, _: list[str]) -> int:
    from backcast.engine.features import sheet
    from backcast.signals.expression import parse
    from backcast.signals.feature import FeatureSet

    text = arguments.expression
    tree = parse(text, "EXPR")
    chosen = FeatureSet({"feature": text})
    graph = sheet.compiled(chosen, _fields(arguments.dataset))
    (one,) = sheet.sheets(chosen)
    own = len(graph.nodes)
    print(f"Reads       {', '.join(graph.fields) or 'no field'}")
    print(f"Looks back  {one.lookback} rows: the first value is that of the {_th(one.lookback + 1)} row")
    barrier = "all symbols at once" if one.stages == 1 else f"{one.stages} passes, with a barrier between"
    print(f"Computed    {own} operators, {barrier}")
    print(f"Scale       {one.scale}")
    print(f"Cost        {one.cost_ns:.1f} ns a cell on one thread, measured now: {_whole(one.cost_ns)}")
    for hint in (words for function in sheet.HINTS for words in function(tree, text)):
        print(f"Hint        {hint}")
    _example(chosen)
    return 0


def _fields(dataset: str | None) -> tuple[str, ...] | None:
    """The fields of a data set in the store."""
    if dataset is None:
        return None
    from backcast.data.heldout import HeldOut

    store = HeldOut()
    return (*store.info(dataset).bar_fields, *store.items(dataset, store.version(dataset)))


def _example(chosen: FeatureSet) -> None:
    """The newest rows of made bars, and what the expression gives there."""
    from rich.table import Table

    from backcast.engine.features import sheet

    graph, fields = sheet.compiled(chosen), sheet.fields_of(chosen) or ("close",)
    panel = sheet.made_panel(fields, 4, graph.lookback + 30)
    values = graph.evaluate(panel).values[0]
    table = Table("made bars", *(f"t-{k}" if k else "t" for k in range(5, -1, -1)))
    for f, name in enumerate(fields):
        table.add_row(f"{name} of {panel.symbols[0]}", *_numbers(panel.values[f, 0, -6:]))
    for s, symbol in enumerate(panel.symbols[: 4 if graph.nodes[graph.outputs[0]].stage else 2]):
        table.add_row(f"feature of {symbol}", *_numbers(values[s, -6:]))
    _console().print(table)


def _numbers(row: Floats) -> list[str]:
    return [_number(float(v)) for v in row]


def _number(value: float) -> str:
    return "NaN" if value != value else f"{value:.5g}" if abs(value) < 1e5 else f"{value:,.0f}"


def _whole(cost_ns: float) -> str:
    return f"{cost_ns * 500 * 2520 / 1e6:,.0f} ms for 500 symbols x 2,520 bars"


def _th(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number % 100 not in (11, 12, 13) else "th"
    return f"{number}{ending}"


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _console() -> Console:
    """The terminal; where there is none, a page wide enough for a table."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)
