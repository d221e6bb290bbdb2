"""The peer of `store_arcticdb.py`: ArcticDB on LMDB in an environment of its own, told what to do by a line of JSON each.

    $BACKCAST_ARCTICDB_PYTHON benchmarks/arcticdb_peer.py FOLDER

It knows nothing of backcast. Each answer is a line too, with the seconds of ArcticDB's own call; rows travel as Parquet
files, which no clock pays for.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import arcticdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq


class Peer:
    """One library; a table is an ArcticDB symbol, or one of them for each ticker: what is fastest for what is asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.library = arcticdb.Arctic(f"lmdb://{folder}").create_library("bench")
        self.answer: list[Any] = []

    def version(self) -> dict[str, Any]:
        return {"version": arcticdb.__version__}

    def append(self, table: str, file: str) -> dict[str, Any]:
        """Appends the rows of a file, in order of time, as the next version."""
        frame = _indexed(pd.read_parquet(file))
        begin = time.perf_counter()
        item = self.library.append(table, frame)
        return {"seconds": time.perf_counter() - begin, "version": item.version, "rows": len(frame)}

    def split(self, file: str) -> dict[str, Any]:
        """Writes the rows of a file to an ArcticDB symbol for each ticker."""
        for ticker, frame in pd.read_parquet(file).groupby("symbol", sort=True):
            self.library.write(str(ticker), _indexed(frame.drop(columns="symbol")))
        return {}

    def defragment(self, table: str) -> dict[str, Any]:
        """Merges the segments of many appends, which is ArcticDB's own upkeep."""
        return {"version": self.library.defragment_symbol_data(table).version}

    def read(
        self, tables: list[str], form: str, as_of: int | None = None, range: tuple[str, str] | None = None
    ) -> dict[str, Any]:
        """Reads tables, as pandas frames or Arrow tables, and keeps them as the answer."""
        self.answer = []
        dates = None if range is None else tuple(pd.Timestamp(end) for end in range)
        requests = [
            arcticdb.ReadRequest(t, as_of=as_of, date_range=dates, output_format=form) for t in tables
        ]
        begin = time.perf_counter()
        if len(requests) == 1:
            items = [self.library.read(tables[0], as_of=as_of, date_range=dates, output_format=form)]
        else:
            items = self.library.read_batch(requests)
        seconds = time.perf_counter() - begin
        self.answer = [(item.symbol, item.data) for item in items]
        return {"seconds": seconds}

    def save(self, file: str) -> dict[str, Any]:
        """The answer as one Parquet file, the ticker in a column."""
        parts = []
        for symbol, data in self.answer:
            frame = (data.to_pandas() if isinstance(data, pa.Table) else data).reset_index()
            parts.append(frame if "symbol" in frame else frame.assign(symbol=symbol))
        pq.write_table(pa.Table.from_pandas(pd.concat(parts), preserve_index=False), file)
        return {}

    def size(self) -> dict[str, Any]:
        """MiB on the disk; LMDB's file has holes, which take none."""
        return {"mib": sum(f.stat().st_blocks * 512 for f in self.folder.rglob("*.mdb")) / 2**20}


def _indexed(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows by time, as ArcticDB has them: an index of nanoseconds without a zone."""
    at = frame.pop("event_at").dt.tz_localize(None).astype("datetime64[ns]")
    return frame.set_index(pd.DatetimeIndex(at, name="event_at"))


def main() -> None:
    peer = Peer(Path(sys.argv[1]))
    for line in sys.stdin:
        what, arguments = json.loads(line)
        print(json.dumps(getattr(peer, what)(**arguments)), flush=True)


if __name__ == "__main__":
    main()
