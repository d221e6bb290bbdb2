"""A user's own frames and files, from ingest to a tear sheet; and what happens without the extras."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from market import MARKET

import backcast
from backcast.data.calendar import clock
from backcast.engine.cli import main

RULE = "event_at + 15min"
RUN = ("model=ridge", "folds=yearly", "folds.first_fit=300", "label.horizon=2")


def wide(symbols: int = 8, sessions: int = 520) -> pd.DataFrame:
    """Random closes, dates by symbols."""
    generator = np.random.default_rng(3)
    dates = clock("XNYS", np.datetime64("2018-01-02"), np.datetime64("2021-01-01"), 0).sessions[:sessions]
    prices = 50 * np.exp(generator.normal(0, 0.01, (sessions, symbols)).cumsum(axis=0))
    names = ["<script>", "../x", "a'; DROP", *(f"S{i}" for i in range(symbols - 3))]
    return pd.DataFrame(prices, index=pd.Index(dates, name="date"), columns=names)


def test_a_pandas_frame_becomes_a_tear_sheet() -> None:
    report = backcast.ingest(wide(), "mine", "total_return", known_rule=RULE)
    assert report.rows["bars"] == 8 * 520
    run = backcast.run(*RUN, "dataset=stored", "dataset.name=mine", "study=mine")
    page = run.tearsheet.read_text()
    assert "<script>" not in page


def test_a_csv_is_checked_then_ingested_then_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "prices.csv"
    wide().reset_index().melt("date", var_name="symbol", value_name="close").to_csv(file, index=False)
    own = ["dataset=csv", "dataset.name=filed", f"dataset.path={file}", "dataset.price_basis=total_return",
           f"dataset.known_rule={RULE}"]  # fmt: skip
    assert main(["ingest", *own, "--check"]) == 0
    assert "nothing was written" in capsys.readouterr().out
    assert main(["run", *RUN, "dataset=stored", "dataset.name=filed"]) == 3
    assert main(["ingest", *own]) == 0
    assert "4,160 new rows" in capsys.readouterr().out
    assert main(["ingest", *own]) == 0
    assert "nothing changed" in capsys.readouterr().out
    assert main(["run", *RUN, *own, "study=filed"]) == 0


def test_levels_of_back_adjusted_prices_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    backcast.ingest(wide(), "mine", "total_return", known_rule=RULE)
    level = "+features.expressions.level=ts_mean(close, 5)"
    assert main(["run", *RUN, "dataset=stored", "dataset.name=mine", level]) == 2
    assert "level" in capsys.readouterr().err


@pytest.mark.parametrize(("package", "command", "code", "says"), [
    ("skfolio", ["ingest", "dataset=us20"], 2, "backcast[bundled]"),
    ("vectorbt", ["run", "model=ridge", "dataset=stored", "dataset.name=mine", *RUN[1:], "simulator=vectorbt"], 2,
     "backcast[vectorbt]"),
    ("vectorbt", ["run", "dataset=stored", "dataset.name=mine", *RUN], 0, "Tear sheet"),
])  # fmt: skip
def test_the_extras_are_extras(package: str, command: list[str], code: int, says: str) -> None:
    backcast.ingest(wide(), "mine", "total_return", known_rule=RULE)
    absent = f"import sys; sys.modules[{package!r}] = None"  # what import and find_spec see where it is not installed
    script = f"{absent}; from backcast.engine.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", script, *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    assert says in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


MODEL = '''
from pathlib import Path

import numpy as np

from backcast.signals.models.base import FittedModel, ForecastModel, read_json, write_json
from backcast.signals.types import QUANTILES


class First(ForecastModel):
    """Forecasts the first feature itself."""

    name = "first"

    def fit(self, train, seed, progress=None):
        return FittedFirst(train.names)

    def load(self, folder):
        return FittedFirst.load(folder)


class FittedFirst(FittedModel):
    kind = "own first"

    def __init__(self, names):
        self.names = tuple(names)

    def forecast(self, window):
        mean = window[0, :, 0]
        return mean, np.repeat(mean[:, None], len(QUANTILES), axis=1)

    def save(self, folder):
        write_json(folder, self.kind, {"names": self.names})

    @classmethod
    def load(cls, folder):
        return cls(read_json(folder, cls.kind)["names"])
'''


def test_a_model_of_ones_own_is_run_audited_and_retrained(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my_models.py").write_text(MODEL)
    monkeypatch.syspath_prepend(str(tmp_path))
    own = ("model=ridge", "~model.alpha", "model._target_=my_models.First", *MARKET)
    assert main(["run", *own, "study=own", "job=refused"]) == 2
    assert "extensions.txt" in capsys.readouterr().err
    home.mkdir(exist_ok=True)
    (home / "extensions.txt").write_text("my_models\n")
    try:
        run = backcast.run(*own, "study=own", "job=one")
        assert json.loads((run.folder / "audit.json").read_text())["passed"]
        assert main(["retrain", *own, "--as-of", "2016-08-26"]) == 0
        assert main(["retrain", *own, "--as-of", "2016-09-01"]) == 0  # beside the champion, read back
    finally:
        (home / "extensions.txt").unlink()
        sys.modules.pop("my_models", None)
