"""Computed features by content, shared by all jobs of a sweep, and extended by the rows that a newer version adds.

1. An entry is a folder `<home>/cache/features/<key>`: `values.npy` (F, S, T), memory-mapped by its readers, and a sealed
   `entry.json` with the SHA-256 of each feature. It appears by one rename; a damaged one is said and computed again.
2. The key hashes what the answer is a function of: the graph, the data set's lineage and facts, the pinned version, the
   instant at which the store ends, the clock and symbols that were read, and the sources of everything that computes.
3. On a new key, the newest entry that differs in nothing but version and rows is looked for. Where its symbols' cells,
   members and revisions are the first rows of the new panel, by their SHA-256, its values are copied, and the rows after
   it, with the look-back before them, are evaluated: the same bits, by the laws of `signals/graph.py`. Anything else is
   computed whole.
4. Features in Python are never kept: what they import cannot be seen from here.

The leak audit does not read it: it tests what a store that ends at a decision gives.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
import uuid
import warnings
import weakref
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np

from backcast.data.catalog import home
from backcast.data.durable import read_sealed, write_sealed
from backcast.data.errors import InputError
from backcast.data.store import Store
from backcast.data.types import Floats, Panel
from backcast.engine.features.prefix import Prefixes, unlisted
from backcast.signals.types import Features, Reproducible

FORMAT = 1
GIB = 2**30
CODE = ("data", "signals", "signals/kernels", "data/sources")
"""Whose sources an answer depends on."""


class CacheWarning(UserWarning):
    """An entry of the cache that was not whole."""


@dataclass(frozen=True)
class FeatureCache:
    """The entries under a folder, at most `max_gib` of them by size, the least recently used going first; 0: no cache."""

    max_gib: float
    folder: Path

    @staticmethod
    def at_home(max_gib: float) -> FeatureCache:
        """The user's cache."""
        return FeatureCache(max_gib, home() / "cache" / "features")

    def features(
        self,
        store: Store,
        dataset: str,
        pin: Mapping[str, int],
        until: np.datetime64 | None,
        graph: Reproducible,
        panel: Panel,
        threads: int,
    ) -> Features:
        """The features of a panel that was read from a pinned version: from the cache, or computed and kept there."""
        if not self.max_gib or graph.content is None:
            return graph.evaluate(panel, threads=threads)
        family = _family(store, dataset, graph, panel)
        ends = store.end(dataset) if until is None else until
        key = _hash([family, sorted(pin.items()), str(ends), _axes(panel)])
        values = self._read(key, threads)
        if values is None:
            values = self._made(key, family, graph, panel, threads)
        return Features(graph.names, panel.symbols, values)

    def _read(self, key: str, threads: int) -> Floats | None:
        """The values of an entry; None where there is none, or where it is damaged. While they live the entry stays."""
        folder = self.folder / key
        try:
            in_use = (folder / "entry.json").open()
        except OSError as error:
            self._damaged(folder, str(error))
            return None
        try:
            fcntl.flock(in_use, fcntl.LOCK_SH)
            about = read_sealed(folder / "entry.json", "")
            values = np.load(folder / "values.npy", mmap_mode="r")
            if _digests(values, threads) == about["digests"]:
                os.utime(folder)  # used now
                weakref.finalize(values, in_use.close)
                return np.asarray(values)
            reason = "its content is not what was written"
        except (InputError, OSError, ValueError, KeyError) as error:
            reason = str(error)
        in_use.close()
        self._damaged(folder, reason)
        return None

    def _damaged(self, folder: Path, reason: str) -> None:
        """Says that an entry is not whole, and takes it away; one that is not there is nothing to speak of."""
        if folder.exists():
            warnings.warn(f"{folder}: {reason}; the features are computed again.", CacheWarning, stacklevel=3)
            self._drop(folder)

    def _made(self, key: str, family: str, graph: Reproducible, panel: Panel, threads: int) -> Floats:
        """Computes an entry, from an older one where that is possible, and gives its values."""
        shape = (len(graph.names), *panel.member.shape)
        if np.prod(shape) * 8 > self.max_gib * GIB:
            return graph.evaluate(panel, threads=threads).values
        partial = self.folder / f".{uuid.uuid4().hex}.partial"
        try:
            partial.mkdir(parents=True)
            values = _room(partial / "values.npy", shape)
            prefixes = Prefixes(graph, panel)
            if not self._extended(family, graph, panel, prefixes, values, threads):
                graph.evaluate(panel, threads=threads, out=values)
            about = {
                "format": FORMAT, "family": family, "rows": shape[2], "symbols": list(panel.symbols),
                "first_slot": int(panel.clock.slots[0]) if shape[2] else 0,
                "panel": prefixes.digests(panel.symbols, shape[2]), "digests": _digests(values, threads),
            }  # fmt: skip
            write_sealed(partial / "entry.json", about)
            if not (self.folder / key).exists():
                partial.rename(self.folder / key)
        except OSError as error:  # a full disk, or another process that was first
            if not (self.folder / key).exists():
                warnings.warn(
                    f"{self.folder}: {error}; the features are not kept.", CacheWarning, stacklevel=2
                )
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        kept = self._read(key, threads)
        self._trim()
        return graph.evaluate(panel, threads=threads).values if kept is None else kept

    def _extended(
        self, family: str, graph: Reproducible, panel: Panel, prefixes: Prefixes, out: Floats, threads: int
    ) -> bool:
        """Fills `out` from an entry whose panel is the first rows of this one, if there is one."""
        for folder, about in self._entries(family):
            rows, known = about["rows"], about["symbols"]
            if not 0 < rows <= len(panel.clock) or about["first_slot"] != int(panel.clock.slots[0]):
                continue
            if not set(known) <= set(panel.symbols) or prefixes.digests(known, rows) != about["panel"]:
                continue
            if any(prefixes.appears(s, rows) for s in set(panel.symbols) - set(known)):
                continue
            old = self._read(folder.name, threads)
            if old is None:
                continue
            place = np.searchsorted(panel.symbols, known)
            fresh = np.setdiff1d(np.arange(len(panel.symbols)), place)
            for f in range(len(out)):
                out[f, place, :rows] = old[f]
                out[f, fresh, :rows] = unlisted(graph, panel, f, rows)
            if rows < len(panel.clock):
                begin = max(0, rows - graph.lookback)
                tail = graph.evaluate(panel.since(begin), threads=threads).values
                out[:, :, rows:] = tail[:, :, rows - begin :]
            return True
        return False

    def _entries(self, family: str) -> list[tuple[Path, dict[str, Any]]]:
        """The entries of a family, the longest first."""
        found = []
        for folder in self._folders():
            try:
                about = read_sealed(folder / "entry.json", "")
            except InputError:  # said when it is asked for by its key
                continue
            if about.get("family") == family and about.get("format") == FORMAT:
                found.append((folder, about))
        return sorted(found, key=lambda one: -one[1]["rows"])

    def _folders(self) -> list[Path]:
        return [p for p in self.folder.glob("*") if p.is_dir() and not p.name.startswith(".")]

    def _trim(self) -> None:
        """Removes the least recently used entries beyond the size, except those that a process has mapped."""
        entries = []
        for folder in self._folders():
            try:
                entries.append((folder.stat().st_mtime, _size(folder), folder))
            except OSError:  # another process removed it
                continue
        total = sum(size for _, size, _ in entries)
        for _, size, folder in sorted(entries):
            if total > self.max_gib * GIB and self._drop(folder):
                total -= size

    def _drop(self, folder: Path) -> bool:
        """Takes an entry away in one rename, unless a process has mapped it: its workers open the file by name."""
        gone = folder.with_name(f".{uuid.uuid4().hex}.gone")
        try:
            with (folder / "entry.json").open() as entry:
                fcntl.flock(entry, fcntl.LOCK_EX | fcntl.LOCK_NB)
                folder.rename(gone)
        except FileNotFoundError:  # left half written, or another process was first
            gone = folder
        except OSError:
            return False
        shutil.rmtree(gone, ignore_errors=True)
        return True

    def clear(self, older_than: float, apply: bool) -> Iterator[tuple[Path, int]]:
        """Every entry that was not used for so many seconds, and what killed writers left; removed with `apply`."""
        for folder in sorted(p for p in self.folder.glob("*") if p.is_dir()):
            try:
                idle, size = time.time() - folder.stat().st_mtime, _size(folder)
            except OSError:  # another process removed it
                continue
            if idle >= older_than and (not apply or self._drop(folder)):
                yield folder, size


def _family(store: Store, dataset: str, graph: Reproducible, panel: Panel) -> str:
    """What entries that may extend one another have in common."""
    info = store.info(dataset).to_json()
    return _hash(
        [FORMAT, graph.content, graph.fields, store.lineage(dataset), info, panel.price_basis, code()]
    )


def _axes(panel: Panel) -> list[str]:
    """The panel's clock and symbols, which depend on the calendar's package too."""
    clock = panel.clock
    ends = hashlib.sha256(clock.decides_at.tobytes() + clock.slots.tobytes()).hexdigest()
    return [ends, _hash(panel.symbols)]


def code() -> str:
    """The sources of everything between the store and a feature, with the versions of what compiles and computes it."""
    found = hashlib.sha256(f"{numba.__version__} {np.__version__}".encode())
    root = Path(__file__).resolve().parents[2]
    for folder in CODE:
        for source in sorted((root / folder).glob("*.py")):
            found.update(f"{folder}/{source.name}\0".encode() + source.read_bytes())
    return found.hexdigest()


def _room(path: Path, shape: tuple[int, ...]) -> Floats:
    """A file of values, mapped. Errors: OSError where the disk has no room for it, which would kill the process later on."""
    values = np.lib.format.open_memmap(path, "w+", np.float64, shape)
    if hasattr(os, "posix_fallocate"):  # macOS has none
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return values


def _digests(values: Floats, threads: int) -> list[str]:
    """SHA-256 of each feature."""
    with ThreadPoolExecutor(max(1, threads)) as pool:
        return list(pool.map(lambda one: hashlib.sha256(np.ascontiguousarray(one).data).hexdigest(), values))


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _size(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.iterdir())
