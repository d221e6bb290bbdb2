"""backcast: a research engine for trading signals that cannot see the future."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "audit", "ingest", "run", "simulate", "statistics", "store", "trials"]

# Imports happen on first use: importing backcast stays instant, and `--help` with it.


def run(*overrides: str) -> Any:
    """`backcast run` from Python: `backcast.run("model=ridge").tearsheet`; the overrides are the command line's."""
    from backcast.engine.cli import run as run_from_overrides

    return run_from_overrides(*overrides)


def ingest(frame: Any, name: str, price_basis: str, **facts: Any) -> Any:
    """Puts a pandas, polars or Arrow frame of bars into the store under a name, for `run("dataset=stored", ...)`.

    The bars come in long form (date, symbol, close ...) or as a wide frame of closes; `facts` are the keys of
    `backcast.data.sources.frames.Frames`, such as `known_rule="event_at + 15min"`. Gives the ingest's report.
    """
    from backcast.data.ingest import ingest as into_store
    from backcast.data.sources.frames import Frames
    from backcast.data.store import Store

    return into_store(Store(), Frames(frame, name=name, price_basis=price_basis, **facts))


def store(dataset: str, snapshot: str | None = None) -> Any:
    """A data set of the store, for questions such as `backcast.store("us5").as_of("2012-08-10").table("bars")`."""
    from backcast.data.reader import Reader

    return Reader(dataset, snapshot)


def simulate(prices: Any, weights: Any, **settings: Any) -> Any:
    """Trades weights on prices: `backcast.simulate(closes, weights, costs=10).equity`.

    What is decided at a time, on its close, fills at the next time of the prices: at its open where there is one, else at its
    close. It is never filled at the price that it was decided on, so do not shift the weights yourself.

    prices: a pandas or polars frame of closes, times x symbols (pandas: times as index); or long, with a column of times,
    `symbol`, `close` and any of open, high, low, volume; or a mapping of such fields to wide frames. In any
    currency; an empty cell or NaN means that it does not trade then. They are taken as they are: no dividends, no splits.
    weights: times x symbols, or long with `symbol` and one of weight, shares, order. Its times are some of those of the prices.
    kind: of a wide frame: weights (shares of equity to hold: 0.25 for a quarter; the default), shares (numbers to hold) or
    orders (numbers to buy, below 0 to sell).
    absent: what an empty cell means where there was a target before: "hold" (left alone) or "zero" (sold); refused without.
    costs: a Cost of `backcast.engine.costs`, or basis points of the traded value (0: free); default 5 fee and 5 half-spread.
    capital: to begin with, in the currency of the prices; default 1,000,000.
    The rest is that of `backcast.engine.execution.Execution`: margin, lot, participation, fill, exit_after ...

    Gives a `backcast.engine.simulate.Simulation`: account, equity, returns, costs, fills and events as polars frames.
    Errors: InputError for anything that is wrong, naming the row, before anything trades.
    """
    from backcast.engine.simulate import simulate as simulate_frames

    return simulate_frames(prices, weights, **settings)


def audit(
    f: Any,
    prices: Any,
    *,
    level: str = "full",
    facts: Any = None,
    membership: Any = None,
    actions: Any = None,
    at: Any = None,
    decides: str = "after",
    seed: int = 0,
) -> Any:
    """Does a function of prices look ahead? `print(backcast.audit(weights, closes))` says where, how far, and what to do.

    It is run again on tables whose future is another (cut off, or scrambled: prices, missing cells, symbols that end, facts and
    their restatements), and every row up to there must be what it was. A leak is what another future moves, a
    shorter one too; only the first layer in causal order is accused.

    f: a function whose first parameter is the prices as they are given here; others by name: facts, membership, actions, and
    any field of a mapping of prices. It gives a wide frame of weights (times x symbols), or a mapping with any of features
    (a wide frame, or name -> wide frame), forecasts, weights (wide frames) and returns (a series of the strategy's returns).
    prices: a pandas or polars frame of closes (times x symbols); or a mapping of fields (open, high, low, close, volume) to
    wide frames; or long, with a time, `symbol` and numbers. Times ascending, each once.
    level: quick (replays of at most 0.9 times all rows) or full (at most 9 times). More runs follow only once something moved.
    facts: long: symbol, known_at, and what it says (item, event_at, value ...). membership: symbol, known_at, member. actions:
    symbol, known_at, kind, value. A row knows what is known by its time; where the prices' times are days, by the day's end.
    at: one instant only, such as a finding names. decides: what a row may read: "after" its own bar (the bar's close is
    known), or "before" it. seed: of the futures and of where they begin.

    Gives an `Audit`: passed (True, False, or None: nothing could be compared), checks, findings (each with sentence, remedy,
    column, symbol, at, depth in bars, through which table, reproduce), to_json().
    Errors: InputError for tables or an answer that cannot be read, and where f raises on the tables as given.
    """
    from backcast.engine.audit.foreign import audit as audit_function

    return audit_function(
        f,
        prices,
        level=level,
        facts=facts,
        membership=membership,
        actions=actions,
        at=at,
        decides=decides,
        seed=seed,
    )


def statistics(returns: Any, **settings: Any) -> Any:
    """Every performance statistic of a series of returns: `backcast.statistics(returns).frame()`. Of a run (what `backcast.run`
    gave, or its folder) also those of its signal; it takes factors, groups (a group by symbol), risk_free_per_year and draws.

    returns: simple returns by session (0.01 for 1 %): a pandas Series or frame with dates as index, or a polars frame with a
    column of dates and one of numbers.
    benchmark: the same, for alpha, beta, capture and regimes; sessions that it lacks are left out there.
    factors: a frame with a column of simple returns for each factor, for attribution.
    turnover: buys plus sells over equity by session.
    risk_free_per_year: a compound rate a year as a share, taken off for Sharpe, Sortino, omega, alpha, beta and factors;
    default 0.
    calendar: whose sessions the dates are, default XNYS; it says how many a year has. periods_per_year: for returns of no
    calendar, such as 12 for months.
    draws: of the bootstrap, default 2000; 0 for none.

    Gives a `backcast.engine.stats.statistics.Statistics`: `.figure("sharpe")` has value, error, interval, unit, convention, or
    the reason why there is none; `.frame()` all of them, `.tables` what is by session, month or drawdown.
    Errors: InputError for anything that is wrong, naming the row.
    """
    from backcast.engine.stats.of_run import statistics as all_of_them

    return all_of_them(returns, **settings)


def trials(dataset: str) -> Any:
    """Every configuration that was evaluated on a data set, a row each: `backcast.trials("us20").frame()`.

    dataset: its name, or a lineage (also of a data set that was dropped). Gives a `backcast.engine.trials.Trials`: `.count()` (n
    trials and the variance of their Sharpe ratios per session), `.frame()`, `.returns()`, `.sql("SELECT ...")`.
    Errors: InputError for a name that has neither data nor a log.
    """
    from backcast.engine.trials.of_dataset import trials_of

    return trials_of(dataset)
