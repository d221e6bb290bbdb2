"""The graph: sharing, look-back, members, threads, cuts, and revisions against a brute-force oracle."""

from __future__ import annotations

import numpy as np
import pytest
from language import compiled, panel

from backcast.data.errors import InputError
from backcast.data.types import Clock, Floats, Panel, Revisions
from backcast.signals.expression import MAX_LENGTH, Field, Node, Number, parse
from backcast.signals.feature import FeatureSet
from backcast.signals.graph import Graph
from backcast.signals.kernels import reference

FIELDS = ("close", "volume")
SYMBOLS, ROWS = 21, 90
EXPRESSIONS = {
    "ret": "close / ref(close, 3) - 1",
    "vol": "ts_std(returns(close, 1), 7)",
    "corr": "ts_corr(close, volume, 10)",
    "rank": "cs_rank(ts_mean(close, 5))",
    "alpha": "cs_rank(ts_corr(close, volume, 10)) - cs_rank(delta(close, 5))",
    "above": "ts_mean(cs_zscore(close), 4) + ts_corr(cs_demean(volume), close, 6)",
    "deep": "cs_rank(ts_mean(cs_zscore(returns(close, 2)), 3))",
    "if": "where(close > ts_median(close, 9), ts_argmax(volume, 8), -1)",
    "neutral": "ts_sum(cs_residual(cs_rank(close), returns(volume, 3), cs_demean(close)), 4)",
    "groups": "cs_neutralise(ewm_mean(close, 2), ts_count_up(volume, 3))",
    "slope": "ts_slope(log(close), 11) * ts_quantile(volume, 6, 0.8)",
}


def _clock(rows: int, first_slot: int = 5001) -> Clock:
    days = np.datetime64("2020-01-01") + np.arange(rows)
    at = days.astype("datetime64[us]")
    return Clock("XNYS", days, at, at, at, first_slot + np.arange(rows), 252.0)


def _revisions(rng: np.random.Generator, number: int, rows: int) -> Revisions:
    time = rng.integers(0, rows - 1, number)
    decision = np.minimum(time + rng.integers(1, 25, number), rows)
    order = np.argsort(decision, kind="stable")
    value = rng.uniform(50, 150, number)
    value[rng.random(number) < 0.1] = np.nan
    known = _clock(rows + 1).decides_at[decision]
    columns = (rng.integers(0, 2, number), rng.choice([2, 3, 17, 20], number), time, known, decision, value)
    return Revisions(*(column[order] for column in columns))


def _panel(seed: int, revised: int = 0) -> Panel:
    rng = np.random.default_rng(seed)
    values = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, (2, SYMBOLS, ROWS)), axis=2))
    values[rng.random(values.shape) < 0.01] = np.nan
    values[:, 4, :30] = np.nan
    member = rng.random((SYMBOLS, ROWS)) < 0.9
    names = tuple(f"S{i:02d}" for i in range(SYMBOLS))
    return Panel(FIELDS, names, _clock(ROWS), values, member, _revisions(rng, revised, ROWS), "raw", 0.0)


def _cut(panel: Panel, rows: int) -> Panel:
    """The same panel from a store that ends at decision rows - 1."""
    r = panel.revisions
    kept = r.decision < rows
    cut = Revisions(
        r.field[kept], r.symbol[kept], r.time[kept], r.known_at[kept], r.decision[kept], r.value[kept]
    )
    return Panel(panel.fields, panel.symbols, panel.clock.slice(0, rows), np.ascontiguousarray(panel.values[:, :, :rows]),
                 np.ascontiguousarray(panel.member[:, :rows]), cut, panel.price_basis, 0.0)  # fmt: skip


def _graph(expressions: dict[str, str] = EXPRESSIONS) -> Graph:
    return FeatureSet(expressions).compile(FIELDS, "raw")


def _as_known(panel: Panel, decision: int) -> Floats:
    values, r = panel.values[:, :, : decision + 1].copy(), panel.revisions
    for n in range(len(r)):
        if r.decision[n] <= decision:
            values[r.field[n], r.symbol[n], r.time[n]] = r.value[n]
    return values


class Oracle:
    """Each decision on its own: the cells as known then, the plain definitions, dated facts across symbols."""

    def __init__(self, panel: Panel) -> None:
        self.panel, self.facts = panel, {}

    def at(self, tree: Node, decision: int, symbol: int) -> Floats:
        """The series of one symbol up to a decision, as a decision maker would compute it then."""
        cells = self.known[:, symbol]
        if isinstance(tree, Number):
            return np.full(decision + 1, tree.value)
        if isinstance(tree, Field):
            return cells[FIELDS.index(tree.name)]
        if tree.operator in reference.ACROSS:
            return np.array([self.fact(tree, t)[symbol] for t in range(decision + 1)])
        x = [self.at(part, decision, symbol) for part in tree.inputs]
        lag = [int(v) if v >= 1 else v for v in tree.literals]
        if tree.operator in reference.OVER_TIME:
            return reference.OVER_TIME[tree.operator](*x, *lag)
        return reference.at_once(tree.operator, *x)

    def fact(self, tree: Node, decision: int) -> Floats:
        """A row across symbols, made once, at its own decision."""
        if (tree, decision) not in self.facts:
            kept, self.known = getattr(self, "known", None), _as_known(self.panel, decision)
            rows = [np.array([self.at(x, decision, s)[-1] for s in range(SYMBOLS)]) for x in tree.inputs]
            member = self.panel.member[:, decision]
            self.facts[tree, decision] = reference.ACROSS[tree.operator](*rows, member, *tree.literals)
            self.known = kept
        return self.facts[tree, decision]

    def value(self, tree: Node, decision: int, symbol: int) -> float:
        self.known = _as_known(self.panel, decision)
        return float(self.at(tree, decision, symbol)[-1])


@pytest.mark.parametrize("name", sorted(EXPRESSIONS))
def test_every_decision_uses_what_it_knew(name: str) -> None:
    panel = _panel(3, revised=40)
    ours = _graph({name: EXPRESSIONS[name]}).evaluate(panel).values[0]
    oracle, tree = Oracle(panel), parse(EXPRESSIONS[name])
    rng = np.random.default_rng(5)
    for symbol in (2, 17, 9):
        for decision in sorted(rng.choice(ROWS, 12, replace=False)):
            truth = oracle.value(tree, int(decision), symbol)
            np.testing.assert_allclose(ours[symbol, decision], truth, rtol=1e-10, atol=1e-11)


def test_revisions_change_something_and_only_later() -> None:
    plain, revised = _panel(3), _panel(3, revised=40)
    before, after = (_graph().evaluate(p).values for p in (plain, revised))
    first = int(revised.revisions.decision.min())
    assert np.array_equal(before[:, :, :first], after[:, :, :first], equal_nan=True)
    assert not np.array_equal(before, after, equal_nan=True)


def test_threads_and_blocks_never_change_a_bit() -> None:
    panel = _panel(6, revised=30)
    one = _graph().evaluate(panel, threads=1).values
    assert one.tobytes() == _graph().evaluate(panel, threads=3).values.tobytes()
    for name, values in zip(EXPRESSIONS, one):
        alone = _graph({name: EXPRESSIONS[name]}).evaluate(panel).values[0]
        assert alone.tobytes() == values.tobytes(), name


@pytest.mark.parametrize("rows", [1, 2, 13, 60, 89])
def test_a_cut_never_changes_what_came_before(rows: int) -> None:
    panel = _panel(8, revised=40)
    whole, part = _graph().evaluate(panel).values, _graph().evaluate(_cut(panel, rows)).values
    assert part.tobytes() == np.ascontiguousarray(whole[:, :, :rows]).tobytes()


def test_the_future_never_reaches_back() -> None:
    panel, rng = _panel(9), np.random.default_rng(0)
    changed = panel.values.copy()
    changed[:, :, 50:] = rng.normal(size=changed[:, :, 50:].shape)
    other = Panel(FIELDS, panel.symbols, panel.clock, changed, panel.member, panel.revisions, "raw", 0.0)
    one, two = (_graph().evaluate(p).values[:, :, :50] for p in (panel, other))
    assert np.array_equal(one, two, equal_nan=True)


@pytest.mark.parametrize(
    ("text", "lookback"),
    [
        ("close", 0),
        ("ref(close, 20)", 20),
        ("ts_mean(close, 20)", 19),
        ("ts_std(returns(close, 1), 20)", 20),
        ("close / ts_max(ref(volume, 5), 10) - 1", 14),
        ("ts_mean(cs_rank(ts_mean(close, 10)), 5)", 13),
        ("cs_rank(close)", 0),
    ],
)
def test_lookback(text: str, lookback: int) -> None:
    graph = _graph({"f": text})
    assert graph.lookback == lookback
    panel = _panel(1)
    values = graph.evaluate(panel).values[0]
    values_late, member_late = panel.values[:, :, 40:].copy(), panel.member[:, 40:].copy()
    late = Panel(
        FIELDS, panel.symbols, _clock(ROWS - 40, 5041), values_late, member_late, panel.revisions, "raw", 0.0
    )
    again = graph.evaluate(late).values[0]
    assert np.array_equal(values[:, 40 + lookback :], again[:, lookback:], equal_nan=True)


def test_a_shared_expression_is_one_node() -> None:
    graph = _graph(
        {"a": "close / ref(close, 5) - 1", "b": "returns(close, 5)", "c": "cs_rank(returns(close,5))"}
    )
    assert graph.outputs[0] == graph.outputs[1]
    assert [node.operator for node in graph.nodes] == ["field", "ref", "/", "number", "-", "cs_rank"]


def test_only_members_count_across_symbols() -> None:
    panel = _panel(2)
    values = _graph({"f": "cs_rank(close)"}).evaluate(panel).values[0]
    expected = panel.member & ~np.isnan(panel.values[0])
    assert np.array_equal(~np.isnan(values), expected)
    assert values[expected].max() == 1.0


def test_numbers_alone_and_empty_revisions() -> None:
    values = (
        _graph({"one": "1", "rank": "cs_rank(2 + 3)", "sum": "ts_sum(2, 3)"})
        .evaluate(_panel(2, revised=9))
        .values
    )
    assert (values[0] == 1).all()
    assert np.nanmax(values[1]) <= 1.0
    assert (values[2][:, 2:] == 6).all()


def test_the_longest_chain_compiles() -> None:
    text = "+".join(["close"] * (MAX_LENGTH // 6))
    assert len(_graph({"f": text}).nodes) == MAX_LENGTH // 6


def _listed(texts: str) -> list[str]:
    return [text.strip() for text in texts.split(";")]


FREE = """
    close / ref(close, 20) - 1; log(close) - log(ref(close, 5)); delta(log(close), 5); ts_zscore(close, 20);
    cs_rank(returns(close, 5)); ts_std(returns(close, 1), 20); ts_std(log(close), 20);
    ts_corr(close, volume, 10); close > ts_mean(close, 50); sign(delta(close, 1));
    where(close > ref(close, 1), 1, -1); volume / ts_mean(volume, 9);
    (close - ref(close, 1)) / (ts_std(close, 20) + 0.001 * close);
    max(delta(close, 1), 0) / ts_mean(abs(delta(close, 1)), 9); ts_slope(log(close), 20);
    log(close / ref(close, 1)); 2 * ts_rank(close, 10) - 1; ts_argmax(close, 20);
    ts_sum(log(close), 2) - 2 * log(close); close * close / (ref(close, 1) * ref(close, 2))
"""
LEVEL = """
    close; close - ref(close, 1); cs_rank(close); log(close); ts_mean(close, 5); close > 10; volume;
    close * volume; delta(close, 1) / volume; cs_rank(log(close)); ts_std(close, 20); 1 / close;
    close / (close + 1); sign(close - 5); where(close > 5, 1, 0); where(close, 1, 0); max(close, 1) / close;
    abs(log(close)); log(close) * 2; ts_zscore(close + 1, 5); ts_corr(close + volume, close, 5);
    ts_rank(log(close) * close, 5); min(close, volume)
"""


@pytest.mark.parametrize("text", _listed(FREE))
def test_free_of_level(text: str) -> None:
    graph = FeatureSet({"f": text}).compile(FIELDS, "total_return")
    panel = _panel(4)
    scaled = panel.values * np.random.default_rng(0).uniform(0.1, 10, (2, SYMBOLS, 1))
    other = Panel(FIELDS, panel.symbols, panel.clock, scaled, panel.member, panel.revisions, "raw", 0.0)
    one, two = (graph.evaluate(p).values for p in (panel, other))
    np.testing.assert_allclose(one, two, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("basis", ["total_return", "split_adjusted"])
@pytest.mark.parametrize("text", _listed(LEVEL))
def test_levels_of_back_adjusted_prices_are_refused(text: str, basis: str) -> None:
    FeatureSet({"f": text}).compile(FIELDS, "raw")
    with pytest.raises(InputError, match=r"close / ref\(close, 20\) - 1"):
        FeatureSet({"f": text}).compile(FIELDS, basis)


def test_an_unknown_field_names_those_there_are() -> None:
    with pytest.raises(InputError, match=r"at character 9\. It has: close, volume") as raised:
        FeatureSet({"f": "close - open"}).compile(FIELDS, "raw")
    assert str(raised.value).endswith("\n  close - open\n          ^")


@pytest.mark.parametrize(
    "expressions", [{}, None, [], {"a b": "close"}, {"": "close"}, {"a": 1}, {1: "close"}]
)
def test_feature_sets_are_checked(expressions: object) -> None:
    with pytest.raises(InputError):
        FeatureSet(expressions)  # type: ignore[arg-type]


def test_the_basis_is_checked() -> None:
    with pytest.raises(InputError, match="price_basis"):
        FeatureSet({"a": "close"}).compile(FIELDS, "adjusted")


def test_numbers_are_worked_out_once() -> None:
    folded, written = compiled("close * (2 * 3 - 1) / sqrt(4)"), compiled("close * 5 / 2")
    assert [node.operator for node in folded.nodes if node.operator not in ("number", "field")] == ["*", "/"]
    cells = panel(np.full((1, 1, 3), 7.0))
    assert (folded.evaluate(cells).values == 17.5).all() and (written.evaluate(cells).values == 17.5).all()
    assert np.isnan(compiled("close + 1 / 0").evaluate(cells).values).all()
