"""The circular block bootstrap of many return series at once, as matrix products.

A draw of T sessions in blocks is a row of counts: how often each session was taken. The means of all K series over all draws
are then one product (draws x sessions) @ (sessions x series), and the same blocks are used for every series, so that what the
series share is kept. Source: Politis and Romano (1992), "A circular block-resampling procedure for stationary data".
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from backcast.data.errors import InputError
from backcast.data.types import Floats, Ints

DRAWS = 1000
SEED = 19920101
AT_ONCE = 512
"""Series a product takes at once, so that memory is bounded by the answer."""


def block_length(sessions: int) -> int:
    """Sessions in a block: the cube root of their number, rounded up."""
    return int(np.ceil(round(sessions ** (1 / 3), 9)))


def block_starts(sessions: int, length: int, draws: int, seed: int) -> Ints:
    """(draws, blocks) first sessions of the blocks that make up each draw."""
    return np.random.default_rng(seed).integers(0, sessions, size=(draws, -(-sessions // length)))


def block_counts(starts: Ints, length: int, sessions: int) -> npt.NDArray[np.float32]:
    """(draws, sessions) how often each draw takes each session; the last block is cut so that T are taken."""
    draws = len(starts)
    taken = (starts[:, :, None] + np.arange(length)).reshape(draws, -1)[:, :sessions] % sessions
    flat = (taken + np.arange(draws)[:, None] * sessions).ravel()
    return np.bincount(flat, minlength=draws * sessions).reshape(draws, sessions).astype(np.float32)


def resampled_means(returns: Floats, counts: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(draws, K) means of (T, K) returns over the sessions of each draw, in the precision of `counts`."""
    return counts @ returns.astype(counts.dtype, copy=False) / counts.dtype.type(len(returns))


def resampled_sharpes(returns: Floats, counts: npt.NDArray[Any], means: Floats) -> npt.NDArray[Any]:
    """(draws, K) Sharpe ratios per session of each draw of the centred returns with `means` (K,) put back.

    Zero for `means` gives the ratios that the same returns show without skill. In single precision (counts as `block_counts`
    makes them) an error is 1e-5 of a standard error. Errors: InputError for a series that does not vary.
    """
    centre, spread = returns.mean(axis=0), returns.std(axis=0, ddof=1)
    if not (spread > 0).all():
        raise InputError(
            "returns", int(np.argmin(spread)), "series that vary", "Leave out those that never traded."
        )
    made = np.empty((len(counts), returns.shape[1]), dtype=counts.dtype)
    for first in range(0, returns.shape[1], AT_ONCE):
        part = slice(first, first + AT_ONCE)
        scaled = ((returns[:, part] - centre[part]) / spread[part]).astype(counts.dtype)
        made[:, part] = _sharpes(scaled, counts, (means[part] / spread[part]).astype(counts.dtype))
    return made


def _sharpes(scaled: npt.NDArray[Any], counts: npt.NDArray[Any], means: npt.NDArray[Any]) -> npt.NDArray[Any]:
    kind, sessions = counts.dtype.type, len(scaled)
    first, second = counts @ scaled / kind(sessions), counts @ scaled**2 / kind(sessions)
    variance = np.maximum(second - first**2, np.finfo(kind).tiny) * kind(sessions / (sessions - 1))
    return (first + means) / np.sqrt(variance)
