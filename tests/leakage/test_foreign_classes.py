"""Classes and expressions of the user's own, named on the command line: put into a small run, audited as runs are, no trial."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backcast.engine.cli import main

CODE = """
from dataclasses import replace

import numpy as np

from backcast.engine.portfolio import RankPortfolio
from backcast.signals.custom import WindowFeature
from backcast.signals.feature import FeatureSet
from backcast.signals.types import FeatureSource


class Momentum(WindowFeature):
    def __init__(self, window: int = 5) -> None:
        super().__init__(("close",), window, scale_free=True)

    def compute(self, close):
        return close[-1] / close[0] - 1.0


class Ahead(FeatureSource):
    expressions = {"step": "close / ref(close, 1) - 1"}

    def compile(self, fields, price_basis):
        return Compiled(FeatureSet(dict(self.expressions)).compile(fields, price_basis))


class Compiled:
    def __init__(self, inner):
        self.inner, self.names, self.lookback = inner, inner.names, inner.lookback

    def evaluate(self, panel, threads=1):
        made = self.inner.evaluate(panel, threads=threads)
        nothing = np.full_like(made.values[:, :, :1], np.nan)
        return replace(made, values=np.concatenate([made.values[:, :, 1:], nothing], axis=2))


class Ranked(RankPortfolio):
    pass
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the code, and a home of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BACKCAST_HOME", str(tmp_path / "home"))
    Path("strange_classes.py").write_text(CODE)
    return tmp_path / "home"


@pytest.mark.parametrize(
    "target", ["strange_classes.py:Momentum", "strange_classes:Ranked", "ts_mean(close, 5) / close"]
)
def test_honest_ones_pass_and_leave_no_trial(
    target: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", target, "--level", "quick", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["passed"] is True
    assert {"features", "forecasts", "targets", "execution", "account"} <= {
        c["layer"] for c in found["checks"]
    }
    assert "sharpe" not in json.dumps(found), "what it earned would be a look that is not counted"
    assert not any(home.glob("store/*"))
    assert not list(home.parent.glob("runs"))
    if "(" in target:
        assert found["checks"][0]["state"] == "proved"


def test_one_that_reads_the_next_bar_is_caught(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "strange_classes.py:Ahead", "--level", "quick", "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    (layer, one) = next((c["layer"], c["finding"]) for c in found["checks"] if c["state"] == "leak")
    assert (layer, one["column"], one["depth"]) == ("features", "step", 1)
    assert one["reproduce"].startswith("backcast audit strange_classes.py:Ahead --at ")
