"""Forty honest runs, drawn at random from what our configuration offers: none may be accused.

Features of every set and of random expressions, models (the Temporal Fusion Transformer among them), labels, folds, portfolios
with steps, costs, executions and simulators, on made data with corrections, late bars, gaps, splits and delistings, raw and
adjusted, by days and by half hours. What they are is fixed by their number; nothing was left out for what an audit said of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backcast.engine.features.sheet import made_panel
from backcast.signals.feature import FeatureSet
from zoo import run_data, run_refused
from zoo.walk import Walk

COUNT = 40
TRULY = ("how names end",)
"""Warnings that are true of the made data: half of the names that are delisted end without a fact of it."""
SETS = ("alpha158", "classic", "fundamental", "momentum", "ohlcv", "volatility")
FIELDS = ("open", "high", "low", "close", "volume", "alpha", "earnings")
IN_TIME = ("ts_mean", "ts_std", "ts_max", "ts_min", "ts_rank", "ts_zscore", "ts_demean", "ts_sum", "ts_slope", "ts_skew",
           "ts_median", "ts_argmax", "ts_rsquare", "decay_linear", "ewm_mean", "ewm_std", "ref", "delta", "rsi")  # fmt: skip
IN_PAIRS = ("ts_corr", "ts_cov", "ts_beta")
ACROSS = ("cs_rank", "cs_zscore", "cs_demean", "cs_scale")
ROW_BY_ROW = ("abs({})", "sign({})", "log(abs({}) + 1)", "-({})", "clip({}, -5, 5)")
CALENDAR = ("day_of_week()", "days_to_month_end()", "month()")

STEPS = ("neutral", "volatility_target", "cap_name", "cap_gross", "cap_traded", "cap_turnover", "band")
"""In the only order in which they may come."""


def configuration(number: int) -> Walk:
    """The run with a number: every eighth by half hours, every eighth on adjusted prices, one in ten a transformer."""
    draw = np.random.default_rng([2026, number])
    if number % 8 == 3:
        return _by_half_hours(draw, number)
    if number % 8 == 6:
        return _adjusted(draw, number)
    small = number % 10 == 9
    market = (
        "dataset=synthetic",
        f"dataset.symbols={int(draw.integers(12, 25))}",
        f"dataset.sessions={500 if not small else 420}",
        f"dataset.seed={number}",
        f"+dataset.rates.delistings={draw.choice([0.04, 0.1, 0.2])}",
        f"+dataset.rates.corrections={draw.choice([0.0, 1.0, 4.0])}",
        f"+dataset.rates.splits={draw.choice([0.0, 0.1, 1.0])}",
        f"+dataset.rates.listings={draw.choice([0.0, 0.1, 0.4])}",
    )
    features = _features(draw, number, FIELDS)
    horizon = int(draw.choice([1, 2, 5, 10, 20]))
    overrides = (
        *_folds(draw, 300 if small else 400),
        *_model(draw, number),
        *_trading(draw),
        f"label.horizon={horizon}",
    )
    return _walk(number, features, overrides, market, None)


def _walk(
    number: int,
    features: dict[str, Any] | str,
    overrides: tuple[str, ...],
    dataset: tuple[str, ...],
    prepare: Any,
) -> Walk:
    named = (f"features={features}",) if isinstance(features, str) else ()
    parts = {} if isinstance(features, str) else {"features": features}
    return Walk(configuration, parts, (*named, *overrides, f"seed={number}"), dataset, prepare)


def _adjusted(draw: np.random.Generator, number: int) -> Walk:
    """On prices adjusted backwards that say so, where expressions must be free of levels."""
    prepare = run_data.ingested(
        run_data.adjusted_called_raw, price_basis=str(draw.choice(["total_return", "split_adjusted"]))
    )
    features = str(draw.choice(["momentum", "ohlcv", "volatility", "classic"]))
    overrides = (*_folds(draw, 400), *_model(draw, number), *_trading(draw))
    return _walk(number, features, overrides, run_refused.STORED, prepare)


def _by_half_hours(draw: np.random.Generator, number: int) -> Walk:
    """By half hours, a decision at the end of the session, at two times of day or at every fifth bar."""
    every = str(draw.choice(["session", "['10:30','15:30']", "5"]))
    prepare = run_data.ingested(run_refused.minutes, frequency="30min", decision_delay=0)
    overrides = (
        *run_refused.INTRADAY,
        f"folds.every={every}",
        *_model(draw, number),
        f"portfolio={draw.choice(['rank', 'score'])}",
    )
    return _walk(number, _features(draw, number, FIELDS[:5]), overrides, run_refused.STORED, prepare)


def _folds(draw: np.random.Generator, first: int) -> tuple[str, ...]:
    every = str(draw.choice(["5", "weekly", "monthly", "3"]))
    kind = ("folds.kind=rolling", "+folds.train_sessions=250") if draw.random() < 0.4 else ()
    refit = str(draw.choice(["monthly", "quarterly"]))
    return ("folds=monthly", f"folds.first_fit={first}", f"folds.refit={refit}", *kind,
            f"folds.every={every}", f"folds.embargo={int(draw.integers(0, 6))}")  # fmt: skip


def _model(draw: np.random.Generator, number: int) -> tuple[str, ...]:
    if number % 10 == 9:
        return ("model=tft", "challengers=none", "model.encoder_length=5", "model.hidden_size=4", "model.epochs=1",
                "model.hidden_continuous_size=2", "model.max_samples_per_epoch=500", "folds.refit=yearly")  # fmt: skip
    kind = str(draw.choice(["mean", "ridge", "lightgbm"], p=[0.1, 0.5, 0.4]))
    if kind == "ridge":
        return ("model=ridge", f"model.alpha={10.0 ** draw.integers(-2, 5)}")
    if kind == "lightgbm":
        return ("model=lightgbm", f"model.rounds={int(draw.integers(5, 30))}", "model.min_data_in_leaf=20",
                f"model.feature_fraction={draw.choice([0.5, 1.0])}", f"model.patience={draw.choice([0, 5])}")  # fmt: skip
    return ("model=mean",)


def _trading(draw: np.random.Generator) -> tuple[str, ...]:
    """Portfolio, steps, costs, execution and simulator that may go together."""
    rule = str(
        draw.choice(
            ["rank", "topk", "score", "inverse_volatility", "risk_parity", "mean_variance", "overlapping"]
        )
    )
    portfolio = {"topk": ("portfolio.topk=4", "portfolio.n_drop=1"), "inverse_volatility": ("portfolio.window=30",),
                 "risk_parity": ("portfolio.window=30",), "mean_variance": ("portfolio.window=60",)}.get(rule, ())  # fmt: skip
    chosen = (
        [step for step in STEPS if draw.random() < 0.25]
        if rule in ("rank", "score", "inverse_volatility")
        else []
    )
    if "neutral" in chosen:  # a cap by name would undo it
        chosen = [step for step in chosen if step != "cap_name"]
    steps = [f"+portfolio/steps@portfolio.steps.{step}={step}" for step in chosen]
    shorts = ["portfolio.side=long_short"] if rule == "inverse_volatility" and chosen else []
    costs = str(draw.choice(["free", "linear", "broker", "almgren"]))
    execution = str(draw.choice(["default", "margin", "participation"]))
    fill = (
        [f"execution.fill={draw.choice(['next_open', 'next_close', 'next_typical'])}"]
        if draw.random() < 0.5
        else []
    )
    simulator = str(draw.choice(["native", "reference"], p=[0.7, 0.3]))
    return (f"portfolio={rule}", *portfolio, *shorts, *steps, f"costs={costs}", f"execution={execution}", *fill,
            f"simulator={simulator}")  # fmt: skip


def _features(draw: np.random.Generator, number: int, fields: tuple[str, ...]) -> dict[str, Any] | str:
    """A set of ours, or three to six random expressions that tell something, and a plain one."""
    if number % 2 == 0 and len(fields) > 5:
        return SETS[number // 2 % len(SETS)]
    wanted, texts = int(draw.integers(3, 7)), dict[str, str]()
    while len(texts) < wanted:
        text = expression(draw, fields)
        if telling(text, fields):
            texts[f"x{len(texts)}"] = text
    plain = {"return_1": "close / ref(close, 1) - 1"}
    return {"_target_": "backcast.signals.feature.FeatureSet", "expressions": {**plain, **texts}}


def telling(text: str, fields: tuple[str, ...]) -> bool:
    """Whether an expression has values in most cells of made bars, not all the same: a model needs rows to train."""
    panel = made_panel(fields, 8, 200)
    graph = FeatureSet({"x": text}).compile(panel.fields, "raw")
    values = graph.evaluate(panel).values[0]
    known = values[np.isfinite(values)]
    return known.size > 0.6 * values.size and bool(known.std() > 1e-6 * abs(known.mean()))


def expression(draw: np.random.Generator, fields: tuple[str, ...], depth: int = 3) -> str:
    """A random expression of the language; windows of 2 to 15 rows, so that four of them fit into what there is."""
    if depth == 0 or draw.random() < 0.1:
        return str(draw.choice(fields)) if draw.random() < 0.95 else str(draw.choice(CALENDAR))
    kind, window = draw.random(), int(draw.integers(3, 16))
    one = expression(draw, fields, depth - 1)
    if kind < 0.4:
        return f"{draw.choice(IN_TIME)}({one}, {window})"
    if kind < 0.6:
        return f"{draw.choice(ACROSS)}({one})"
    if kind < 0.75:
        return str(draw.choice(ROW_BY_ROW)).format(one)
    other = expression(draw, fields, depth - 1)
    if kind < 0.85:
        return f"{draw.choice(IN_PAIRS)}({one}, {other}, {window})"
    return f"(({one}) {draw.choice(['+', '-', '*', '/'])} ({other}))"
