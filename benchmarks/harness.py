"""How a benchmark measures and records: alternating runs in one process, medians, one JSON line a claim.

    from harness import alternate, record

    taken = alternate({"ours": ours, "peer": theirs}, rounds=5)
    record("simulator/500x2520/log", taken["ours"].seconds, taken["peer"].seconds, "vectorbt 1.2.0", bar=10,
           equal=np.allclose(taken["ours"].answer, taken["peer"].answer))

Lines go to `benchmarks/results.jsonl` (ignored by git); `benchmarks/bench.py` prints their table.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results.jsonl"


@dataclass(frozen=True)
class Taken:
    """The median seconds of a function's runs, and the answer of its last."""

    seconds: float
    answer: Any


def alternate(functions: dict[str, Callable[[], Any]], rounds: int, warm_up: bool = True) -> dict[str, Taken]:
    """Runs the functions in turn, A B A B ..., so that a machine that drifts slows all of them alike."""
    if warm_up:
        for function in functions.values():
            function()
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    answers: dict[str, Any] = {}
    for _ in range(rounds):
        for name, function in functions.items():
            answers.pop(name, None)  # nobody's clock pays for letting go of an old answer
            begin = time.perf_counter()
            answers[name] = function()
            seconds[name].append(time.perf_counter() - begin)
    return {name: Taken(statistics.median(seconds[name]), answers[name]) for name in functions}


def peak(function: Callable[[], Any]) -> float:
    """MiB by which a forked process grows while it runs the function, above one that does nothing."""
    return max(0.1, (_highest(function) - _highest(lambda: None)) / 1024)


def _highest(function: Callable[[], Any]) -> int:
    """The most KiB that a forked process held resident."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        function()
        os.write(writing, str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss).encode())
        os._exit(0)
    os.wait()
    found = int(os.read(reading, 64))
    os.close(reading)
    os.close(writing)
    return found


def record(
    claim: str,
    ours: float,
    theirs: float | None = None,
    peer: str | None = None,
    *,
    unit: str = "s",
    bar: float | None = None,
    equal: bool = True,
) -> dict[str, Any]:
    """Prints and appends a claim.

    With a peer the ratio is theirs / ours and must be at least `bar`; without one `ours` itself must be at most `bar`. A claim
    whose answers differ is never met.
    """
    ratio = None if theirs is None else theirs / ours
    reached = bar is None or (ours <= bar if ratio is None else ratio >= bar)
    line = {"claim": claim, "ours": _rounded(ours), "peer": peer, "theirs": _rounded(theirs), "unit": unit,
            "ratio": _rounded(ratio), "bar": bar, "met": equal and reached, "equal": equal}  # fmt: skip
    with RESULTS.open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(described(line), flush=True)
    return line


def described(line: dict[str, Any]) -> str:
    """A claim as a line of a table."""
    against = (
        ""
        if line["peer"] is None
        else f"{line['peer']} {line['theirs']:.4g} {line['unit']}, {line['ratio']:.3g}x"
    )
    bar = "" if line["bar"] is None else f"bar {line['bar']:g}"
    mark = "DIFFERS" if not line["equal"] else "" if line["met"] else "MISSED"
    return f"{line['claim']:42} {line['ours']:10.4g} {line['unit']:4} {against:44} {bar:9} {mark}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
