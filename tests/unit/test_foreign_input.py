"""Whatever is wrong with what is handed to an audit ends in one clear sentence."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from strangers import market, ranks

import backcast
from backcast.data.errors import InputError
from backcast.engine.cli import main

PRICES = market().prices
FACTS = market().facts


def raising(prices: pd.DataFrame) -> None:
    raise KeyError("AAPL")


@pytest.mark.parametrize(
    ("f", "says"),
    [
        (lambda prices: None, "It returns nothing"),
        (lambda prices: 1.0, "'float': expected a wide frame"),
        (lambda prices: prices.to_numpy(), "'ndarray': expected a wide frame"),
        (lambda prices: {}, "{}: expected any of features, forecasts, weights, returns"),
        (lambda prices: {"signal": prices}, "'signal': expected any of"),
        (lambda prices: {"features": {}}, "expected at least one frame"),
        (lambda prices: {"weights": {"a": prices}}, "weights = 'a mapping': expected one frame"),
        (lambda prices: prices.reset_index(drop=True), "expected a column of dates or times"),
        (lambda prices: prices * np.nan, "'NaN in every cell': expected at least one number"),
        (lambda prices: prices.iloc[:0], "'no rows'"),
        (
            lambda prices: prices.set_axis(prices.index + pd.Timedelta(days=9999)),
            "expected times of the prices",
        ),
        (lambda prices: pd.concat([prices, prices]), "expected each time once"),
        (lambda prices: prices.set_axis(["A"] * 8, axis=1), "'A': expected each column once"),
        (lambda prices: prices.astype(str) + "x", "expected numbers"),
        (lambda: PRICES, "It takes none"),
        (lambda *, prices: prices, "whose first parameter is the prices"),
        (lambda prices, facts: prices, "Give facts=... to the audit"),
        (lambda prices, other: prices, "parameter other = 'nothing to give it'"),
        (raising, "KeyError: 'AAPL'"),
        ("ranks", "'str': expected a function of prices"),
    ],
)
def test_bad_functions(f: Any, says: str) -> None:
    with pytest.raises(InputError, match=re.escape(says)):
        backcast.audit(f, PRICES)


@pytest.mark.parametrize(
    ("prices", "says"),
    [
        (None, "'NoneType': expected a pandas or polars frame"),
        ([1, 2, 3], "'list': expected a pandas or polars frame"),
        ({}, "{}: expected at least one field"),
        (PRICES.iloc[:0], "'no rows'"),
        (PRICES.iloc[:2], "'2 times': expected at least 3 times"),
        (PRICES[[]], "'no columns'"),
        (PRICES * np.nan, "'no number': expected at least one price"),
        (PRICES.iloc[::-1], "row 2 = '2019-03-22T00:00:00.000000': expected times in ascending order"),
        (pd.concat([PRICES.iloc[:5], PRICES.iloc[4:]]), "row 6"),
        (PRICES.set_axis(list("AABCDEFG"), axis=1), "'A': expected each column once"),
        (PRICES.reset_index(drop=True), "expected a column of dates or times"),
        (pd.concat({"close": PRICES}, axis=1), "'columns of several levels'"),
        (PRICES.astype(str) + "x", "expected numbers"),
        (pl.from_pandas(PRICES), "expected a column of dates or times"),
        ({"close": PRICES, "volume": 3}, "prices['volume'] = 'int'"),
    ],
)
def test_bad_prices(prices: Any, says: str) -> None:
    with pytest.raises(InputError, match=re.escape(says)):
        backcast.audit(ranks, prices)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"level": "all"}, "level = 'all': expected quick or full"),
        ({"decides": "now"}, "decides = 'now': expected after or before"),
        ({"at": "yesterday"}, "at, row 1 = 'yesterday': expected an ISO date or time"),
        ({"at": "1990-01-01"}, "which has a future"),
        ({"facts": FACTS.drop(columns="known_at")}, "a column known_at: when a row could be read"),
        ({"facts": FACTS.drop(columns="symbol")}, "a column symbol"),
        ({"facts": FACTS.assign(known_at="soon")}, "expected dates or times"),
        ({"facts": FACTS.assign(known_at=FACTS.known_at.where(FACTS.index > 3))}, "row 1 = None"),
        ({"membership": 3}, "membership = 'int'"),
    ],
)
def test_bad_settings_and_tables(more: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=re.escape(says)):
        backcast.audit(ranks, PRICES, **more)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with prices, a strategy and files of weights."""
    monkeypatch.chdir(tmp_path)
    PRICES.to_csv("prices.csv")
    pl.from_pandas(PRICES.reset_index()).write_parquet("prices.parquet")
    ranks(PRICES).to_csv("weights.csv")
    FACTS.to_csv("facts.csv", index=False)
    Path("empty.csv").touch()
    Path("broken.py").write_text("import nothing_of_this_name\n")
    Path("audited_here.py").write_text(
        "def honest(prices):\n    return prices.pct_change()\n\n"
        "def ahead(prices):\n    return prices.pct_change().shift(-1)\n\n"
        "def with_facts(prices, facts):\n    return prices.pct_change() * facts.known_at.dt.year.min()\n\n"
        "def brittle(prices):\n    assert len(prices) > 319 and prices.iloc[-1, 0] == prices.iloc[-1, 0]\n"
        "    assert abs(prices.iloc[-1, 0] - LAST) < 1e-9\n    return prices\n\n"
        f"LAST = {float(PRICES.iloc[-1, 0])!r}\n\n"
        "class Other:\n    pass\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ("audited_here.py:honest --prices prices.csv --level quick", 0, "Passed."),
        ("audited_here:honest --prices prices.parquet --level quick", 0, "Passed."),
        ("audited_here.py:with_facts --prices prices.csv --facts facts.csv --level quick", 0, "Passed."),
        (
            "audited_here.py:ahead --prices prices.csv",
            2,
            "backcast audit audited_here.py:ahead --prices prices.csv --at",
        ),
        ("audited_here.py:ahead --prices prices.csv --at 2018-03-07", 2, "depth 1"),
        ("audited_here.py:brittle --prices prices.csv --level quick", 6, "INCONCLUSIVE"),
        ("weights.csv --prices prices.csv", 0, "A file cannot show more"),
        ("ref(close,-1)", 2, "a feature cannot read the future"),
        ("ref(close,-1) --json", 2, '"passed": false'),
    ],
)
def test_the_command(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: str, code: int, says: str
) -> None:
    assert main(["audit", *arguments.split(" ")]) == code
    assert says in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("audited_here.py:honest", "--prices = None: expected a file of prices"),
        ("audited_here.py:honest --prices price.csv", "Did you mean prices.csv"),
        ("audited_here.py:honest --prices empty.csv", "The file is empty"),
        ("audited_here.py:honest --prices audited_here.py", "expected a .csv or .parquet file"),
        ("audited_here.py:honnest --prices prices.csv", "Did you mean honest?"),
        ("audited_here.py:honest --prices prices.csv --at never", "expected an ISO date or time"),
        ("audited.py:honest --prices prices.csv", "Did you mean audited_here.py?"),
        ("broken.py:f --prices prices.csv", "No module named 'nothing_of_this_name'"),
        ("nowhere.at.all:f --prices prices.csv", "No module named 'nowhere'"),
        ("audited_here.py:LAST --prices prices.csv", "expected a function of prices"),
        ("audited_here.py:Other", "expected a function, or a class of OwnFeature"),
        ("audited_here.py", "expected file.py:name or package.module:name"),
        ("nothing", "expected a run folder that is there"),
        ("weights.csv", "--prices = None"),
        ("empty.csv --prices prices.csv", "The file is empty"),
        ("foo(close)", "expected a known function"),
    ],
)
def test_what_the_command_refuses(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: str, says: str
) -> None:
    assert main(["audit", *arguments.split(" ")]) == 2
    shown = capsys.readouterr()
    assert says in shown.err
    assert shown.err.startswith("error: ")
    assert "Traceback" not in shown.err
