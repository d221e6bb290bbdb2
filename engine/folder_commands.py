"""The verbs that read a folder under `./runs`: `collect`, `verify`, `compare`, `report` and `trace`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from backcast.engine.run_commands import RUNS

A_RUN = "a run folder (runs/STUDY/JOB)"


def add_collect(parser: ArgumentParser) -> None:
    """The arguments of `backcast collect`."""
    parser.set_defaults(function=collect_, overrides_allowed=False)
    parser.add_argument("study", metavar="STUDY", help="a study's name under ./runs, or its folder")


def add_verify(parser: ArgumentParser) -> None:
    """The arguments of `backcast verify`."""
    parser.set_defaults(function=verify_, overrides_allowed=False)
    parser.add_argument("run", metavar="RUN", help=A_RUN)


def add_compare(parser: ArgumentParser) -> None:
    """The arguments of `backcast compare`."""
    parser.set_defaults(function=compare_, overrides_allowed=False)
    parser.add_argument("run", metavar="RUN", help=A_RUN)
    parser.add_argument("others", metavar="OTHER", nargs="+", help="other run folders")
    parser.add_argument("--json", action="store_true", help="the same as plain values")


def add_report(parser: ArgumentParser) -> None:
    """The arguments of `backcast report`."""
    parser.set_defaults(function=report_, overrides_allowed=False)
    parser.add_argument("run", metavar="RUN", help=A_RUN)


def add_trace(parser: ArgumentParser) -> None:
    """The arguments of `backcast trace`."""
    parser.set_defaults(function=trace_, overrides_allowed=False)
    parser.add_argument("run", metavar="RUN", help=A_RUN)
    parser.add_argument("symbol", metavar="SYMBOL", help="a permanent symbol of the run's data")
    parser.add_argument(
        "date", metavar="DATE", help="the decision at or before this session, or instant (UTC)"
    )
    parser.add_argument("--json", action="store_true", help="everything, as plain values")


def collect_(arguments: Namespace, _: list[str]) -> int:
    """Collects a study, and shows its table."""
    from backcast.engine.collect import collect, show

    given = Path(arguments.study)
    study = given if given.is_dir() else RUNS / arguments.study
    show(collect(study), study)
    return 0


def verify_(arguments: Namespace, _: list[str]) -> int:
    """Compares a run with other simulators; 1 where they disagree."""
    from backcast.engine.verify import show, verify

    comparison = verify(Path(arguments.run))
    show(comparison)
    return 0 if comparison.agrees else 1


def compare_(arguments: Namespace, _: list[str]) -> int:
    """Compares runs' Sharpe ratios."""
    from backcast.engine.compare import compare, show

    found = compare(Path(arguments.run), [Path(other) for other in arguments.others])
    if arguments.json:
        import json

        print(json.dumps([one.to_json() for one in found], indent=1, allow_nan=False))
    else:
        show(found)
    return 0


def trace_(arguments: Namespace, _: list[str]) -> int:
    """Tells a position's story."""
    from backcast.engine.trace import trace

    found = trace(Path(arguments.run), arguments.symbol, arguments.date)
    if arguments.json:
        import json

        print(json.dumps(found.to_json(), indent=1, allow_nan=False))
    else:
        from backcast.engine.trace.drawing import draw

        draw(found)
    return 0


def report_(arguments: Namespace, _: list[str]) -> int:
    """Draws a run's pages again."""
    from backcast.engine.holdout import warn_of_sight
    from backcast.engine.reports.model import write_report
    from backcast.engine.reports.page import write_tearsheet
    from backcast.engine.runs import RunFolder

    run = RunFolder.open(Path(arguments.run))
    folder = run.path
    warn_of_sight(run)
    print(write_report(folder).verdict.sentence)
    print(f"Tear sheet: {write_tearsheet(folder)}")
    return 0
