"""What really happened, for accounts: prices as the source gave them, and what holders got and owed. No feature reads it."""

from __future__ import annotations

from dataclasses import dataclass

from backcast.data.types import Clock, Floats, Instants, Ints


@dataclass(frozen=True)
class Market:
    """The newest version of a pinned store, in the source's own units, on the axes of its panel.

    values (F, S, T): bars, NaN where there is none. Only raw sources have actions: split (S, T), new shares for an old one
    from the session's open on, 1 where there is none; dividends, (N,) each in order of ex: symbol, ex and pay are indices
    (pay: the session at whose open it is paid, T if that is after the last), amount in currency a share as held before ex;
    known_at: when it was known. endings: of each symbol that a fact ends its last session and the cash a share.
    """

    fields: tuple[str, ...]
    symbols: tuple[str, ...]
    clock: Clock
    values: Floats
    split: Floats
    symbol: Ints
    ex: Ints
    pay: Ints
    amount: Floats
    known_at: Instants
    endings: dict[str, tuple[int, float]]
    price_basis: str
