"""The verb `trials`: what was evaluated on a data set, from its trial log."""

from __future__ import annotations

import argparse
import json
from datetime import date
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backcast.data.errors import InputError
from backcast.engine import store_commands

if TYPE_CHECKING:
    import polars as pl

    from backcast.engine.trials.of_dataset import Trials


def add_trials(parser: argparse.ArgumentParser) -> None:
    """The arguments of `backcast trials`."""
    parser.add_argument(
        "dataset", nargs="?", metavar="DATASET", help="its name, or a lineage; default: what has trials"
    )
    parser.add_argument(
        "--sql", metavar="SELECT", help="one SELECT over trials, records and returns of the data set"
    )
    parser.add_argument("--json", action="store_true", help="all rows, as plain values")
    parser.add_argument(
        "--output", metavar="FILE", type=Path, help="write all rows to a .parquet or .csv file"
    )
    parser.set_defaults(function=trials, overrides_allowed=False)


def trials(arguments: argparse.Namespace, _: list[str]) -> int:
    """Shows, prints or writes the logs, the trials of one, or the answer of a query."""
    from backcast.engine.trials.of_dataset import logs, trials_of

    if arguments.json and arguments.output is not None:
        raise InputError("--json", str(arguments.output), "--json or --output, not both")
    if arguments.dataset is None:
        known = logs()
        if arguments.sql is None:
            return _give(_logs(known), arguments)
        if len(known) != 1:
            raise InputError("--sql", arguments.sql, "a DATASET before it", "See `backcast trials`.")
        chosen = known[0]
    else:
        chosen = trials_of(arguments.dataset)
    if arguments.sql is not None:
        return _give(chosen.sql(arguments.sql), arguments)
    if arguments.output is not None:
        return _give(chosen.frame(), arguments)
    if arguments.json:
        _print({"dataset": chosen.dataset, **chosen.count().to_json(), "trials": chosen.frame().to_dicts()})
        return 0
    _show(chosen)
    return 0


def _give(frame: pl.DataFrame, arguments: argparse.Namespace) -> int:
    if arguments.json:
        _print(frame.to_dicts())
    else:
        store_commands.give(frame, arguments.output)
    return 0


def _print(value: Any) -> None:
    print(json.dumps(_plain(value), indent=1, allow_nan=False, default=str))  # what is left: durations, times


def _plain(value: Any) -> Any:
    """Values that JSON has: NaN and infinity are null, instants and dates are text."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):  # a sum of whole numbers in SQL
        return int(value) if value == int(value) else float(value)
    if isinstance(value, date):
        return value.isoformat()
    return None if isinstance(value, float) and not isfinite(value) else value


def _logs(known: list[Trials]) -> pl.DataFrame:
    import polars as pl

    counts = [one.count() for one in known]
    return pl.DataFrame(
        {
            "dataset": [one.dataset for one in known],
            "lineage": [one.lineage for one in known],
            "in_store": [one.in_store for one in known],
            "trials": [count.n for count in counts],
            "sharpe_variance_per_session": [count.sharpe_variance for count in counts],
        },
        schema={
            "dataset": pl.String,
            "lineage": pl.String,
            "in_store": pl.Boolean,
            "trials": pl.Int64,
            "sharpe_variance_per_session": pl.Float64,
        },
    )


def _show(chosen: Trials) -> None:
    """N and the variance, and the newest trials under them."""
    from rich.table import Table
    from rich.text import Text

    counted, frame = chosen.count(), chosen.frame()
    spread = (
        "no variance yet: fewer than two have a Sharpe ratio"
        if counted.sharpe_variance is None
        else f"variance of their Sharpe ratios per session {counted.sharpe_variance:.3g}"
    )
    table = Table("trial", "evaluated", "outcome", "Sharpe per session", "sessions", "first evaluated", "last evaluated",
                  "store version", "code", "launched")  # fmt: skip
    for row in frame.head(store_commands.SHOWN).iter_rows(named=True):
        table.add_row(*(Text(cell) for cell in _cells(row)))
    print(f"{chosen.dataset}: {counted.n:,} trials; {spread}. Lineage {chosen.lineage}.")
    store_commands.console().print(table)
    if frame.height > store_commands.SHOWN:
        print(f"The newest {store_commands.SHOWN} are shown; --output FILE.parquet or .csv gives all.")


def _cells(row: dict[str, Any]) -> list[str]:
    sharpe, first = row["sharpe_per_session"], row["first_session"]
    return [
        row["trial"][:12],
        f"{row['evaluations']:,} x",
        row["outcome"],
        "n/a" if sharpe is None else f"{sharpe:.4f}",
        "" if first is None else f"{first} to {row['last_session']}",
        *(f"{row[name]:%Y-%m-%d %H:%M}" for name in ("first_evaluated_at", "last_evaluated_at")),
        _version(json.loads(row["pin"] or "{}")),
        row["code"] or "",
        row["launched"] or "",
    ]


def _version(pin: dict[str, int]) -> str:
    """The version of each table that has rows, or the one that they share."""
    versions = {table: number for table, number in pin.items() if number}
    if len(set(versions.values())) == 1:
        return str(next(iter(versions.values())))
    return " ".join(f"{table}={number}" for table, number in sorted(versions.items()))
