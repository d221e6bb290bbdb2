"""What a panel holds and lacks, for reports."""

from __future__ import annotations

import numpy as np

from backcast.data.types import Panel


def coverage(panel: Panel) -> dict[str, int]:
    """What the panel holds and lacks: sessions without any bar, gaps inside a symbol's life, revised cells, symbols that
    left or joined the universe between the ends."""
    known = np.isfinite(panel.field("close"))
    first, last = known.argmax(axis=1), known.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
    at = np.arange(known.shape[1])
    inside = (at >= first[:, None]) & (at <= last[:, None]) & known.any(axis=0)
    member = panel.member
    traded = np.flatnonzero(known.any(axis=0))
    return {
        "symbols": len(panel.symbols),
        "sessions": len(panel.clock),
        "bars": int(known.sum()),
        "missing_sessions": len(panel.clock) - len(traded),
        "gaps": int((inside & ~known).sum()),
        "revised_cells": len(panel.revisions),
        "left_universe": int((member.any(axis=1) & ~member[:, traded[-1]]).sum()),
        "joined": int((member.any(axis=1) & ~member[:, traded[0]]).sum()),
    }
