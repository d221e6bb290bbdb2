"""The probability of backtest overfitting of 1,000 strategies over 2,520 days by CSCV, S = 16: 12,870 splits.

    python benchmarks/statistics_cscv.py [--small]

Claimed: under 3 s and 1 GiB on 2 cores. Beside it the plain loop (one split after the other, on the returns themselves), on
every hundredth split: equal ranks and ratios, and the loop's time for all of them.
"""

from __future__ import annotations

import argparse
from itertools import combinations, islice

import numpy as np
from harness import alternate, peak, record

from backcast.engine.stats.overfitting import overfitting


def plain(returns: np.ndarray, blocks: int, step: int) -> np.ndarray:
    """(N, 4) of every `step`th split: logit, the best in sample, its Sharpe ratios inside and outside."""
    block = np.searchsorted(
        len(returns) * np.arange(1, blocks + 1) // blocks, np.arange(len(returns)), side="right"
    )
    found = []
    for chosen in islice(combinations(range(blocks), blocks // 2), 0, None, step):
        mask = np.isin(block, chosen)
        train, test = (
            part.mean(axis=0) / part.std(axis=0, ddof=1) for part in (returns[mask], returns[~mask])
        )
        best = int(train.argmax())
        share = ((test < test[best]).sum() + 1) / (returns.shape[1] + 1)
        found.append((np.log(share / (1 - share)), best, train[best], test[best]))
    return np.array(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--small", action="store_true", help="100 strategies x 504 days")
    strategies, sessions = (100, 504) if parser.parse_args().small else (1000, 2520)
    returns = np.random.default_rng(1).normal(0, 0.01, (sessions, strategies))
    memory, step = peak(lambda: overfitting(returns)), 100  # first, while this process is still small
    taken = alternate(
        {"ours": lambda: overfitting(returns), "loop": lambda: plain(returns, 16, step)},
        rounds=3,
        warm_up=False,
    )
    ours, loop = taken["ours"].answer, taken["loop"].answer
    every = slice(None, None, step)
    equal = bool((ours.chosen[every] == loop[:, 1]).all()) and all(
        np.allclose(mine[every], loop[:, k], rtol=1e-9, atol=1e-12)
        for k, mine in ((0, ours.logits), (2, ours.inside), (3, ours.outside))
    )
    splits = len(ours.logits)
    name = f"statistics/cscv/{strategies}x{sessions}"
    record(f"{name}/s16", taken["ours"].seconds, bar=3, equal=equal)
    whole = taken["loop"].seconds * splits / len(loop)
    record(f"{name}/s16_against_loop", taken["ours"].seconds, whole, "a plain loop", equal=equal)
    record(f"{name}/memory", memory, unit="MiB", bar=1024, equal=equal)


if __name__ == "__main__":
    main()
