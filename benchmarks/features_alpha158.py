"""Alpha158 and 14 of its features from files to arrays, beside qlib; on two cores; one live step. Answers compared.

    python benchmarks/features_alpha158.py [--small] [--qlib PYTHON]

qlib (pyqlib 0.9.7) needs pandas 2.2 and numpy 1.26, an environment of its own: `python -m venv ENV; ENV/bin/pip install
pyqlib==0.9.7 pandas==2.2.3 numpy==1.26.4`. Its interpreter is given by --qlib or BACKCAST_QLIB_PYTHON; without it our times are
recorded without a peer. Every run is a process of its own on the same bars: ours reads one Parquet file with one thread, qlib
its own binary store with one kernel and no cache, and the clock runs from the files to the features in memory, float32. Before
it starts, ours has its kernels compiled and both have everything imported. Only the standard library and numpy are
imported here, since qlib's interpreter runs this file too.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

FIELDS = ("open", "high", "low", "close", "vwap", "volume")
FOURTEEN = (
    "KMID",
    "KLEN",
    "KUP",
    "KLOW",
    "KSFT",
    "ROC5",
    "ROC20",
    "MA5",
    "MA20",
    "STD20",
    "MAX20",
    "MIN20",
    "VMA20",
    "VSTD20",
)
LOOSE = {
    "CORR": (2e-7, 5e-5),
    "CORD": (2e-7, 5e-5),
    "WVMA": (2e-3, 1e-7),
}  # (rtol, atol): float32 before the window
USUAL = (2e-7, 1e-7)
BARS = {"alpha158": 14.0, "14 features": 12.0}


def make(folder: Path, symbols: int, rows: int) -> None:
    """The same bars as one Parquet file and as qlib's store: late listings, days without a bar and without volume."""
    import polars as pl

    rng = np.random.default_rng(158)
    close = np.exp(rng.normal(3, 1, (symbols, 1)) + np.cumsum(rng.normal(0, 0.02, (symbols, rows)), axis=1))
    spread = np.abs(rng.normal(0, 0.01, (2, symbols, rows)))
    open_ = close * np.exp(rng.normal(0, 0.01, close.shape))
    high, low = np.maximum(close, open_) * (1 + spread[0]), np.minimum(close, open_) * (1 - spread[1])
    volume = np.round(rng.lognormal(12, 0.7, close.shape)) * (rng.random(close.shape) > 0.002)
    values = np.stack([open_, high, low, close, (high + low + close) / 3, volume]).astype(np.float32)
    first = np.where(rng.random(symbols) < 0.2, rng.integers(0, rows // 2, symbols), 0)
    lost = rng.random(close.shape) < 0.01
    lost[np.arange(symbols), first] = False  # else qlib counts a row there that a file of bars does not show
    values[:, lost] = np.nan
    days = np.datetime64("2007-01-01") + np.arange(rows)
    names = [f"SH{600000 + s}" for s in range(symbols)]
    parts = []
    for s, name in enumerate(names):
        own = {field: values[f, s, first[s] :] for f, field in enumerate(FIELDS)}
        parts.append(pl.DataFrame({"symbol": [name] * (rows - first[s]), "date": days[first[s] :], **own}))
        store = folder / "qlib" / "features" / name.lower()
        store.mkdir(parents=True)
        for field, x in own.items():
            np.concatenate([[first[s]], x]).astype("<f4").tofile(store / f"{field}.day.bin")
    pl.concat(parts).write_parquet(folder / "bars.parquet")
    for kind in ("calendars", "instruments"):
        (folder / "qlib" / kind).mkdir()
    (folder / "qlib" / "calendars" / "day.txt").write_text("\n".join(map(str, days)) + "\n")
    lines = [f"{name}\t{days[first[s]]}\t{days[-1]}" for s, name in enumerate(names)]
    (folder / "qlib" / "instruments" / "all.txt").write_text("\n".join(lines) + "\n")


def read(path: Path) -> tuple[Any, Any, Any]:
    """The Parquet file as a panel, and the symbol and the row of each of its lines."""
    import polars as pl

    from backcast.data.types import Clock, Panel, Revisions

    frame = pl.read_parquet(path)
    runs = frame["symbol"].rle().struct.unnest()
    symbols, s = runs["value"], np.repeat(np.arange(runs.height), runs["len"])
    at = frame["date"].to_physical().to_numpy()
    ordinal = np.zeros(int(at.max() - at.min()) + 1, dtype=np.int64)
    ordinal[at - at.min()] = 1
    days = np.flatnonzero(ordinal) + int(at.min())
    t = (np.cumsum(ordinal) - 1)[at - at.min()]
    values = np.full((len(FIELDS), len(symbols), len(days)), np.nan)
    cell = s * len(days) + t
    for f, field in enumerate(FIELDS):
        values[f].reshape(-1)[cell] = frame[field].to_numpy()
    at, none = days.astype("datetime64[D]").astype("datetime64[us]"), np.zeros(0, dtype=np.int64)
    clock = Clock("XSHG", at.astype("datetime64[D]"), at, at, at, np.arange(len(at)), 252.0)
    member, revisions = (
        np.ones(values.shape[1:], dtype=bool),
        Revisions(none, none, none, at[:0], none, np.zeros(0)),
    )
    return Panel(FIELDS, tuple(symbols), clock, values, member, revisions, "raw", 0.0), s, t


def ours(folder: Path, what: str, threads: int, answer: str) -> dict[str, Any]:
    """One run of ours; where qlib's answer is given, the features that differ from it."""
    import polars  # noqa: F401 - before the clock starts, as qlib's are

    from backcast.signals.alpha158 import Alpha158

    made = Alpha158(only=None if what == "alpha158" else FOURTEEN).compile(FIELDS, "raw")
    made.live(1).step(np.ones((len(FIELDS), 1)))  # kernels compiled, or read from the cache
    begin = time.perf_counter()
    panel, s, t = read(folder / "bars.parquet")
    out = np.empty((len(made.names), *panel.member.shape), dtype=np.float32)  # as qlib's
    features = made.evaluate(panel, threads, out)
    seconds = time.perf_counter() - begin
    beyond = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20 - features.values.nbytes / 2**30
    differ = []
    if answer:
        theirs = np.load(answer, mmap_mode="r")
        for f, name in enumerate(features.names):
            rtol, atol = LOOSE.get(name.rstrip("0123456789"), USUAL)
            mine = features.values[f, s, t]
            if not np.allclose(mine, theirs[f].astype(float), rtol=rtol, atol=atol, equal_nan=True):
                differ.append(name)
    return {"seconds": seconds, "beyond": beyond, "differ": differ}


def peer(folder: Path, what: str, answer: str) -> dict[str, Any]:
    """One run of qlib, in its own interpreter; its answer is left as (F, lines) in the file's order of lines."""
    import qlib
    from qlib.contrib.data.loader import Alpha158DL
    from qlib.data import D

    qlib.init(
        provider_uri=str(folder / "qlib"),
        kernels=1,
        expression_cache=None,
        dataset_cache=None,
        logging_level=40,
    )
    config = {
        "kbar": {},
        "price": {"windows": [0], "feature": ["OPEN", "HIGH", "LOW", "VWAP"]},
        "rolling": {},
    }
    fields, names = Alpha158DL.get_feature_config(config)
    chosen = [fields[names.index(name)] for name in (names if what == "alpha158" else FOURTEEN)]
    begin = time.perf_counter()
    frame = D.features(D.instruments("all"), chosen, freq="day", disk_cache=0)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    if answer:
        np.save(answer, np.ascontiguousarray(frame.sort_index().to_numpy(dtype=np.float32).T))
    return {"seconds": seconds, "peak": peak, "version": qlib.__version__}


def worker(python: str, *arguments: str, threads: int = 1) -> dict[str, Any]:
    """This file in a process of its own, with a job to do."""
    one = {name: str(threads) for name in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    done = subprocess.run(
        [python, __file__, "--job", *arguments], env={**os.environ, **one}, stdout=subprocess.PIPE, check=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def live_step(symbols: int) -> float:
    """Milliseconds of one step of all 158, the median of many."""
    from backcast.signals.alpha158 import Alpha158

    rng, taken = np.random.default_rng(0), []
    state = Alpha158().compile(FIELDS, "raw").live(symbols)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, (300, symbols)), axis=0))
    for row in close:
        cells = np.stack(
            [row * 1.001, row * 1.01, row * 0.99, row, row * 1.002, rng.lognormal(12, 1, symbols)]
        )
        begin = time.perf_counter()
        state.step(cells)
        taken.append(time.perf_counter() - begin)
    return 1e3 * statistics.median(taken[100:])


def measure(folder: Path, what: str, size: str, qlib: str, rounds: int) -> None:
    """Ours and qlib's turn by turn; ours on one core and on two."""
    from harness import record

    answer, runs = str(folder / f"{what}.npy") if qlib else "", rounds if what != "alpha158" else 1
    theirs, one, two = [], [], []
    for r in range(rounds):
        first = answer if not r else ""
        if qlib and r < runs:
            theirs.append(worker(qlib, "peer", str(folder), what, "1", first))
        one.append(worker(sys.executable, "ours", str(folder), what, "1", first))
        two.append(worker(sys.executable, "ours", str(folder), what, "2", "", threads=2))
    if one[0]["differ"]:
        print(f"differ: {', '.join(one[0]['differ'])}")
    single, both = (statistics.median(r["seconds"] for r in runs) for runs in (one, two))
    claim, equal = f"features/{size}/{what}", not one[0]["differ"]
    if theirs:
        seconds = statistics.median(r["seconds"] for r in theirs)
        record(
            f"{claim}/qlib", single, seconds, f"pyqlib {theirs[0]['version']}", bar=BARS[what], equal=equal
        )
        print(f"  qlib's peak: {theirs[0]['peak']:.2f} GiB")
    else:
        record(f"{claim}/one core", single)
    record(
        f"{claim}/two cores",
        both,
        single,
        "ours on one core",
        bar=1.7 if what == "alpha158" else None,
        equal=equal,
    )
    if what == "alpha158":
        record(f"{claim}/memory beyond output", one[0]["beyond"], unit="GiB", bar=2.0, equal=equal)


def main() -> None:
    from harness import record

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--small", action="store_true", help="a twentieth of the symbols, one round")
    parser.add_argument(
        "--qlib", default=os.environ.get("BACKCAST_QLIB_PYTHON", ""), help="an interpreter with pyqlib"
    )
    given = parser.parse_args()
    symbols, rows = (40, 3300) if given.small else (800, 3300)
    if not given.qlib:
        print(
            "No qlib: set BACKCAST_QLIB_PYTHON to an interpreter with pyqlib 0.9.7. Ours are recorded without a peer."
        )
    record("features/live step/500 symbols x alpha158", live_step(500), unit="ms", bar=3.0)
    with tempfile.TemporaryDirectory() as name:
        make(Path(name), symbols, rows)
        for what in ("14 features", "alpha158"):
            measure(Path(name), what, f"{symbols}x{rows}", given.qlib, 1 if given.small else 3)


def job() -> None:
    """What a worker process does: its answer is the last line of its output."""
    kind, folder, what, threads, answer = sys.argv[2:]
    done = (
        peer(Path(folder), what, answer) if kind == "peer" else ours(Path(folder), what, int(threads), answer)
    )
    print(json.dumps(done))


if __name__ == "__main__":
    job() if sys.argv[1:2] == ["--job"] else main()
