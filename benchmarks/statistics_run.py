"""All statistics of one run, without bootstraps; and the performance set that QuantStats and empyrical have too, beside theirs.

    python benchmarks/statistics_run.py [--small] [--peers PYTHON]

The run is made up: 2,520 sessions, 500 names with forecasts, quantiles and returns over seven horizons, decisions every five
sessions; the clock runs over all sections and tables, from arrays. With daily decisions it is measured beside the bar, not
against it. The peers' nine figures (total and annual return, volatility, Sharpe, Sortino, Calmar, omega, deepest drawdown,
skew) are compared but for the last, which pandas corrects for the sample. QuantStats wants an environment of its own, whose
interpreter is given by --peers or BACKCAST_PEERS_PYTHON (pip install quantstats==0.0.86 empyrical-reloaded==0.7.1); without it
only empyrical, which the development environment has, stands beside ours.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from harness import alternate, record

from backcast.engine.stats import performance, ratios, regimes, returns, tails
from backcast.engine.stats.figure import Figure
from backcast.engine.stats.information import rank_correlations
from backcast.engine.stats.signal import Signal, signal_sections, signal_table
from backcast.engine.stats.statistics import Account, performance_sections, performance_tables
from backcast.signals.types import QUANTILES

HORIZONS = (1, 2, 5, 10, 21, 63)
YEAR = 252.0

PEER = """
import json, statistics, sys, time, warnings
warnings.simplefilter("ignore")
import numpy as np, pandas as pd
import empyrical as e
frame = np.load(sys.argv[1])
series = pd.Series(frame, index=pd.bdate_range("2010-01-04", periods=len(frame)))
def empyrical():
    return [e.cum_returns_final(series), e.annual_return(series, annualization=252), e.annual_volatility(series),
            e.sharpe_ratio(series), e.sortino_ratio(series), e.calmar_ratio(series), e.omega_ratio(series),
            e.max_drawdown(series), float(series.skew())]
found = {}
def timed(name, version, function):
    function()
    taken = []
    for _ in range(20):
        begin = time.perf_counter()
        answer = function()
        taken.append(time.perf_counter() - begin)
    found[name] = {"version": version, "seconds": statistics.median(taken), "answer": [float(x) for x in answer]}
from importlib.metadata import version
timed("empyrical-reloaded", version("empyrical-reloaded"), empyrical)
try:
    import quantstats.stats as q
    def quantstats():
        return [q.comp(series), q.cagr(series, periods=252), q.volatility(series), q.sharpe(series), q.sortino(series),
                q.calmar(series), q.omega(series), q.max_drawdown(series), q.skew(series)]
    timed("quantstats", version("quantstats"), quantstats)
except ImportError:
    pass
print(json.dumps(found))
"""


def made_up(sessions: int, names: int, every: int) -> tuple[Account, Signal]:
    """An account and a signal with a little skill, from a seed."""
    rng = np.random.default_rng(1)
    days = np.busday_offset("2010-01-04", np.arange(sessions), roll="forward")
    market = rng.standard_t(5, sessions) * 0.008
    net = 0.3 * market + rng.standard_t(5, sessions) * 0.005 + 0.0003
    exposures = {
        name: np.abs(rng.normal(1, 0.1, sessions)) for name in ("gross", "net", "long", "short", "names")
    }
    factors = {f"factor {k}": rng.normal(0, 0.006, sessions) for k in range(5)}
    turnover = rng.uniform(0, 0.3, sessions)
    account = Account(
        net, days, YEAR, np.zeros(sessions), net + turnover * 1e-3, net + turnover * 1e-3, turnover, market, "market",
        market, factors, pl.DataFrame(exposures),
    )  # fmt: skip
    prices = np.cumsum(rng.normal(0, 0.02, (sessions, names)), axis=0)
    decisions = np.arange(0, sessions, every)
    outcomes = {}
    for h in HORIZONS:
        outcomes[h] = np.full((len(decisions), names), np.nan)
        whole = decisions + h < sessions
        outcomes[h][whole] = np.expm1(prices[decisions[whole] + h] - prices[decisions[whole]])
    signal = 0.03 * np.nan_to_num(outcomes[5]) + rng.normal(0, 0.02, (len(decisions), names))
    signal[rng.random(signal.shape) < 0.02] = np.nan
    levels = np.array([-1.64, -0.67, 0.0, 0.67, 1.64]) * 0.045
    made = Signal(
        signal, np.ones(signal.shape, dtype=bool), days[decisions].astype("datetime64[us]"), days[decisions], decisions,
        outcomes, 5, signal[:, :, None] + levels, QUANTILES, tuple(f"group {s % 11}" for s in range(names)),
        {kind: found[decisions] for kind, found in regimes.of_market(market).items()}, 10.0,
    )  # fmt: skip
    return account, made


def everything(account: Account, signal: Signal) -> list[Figure]:
    """Every section and table; the signal anew, so that nothing is remembered."""
    fresh = Signal(**{name: getattr(signal, name) for name in Signal.__dataclass_fields__})
    sections = [*performance_sections(account, draws=0), *signal_sections(fresh)]
    performance_tables(account)
    signal_table(fresh)
    return [figure for section in sections for figure in section.figures]


def nine(net: np.ndarray) -> list[float]:
    """The peers' set by our conventions."""
    found = (
        returns.total(net), returns.compound(net, YEAR), returns.volatility(net, YEAR), ratios.sharpe(net, YEAR),
        ratios.sortino(net, YEAR), ratios.calmar(net, YEAR), ratios.omega(net),
    )  # fmt: skip
    values = [figure.value or float("nan") for figure in found]
    return [*values, float(performance.drawdown(net).min()), tails.skew(net).value or float("nan")]


def beside_peers(net: np.ndarray, python: str) -> None:
    """The same figures by the peers, in their own interpreter."""
    ours = alternate({"ours": lambda: nine(net)}, rounds=20)["ours"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "returns.npy"
        np.save(path, net)
        done = subprocess.run([python, "-c", PEER, str(path)], check=True, stdout=subprocess.PIPE, text=True)
    for name, found in json.loads(done.stdout.splitlines()[-1]).items():
        same = np.isclose(ours.answer[:8], found["answer"][:8], rtol=1e-9)  # pandas' skew is the unbiased one
        if not same.all():
            print(
                f"  {name} differs in figures {np.flatnonzero(~same).tolist()}: {ours.answer}, {found['answer']}"
            )
        peer = f"{name} {found['version']}"
        record(
            f"statistics/nine figures/{name}", ours.seconds, found["seconds"], peer, equal=bool(same.all())
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--small", action="store_true", help="a tenth of the names and a quarter of the sessions"
    )
    parser.add_argument(
        "--peers",
        default=os.environ.get("BACKCAST_PEERS_PYTHON", sys.executable),
        help="an interpreter with them",
    )
    given = parser.parse_args()
    sessions, names = (630, 50) if given.small else (2520, 500)
    for every, bar in ((5, 0.3), (1, None)):
        account, signal = made_up(sessions, names, every)
        taken = alternate({"ours": lambda a=account, s=signal: everything(a, s)}, rounds=5)["ours"]
        known = rank_correlations(signal.values, signal.outcomes[5]).known
        shown = {figure.name: figure.value for figure in taken.answer if not figure.item}
        equal = bool(np.isclose(shown["rank_ic"] or 0.0, known.mean()))
        record(f"statistics/one run/{names}x{sessions}/every {every}", taken.seconds, bar=bar, equal=equal)
        begin = time.process_time()
        everything(account, signal)
        spent = time.process_time() - begin
        print(
            f"  {len(taken.answer)} figures, {len(signal.values):,} decisions; {spent:.3f} s of processor time"
        )
    beside_peers(account.net, given.peers)


if __name__ == "__main__":
    main()
