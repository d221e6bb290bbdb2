"""The verb `audit`: of a run, of the user's own code, of an expression, of a file of weights or of features."""

from __future__ import annotations

import argparse
import inspect
import json
from pathlib import Path
from typing import Any

from backcast.data.errors import InputError

INCONCLUSIVE = 6
LEVELS = ("quick", "full")

ABOUT = """TARGET is one of
  RUN                      a run folder (runs/STUDY/JOB): its decisions are replayed, its page is drawn again
  file.py:name             a function f(prices, ...) -> weights, or a class of a feature, a model or a portfolio
  package.module:name      the same
  "ts_mean(close, 5)"      an expression of the language of features
  weights.csv|.parquet     weights beside --prices: what a file alone can show
  features.parquet         with --code file.py:make and --prices: made again by the code, and the code is audited

exit codes: 0 nothing was found · 2 a leak is proved, or bad input · 6 inconclusive: nothing could be compared"""


def add_audit(parser: argparse.ArgumentParser) -> None:
    """The arguments of `backcast audit`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = ABOUT
    parser.add_argument("target", metavar="TARGET", help="what to audit: see below")
    parser.add_argument("--level", choices=LEVELS, help="how much is replayed (default: full)")
    for name, text in (
        ("prices", "closes by time and symbol, or long with time, symbol, close ... (.csv, .parquet)"),
        ("facts", "long: symbol, item, event_at, known_at, value"),
        ("membership", "long: symbol, event_at, known_at, member"),
        ("actions", "long: symbol, event_at, known_at, kind, value"),
    ):
        parser.add_argument(f"--{name}", metavar="FILE", type=Path, help=text)
    parser.add_argument("--code", metavar="FILE.py:NAME", help="the function that made a file of features")
    parser.add_argument(
        "--instants", type=int, metavar="N", help="of a run: decisions to replay (default: the level's)"
    )
    parser.add_argument("--at", metavar="INSTANT", help="one instant only, such as a finding names")
    parser.add_argument(
        "--decides",
        choices=("after", "before"),
        default="after",
        help="whether a row knows its own bar (default: after)",
    )
    parser.add_argument(
        "--frames", choices=("pandas", "polars"), default="pandas", help="what the function takes"
    )
    parser.add_argument(
        "--dataset",
        metavar="NAME",
        help="for classes and expressions: one of conf/dataset (default: synthetic)",
    )
    parser.add_argument("--json", action="store_true", help="what audit.json holds, as JSON")
    parser.set_defaults(function=audit, overrides_allowed=False)


def audit(arguments: argparse.Namespace, _: list[str]) -> int:
    """Audits the target and says what was found."""
    target = str(arguments.target)
    if Path(target).is_dir():
        return _run(arguments)
    from backcast.engine.audit.foreign import code, files

    if files.is_table(target):
        found = _file(arguments)
    elif code.names_code(target):
        found = _code(arguments)
    elif target.endswith(".py") or not set(target) & set("()+* <>=") or target.count("/") > 1:
        there = "a run folder that is there" if not target.endswith(".py") else code.SHAPE
        raise InputError("TARGET", target, there, "See `backcast audit --help` for what else it can be.")
    else:
        found = _expression(arguments)
    return _say(found, arguments.json)


def _say(found: dict[str, Any], as_json: bool, note: str = "") -> int:
    from backcast.engine.audit.show import show

    if as_json:
        print(json.dumps(found, indent=1, allow_nan=False, default=str))
    else:
        show(found)
        if note:
            print(note)
    return {True: 0, False: 2, None: INCONCLUSIVE}[found["passed"]]


def _run(arguments: argparse.Namespace) -> int:
    from backcast.engine.audit.foreign.small_run import again
    from backcast.engine.progress import Progress

    folder = Path(arguments.target)
    with Progress(quiet=arguments.json) as progress:
        found = again(folder, _level(arguments), arguments.at, progress, arguments.instants)
    note = (
        f"Written: {folder / 'audit.json'}, and the tear sheet was drawn again."
        if arguments.at is None
        else ""
    )
    return _say(found, arguments.json, note)


def _code(arguments: argparse.Namespace) -> dict[str, Any]:
    from backcast.engine.audit.foreign import audit as audit_function
    from backcast.engine.audit.foreign.code import load
    from backcast.engine.audit.foreign.small_run import audit_class

    named, path = load(arguments.target)
    if inspect.isclass(named):
        from backcast.engine.progress import Progress

        with Progress(quiet=arguments.json) as progress:
            return audit_class(
                named, path, arguments.target, _level(arguments), arguments.dataset, arguments.at, progress
            )
    given = _tables(arguments)
    command = f"backcast audit {arguments.target} {_flags(arguments)} --at {{at}}"
    return audit_function(
        named, given.pop("prices"), level=_level(arguments), at=arguments.at, decides=arguments.decides,
        command=command, **given,
    ).to_json()  # fmt: skip


def _expression(arguments: argparse.Namespace) -> dict[str, Any]:
    from backcast.engine.audit.foreign.small_run import audit_expression
    from backcast.engine.progress import Progress

    with Progress(quiet=arguments.json) as progress:
        return audit_expression(
            arguments.target, _level(arguments), arguments.dataset, arguments.at, progress
        )


def _file(arguments: argparse.Namespace) -> dict[str, Any]:
    from backcast.engine.audit.foreign.code import load
    from backcast.engine.audit.foreign.features_file import audit_features
    from backcast.engine.audit.foreign.files import table
    from backcast.engine.audit.foreign.weights import audit_weights

    given = _tables(arguments)
    frame = table(Path(arguments.target), "TARGET", arguments.frames)
    if arguments.code is None:
        return audit_weights(frame, given["prices"]).to_json()
    made, _ = load(arguments.code, "--code")
    command = f"backcast audit {arguments.target} --code {arguments.code} {_flags(arguments)} --at {{at}}"
    more = {"level": _level(arguments), "at": arguments.at, "decides": arguments.decides, "command": command}
    return audit_features(frame, made, given.pop("prices"), **given, **more).to_json()


def _tables(arguments: argparse.Namespace) -> dict[str, Any]:
    """The tables of the flags, by name."""
    from backcast.engine.audit.foreign.files import table

    if arguments.prices is None:
        raise InputError("--prices", None, "a file of prices", "Such as --prices prices.csv.")
    names = ("prices", "facts", "membership", "actions")
    paths = {name: getattr(arguments, name) for name in names}
    return {name: table(p, f"--{name}", arguments.frames) for name, p in paths.items() if p is not None}


def _flags(arguments: argparse.Namespace) -> str:
    names = ("prices", "facts", "membership", "actions")
    said = [f"--{n} {getattr(arguments, n)}" for n in names if getattr(arguments, n) is not None]
    said += ["--decides before"] if arguments.decides == "before" else []
    return " ".join([*said, *(["--frames polars"] if arguments.frames == "polars" else [])])


def _level(arguments: argparse.Namespace) -> str:
    return str(arguments.level or "full")
