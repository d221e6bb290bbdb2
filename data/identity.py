"""Tickers are not companies: what each ticker means from when on, as it was known in time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa

from backcast.data.schema import INSTANT
from backcast.data.types import Clock, Instants, Ints

ENDINGS = ("delisting", "merger")
"""Actions after which a company's shares are no more; value: what a holder gets for one."""

Names = dict[str, list[tuple[np.datetime64, str]]]
"""Of each ticker that a rename gives a new meaning: from which instant on, and the permanent name it then has."""


def identities(actions: pa.Table, known_by: Ints, clock: Clock) -> Names:
    """What each ticker means from when on.

    A rename gives its new ticker the old one's name. A ticker that comes again after its company was delisted or took another
    one is another company: `FB#2`. Each counts from the first session whose decision knew of it; a rename that
    was not known by its own first session joins nothing, because the past cannot get another name; of a corrected one the
    version counts that was known by then, and a corrected end ends once. known_by (N,): the
    first decision that knows each action.
    """
    names: Names = {}
    kinds = actions["kind"].to_pylist()
    event, following = instants(actions, "event_at"), next_versions(actions)
    ticker, new = actions["symbol"].to_pylist(), actions["text"].to_pylist()
    corrections = set(following.tolist())
    for at in np.argsort(event, kind="stable"):
        knows, session = int(known_by[at]), int(np.searchsorted(clock.closes_at, event[at]))
        if max(session, knows) >= len(clock):
            continue
        corrected = following[at] >= 0 and known_by[following[at]] <= session
        if kinds[at] == "rename" and knows <= session and not corrected:
            before = event[at] - np.timedelta64(1, "us")
            _mean(names, new[at], event[at], _name(names, ticker[at], before))
            _free(names, ticker[at], event[at])
        if kinds[at] in ENDINGS and at not in corrections:
            _free(names, ticker[at], max(clock.closes_at[knows], event[at] + np.timedelta64(1, "us")))
    return names


def next_versions(actions: pa.Table) -> Ints:
    """(N,) of each action the row that corrects it, the next of the same key; -1 where none does. Rows are in the order of
    key and known_at."""
    keys = list(zip(*(actions[name].to_pylist() for name in ("symbol", "event_at", "kind")), strict=True))
    same = [one == other for one, other in pairwise(keys)]
    return np.where([*same, False] if keys else [], np.arange(1, len(keys) + 1), -1).astype(np.int64)


def _free(names: Names, ticker: str, start: np.datetime64) -> None:
    """From an instant on a ticker means a company that it never meant before, unless another took it at that instant."""
    if any(begin == start for begin, _ in names.get(ticker, [])):
        return
    before = sum(name.startswith(f"{ticker}#") for _, name in names.get(ticker, []))
    _mean(names, ticker, start, f"{ticker}#{before + 2}")


def _mean(names: Names, ticker: str, start: np.datetime64, name: str) -> None:
    """From an instant on a ticker means a name; meanings stay in the order of time."""
    names[ticker] = sorted([*names.get(ticker, []), (start, name)], key=lambda meaning: meaning[0])


def _name(names: Names, ticker: str, event: np.datetime64) -> str:
    """The permanent name of a ticker at an instant: the first ticker that its company had here."""
    found = ticker
    for start, name in names.get(ticker, []):
        if event >= start:
            found = name
    return found


def from_the_open(table: pa.Table, sessions: Clock) -> pa.Table:
    """Rows that count from a session on, dated at the end of its first bar; what ends a symbol does so at the close."""
    event = instants(table, "event_at")
    ends = (
        np.isin(table["kind"].to_pylist(), ENDINGS)
        if "kind" in table.schema.names
        else np.zeros(len(event), bool)
    )
    moved = np.where(ends, event, sessions.openings(event))
    column = pa.array(moved.astype("datetime64[us]")).cast(INSTANT)
    return table.set_column(table.schema.get_field_index("event_at"), "event_at", column)


def named(table: pa.Table, event: Instants, names: Names) -> tuple[list[str], Ints, pa.DictionaryArray]:
    """The permanent names, sorted, each row's index into them, and the tickers as they came."""
    ticker = table["symbol"].combine_chunks().dictionary_encode()
    tickers, code = ticker.dictionary.to_pylist(), ticker.indices.to_numpy()
    meanings = {name for known in names.values() for _, name in known}
    vocabulary = sorted({*tickers, *meanings})
    name = index_on(tickers, tuple(vocabulary))[code]
    for renamed in names.keys() & set(tickers):
        own = np.flatnonzero(code == tickers.index(renamed))
        for start, meaning in names[renamed]:  # in order of time: the newest meaning stays
            name[own[event[own] >= start]] = vocabulary.index(meaning)
    return vocabulary, name, ticker


def index_on(words: list[str], axis: tuple[str, ...]) -> Ints:
    """Where each word stands on an axis; -1 where it does not."""
    place = {word: i for i, word in enumerate(axis)}
    return np.array([place.get(word, -1) for word in words], dtype=np.int64)


def instants(table: pa.Table, name: str) -> Instants:
    """(N,) a column of instants as numpy has them, UTC."""
    return table[name].cast(pa.timestamp("us")).to_numpy(zero_copy_only=False).astype("datetime64[us]")
