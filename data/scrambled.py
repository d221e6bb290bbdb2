"""A panel whose rows after a decision are others: the same world up to there, without reading the store again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backcast.data.asof import Delistings
from backcast.data.types import Floats, Panel


def scrambled_panel(panel: Panel, k: int, seed: int) -> Panel:
    """Every cell and every version that no decision up to row k knows is another; a tenth of the members are flipped there,
    some cells are gone, and of every symbol a late correction of row k comes. Numbers keep their sign and size."""
    generator = np.random.default_rng([seed, k])
    values, member = panel.values.copy(), panel.member.copy()
    values[:, :, k + 1 :] *= _factors(generator, values[:, :, k + 1 :].shape)
    gone = generator.random(member[:, k + 1 :].shape) < 0.02
    values[:, :, k + 1 :][:, gone] = np.nan
    member[:, k + 1 :] ^= generator.random(gone.shape) < 0.1
    r = panel.revisions
    late = r.decision > k
    factors = np.where(late, _factors(generator, (len(r),)), 1.0)
    unadjusted = None if panel.unadjusted is None else scrambled_panel(panel.unadjusted, k, seed)
    revisions = replace(r, value=r.value * factors)
    return replace(panel, values=values, member=member, revisions=revisions, unadjusted=unadjusted)


def scrambled_delistings(delistings: Delistings, panel: Panel, k: int, seed: int) -> Delistings:
    """What holders got at delistings that were known after row k's decision is another; some of these are unheard of."""
    generator, instant = np.random.default_rng([seed, k, 1]), panel.clock.decides_at[k]
    found: Delistings = {}
    for symbol, versions in delistings.items():
        factor, gone = float(generator.uniform(0.3, 0.9)), generator.random() < 0.3
        told = [
            v if v[2] <= instant else (v[0], v[1] * factor, v[2])
            for v in versions
            if v[2] <= instant or not gone
        ]
        if told:
            found[symbol] = told
    return found


def _factors(generator: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return np.exp(np.clip(generator.normal(0, 0.15, shape), -0.6, 0.6))
