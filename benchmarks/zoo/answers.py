"""Asks the zoo's questions in worker processes: they are independent, and a machine has more than one core.

A question is a strategy (a pair's leak or twin, or an honest run by its number) and a method; its answer is a row of plain
values, so that all of them go into one JSON file.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from typing import Any

from zoo import honest
from zoo.families import every
from zoo.pair import LEVELS, Pair, Said, Strategy
from zoo.peers import METHODS

LEAK, TWIN, RUN = "leak", "honest", "honest run"
"""What a strategy is: a planted leak, its honest twin, an honest run drawn at random."""

ONE_THREAD = (
    "NUMBA_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "POLARS_MAX_THREADS",
)

Row = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """name: of a pair, or of an honest run. side: LEAK, TWIN or RUN. method: a level of the audit or one of the peers."""

    name: str
    side: str
    method: str

    @property
    def strategy(self) -> Strategy:
        if self.side == RUN:
            return honest.configuration(int(self.name.rpartition("_")[2]))
        (pair,) = every(name=self.name)
        return pair.leak if self.side == LEAK else pair.honest


def questions(pairs: list[Pair], runs: list[int], methods: list[str]) -> list[Question]:
    """Every strategy and method; honest runs first, which take longest, and under the audit only: no peer reads a store."""
    levels = [method for method in methods if method in LEVELS]
    asked = [Question(f"honest_{number:02d}", RUN, level) for number in runs for level in levels]
    return asked + [Question(p.name, side, m) for p in pairs for side, _ in p.sides() for m in methods]


def answers(asked: list[Question], workers: int) -> Iterator[Row]:
    """Rows as they come in; with one worker in this process."""
    if workers <= 1:
        yield from map(answer, asked)
        return
    os.environ.update({name: os.environ.get(name, "1") for name in ONE_THREAD})
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(answer, question): question for question in asked}
        for future in as_completed(futures):
            yield _result(future, futures[future])


def _result(future: Future[Row], question: Question) -> Row:
    """What a worker found; one that was killed has found nothing."""
    try:
        return future.result()
    except Exception as error:
        return row(question, Said(False, why=f"broke: {type(error).__name__}: {error}", inconclusive=True))


def answer(question: Question) -> Row:
    """Asks one. What NumPy warns of in a strategy (a mean of nothing, a division by zero) is its own, as users write it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return row(question, asked_of(question.strategy, question.method))


def asked_of(strategy: Strategy, method: str) -> Said:
    """What a method says; one that breaks has said nothing, and that is written down."""
    began = time.perf_counter()
    try:
        return strategy.audit(method) if method in LEVELS else METHODS[method](strategy)
    except Exception as error:
        why = f"broke: {type(error).__name__}: {error}"
        return Said(False, why=why, inconclusive=True, seconds=time.perf_counter() - began)


def row(question: Question, said: Said) -> Row:
    """The question, what is right, and what was said. An honest run is not accused by a warning that is true of its data."""
    found = asdict(said)
    if question.side == RUN:
        found["accused"] = said.accused and not said.why.startswith(honest.TRULY)
        return {"pair": question.name, "family": "honest", "side": RUN, "method": question.method, **found}
    (pair,) = every(name=question.name)
    declared = {"pair": pair.name, "family": pair.family, "side": question.side, "method": question.method}
    expected = {"expected_layer": pair.layer, "expected_through": pair.through, "expected_depth": pair.depth}
    return {**declared, **expected, **found}
