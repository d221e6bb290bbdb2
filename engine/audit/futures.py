"""What traded, again in a market that went on otherwise: no fill may know what came after it.

1. At sessions with orders, everything after a session k is another market: prices, volumes, which bars there are. Where orders
   fill before the close, the close of k itself is too. What was decided at k or later is another weight.
2. The execution plans the targets again, and the simulator trades them. Up to k plan and fills must be what they were.
3. What moved is named with its first fill; how far it looked ahead is found by bisection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from backcast.data.adjust import PRICES
from backcast.data.market import Market
from backcast.data.types import Bools, Floats, Panel
from backcast.engine.audit.execution import common_point
from backcast.engine.audit.findings import LEAK, Check, Finding
from backcast.engine.configure import Experiment
from backcast.engine.simulators.base import Simulator
from backcast.engine.simulators.native import NativeSimulator
from backcast.engine.types import Account, Plan, Targets

NAME = "future scramble: fills"
OURS, THEIRS = 2, 8
"""Sessions after which the market is changed: of our own execution and simulator, and of a user's."""
SIGMA = 0.15
ABSENT = 0.1
NEARER = (0.3, 0.9)
"""What a later weight is multiplied with."""
TOLERANCE = 1e-9

WORDS = {"tradable": "whether it can trade", "fill_price": "its fill price", "weights": "its order"}
"""The parts of a plan that are compared, causes first."""


@dataclass(frozen=True)
class _Trade:
    """A run's trading, to be repeated. closing: orders fill at the close, which is then known at the fill."""

    made: Experiment
    panel: Panel
    market: Market
    targets: Targets
    simulator: Simulator
    closing: bool
    seed: int

    def again(self, k: int, decisions: bool = True) -> tuple[Plan, Account]:
        """Plan and account where everything after bar k is another market, and decisions that fill after it are others."""
        panel, market = self._changed(k)
        targets = self._decided(k) if decisions else self.targets
        plan = self.made.execution.plan(panel, market, targets, self.made.cost)
        return plan, self.simulator.simulate(plan, self.made.cost, self.made.capital)

    def _decided(self, k: int) -> Targets:
        """Targets of which those that fill after bar k are nearer to zero: what was allowed before still is."""
        targets = self.targets
        factor = np.random.default_rng([self.seed, k, 1]).uniform(*NEARER, targets.weights.shape)
        factor[targets.decisions < k] = 1.0
        return replace(targets, weights=targets.weights * factor)

    def _changed(self, k: int) -> tuple[Panel, Market]:
        market = self.market
        generator = np.random.default_rng([self.seed, k])
        shape = market.values.shape[1:]
        factor = np.exp(generator.normal(0, SIGMA, shape))
        gone = _removable(market) & (generator.random(shape) < ABSENT)
        after = np.arange(shape[1]) > k
        values = _changed_bars(market.fields, market.values, factor, gone, after)
        if not self.closing:
            _change_close(market.fields, values, factor, k)
        first = None if market.first is None else _changed_panel(market.first, factor, k)
        return _changed_panel(self.panel, factor, k), replace(market, values=values, first=first)


def _removable(market: Market) -> Bools:
    """(S, T) bars that are not a symbol's first or last: without those another symbol would end, which is another story."""
    known = np.isfinite(market.field("close"))
    at = np.arange(known.shape[1])
    last = known.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
    inner = (at > known.argmax(axis=1)[:, None]) & (at < last[:, None])
    days = known.sum(axis=0) > 1
    return np.asarray(known & inner & days)


def _changed_bars(
    fields: tuple[str, ...], values: Floats, factor: Floats, gone: Bools, after: Bools
) -> Floats:
    """(F, S, T) with every bar after some other: prices by one factor a bar, so that they stay in order; some are not there."""
    out = values.copy()
    for f, name in enumerate(fields):
        moved = values[f] * (factor if name in PRICES else factor**3)
        out[f] = np.where(after, np.where(gone, np.nan, moved), values[f])
    return out


def _change_close(fields: tuple[str, ...], values: Floats, factor: Floats, k: int) -> None:
    """Another close of bar k, which is not over when its orders fill; high and low hold it."""
    close = fields.index("close")
    values[close, :, k] *= factor[:, k]
    for name, bound in (("high", np.fmax), ("low", np.fmin)):
        if name in fields:
            f = fields.index(name)
            values[f, :, k] = bound(values[f, :, k], values[close, :, k])


def _changed_panel(panel: Panel, factor: Floats, k: int) -> Panel:
    """A panel whose bars from k on are others: decisions that fill by k came before."""
    values = panel.values.copy()
    for f, name in enumerate(panel.fields):
        if name in PRICES or name == "volume":
            values[f, :, k:] *= factor[:, k:]
    own = None if panel.unadjusted is None else _changed_panel(panel.unadjusted, factor, k)
    return replace(panel, values=values, unadjusted=own)


def check(made: Experiment, panel: Panel, market: Market, targets: Targets, account: Account) -> Check:
    """LEAK where a fill changes with what came after it; inconclusive where trading it again cannot be done."""
    theirs = any(_of_user(part) for part in (made.execution, made.simulator, made.cost))
    simulator = made.simulator if _of_user(made.simulator) else NativeSimulator()
    closing = common_point(made.execution, panel, market, account.fills)[1] != ["next_open"]
    trade = _Trade(made, panel, market, targets, simulator, closing, made.seed)
    found = Check(NAME, "execution", "plan and fills again, where everything after is another market")
    try:
        plan = made.execution.plan(panel, market, targets, made.cost)
        own = simulator.simulate(plan, made.cost, made.capital)
        if (
            _of_user(made.simulator)
            and _first_apart(plan, own, plan, account, len(panel.clock) - 1) is not None
        ):
            found.inconclusive = "the simulator does not come to the same fills twice: it is not reproducible"
            return found
        for k in _sessions(plan, THEIRS if theirs else OURS):
            moved = _first_apart(plan, own, *trade.again(k), k)
            found.cells += int((own.fills.session <= k).sum()) + (k - plan.offset + 1) * len(plan.symbols)
            if moved is not None:
                found.changed += 1
                found.finding = found.finding or _finding(trade, plan, own, moved, k)
    except Exception as error:  # a user's own code, in a market that it never saw
        found.inconclusive = f"it fails in a changed market: {type(error).__name__}: {error}".splitlines()[0]
    return found


def _of_user(part: object) -> bool:
    return not type(part).__module__.startswith("backcast.")


def _sessions(plan: Plan, most: int) -> list[int]:
    """Bars with orders, spread evenly; at most so many, none of them the last."""
    asked = plan.offset + np.flatnonzero(np.isfinite(plan.weights).any(axis=1))
    asked = asked[asked < plan.offset + len(plan.weights) - 1]
    if len(asked) <= most:
        return [int(k) for k in asked]
    return sorted({int(asked[i]) for i in np.linspace(0, len(asked) - 1, most + 2)[1:-1].astype(int)})


_Moved = tuple[int, int, str]
"""Bar, symbol and what moved there."""


def _first_apart(plan: Plan, own: Account, other: Plan, again: Account, k: int) -> _Moved | None:
    """The first thing up to bar k that is not as it was: in the plan, or among the fills."""
    end = k - plan.offset + 1
    moved = [m for name in WORDS if (m := _apart(plan, other, name, end))]
    one, two = (_traded(account, plan, end) for account in (own, again))
    wrong = np.abs(one - two) > TOLERANCE * np.maximum(np.maximum(np.abs(one), np.abs(two)), 1.0)
    if wrong.any():
        t, s = (int(i) for i in np.argwhere(wrong)[0])
        moved.append((plan.offset + t, s, "its fill"))
    return min(moved, default=None, key=lambda one: one[0])  # of one bar what causes the rest comes first


def _apart(plan: Plan, other: Plan, name: str, end: int) -> _Moved | None:
    """The first cell of a part of a plan that is another; of prices those at which something can trade."""
    one, two = (np.asarray(getattr(p, name)[:end], dtype=np.float64) for p in (plan, other))
    with np.errstate(invalid="ignore"):
        same = (one == two) | (np.abs(one - two) <= TOLERANCE * np.abs(one)) | (np.isnan(one) & np.isnan(two))
    wrong = ~same & plan.tradable[:end] & other.tradable[:end] if name == "fill_price" else ~same
    if not wrong.any():
        return None
    t, s = (int(i) for i in np.argwhere(wrong)[0])
    return plan.offset + t, s, WORDS[name]


def _traded(account: Account, plan: Plan, end: int) -> Floats:
    """(end, S) shares traded by bar of the plan and symbol."""
    fills, symbols = account.fills, len(plan.symbols)
    t = fills.session - plan.offset
    inside = t < end
    cells = t[inside] * symbols + fills.symbol[inside]
    summed = np.bincount(cells, weights=fills.quantity[inside], minlength=end * symbols)
    return np.asarray(summed.reshape(end, symbols))


def _finding(trade: _Trade, plan: Plan, own: Account, moved: _Moved, k: int) -> Finding:
    t, s, what = moved
    market = _first_apart(plan, own, *trade.again(k, decisions=False), k) is not None

    def moves(after: int) -> bool:
        again = _first_apart(plan, own, *trade.again(after, decisions=not market), t)
        return again is not None

    if not market:
        return Finding(
            LEAK,
            f"Of {plan.symbols[s]} {what} changes with what was decided at its own bar or later: there is no lag.",
            "Fill a decision in the bar after it: hand `Execution.plan` the targets at the decisions that they were made at.",
            column="fills",
            symbol=plan.symbols[s],
            at=str(plan.clock.closes_at[t]),
            depth=_reach(moves, k, len(plan.clock) - 2) - t + 1,
            through="bars",
        )
    return Finding(
        LEAK,
        f"Of {plan.symbols[s]} {what} changes with what the market did afterwards.",
        "Let plan and simulator read nothing beyond the bar that they fill in, nor its close where they fill before it.",
        column="fills",
        symbol=plan.symbols[s],
        at=str(plan.clock.closes_at[t]),
        depth=_reach(moves, k, len(plan.clock) - 2) - t + (2 if trade.closing else 1),
        through="bars",
    )


def _reach(moves: Callable[[int], bool], low: int, high: int) -> int:
    """The last bar after which a change is still seen; `low` is one."""
    while low < high:
        middle = (low + high + 1) // 2
        if moves(middle):
            low = middle
        else:
            high = middle - 1
    return low
