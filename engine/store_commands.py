"""The verbs `sql`, `store` and `gc`: plain arguments to the data layer, and its answers to the terminal."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from backcast.data.errors import InputError, StaleDataError

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from rich.console import Console

WIDTH = 200
SHOWN = 40
"""Rows of an answer that the terminal shows."""


def add_sql(parser: argparse.ArgumentParser) -> None:
    """The arguments of `backcast sql`."""
    parser.add_argument("query", metavar="SELECT", help="one SELECT over bars, actions, membership, facts")
    parser.add_argument("--as-of", metavar="INSTANT", help="what was known then (UTC; default: now)")
    parser.add_argument(
        "--dataset", metavar="NAME", help="whose tables need no prefix (default: the only one)"
    )
    parser.add_argument("--snapshot", metavar="NAME", help="a named version of --dataset")
    parser.add_argument(
        "--output", metavar="FILE", type=Path, help="write all rows to a .parquet or .csv file"
    )
    parser.set_defaults(function=sql, overrides_allowed=False)


def add_store(parser: argparse.ArgumentParser) -> None:
    """The arguments of `backcast store`."""
    verbs = parser.add_subparsers(dest="store_verb", required=True, metavar="VERB")
    for name, function, text in (
        ("list", show, "Data sets, their tables, versions and snapshots."),
        ("check", check, "Verify hashes, commits, keys and read copies; exit 3 where something is damaged."),
        ("compact", compact, "Bring the read copies up to date where they lack much of the log."),
        ("rebuild", rebuild, "Make all read copies anew from the log."),
        ("pins", pins, "Which snapshots, runs and models hold which version."),
    ):
        made = verbs.add_parser(name, help=text, description=text)
        made.add_argument("dataset", nargs="?", metavar="DATASET", help="default: all")
        made.set_defaults(function=function, overrides_allowed=False)
    snapshot_ = verbs.add_parser("snapshot", help="Name the present version of a data set.")
    snapshot_.add_argument("dataset", metavar="DATASET")
    snapshot_.add_argument("name", metavar="NAME")
    snapshot_.set_defaults(function=snapshot, overrides_allowed=False)
    drop_ = verbs.add_parser("drop", help="Set aside a data set that nothing holds, for `gc` to remove.")
    drop_.add_argument("dataset", metavar="DATASET")
    drop_.set_defaults(function=drop, overrides_allowed=False)
    findings_ = verbs.add_parser("findings", help="What was noticed about its batches when they came.")
    findings_.add_argument("dataset", metavar="DATASET")
    findings_.add_argument("--output", metavar="FILE", type=Path)
    findings_.set_defaults(function=findings, overrides_allowed=False)
    export_ = verbs.add_parser("export", help="Write every version of a table's rows to one Parquet file.")
    export_.add_argument("dataset", metavar="DATASET")
    export_.add_argument("table", metavar="TABLE")
    export_.add_argument("file", metavar="FILE", type=Path)
    export_.add_argument("--snapshot", metavar="NAME")
    export_.set_defaults(function=export, overrides_allowed=False)
    changes_ = verbs.add_parser("changes", help="Cells whose value changed between two knowledge times.")
    changes_.add_argument("dataset", metavar="DATASET")
    changes_.add_argument("table", metavar="TABLE")
    changes_.add_argument("after", metavar="FROM")
    changes_.add_argument("until", metavar="TO")
    changes_.add_argument("--output", metavar="FILE", type=Path)
    changes_.set_defaults(function=changes, overrides_allowed=False)
    prices_ = verbs.add_parser("prices", help="Prices adjusted by the actions known at an instant.")
    prices_.add_argument("--adjust", choices=("forward", "back"), default="forward")
    prices_.set_defaults(function=prices, overrides_allowed=False)
    universe_ = verbs.add_parser(
        "universe", help="Who is in the universe as known at an instant, and who left it."
    )
    universe_.set_defaults(function=universe, overrides_allowed=False)
    symbols_ = verbs.add_parser("symbols", help="Permanent symbols and the tickers that they had.")
    symbols_.set_defaults(function=symbols, overrides_allowed=False)
    for made in (prices_, universe_, symbols_):
        made.add_argument("dataset", metavar="DATASET")
        made.add_argument("--as-of", metavar="INSTANT", help="what was known then (UTC; default: now)")
        made.add_argument("--output", metavar="FILE", type=Path)
    cell_ = verbs.add_parser("cell", help="Every version of a symbol's rows and where each came from.")
    cell_.add_argument("dataset", metavar="DATASET")
    cell_.add_argument("table", metavar="TABLE")
    cell_.add_argument("symbol", metavar="SYMBOL")
    cell_.add_argument(
        "--as-of", metavar="INSTANT", help="which version is marked as the one known then (UTC; default: now)"
    )
    cell_.add_argument("--day", metavar="DATE", help="rows about this day alone")
    cell_.add_argument("--output", metavar="FILE", type=Path)
    cell_.set_defaults(function=cell, overrides_allowed=False)


def add_gc(parser: argparse.ArgumentParser) -> None:
    """The arguments of `backcast gc`."""
    parser.add_argument("dataset", nargs="?", metavar="DATASET", help="default: all")
    parser.add_argument(
        "--apply", action="store_true", help="remove what is listed; without, nothing is removed"
    )
    parser.add_argument("--older-than", type=float, default=1.0, metavar="HOURS", help="default: 1")
    parser.set_defaults(function=gc, overrides_allowed=False)


def sql(arguments: argparse.Namespace, _: list[str]) -> int:
    from backcast.data.heldout import HeldOut
    from backcast.data.sql import select

    store = HeldOut()
    if arguments.snapshot and not arguments.dataset:
        raise InputError("--snapshot", arguments.snapshot, "a --dataset beside it")
    pin = store.version(arguments.dataset, arguments.snapshot) if arguments.snapshot else None
    give(select(store, arguments.query, _asked(arguments), arguments.dataset, pin), arguments.output)
    return 0


def show(arguments: argparse.Namespace, _: list[str]) -> int:
    from rich.table import Table

    from backcast.data.store import Store

    store = Store()
    table = Table("data set", "table", "version", "rows", "from", "to", "read copy at", "snapshots")
    for dataset in _chosen(arguments):
        pin = store.version(dataset)
        names = ", ".join(store.snapshots(dataset))
        for name in store.info(dataset).tables:
            parts = store.log(dataset, name).parts(pin[name]) if pin[name] else []
            copy = store.copies(dataset, name).newest()
            ends = [str(x)[:10] for p in parts for x in (p.first, p.last) if x is not None]
            table.add_row(
                dataset, name, str(pin[name]), f"{sum(p.rows for p in parts):,}",
                min(ends, default=""), max(ends, default=""), "" if copy is None else str(copy.version), names,
            )  # fmt: skip
    console().print(table)
    print(f"Store: {store.folder}")
    return 0


def check(arguments: argparse.Namespace, _: list[str]) -> int:
    from backcast.data.maintenance import damage, garbage
    from backcast.data.store import Store

    store, found = Store(), False
    for dataset in _chosen(arguments):
        wrong = damage(store, dataset)
        for line in wrong:
            print(f"{dataset}: {line}")
        found = found or bool(wrong)
        if not wrong:
            left = [g for g in garbage(store, dataset, 0.0) if "acknowledged" in g.reason]
            aside = (
                f" {len(left)} commits were cut off and set aside; `backcast gc` removes them."
                if left
                else ""
            )
            print(f"{dataset}: whole; hashes, commits, keys, order and read copies are right.{aside}")
    return StaleDataError.exit_code if found else 0


def compact(arguments: argparse.Namespace, _: list[str], always: bool = False) -> int:
    from backcast.data.store import Store

    store = Store()
    for dataset in _chosen(arguments):
        made = store.refresh(dataset, always)
        for table, copy in made.items():
            print(f"{dataset}.{table}: {copy.rows:,} rows at version {copy.version}. Written: {copy.folder}")
        if not made:
            print(f"{dataset}: the read copies are up to date, or the log is short enough to be read itself.")
    return 0


def rebuild(arguments: argparse.Namespace, rest: list[str]) -> int:
    return compact(arguments, rest, always=True)


def snapshot(arguments: argparse.Namespace, _: list[str]) -> int:
    from backcast.data.store import Store

    pin = Store().snapshot(arguments.dataset, arguments.name)
    versions = ", ".join(f"{table} {version}" for table, version in sorted(pin.items()))
    print(f"{arguments.name} is {arguments.dataset} at {versions}.")
    return 0


def export(arguments: argparse.Namespace, _: list[str]) -> int:
    from backcast.data.heldout import HeldOut
    from backcast.data.maintenance import export as export_table

    store = HeldOut()
    store.moment(arguments.dataset, None)  # says where a holdout is left out
    pin = store.version(arguments.dataset, arguments.snapshot)
    rows = export_table(store, arguments.dataset, arguments.table, arguments.file, pin)
    print(f"{rows:,} rows. Written: {arguments.file}")
    return 0


def changes(arguments: argparse.Namespace, _: list[str]) -> int:
    from backcast.data.heldout import HeldOut
    from backcast.data.history import changes as changes_between
    from backcast.data.sources.instants import instant_of

    store, after = HeldOut(), instant_of(arguments.after, "FROM")
    until = store.moment(arguments.dataset, instant_of(arguments.until, "TO"))
    give(changes_between(store, arguments.dataset, arguments.table, after, until), arguments.output)
    return 0


def prices(arguments: argparse.Namespace, _: list[str]) -> int:
    from backcast.data.heldout import HeldOut
    from backcast.data.views import prices as prices_at

    store = HeldOut()
    at = store.moment(arguments.dataset, _asked(arguments))
    give(prices_at(store, arguments.dataset, at, arguments.adjust), arguments.output)
    return 0


def universe(arguments: argparse.Namespace, _: list[str]) -> int:
    from backcast.data.heldout import HeldOut
    from backcast.data.views import universe as universe_at

    store = HeldOut()
    at = store.moment(arguments.dataset, _asked(arguments))
    give(universe_at(store, arguments.dataset, at), arguments.output)
    return 0


def symbols(arguments: argparse.Namespace, _: list[str]) -> int:
    from backcast.data.heldout import HeldOut
    from backcast.data.views import symbols as symbols_at

    store = HeldOut()
    at = store.moment(arguments.dataset, _asked(arguments))
    give(symbols_at(store, arguments.dataset, at), arguments.output)
    return 0


def findings(arguments: argparse.Namespace, _: list[str]) -> int:
    import polars as pl

    from backcast.data.heldout import HeldOut

    store = HeldOut()
    store.moment(arguments.dataset, None)  # says where a holdout is left out
    found = store.findings(arguments.dataset, store.version(arguments.dataset))
    give(pl.DataFrame(pl.from_arrow(found)), arguments.output)
    return 0


def pins(arguments: argparse.Namespace, _: list[str]) -> int:
    from backcast.data.store import Store

    store = Store()
    for dataset in _chosen(arguments):
        held = [(f"snapshot {name}", store.version(dataset, name), True) for name in store.snapshots(dataset)]
        held += [(holder.name, holder.version, holder.present) for _, holder in store.holders(dataset)]
        for name, version, present in held:
            at = " ".join(f"{table}={number}" for table, number in sorted(version.items()) if number)
            print(f"{dataset}: {name} holds {at}{'' if present else ' (gone: the pin has expired)'}")
        if not held:
            print(f"{dataset}: nothing holds a version of it.")
    return 0


def drop(arguments: argparse.Namespace, _: list[str]) -> int:
    from backcast.data.store import Store

    target = Store().drop(arguments.dataset)
    print(
        f"{arguments.dataset} is dropped; `backcast gc --apply` removes it for ever. Until then it lies in {target}"
    )
    return 0


def cell(arguments: argparse.Namespace, _: list[str]) -> int:
    import polars as pl

    from backcast.data.heldout import HeldOut
    from backcast.data.history import cell as versions_of
    from backcast.data.sources.instants import instant_of

    store, key = HeldOut(), {"symbol": arguments.symbol}
    at = store.moment(arguments.dataset, _asked(arguments))
    found = versions_of(store, arguments.dataset, arguments.table, key, at)
    if arguments.day:
        day = instant_of(arguments.day, "--day").astype("datetime64[D]").item()
        found = found.filter(pl.col("event_at").dt.date() == day)
    give(found, arguments.output)
    return 0


def gc(arguments: argparse.Namespace, _: list[str]) -> int:
    from backcast.data.maintenance import Garbage, collect_dropped, collect_garbage, dropped, garbage
    from backcast.data.store import Store
    from backcast.engine.features.cache import FeatureCache

    if not arguments.older_than >= 0:
        raise InputError("--older-than", arguments.older_than, "hours, at least 0")
    store, seconds = Store(), arguments.older_than * 3600
    act, act_dropped = (collect_garbage, collect_dropped) if arguments.apply else (garbage, dropped)
    found = [item for dataset in _chosen(arguments) for item in act(store, dataset, seconds)]
    found += act_dropped(store, seconds) if arguments.dataset is None else []
    if arguments.dataset is None:
        cleared = FeatureCache.at_home(0.0).clear(seconds, arguments.apply)
        found += [Garbage(path, size, "computed features; a run makes them again") for path, size in cleared]
    for item in found:
        print(f"{item.path}: {item.size:,} bytes, {item.reason}")
    total = sum(item.size for item in found)
    done = "were removed" if arguments.apply else "may go; remove them with --apply"
    print(
        f"{total:,} bytes {done}. What a snapshot, a run or a model holds always stays; `backcast store pins` lists them."
    )
    return 0


def _chosen(arguments: argparse.Namespace) -> list[str]:
    """The data set that was named, or all of them."""
    from backcast.data.store import Store

    if arguments.dataset:
        Store().info(arguments.dataset)
        return [arguments.dataset]
    return Store().names()


def _asked(arguments: argparse.Namespace) -> np.datetime64 | None:
    """The instant of --as-of, None where there is none."""
    from backcast.data.sources.instants import instant_of

    return instant_of(arguments.as_of) if arguments.as_of else None


def give(frame: pl.DataFrame, output: Path | None) -> None:
    """Shows the first rows of an answer, or writes all of them."""
    if output is not None:
        write(frame, output)
        print(f"{frame.height:,} rows. Written: {output}")
        return
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for name in frame.columns:
        table.add_column(Text(name))
    for row in frame.head(SHOWN).iter_rows():
        table.add_row(*(Text(_shown(value)) for value in row))
    console().print(table)
    more = (
        f" The first {SHOWN} are shown; --output FILE.parquet or .csv gives all."
        if frame.height > SHOWN
        else ""
    )
    print(f"{frame.height:,} rows.{more}")


def console() -> Console:
    """The terminal; where there is none, a page wide enough for a table."""
    from rich.console import Console

    made = Console()
    return made if made.is_terminal else Console(width=WIDTH)


def _shown(value: object) -> str:
    """Instants without their zone, which is UTC everywhere; of a hash as much as tells it apart."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ")
    shown = str(value)
    return shown[:12] if len(shown) == 64 and shown.isalnum() else shown


def write(frame: pl.DataFrame, output: Path) -> None:
    """Writes all rows to a file that is there whole or not at all. Errors: InputError."""
    import polars as pl

    if output.suffix not in (".parquet", ".csv"):
        raise InputError("FILE", str(output), "a name that ends in .parquet or .csv")
    if output.is_dir() or not output.parent.is_dir():
        raise InputError("FILE", str(output), "a file in a folder that exists")
    partial = output.with_name(f".{output.name}.partial")
    try:
        frame.write_parquet(partial) if output.suffix == ".parquet" else frame.write_csv(partial)
        partial.replace(output)
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        partial.unlink(missing_ok=True)
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError("FILE", str(output), "a file that can hold the rows", reason) from error
