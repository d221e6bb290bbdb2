"""Who works on a grid: some threads make forecasts, as many trade cells, and few forecasts wait for their cells at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

from backcast.engine.progress import Update

Trade = Callable[[], None]
Walk = Callable[[], Sequence[Trade]]
"""Makes a forecast, and gives the trades of its cells."""


class Crew:
    """A context in which walks are made and their trades follow. threads: how many of each at once; with one, a walk waits for
    the trades of the one before. count: trades in all; update hears of each. At its end all trades are done, or the
    first error is raised."""

    def __init__(self, threads: int, count: int, update: Update) -> None:
        self.threads = threads
        self._walkers, self._traders = ThreadPoolExecutor(threads), ThreadPoolExecutor(threads)
        self._room = threading.Semaphore(threads + 1 if threads > 1 else 1)
        self._trades: list[Future[None]] = []
        self._count, self._update = count, update
        self._lock, self._done = threading.Lock(), 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            for trade in self._trades if kind is None else ():
                trade.result()
        finally:
            self._traders.shutdown(wait=False, cancel_futures=True)
            self._walkers.shutdown(cancel_futures=True)
            self._traders.shutdown()

    def walk(self, walks: Sequence[Walk], at_once: bool) -> None:
        """Makes all walks, several at once or in order; their trades may be under way when it returns."""
        if not at_once:
            for walk in walks:
                self._follow(walk)
            return
        for done in [self._walkers.submit(self._follow, walk) for walk in walks]:
            done.result()

    def _follow(self, walk: Walk) -> None:
        """A walk, once few forecasts wait for their trades, and its trades on the other threads."""
        self._room.acquire()
        try:
            trades = walk()
        except BaseException:
            self._room.release()
            raise
        left = _Countdown(len(trades), self._room.release)
        for trade in trades:
            future = self._traders.submit(trade)
            future.add_done_callback(left)
            future.add_done_callback(self._told)
            self._trades.append(future)

    def _told(self, _: Future[Any]) -> None:
        with self._lock:
            self._done += 1
            self._update(self._done / self._count)


class _Countdown:
    """Calls what is to follow once it was called so often; at once for 0."""

    def __init__(self, count: int, then: Callable[[], None]) -> None:
        self._left, self._then, self._lock = count, then, threading.Lock()
        if not count:
            then()

    def __call__(self, _: Future[Any]) -> None:
        with self._lock:
            self._left -= 1
            last = self._left == 0
        if last:
            self._then()
