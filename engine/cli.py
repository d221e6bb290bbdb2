"""The command line. Only the standard library is imported until a verb is known, so that `--help` answers at once."""

from __future__ import annotations

import argparse
import errno
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from backcast.data.errors import BackcastError, InputError
from backcast.engine import folder_commands, holdout_commands, run_commands, store_commands
from backcast.engine.audit import commands as audit_commands
from backcast.engine.features import commands as feature_commands
from backcast.engine.stats import commands as stats_commands
from backcast.engine.trials_commands import add_trials

if TYPE_CHECKING:
    from backcast.engine.research import Run
    from backcast.engine.sweep_job import Order

DESCRIPTION = "A research engine for trading signals that cannot see the future."

EPILOG = """exit codes: 0 done · 1 a bug · 2 bad input or config, or a leak that `audit` proved · 3 data stale or missing · 4
champion kept (retrain --strict) · 5 a sweep finished with failed jobs · 6 an audit could compare nothing · 75 someone
else holds the lock · 130 stopped by Ctrl-C"""

OF_PATHS = (
    errno.EACCES,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
)
"""Errors of the system that are the user's to fix: a folder that cannot be written, or a path that cannot be one."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one verb; the value is the exit code."""
    arguments, rest = _parser().parse_known_args(argv)
    warnings.showwarning = _show_warning
    if rest and not arguments.overrides_allowed:
        return _fail(
            InputError(
                "argument",
                rest[0],
                f"an argument of `backcast {arguments.verb}`",
                f"See `backcast {arguments.verb} --help`.",
            )
        )
    try:
        return int(arguments.function(arguments, rest))
    except BackcastError as error:
        return _fail(error)
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # as rich ends for the same reason
            return 0
        raise
    except OSError as error:
        if error.errno not in OF_PATHS:
            raise
        where = error.filename or "in BACKCAST_HOME, ./runs or the folder of temporary files"
        print(f"error: {error.strerror}: {where}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped. Nothing that was finished is lost.", file=sys.stderr)
        return 130


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Ours in a line; what libraries say to programmers is not for users."""
    if category.__module__.startswith("backcast"):
        print(f"warning: {message}", file=sys.stderr)


def _fail(error: BackcastError) -> int:
    print(f"error: {error}", file=sys.stderr)
    return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("backcast", description=DESCRIPTION, epilog=EPILOG)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(
        name: str,
        function: Callable[[argparse.Namespace, list[str]], int],
        text: str,
        overrides: bool = False,
    ) -> argparse.ArgumentParser:
        epilog = _groups() if overrides else None
        made = verbs.add_parser(
            name,
            help=text,
            description=text,
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.set_defaults(function=function, overrides_allowed=overrides)
        if overrides:
            made.usage = f"backcast {name} [flags] [group=member] [group.key=value] ..."
        return made

    run = verb("run", _run, "Walk forward, simulate, audit, and draw the tear sheet.", overrides=True)
    run_commands.add_run(run)
    ingest = verb("ingest", _ingest, "Put a data set into the store.", overrides=True)
    ingest.add_argument("--check", action="store_true", help="only read and check; write nothing")
    ingest.add_argument(
        "--findings",
        metavar="FILE",
        type=Path,
        help="write what was found, a row each, to a .parquet or .csv file",
    )
    retrain = verb("retrain", _retrain, "Train on what is known, and promote past a gate.", overrides=True)
    retrain.add_argument(
        "--as-of", metavar="INSTANT", help="train on what was known then (UTC; default: now)"
    )
    retrain.add_argument("--strict", action="store_true", help="exit 4 where the gate kept the champion")
    for name, add, text in (
        (
            "collect",
            folder_commands.add_collect,
            "A study ranked by the trial log as it stands: a table, a Parquet file and a page.",
        ),
        ("verify", folder_commands.add_verify, "Let other simulators trade a run's targets, and compare."),
        (
            "compare",
            folder_commands.add_compare,
            "Whether one run's Sharpe ratio differs from those of others.",
        ),
        ("report", folder_commands.add_report, "Draw a run's report and tear sheet again from its files."),
        (
            "trace",
            folder_commands.add_trace,
            "One position's whole story: what was known, forecast, ordered, filled and paid.",
        ),
        (
            "audit",
            audit_commands.add_audit,
            "Look for what nobody could have known: in a run, your own code, an expression, a file.",
        ),
        (
            "features",
            feature_commands.add_features,
            "List, explain, draw and check the language of features.",
        ),
        (
            "stats",
            stats_commands.add_stats,
            "Every statistic of a run and of its signal, each with its convention.",
        ),
        (
            "unseal",
            holdout_commands.add_unseal,
            "Evaluate one run on the sealed holdout, once, recorded for ever.",
        ),
        (
            "trials",
            add_trials,
            "Every configuration that was evaluated on a data set, and how many there were.",
        ),
        ("sql", store_commands.add_sql, "One SELECT over the store as it was known at an instant."),
        (
            "store",
            store_commands.add_store,
            "List, check, compact, rebuild, name, export and question the store.",
        ),
        ("gc", store_commands.add_gc, "Show, or remove, what killed writers and rebuilt copies left."),
    ):
        add(verbs.add_parser(name, help=text, description=text))
    return parser


def _groups() -> str:
    """The configuration's groups and their members, read from the folder names."""
    conf = Path(__file__).resolve().parent.parent / "conf"
    groups = sorted(p for p in conf.iterdir() if p.is_dir() and any(p.glob("*.yaml")))
    lines = [f"  {g.name}={'|'.join(sorted(m.stem for m in g.glob('*.yaml')))}" for g in groups]
    return (
        "groups:\n"
        + "\n".join(lines)
        + "\n\n`--cfg job` prints the whole configuration; `--config-dir DIR` adds yours."
    )


def _run(arguments: argparse.Namespace, overrides: list[str]) -> int:
    if arguments.multirun:
        return run_commands.sweep(arguments, overrides, _composed_sweep)
    run_commands.refuse_sweep_flags(arguments)
    _hydra(run_commands.run_one, run_commands.with_defaults(overrides))
    return 0


def _hydra(job: Callable[[dict[str, Any], Path], None], arguments: list[str]) -> None:
    """Lets Hydra compose, and call the job with plain containers."""
    os.environ["HYDRA_FULL_ERROR"] = (
        "1"  # so that errors reach us rather than being printed and turned into exit 1
    )
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import DictConfig

    refused: list[
        BackcastError | OSError
    ] = []  # raised outside of Hydra, which would print a line of its own

    def call(config: DictConfig) -> None:
        try:
            job(_plain(config), Path(HydraConfig.get().runtime.output_dir))
        except (BackcastError, OSError) as error:
            refused.append(error)

    before = sys.argv
    sys.argv = ["backcast run", *arguments]
    try:
        with _named_errors(arguments):
            hydra.main(version_base="1.3", config_path="pkg://backcast.conf", config_name="config")(call)()
    finally:
        sys.argv = before
    if refused:
        raise refused[0]


@contextmanager
def _named_errors(overrides: Sequence[str]) -> Iterator[None]:
    """Turns what Hydra and OmegaConf raise about a configuration into an InputError."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        from backcast.engine.configure import without_secrets

        shown, said = without_secrets(overrides, str(error))
        raise InputError("configuration", " ".join(shown), "groups and keys that exist", said) from None


class _Sweep:
    """A sweep composed by Hydra, and launched by its launcher plugins. Hydra's own sweeper would launch all jobs at once under
    numbers of its own: a sweep that is continued launches those that are missing, under theirs."""

    def __init__(self, overrides: Sequence[str]) -> None:
        from hydra._internal.callbacks import Callbacks
        from hydra.core.global_hydra import GlobalHydra
        from hydra.types import HydraContext, RunMode

        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        self._config = hydra.compose_config(
            "config", [*overrides, "job=0"], RunMode.MULTIRUN, with_log_configuration=False
        )
        self._context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(self._config))
        self._check_sweeper()
        self.threads = self._config.get("threads")
        self.launcher = self._launcher()
        self.jobs = self._jobs()

    def _check_sweeper(self) -> None:
        """Errors: InputError where the configuration would have another sweeper, or jobs elsewhere than in their study."""
        hydra = self._config.hydra
        if not str(hydra.sweeper.get("_target_")).endswith("BasicSweeper"):
            hint = "A sweep's jobs are written down before the first begins."
            raise InputError("hydra/sweeper", hydra.sweeper.get("_target_"), "basic", hint)
        if hydra.sweep.dir != f"runs/{self._config.study}" or hydra.sweep.subdir != str(self._config.job):
            raise InputError(
                "hydra.sweep", hydra.sweep.dir, "runs/STUDY with a folder a job", "Name the study by study=."
            )

    def _launcher(self) -> run_commands.Launcher:
        from hydra.core.plugins import Plugins
        from omegaconf import OmegaConf

        settings = cast(dict[str, Any], OmegaConf.to_container(self._config.hydra.launcher, resolve=True))
        target = str(settings.get("_target_"))
        if target not in Plugins.instance().class_name_to_class:
            hint = "docs/sweeps.md says what to install for which launcher."
            raise InputError("hydra/launcher", target, "a launcher whose package is installed", hint)
        name = target.rpartition(".")[2]
        kinds = {"BasicLauncher": "basic", "JoblibLauncher": "joblib", "RayLauncher": "ray"}
        return run_commands.Launcher(kinds.get(name, name), settings)

    def _jobs(self) -> list[list[str]]:
        """Each job's overrides but for the study and the job, after a job of each shape (the same members of groups and the
        same keys) was composed: whether Hydra can compose a job depends on no value beside."""
        from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
        from hydra.core.override_parser.overrides_parser import OverridesParser

        hydra = self._config.hydra
        swept = [f"{key}={value}" for key, value in (hydra.sweeper.get("params") or {}).items()]
        parsed = OverridesParser.create(self._context.config_loader).parse_overrides(
            [*swept, *hydra.overrides.task]
        )
        jobs = [job for batch in BasicSweeper.split_arguments(parsed, None) for job in batch]
        groups = {key for key in {_key(o) for job in jobs for o in job} if self._is_group(key)}
        shapes = {tuple(o if _key(o) in groups else _key(o) for o in job): job for job in jobs}
        for job in shapes.values():
            self._context.config_loader.load_sweep_config(self._config, job)
        return [[o for o in job if not o.startswith(("study=", "job="))] for job in jobs]

    def _is_group(self, key: str) -> bool:
        name = key.lstrip("+~").partition("@")[0]
        return bool(self._context.config_loader.get_group_options(name))

    def launch(self, jobs: Mapping[int, Sequence[str]], order: Order, at_once: int) -> None:
        """Runs the jobs, numbers and overrides, through the launcher, at most so many at once where that is ours to say."""
        from hydra.core.plugins import Plugins

        config = self._config
        if (
            self.launcher.kind == "joblib"
        ):  # one job at a time to a process; with one job joblib would take this process
            config.hydra.launcher.update(n_jobs=max(2, at_once), batch_size=1, pre_dispatch=at_once)
        if (
            self.launcher.kind == "ray" and config.hydra.launcher.ray.init.address
        ):  # whose size is not ours to say
            config.hydra.launcher.ray.init.num_cpus = None
        with _named_errors([str(o) for o in config.hydra.overrides.hydra]):
            launcher = Plugins.instance().instantiate_launcher(
                self._context, partial(_sweep_job, order), config
            )
        numbered = [[*job, f"study='{config.study}'", f"job={n}"] for n, job in jobs.items()]
        try:
            with _quiet_workers():
                launcher.launch(numbered, 0)
        except ConnectionError as error:
            raise InputError(
                "hydra/launcher", self.launcher.settings, "a cluster that answers", str(error)
            ) from error
        finally:
            if (
                self.launcher.kind == "ray" and "ray" in sys.modules
            ):  # what is in flight, where one was lost, ends with it
                sys.modules["ray"].shutdown()


def _key(override: str) -> str:
    return override.partition("=")[0]


@contextmanager
def _quiet_workers() -> Iterator[None]:
    """Keeps from the terminal what Hydra says, in each new process, of plugins that cannot be imported."""
    before = os.environ.get("PYTHONWARNINGS")
    quiet = "ignore::UserWarning:hydra.core.plugins"
    os.environ["PYTHONWARNINGS"] = f"{quiet},{before}" if before else quiet
    try:
        yield
    finally:
        del os.environ["PYTHONWARNINGS"]
        if before is not None:
            os.environ["PYTHONWARNINGS"] = before


@contextmanager
def _composed_sweep(overrides: Sequence[str], config_dir: str | None) -> Iterator[run_commands.Composed]:
    """A sweep as Hydra reads it, with the user's folder of configurations. Errors: InputError."""
    from hydra import initialize_config_module

    more = [f"hydra.searchpath=[file://{Path(config_dir).resolve()}]"] if config_dir else []
    with initialize_config_module("backcast.conf", version_base="1.3", job_name="backcast"):
        with _named_errors(overrides):
            composed = _Sweep([*overrides, *more])
        yield composed


def _sweep_job(order: Order, config: Any) -> None:
    """What a launcher calls, in whichever process it has."""
    from hydra.core.hydra_config import HydraConfig

    from backcast.engine.sweep_job import run_job

    def compose() -> dict[str, Any]:
        with _named_errors([str(o) for o in HydraConfig.get().overrides.task]):
            return _plain(config)

    run_job(order, compose, Path(HydraConfig.get().runtime.output_dir))


def compose(overrides: Sequence[str]) -> dict[str, Any]:
    """The resolved configuration of some overrides, as plain containers."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_module

    with _named_errors(overrides), initialize_config_module("backcast.conf", version_base="1.3"):
        return _plain(hydra_compose("config", overrides=list(overrides)))


def _plain(config: Any) -> dict[str, Any]:
    """A composed configuration as plain containers. Errors: OmegaConf's, where a value is missing."""
    from omegaconf import OmegaConf

    return cast(dict[str, Any], OmegaConf.to_container(config, resolve=True, throw_on_missing=True))


def run(*overrides: str) -> Run:
    """`backcast run` for notebooks: the same overrides, the same folder under ./runs, the run as a value."""
    from backcast.engine import research

    config = compose(run_commands.with_defaults(list(overrides)))
    return research.run(config, run_commands.RUNS / config["study"] / config["job"])


def _ingest(arguments: argparse.Namespace, overrides: list[str]) -> int:
    from backcast.data.ingest import ingest
    from backcast.data.sources.base import Source
    from backcast.data.store import Store
    from backcast.engine.configure import build
    from backcast.engine.progress import Progress

    config = compose(run_commands.with_defaults(overrides))
    source = build(config["dataset"], "dataset", Source)
    with Progress() as progress:
        report = ingest(Store(), source, check_only=arguments.check, told=progress.counter("rows read"))
    print(report)
    if arguments.findings is not None:
        store_commands.write(report.frame(), arguments.findings)
        print(f"{len(report.findings):,} findings. Written: {arguments.findings}")
    return 2 if report.errors else 0


def _retrain(arguments: argparse.Namespace, overrides: list[str]) -> int:
    from backcast.data.sources.instants import instant_of
    from backcast.engine.progress import Progress
    from backcast.engine.retrain import retrain

    config = compose(run_commands.with_defaults(overrides))
    with Progress() as progress:
        decision = retrain(config, instant_of(arguments.as_of), progress)
    print(decision.sentence)
    print(f"Registry: {decision.folder}")
    return 4 if arguments.strict and not decision.promoted else 0


if __name__ == "__main__":
    from backcast.engine.cli import main as imported  # a job's process imports what it runs: never `__main__`

    sys.exit(imported())
