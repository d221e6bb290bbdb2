"""A feature graph as a drawing: a plain SVG file of its own, and a tree of text for the terminal.

Nodes stand in columns by how many operators lie below them, and lines pass the columns between in places of their own;
within a column, places are ordered by the mean place of what they read and of what reads them (the barycentre
heuristic of Sugiyama, Tagawa and Toda 1981). Numbers stand inside the
operators that use them, and every distinct sub-expression is drawn once.
"""

from __future__ import annotations

from html import escape
from itertools import pairwise

from backcast.signals.graph import Graph
from backcast.signals.nodes import OWN, Node

COLUMN, ROW, PASS, HEIGHT, MARGIN, LETTER, GAP = 60, 44, 16, 30, 28, 7.3, 40
LETTERS = "xyzuvw"
INFIX = {"+": "+", "-": "\u2212", "*": "\u00d7", "/": "\u00f7", "<": "<", "<=": "\u2264", ">": ">",
         ">=": "\u2265", "==": "=", "!=": "\u2260"}  # fmt: skip
KINDS = {
    "field": ("#e8eef7", "#3c6290", "field, as known"),
    "each": ("#f4f4f1", "#8a8a83", "at each bar"),
    "time": ("#e6f2ea", "#2f7d4f", "over time"),
    "cross": ("#fbeadd", "#b8632a", "across symbols"),
    "own": ("#efe7f6", "#75459d", "in Python"),
    "name": ("#20303f", "#20303f", "feature"),
}


def kind_of(node: Node) -> str:
    """Which colour a node has."""
    if node.operator in ("field", OWN):
        return "own" if node.operator == OWN else "field"
    return "cross" if node.crosses else "time" if node.remembers else "each"


def label(graph: Graph, i: int) -> str:
    """A node's operator with its literals; inputs that are numbers stand for themselves, others are x, y, z."""
    node = graph.nodes[i]
    if node.operator == "field":
        return node.name
    if node.operator == "number":
        return f"{node.literals[0]:g}"
    if node.operator == OWN:
        return f"{node.name} ({type(graph.own[node.name]).__name__})"
    letters = iter(LETTERS)
    parts = [
        f"{graph.nodes[j].literals[0]:g}" if graph.nodes[j].operator == "number" else next(letters)
        for j in node.inputs
    ]
    if node.operator in INFIX:
        return f" {INFIX[node.operator]} ".join(parts)
    if node.operator == "neg":
        return f"\u2212{parts[0]}"
    return f"{node.operator}({', '.join([*parts, *(f'{v:g}' for v in node.literals)])})"


def tree_lines(graph: Graph, name: str) -> list[str]:
    """One feature as indented lines, the outermost operator first; what stood before is not unfolded again."""
    lines: list[str] = []
    seen: set[int] = set()

    def walk(i: int, lead: str, branch: str, below: str) -> None:
        node = graph.nodes[i]
        inner = [j for j in node.inputs if graph.nodes[j].operator != "number"]
        again = i in seen and bool(inner)
        lines.append(f"{lead}{branch}{label(graph, i)}{'  (as above)' if again else ''}")
        seen.add(i)
        for k, j in enumerate([] if again else inner):
            last = k == len(inner) - 1
            walk(j, lead + below, "\u2514\u2500 " if last else "\u251c\u2500 ", "   " if last else "\u2502  ")

    walk(graph.outputs[graph.names.index(name)], "", "", "")
    return lines


Place = int | str | tuple[int, int]
"""A node, a feature's name, or the place (node, column) where a long line passes a column."""


class Drawing:
    """Where everything stands. `boxes`: place -> (left, top, width); a passing line has the width of its column."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.shown = [
            i for i, node in enumerate(graph.nodes) if node.operator != "number" or i in graph.outputs
        ]
        drawn = set(self.shown)
        self.lines: list[tuple[int, int | str, int, int]] = []  # source, reader, which of how many inputs
        for i in self.shown:
            inputs = [j for j in graph.nodes[i].inputs if j in drawn]
            self.lines += [(j, i, k, len(inputs)) for k, j in enumerate(inputs)]
        self.lines += [(i, name, 0, 1) for name, i in zip(graph.names, graph.outputs, strict=True)]
        self.column = self._columns()
        self.boxes: dict[Place, tuple[float, float, float]] = {}
        self._place(self._ordered())

    def _columns(self) -> dict[int | str, int]:
        """A node stands right of all that it reads; a field just before the first that reads it; names stand last."""
        column: dict[int | str, int] = {}
        for i in self.shown:
            column[i] = 1 + max((column[j] for j, k, _, _ in self.lines if k == i), default=-1)
        for i in self.shown:
            readers = [column[k] for j, k, _, _ in self.lines if j == i and k in column]
            if readers and self.graph.nodes[i].operator == "field":
                column[i] = min(readers) - 1
        last = 1 + max(column.values())
        return {**column, **dict.fromkeys(self.graph.names, last)}

    def way(self, source: int, reader: int | str) -> list[Place]:
        """The places where a line passes the columns between."""
        return [(source, c) for c in range(self.column[source] + 1, self.column[reader])]

    def _ordered(self) -> list[list[Place]]:
        """The columns from left to right, each from top to bottom."""
        left: dict[Place, list[Place]] = {}
        right: dict[Place, list[Place]] = {}
        columns: list[list[Place]] = [[] for _ in range(1 + max(self.column.values()))]
        for one, c in self.column.items():
            columns[c].append(one)
        for source, reader, _, _ in self.lines:
            path: list[Place] = [source, *self.way(source, reader), reader]
            for c, (before, after) in enumerate(pairwise(path), self.column[source]):
                left.setdefault(after, []).append(before)
                right.setdefault(before, []).append(after)
                if after not in columns[c + 1]:
                    columns[c + 1].append(after)
        order = {one: k - len(column) / 2 for column in columns for k, one in enumerate(column)}
        for sweep in range(16):
            near = left if sweep % 2 == 0 else right
            for column in columns if sweep % 2 == 0 else reversed(columns):
                means = {one: _mean([order[k] for k in near.get(one, [one])]) for one in column}
                column.sort(key=means.__getitem__)
                order.update((one, k - len(column) / 2) for k, one in enumerate(column))
        return columns

    def _place(self, columns: list[list[Place]]) -> None:
        heights = [sum(PASS if isinstance(one, tuple) else ROW for one in column) for column in columns]
        tallest, x = max(heights), float(MARGIN)
        for column, height in zip(columns, heights, strict=True):
            texts = [self.text(one) for one in column if not isinstance(one, tuple)]
            width = max((len(text) for text in texts), default=4) * LETTER + 22
            y = MARGIN + GAP + (tallest - height) / 2
            for one in column:
                self.boxes[one] = (x, y, width)
                y += PASS if isinstance(one, tuple) else ROW
            x += width + COLUMN
        self.width, self.height = x - COLUMN + MARGIN, GAP + tallest + 2 * MARGIN

    def text(self, one: int | str) -> str:
        """What stands in a box."""
        return label(self.graph, one) if isinstance(one, int) else one

    def svg(self, title: str) -> str:
        """The whole file."""
        wide = max(self.width, 760.0, 2 * MARGIN + len(title[:110]) * 7.6)
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide:.0f}" height="{self.height:.0f}" '
            f'viewBox="0 0 {wide:.0f} {self.height:.0f}" font-family="ui-monospace, Menlo, Consolas, monospace" '
            f'font-size="12"><rect width="100%" height="100%" fill="#ffffff"/>'
        )
        lines = [head, f'<text x="{MARGIN}" y="30" font-size="13" font-weight="600" fill="#20303f">']
        lines.append(f"{escape(title if len(title) <= 110 else title[:107] + '...')}</text>")
        lines += [self._edge(*line) for line in self.lines]
        lines += [self._box(one) for one in self.boxes if not isinstance(one, tuple)]
        return "\n".join([*lines, self._legend(), "</svg>"]) + "\n"

    def _edge(self, source: int, reader: int | str, port: int, ports: int) -> str:
        """A curve from a box's right side to its reader's left, which names its inputs where there are several."""
        x, y, width = self.boxes[source]
        x, y = x + width, y + HEIGHT / 2
        path = f"M{x:.1f} {y:.1f}"
        for passed in self.way(source, reader):
            left, top, width = self.boxes[passed]
            path += _curve(x, y, left, top + HEIGHT / 2 - (ROW - PASS) / 2) + f" h{width:.1f}"
            x, y = left + width, top + HEIGHT / 2 - (ROW - PASS) / 2
        left, top, _ = self.boxes[reader]
        top += HEIGHT * (port + 1) / (ports + 1)
        line = f'<path d="{path}{_curve(x, y, left, top)}" fill="none" stroke="#9aa5b1" stroke-width="1.3"/>'
        if ports > 1:
            line += f'<text x="{left - 9:.1f}" y="{top - 3:.1f}" font-size="9" fill="#5d6873">{LETTERS[port]}</text>'
        return line

    def _box(self, one: int | str) -> str:
        left, top, width = self.boxes[one]
        text = self.text(one)
        fill, line, _ = KINDS[kind_of(self.graph.nodes[one]) if isinstance(one, int) else "name"]
        ink = "#ffffff" if isinstance(one, str) else "#1d2730"
        more = ""
        if isinstance(one, int):
            node = self.graph.nodes[one]
            rows = f"{node.lookback} rows back" if node.lookback else "this row alone"
            more = f"<title>{escape(label(self.graph, one))}: {rows}</title>"
        return (
            f'<g>{more}<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{HEIGHT}" rx="6" fill="{fill}" '
            f'stroke="{line}" stroke-width="1.2"/><text x="{left + width / 2:.1f}" y="{top + 19.5:.1f}" '
            f'text-anchor="middle" fill="{ink}">{escape(text)}</text></g>'
        )

    def _legend(self) -> str:
        present = {kind_of(self.graph.nodes[i]) for i in self.shown} | {"name"}
        parts, x, y = [], float(MARGIN), self.height - 18
        for kind, (fill, line, words) in KINDS.items():
            if kind in present:
                parts.append(
                    f'<rect x="{x:.1f}" y="{y - 10:.1f}" width="12" height="12" rx="3" fill="{fill}" stroke="{line}"/>'
                    f'<text x="{x + 18:.1f}" y="{y:.1f}" font-size="11" fill="#46525e">{words}</text>'
                )
                x += 18 + len(words) * 6.7 + 24
        return "".join(parts)


def _curve(x0: float, y0: float, x1: float, y1: float) -> str:
    """From one point to another, level at both."""
    bend = max(20.0, (x1 - x0) / 2)
    return f" C{x0 + bend:.1f} {y0:.1f} {x1 - bend:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
