"""Sorting networks: fixed lists of compare-and-exchange that sort whatever they are given, many lanes side by side.

Batcher's merge of two sorted lists of any lengths (Knuth, The Art of Computer Programming 3, 5.3.4). Nested windows share
their work: the newest rows are sorted once, and each longer window merges them with its sorted older rows.
"""

from __future__ import annotations

import numpy as np

from backcast.data.types import Ints

Wires = list[int]


class Network:
    """The exchanges that sort the first w wires, for each w of `windows`, one after another.

    pairs (P, 2): the smaller of two values goes to the first wire. ends (W,): how many pairs have run when windows[k] is
    sorted. orders (W, longest): the wires of windows[k] in ascending order of their values then.
    """

    def __init__(self, windows: tuple[int, ...]) -> None:
        self._pairs: list[tuple[int, int]] = []
        ends, orders = [], np.zeros((len(windows), windows[-1]), dtype=np.int64)
        done: Wires = []
        for k, (begin, end) in enumerate(zip((0, *windows), windows, strict=False)):
            done = self._merge(done, self._sort(list(range(begin, end))))
            ends.append(len(self._pairs))
            orders[k, :end] = done
        self.pairs: Ints = np.array(self._pairs, dtype=np.int64)
        self.ends: Ints = np.array(ends, dtype=np.int64)
        self.orders: Ints = orders

    def _sort(self, wires: Wires) -> Wires:
        if len(wires) < 2:
            return wires
        half = len(wires) // 2
        return self._merge(self._sort(wires[:half]), self._sort(wires[half:]))

    def _merge(self, one: Wires, two: Wires) -> Wires:
        if not one or not two:
            return one + two
        if len(one) == len(two) == 1:
            return list(self._exchange(one[0], two[0]))
        odd, even = self._merge(one[::2], two[::2]), self._merge(one[1::2], two[1::2])
        merged = odd[:1]
        for k, wire in enumerate(even):
            merged += self._exchange(wire, odd[k + 1]) if k + 1 < len(odd) else (wire,)
        return merged + odd[len(even) + 1 :]

    def _exchange(self, low: int, high: int) -> tuple[int, int]:
        self._pairs.append((low, high))
        return low, high
