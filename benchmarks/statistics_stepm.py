"""StepM at 5 % on Sharpe ratios beside arch's StepM on returns of unit risk: 1,000 draws of circular blocks.

    python benchmarks/statistics_stepm.py [--small]

The two use other blocks of the same length, and a ratio in place of a mean: they have to declare the same trials in at least
98 % of cases, skill planted in one of ten. And the time of ours for a sweep of 2,000 trials over 2,520 sessions.
"""

from __future__ import annotations

import argparse

import numpy as np
from harness import alternate, peak, record

from backcast.engine.stats.multiple import step_m
from backcast.engine.stats.resampling import block_length


def sweep(trials: int, sessions: int, skilled: int) -> np.ndarray:
    returns = np.random.default_rng(2).normal(0, 0.01, (sessions, trials))
    returns[:, :skilled] += 0.0015
    return returns


def theirs(returns: np.ndarray) -> np.ndarray:
    from arch.bootstrap import StepM

    length = block_length(len(returns))
    scaled = -returns / returns.std(axis=0)
    test = StepM(
        np.zeros(len(returns)), scaled, 0.05, block_size=length, reps=1000, bootstrap="circular", seed=1
    )
    test.compute()
    return np.isin(np.arange(returns.shape[1]), test.superior_models)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--small", action="store_true", help="20 trials, and no sweep of 2,000")
    small = parser.parse_args().small
    trials, sessions = (20, 250) if small else (100, 1000)
    returns = sweep(trials, sessions, trials // 10)
    taken = alternate(
        {"ours": lambda: step_m(returns).survivors(), "arch": lambda: theirs(returns)},
        rounds=3,
        warm_up=False,
    )
    equal = float((taken["ours"].answer == taken["arch"].answer).mean()) >= 0.98
    name = f"statistics/stepm/{trials}x{sessions}"
    record(name, taken["ours"].seconds, taken["arch"].seconds, "arch", equal=equal)
    if not small:
        memory = peak(lambda: step_m(sweep(2000, 2520, 10)))
        whole = alternate({"ours": lambda: step_m(sweep(2000, 2520, 10))}, rounds=3, warm_up=False)
        record("statistics/stepm/2000x2520", whole["ours"].seconds)
        record("statistics/stepm/2000x2520/memory", memory, unit="MiB")


if __name__ == "__main__":
    main()
