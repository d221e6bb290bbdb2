"""The verb `stats`: every statistic of a run, its convention, and why where there is none."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_stats(parser: argparse.ArgumentParser) -> None:
    """The arguments of `backcast stats`."""
    parser.set_defaults(function=stats, overrides_allowed=False)
    parser.add_argument("run", metavar="RUN", type=Path, help="a run folder (runs/STUDY/JOB)")
    parser.add_argument(
        "--json", action="store_true", help="everything but the tables by session, as plain values"
    )
    parser.add_argument(
        "--factors",
        metavar="FILE",
        type=Path,
        help=".csv or .parquet: a date and a column of simple returns a factor",
    )
    parser.add_argument(
        "--groups", metavar="FILE", type=Path, help=".csv or .parquet: symbol and group (sector, country)"
    )
    parser.add_argument(
        "--risk-free", metavar="RATE", type=float, default=0.0, help="a year, as a share: 0.03 (default 0)"
    )
    parser.add_argument("--draws", metavar="N", type=int, help="of the bootstrap (default 2000; 0: none)")
    parser.add_argument(
        "--again",
        action="store_true",
        help="read the store and trade again, even where a run's statistics did so before",
    )


def stats(arguments: argparse.Namespace, _: list[str]) -> int:
    """Gathers what the folder lacks, computes, writes, and prints."""
    from backcast.data.errors import InputError
    from backcast.engine.progress import Progress
    from backcast.engine.stats import frames, of_run, outcomes, paths, ratios

    draws = ratios.DRAWS if arguments.draws is None else arguments.draws
    if not 0 <= draws <= 1_000_000:
        raise InputError("--draws", draws, "a number of bootstrap draws from 0 (none) to 1,000,000")
    factors = None if arguments.factors is None else frames.read_factors(arguments.factors)
    groups = None if arguments.groups is None else frames.read_groups(arguments.groups)
    if arguments.again or not of_run.gathered(arguments.run):
        with Progress() as progress:
            done = progress.stage("outcomes, and trading again")
            outcomes.gather(arguments.run)
            done(1.0)
    found = of_run.statistics_of_run(
        arguments.run, factors=factors, groups=groups, risk_free_per_year=arguments.risk_free, draws=draws
    )
    written = of_run.write(arguments.run, found)
    if arguments.json:
        import json

        print(json.dumps(found.to_json(), indent=1, allow_nan=False))
        return 0
    from backcast.engine.stats.drawing import draw

    draw(found)
    told = paths.of_run(arguments.run)
    if told is not None:
        print(f"Cross-validated; the figures above are of the first path. {paths.in_words(told)}")
    print(
        f"Written: {arguments.run / written[0]}, {written[1]}, and tables by session in {outcomes.FOLDER}/."
    )
    return 0
