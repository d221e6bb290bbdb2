"""The verb `unseal`: one run is evaluated on the sealed holdout, once; or which data sets have one."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from backcast.data.errors import InputError

if TYPE_CHECKING:
    from backcast.data.seals import Seal
    from backcast.engine.research import Run
    from backcast.engine.unseal import Candidate


def add_unseal(parser: argparse.ArgumentParser) -> None:
    """The arguments of `backcast unseal`."""
    parser.add_argument(
        "run", nargs="?", metavar="RUN", help="a run folder (runs/STUDY/JOB) with folds.holdout_from"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask: it cannot be taken back")
    parser.add_argument(
        "--status", action="store_true", help="which data sets have a holdout, and who opened it"
    )
    parser.set_defaults(function=unseal, overrides_allowed=False)


def unseal(arguments: argparse.Namespace, _: list[str]) -> int:
    if arguments.status:
        return status()
    if arguments.run is None:
        raise InputError("RUN", None, "a run folder (runs/STUDY/JOB), or --status")
    from backcast.engine.progress import Progress
    from backcast.engine.unseal import candidate
    from backcast.engine.unseal import unseal as evaluate

    chosen = candidate(Path(arguments.run))
    if not arguments.yes:
        _confirm(chosen)
    show(chosen, evaluate(chosen, Progress()))
    return 0


def _confirm(chosen: Candidate) -> None:
    """Asks on a terminal. Errors: InputError where nobody can be asked, or somebody says no."""
    seal = chosen.seal
    if seal.opened is not None:  # what was cut off is finished
        return
    what = (
        f"This opens the holdout of {seal.dataset}, its sessions from {seal.holdout_from} on, for {chosen.name} and for no "
        "other run, ever. Every later page says so."
    )
    if not sys.stdin.isatty():
        raise InputError("--yes", False, "--yes, where nobody can be asked", what)
    print(what)
    if input(f"Type {seal.holdout_from} to open it: ").strip() != seal.holdout_from:
        raise InputError("answer", "another", seal.holdout_from, "Nothing was opened.")


def show(chosen: Candidate, run: Run) -> None:
    """Both periods side by side, and where the page is."""
    before = chosen.folder.read_json("report.json")["strategy"]
    after = run.report.to_json()["strategy"]
    begun, header = chosen.folder.read_json("report.json")["header"], run.report.header
    for label, about, own in (("in sample", begun, before), ("holdout", header, after)):
        low, high = own["sharpe_low_per_year"], own["sharpe_high_per_year"]
        interval = "" if low is None else f" (95%: {low:.2f} to {high:.2f})"
        value = own["sharpe_per_year"]
        shown = own["undefined"] or "n/a" if value is None else f"{value:.2f}"
        print(f"Net Sharpe a year, {label:<9} {about['begins']} to {about['ends']}: {shown}{interval}")
    print(f"{run.report.verdict.sentence} {run.report.verdict.detail}")
    print(f"Run folder: {run.folder}")
    print(f"Tear sheet: {run.tearsheet}")


def status() -> int:
    """A line for each data set of the store with a holdout."""
    from backcast.data.seals import Seals
    from backcast.data.store import Store

    store, seals = Store(), Seals.at_home()
    found = [seal for name in store.names() if (seal := seals.of(store.lineage(name))) is not None]
    for seal in found:
        print(_line(seal))
    if not found:
        print("No data set has a holdout. folds.holdout_from=DATE in a run seals one.")
    return 0


def _line(seal: Seal) -> str:
    seen = f"; trials that had seen it before: {seal.seen_before:,}" if seal.seen_before else ""
    begun = (
        f"{seal.dataset}: from {seal.holdout_from} on, sealed at {seal.sealed_at} by {seal.sealed_by}{seen}"
    )
    opened = seal.opened
    return f"{begun}; not opened." if opened is None else f"{begun}; opened at {opened.at} by {opened.run}."
