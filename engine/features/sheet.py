"""What can be said about expressions and feature sets without data: look-back, scale, cost, examples with numbers.

Examples and costs are computed when they are asked for, by the engine itself, on small panels made here.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

import backcast.conf
from backcast.data.errors import InputError
from backcast.data.types import Clock, Floats, Panel, Revisions
from backcast.engine.configure import build
from backcast.signals.expression import Call, Field, Node, parse
from backcast.signals.feature import FeatureSet
from backcast.signals.functions import FUNCTIONS, usage
from backcast.signals.graph import Graph
from backcast.signals.kernels.operators import CROSS_SECTION, ROLLING
from backcast.signals.scale import Scale
from backcast.signals.types import FeatureSource
from backcast.signals.units import unit_hints

Hint = Callable[[Node, str], list[str]]

HINTS: tuple[Hint, ...] = (lambda tree, text: [str(hint) for hint in unit_hints(tree, text)],)
"""Functions of a parsed expression and its text that say what may not fit, such as units; `check` shows what they say."""

SETS = Path(next(iter(backcast.conf.__path__))) / "features"
BARS = ("open", "high", "low", "close", "volume")
TINY = {
    "x": (1.0, 3.0, 2.0, 5.0, 5.0, np.nan, 4.0, 6.0, 6.0, 9.0),
    "y": (2.0, 2.0, 4.0, 4.0, 3.0, 6.0, 5.0, 7.0, 9.0, 8.0),
    "z": (1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0),
}


def feature_sets() -> dict[str, Path]:
    """The sets of conf/features, by name."""
    return {path.stem: path for path in sorted(SETS.glob("*.yaml"))}


def read_set(name: str) -> FeatureSet | None:
    """A set of conf/features by its name, or one's own by its YAML file; None for anything else. A set that computes
    by conventions of its own, such as alpha158, is shown by its definitions in our language. Errors: InputError."""
    path = feature_sets().get(name) or (Path(name) if name.endswith((".yaml", ".yml")) else None)
    if path is None:
        return None
    try:
        node = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError("NAME", name, "a feature set's YAML file that can be read", reason) from error
    made = build(node, "features", FeatureSource)
    return made if isinstance(made, FeatureSet) else FeatureSet(made.expressions)


def about(path: Path) -> str:
    """The first comment line of a YAML file."""
    return path.read_text().splitlines()[0].lstrip("# ")


def fields_of(chosen: FeatureSet) -> tuple[str, ...]:
    """The fields that a set's expressions name, bars first."""
    trees = [parse(text) for text in chosen.expressions.values()]
    trees += [tree for feature in chosen.own.values() for tree in feature.trees]
    named = {name for tree in trees for name in _named(tree)}
    return tuple(sorted(named, key=lambda name: (BARS.index(name) if name in BARS else len(BARS), name)))


def _named(tree: Node) -> Iterator[str]:
    if isinstance(tree, Field):
        yield tree.name
    elif isinstance(tree, Call):
        for part in tree.inputs:
            yield from _named(part)


def compiled(chosen: FeatureSet, fields: tuple[str, ...] | None = None) -> Graph:
    """A set's graph on raw prices; on the fields that it names, if those of the data are not given."""
    return chosen.compile(fields or fields_of(chosen) or ("close",), "raw")


def scale_words(scale: Scale | None) -> str:
    """What a feature's scale means for prices that were adjusted backwards."""
    if scale is not None and scale.invariant:
        return "free of price levels: allowed on back-adjusted data"
    refused = "refused on back-adjusted data, whose levels carry later splits and dividends"
    if scale is None:
        return f"depends on price levels in no simple way: {refused}"
    powers = [
        f"{name}^{power:g}" if power != 1 else name
        for name, power in (("price", scale.price), ("volume", scale.volume))
        if power
    ]
    powers += [
        f"log({name})" for name, by in (("price", scale.price_log), ("volume", scale.volume_log)) if by
    ]
    return f"moves with {' and '.join(powers)}: {refused}"


@dataclass(frozen=True)
class Sheet:
    """Of one feature: rows it looks back, barriers, scale in words, measured nanoseconds a cell (symbol and bar)."""

    name: str
    text: str
    lookback: int
    stages: int
    scale: str
    cost_ns: float


def sheets(chosen: FeatureSet) -> list[Sheet]:
    """A sheet for each feature of a set, each measured alone."""
    fields = fields_of(chosen) or ("close",)
    texts = {**chosen.expressions, **{n: type(f).__name__ for n, f in chosen.own.items()}}
    graph, panel, found = compiled(chosen), made_panel(fields, 64, 512), []
    for name, text in texts.items():
        own = {name: chosen.own[name]} if name in chosen.own else None
        alone = compiled(FeatureSet(None if own else {name: text}, own), fields)
        node = graph.nodes[graph.outputs[graph.names.index(name)]]
        stages = 1 + node.stage + node.crosses
        found.append(Sheet(name, text, node.lookback, stages, scale_words(node.scale), cost_ns(alone, panel)))
    return found


def cost_ns(graph: Graph, panel: Panel, rounds: int = 3) -> float:
    """Nanoseconds a cell on one thread: the median of a few evaluations of a panel, after one that warms up."""
    graph.evaluate(panel)
    taken = []
    for _ in range(rounds):
        begin = time.perf_counter_ns()
        graph.evaluate(panel)
        taken.append(time.perf_counter_ns() - begin)
    return statistics.median(taken) / panel.member.size


def made_panel(fields: tuple[str, ...], symbols: int, rows: int, values: Floats | None = None) -> Panel:
    """Seeded bars that look like prices and volumes; any other field steps every 21 bars, as a fundamental does."""
    if values is None:
        rng = np.random.default_rng(7)
        close = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, (symbols, rows)), axis=1))
        spread = 1 + np.abs(rng.normal(0, 0.01, (2, symbols, rows)))
        opened = close * np.exp(rng.normal(0, 0.005, (symbols, rows)))
        known = {
            "close": close, "open": opened, "high": np.maximum(opened, close) * spread[0],
            "low": np.minimum(opened, close) / spread[1], "volume": np.round(rng.lognormal(12, 0.4, (symbols, rows))),
        }  # fmt: skip
        steps = np.repeat(rng.lognormal(1, 0.3, (symbols, rows // 21 + 1)), 21, axis=1)[:, :rows]
        values = np.stack([known.get(name, steps) for name in fields])
    at = (np.datetime64("2020-01-01") + np.arange(rows)).astype("datetime64[us]")
    clock = Clock("24/7", at.astype("datetime64[D]"), at, at, at, np.arange(rows) + 1000, 252.0)
    none = np.zeros(0, dtype=np.int64)
    revisions = Revisions(none, none, none, at[:0], none, np.zeros(0))
    names = tuple(f"S{s + 1:0{max(2, len(str(symbols)))}d}" for s in range(symbols))
    return Panel(fields, names, clock, values, np.ones((symbols, rows), dtype=bool), revisions, "raw", 0.0)


def kind_of(function: str) -> str:
    """Whether a function works on each bar, over time or across symbols, by the nodes that it becomes."""
    operators = {node.operator for node in compiled(FeatureSet({"f": example_text(function)})).nodes}
    if operators & set(CROSS_SECTION):
        return "across symbols"
    return "over time" if operators & set(ROLLING) else "at each bar"


SHORT = {"level": "0.5", "tail": "0.2", "exponent": "2", "low": "2", "high": "6", "fast": "2", "slow": "4", "signal": "2",
         "buckets": "4", "width": "2"}  # fmt: skip
"""Literals of an example on ten numbers, by kind; any other is a short window."""

SEMANTICS = {
    "at each bar": "NaN where an input is NaN, or where the answer is not finite; no look-back.",
    "over time": "A window is its own bar and those before. Until it is full, and wherever a NaN is in it, the answer is NaN.",
    "across symbols": "Members whose value is known take part; everybody else gets NaN and influences nobody. A dated fact: "
    "later corrections do not change it.",
}


def example_text(function: str) -> str:
    """A call of a function on x, y, z with short windows."""
    signature = FUNCTIONS[function]
    literals = [SHORT.get(kind, str(max(signature.shortest, 3))) for kind in signature.literals]
    literals[1:] = [
        "1" if kind == "lag" else text for kind, text in zip(signature.literals[1:], literals[1:])
    ]
    return f"{function}({', '.join([*('x', 'y', 'z')[: signature.inputs], *literals])})"


@dataclass(frozen=True)
class Example:
    """A call, the names of its rows of numbers and the numbers, one column a bar or a symbol."""

    text: str
    columns: tuple[str, ...]
    rows: dict[str, Floats]


def example(function: str) -> Example:
    """A function on ten numbers: bars of one symbol, or symbols at one bar."""
    if function not in FUNCTIONS:
        raise InputError(
            "NAME", function, "a function or a feature set", "`backcast features list` has them."
        )
    text, across = example_text(function), kind_of(function) == "across symbols"
    inputs = fields_of(FeatureSet({"f": text})) or ("x",)  # the clock reads no field
    numbers = np.array([TINY[name] for name in inputs])
    values = numbers[:, :, None] if across else numbers[:, None, :]
    panel = made_panel(inputs, values.shape[1], values.shape[2], np.ascontiguousarray(values))
    answer = compiled(FeatureSet({"f": text}), inputs).evaluate(panel).values[0]
    columns = tuple(f"S{k + 1}" if across else f"t{k}" for k in range(numbers.shape[1]))
    return Example(text, columns, {**dict(zip(inputs, numbers)), text: answer.ravel()})


def definition(function: str) -> tuple[str, str]:
    """How a function is written, and what it means."""
    return usage(function), FUNCTIONS[function].meaning
