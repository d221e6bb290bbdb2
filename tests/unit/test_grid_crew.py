"""Who works on a grid: every trade follows its walk, few forecasts wait, and the first error ends it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import pytest

from backcast.engine.grid_crew import Crew


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("at_once", [False, True])
def test_every_walk_is_made_and_its_trades_follow(threads: int, at_once: bool) -> None:
    lock, walked, traded, shares, alive, most = (
        threading.Lock(),
        list[int](),
        list[tuple[int, int]](),
        [],
        [0],
        [0],
    )

    def trade(walk: int, k: int) -> None:
        with lock:
            assert walk in walked
            traded.append((walk, k))
            alive[0] -= k == 3

    def walk(n: int) -> list[Callable[[], None]]:
        with lock:
            walked.append(n)
            alive[0] += 1
            most[0] = max(most[0], alive[0])
        return [partial(trade, n, k) for k in range(4)]

    with Crew(threads, 40, shares.append) as crew:
        crew.walk([partial(walk, n) for n in range(6)], at_once and threads > 1)
        crew.walk([partial(walk, n) for n in range(6, 10)], at_once=False)
    assert sorted(traded) == [(n, k) for n in range(10) for k in range(4)]
    assert sorted(shares) == pytest.approx([k / 40 for k in range(1, 41)])
    if threads == 1:
        assert most[0] <= 2 and walked == list(range(10))


def test_a_walk_without_trades_leaves_room_for_the_next() -> None:
    with Crew(1, 1, lambda _: None) as crew:
        crew.walk([list, list, list], at_once=False)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("where", ["walk", "trade"])
def test_the_first_error_is_raised_and_nothing_is_left_waiting(threads: int, where: str) -> None:
    def fails() -> None:
        raise ZeroDivisionError(where)

    def walk(n: int) -> list[Callable[[], None]]:
        if where == "walk" and n == 2:
            fails()
        return [fails if where == "trade" and n == 1 else (lambda: None) for _ in range(5)]

    with pytest.raises(ZeroDivisionError, match=where), Crew(threads, 40, lambda _: None) as crew:
        crew.walk([partial(walk, n) for n in range(8)], at_once=threads > 1)
    assert threading.active_count() < 20
