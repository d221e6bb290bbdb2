"""What the jobs of a sweep that share a process read once: the panel, the market and the delistings of a pinned version.

A job must not be able to change what the next one sees. What is kept has the SHA-256 of its content, taken when it was read;
where it no longer fits (code of the user's own wrote into it), it is read again. Where a holdout is sealed, what is kept ends
with it; any other store that shows less than its pin holds shares nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from backcast.data.heldout import HeldOut
from backcast.data.readonce import ReadOnce
from backcast.data.store import Store

LARGEST = 2**30
"""Bytes of what is kept of one data set; larger readings are not."""

T = TypeVar("T")


class _Kept:
    """What this process keeps, of the last data set that was read; nothing before a sweep asks for it."""

    def __init__(self) -> None:
        self.wanted = False
        self.of: tuple[Any, ...] = ()
        self.values: dict[str, tuple[Any, str]] = {}


_kept = _Kept()


def keep() -> None:
    """From now on this process keeps what its jobs read."""
    _kept.wanted = True


def forget() -> None:
    """Frees what is kept, and keeps nothing from now on."""
    _kept.__init__()  # type: ignore[misc]


def read(what: Callable[..., T], store: Store, dataset: str, pin: dict[str, int], until: Any = None) -> T:
    """`what(store, dataset, pin)` of `data/asof.py`, as an earlier job of this process read it; read now where none did."""
    if until is not None:
        return what(store, dataset, pin, until=until)
    if not _kept.wanted or type(store) not in (ReadOnce, HeldOut):
        return what(store, dataset, pin)
    end = str(store.end(dataset)) if isinstance(store, HeldOut) else ""
    of = (str(store.folder), store.lineage(dataset), dataset, end, *sorted(pin.items()))
    if of != _kept.of:
        _kept.of, _kept.values = of, {}
    value, was = _kept.values.get(what.__name__, (None, ""))
    if value is not None and _digest(value) == was:
        return value
    if value is not None:
        print(
            f"warning: {what.__name__} of {dataset} was written into by a job; it is read again.",
            file=sys.stderr,
        )
    value = what(store, dataset, pin)
    if _size(value) + sum(_size(one) for one, _ in _kept.values.values()) <= LARGEST:
        _kept.values[what.__name__] = value, _digest(value)
    return value


def _arrays(value: Any) -> list[Any]:
    """The arrays of nested dataclasses, and everything else as it is."""
    if dataclasses.is_dataclass(value):
        return [part for f in dataclasses.fields(value) for part in _arrays(getattr(value, f.name))]
    return [value]


def _digest(value: Any) -> str:
    found = hashlib.sha256()
    for part in _arrays(value):
        if isinstance(part, np.ndarray):
            found.update(f"{part.dtype} {part.shape}".encode() + np.ascontiguousarray(part).tobytes())
        else:
            found.update(repr(part).encode())
    return found.hexdigest()


def _size(value: Any) -> int:
    return sum(part.nbytes for part in _arrays(value) if isinstance(part, np.ndarray))
