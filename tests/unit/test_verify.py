"""What `backcast verify` says of accounts beside each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backcast.data.types import Floats
from backcast.engine.verify import KINDS, TOLERANCE, Comparison, Summary, show

ONE = Summary(
    "native (recorded)", np.array([100.0, 110.0, 120.0]), 7, dict.fromkeys(KINDS, 0.0) | {"fee": 1.5}
)


def _beside(*others: Summary, **not_able: str) -> Comparison:
    return Comparison(ONE, others, not_able)


def test_agreement_is_to_a_share_of_equity(capsys: pytest.CaptureFixture[str]) -> None:
    near = replace(ONE, name="reference", equity=ONE.equity * np.array([1.0, 1.0 + 0.5 * TOLERANCE, 1.0]))
    found = _beside(near)
    assert found.agrees
    assert found.largest(near) == pytest.approx(0.5 * TOLERANCE, rel=1e-6)
    assert found.sentence.startswith("native (recorded) and reference agree: ")
    show(_beside(near, vectorbt="vectorbt cannot split shares."))
    said = capsys.readouterr().out
    for told in (
        "final equity",
        "120.00",
        "1.50",
        "vectorbt cannot express this run: vectorbt cannot split shares.",
    ):
        assert told in said
    assert "impact" not in said  # what nobody paid


@pytest.mark.parametrize(
    "equity", [ONE.equity * (1 + 1e-8), ONE.equity[:2], np.array([100.0, np.nan, 120.0])]
)
def test_other_equity_or_other_sessions_disagree(equity: Floats) -> None:
    found = _beside(replace(ONE, name="reference"), replace(ONE, name="vectorbt", equity=equity))
    assert not found.agrees
    assert found.sentence.startswith("native (recorded), reference and vectorbt DISAGREE: ")


def test_an_account_that_lost_everything_is_compared_to_the_end() -> None:
    ruined = replace(ONE, equity=np.array([100.0, -5.0, -5.0]))
    assert Comparison(ruined, (replace(ruined, name="reference"),), {}).agrees
    assert not Comparison(ruined, (replace(ruined, equity=np.array([100.0, 5.0, 5.0])),), {}).agrees
