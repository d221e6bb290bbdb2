"""Alpha158: qlib's conventions against a plain restatement of them, listings, errors, and ours beside them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from qlib_truth import alpha158 as truth

from backcast.data.errors import InputError
from backcast.data.types import Clock, Floats, Panel, Revisions
from backcast.signals.alpha158 import NAMES, Alpha158, definitions
from backcast.signals.kernels.networks import Network
from backcast.signals.kernels.qlib_series import GAP
from backcast.signals.qlib_features import LOOKBACK

FIELDS = ("open", "high", "low", "close", "vwap", "volume")
ROWS = 150
LOOSE = {"CORR": 5e-6, "CORD": 2e-5}
"""Their inputs go through a float32 logarithm, whose last bit is the library's own."""


def bars(seed: int, level: float = 50.0, rows: int = ROWS) -> dict[str, Floats]:
    rng = np.random.default_rng(seed)
    close = level * np.exp(np.cumsum(rng.normal(0, 0.02, rows)))
    other = close * np.exp(rng.normal(0, 0.01, rows))
    high = np.maximum(close, other) * np.exp(np.abs(rng.normal(0, 0.005, rows)))
    low = np.minimum(close, other) * np.exp(-np.abs(rng.normal(0, 0.005, rows)))
    volume = np.round(rng.lognormal(11, 0.6, rows))
    made = {
        "open": other,
        "high": high,
        "low": low,
        "close": close,
        "vwap": (high + low) / 2,
        "volume": volume,
    }
    return {name: x.astype(np.float32).astype(np.float64) for name, x in made.items()}


def gaps() -> dict[str, Floats]:
    made = bars(1)
    lost = np.random.default_rng(2).random(ROWS) < 0.15
    lost[40:49], lost[0] = True, False
    return {name: np.where(lost, np.nan, x) for name, x in made.items()}


def flat() -> dict[str, Floats]:
    """Stretches without a trade: one price for 12 and for 65 rows, no volume."""
    made = bars(3)
    for first, last in ((15, 27), (60, 125)):
        for name, x in made.items():
            x[first:last] = 0.0 if name == "volume" else made["close"][first - 1]
    return made


def ties() -> dict[str, Floats]:
    made = {name: 5 * np.round(x / 5) for name, x in bars(4).items()}
    return made | {"volume": 50_000 * np.ceil(bars(4)["volume"] / 50_000)}


def no_volume() -> dict[str, Floats]:
    made = bars(6)
    made["volume"][np.random.default_rng(0).random(ROWS) < 0.2] = 0.0
    made["volume"][:8] = 0.0
    return made


def no_close() -> dict[str, Floats]:
    made = bars(7)
    made["close"][np.random.default_rng(1).random(ROWS) < 0.12] = np.nan
    made["high"][[30, 31, 90]] = np.nan
    return made


def spike() -> dict[str, Floats]:
    made = bars(8)
    for name in FIELDS:
        made[name][70] *= 1e6
    return made


CASES: dict[str, Callable[[], dict[str, Floats]]] = {
    "plain": lambda: bars(0), "gaps": gaps, "flat": flat, "ties": ties, "tiny": lambda: bars(5, 1e-4),
    "huge": lambda: bars(9, 3e5), "no volume": no_volume, "no close": no_close, "spike": spike,
    "short": lambda: bars(10, rows=4),
}  # fmt: skip


def panel_of(symbols: list[dict[str, Floats]], fields: tuple[str, ...] = FIELDS, slot: int = 7) -> Panel:
    values = np.array([[made[name] for made in symbols] for name in fields])
    rows, none = values.shape[2], np.zeros(0, dtype=np.int64)
    days = np.datetime64("2015-01-01") + np.arange(rows)
    at = days.astype("datetime64[us]")
    clock = Clock("XNYS", days, at, at, at, slot + np.arange(rows), 252.0)
    names, member = tuple(f"S{i:02d}" for i in range(len(symbols))), np.ones(values.shape[1:], dtype=bool)
    return Panel(
        fields,
        names,
        clock,
        values,
        member,
        Revisions(none, none, none, at[:0], none, np.zeros(0)),
        "raw",
        0.0,
    )


def evaluated(panel: Panel) -> Floats:
    return Alpha158().compile(panel.fields, "raw").evaluate(panel).values


@pytest.mark.parametrize("case", CASES)
def test_every_feature_is_what_the_conventions_say(case: str) -> None:
    made = CASES[case]()
    ours, expected = evaluated(panel_of([made]))[:, 0], truth(made)
    assert sorted(expected) == sorted(NAMES)
    for name, x in zip(NAMES, ours, strict=True):
        atol = LOOSE.get(name.rstrip("0123456789"), 1e-11)
        np.testing.assert_allclose(x, np.where(np.isfinite(expected[name]), expected[name], np.nan), rtol=1e-9, atol=atol,
                                   err_msg=name)  # fmt: skip


def test_float32_features_are_equal_to_the_bit() -> None:
    for case in ("plain", "no close", "tiny", "huge"):
        made = CASES[case]()
        ours, expected = evaluated(panel_of([made]))[:, 0], truth(made)
        for name, x in zip(NAMES[:18], ours[:18], strict=True):
            assert np.array_equal(x, expected[name], equal_nan=True), name


def test_names_are_qlibs_in_its_order() -> None:
    assert len(NAMES) == len(set(NAMES)) == 158
    assert NAMES[:14] == ("KMID", "KLEN", "KMID2", "KUP", "KUP2", "KLOW", "KLOW2", "KSFT", "KSFT2", "OPEN0", "HIGH0", "LOW0",
                          "VWAP0", "ROC5")  # fmt: skip
    assert NAMES[-6:] == ("VSUMN60", "VSUMD5", "VSUMD10", "VSUMD20", "VSUMD30", "VSUMD60")


def before(rows: int, made: dict[str, Floats]) -> dict[str, Floats]:
    return {name: np.concatenate([np.full(rows, np.nan), x]) for name, x in made.items()}


@pytest.mark.parametrize("rows", [1, 59, 60, 61, 200])
def test_a_late_listing_starts_at_its_first_row(rows: int) -> None:
    alone, late = evaluated(panel_of([bars(0)])), evaluated(panel_of([before(rows, bars(0))]))
    assert np.isnan(late[:, 0, :rows]).all()
    assert alone.tobytes() == np.ascontiguousarray(late[:, :, rows:]).tobytes()


@pytest.mark.parametrize("missing", [GAP - 1, GAP, 2 * GAP])
def test_a_long_absence_is_a_new_listing(missing: int) -> None:
    first, second = bars(0, rows=100), bars(1, rows=100)
    joined = {name: np.concatenate([x, np.full(missing, np.nan), second[name]]) for name, x in first.items()}
    back, alone = evaluated(panel_of([joined]))[:, :, 100 + missing :], evaluated(panel_of([second]))
    same = np.array_equal(back, alone, equal_nan=True)
    assert same == (missing >= GAP)


def test_the_field_factor_says_that_there_is_a_row() -> None:
    made = before(3, bars(0))
    made["factor"] = np.ones(ROWS + 3)
    ours, expected = evaluated(panel_of([made], (*FIELDS, "factor"))), truth(made)
    counts = NAMES.index("CNTP10")
    np.testing.assert_allclose(ours[counts, 0], expected["CNTP10"], rtol=1e-12)
    assert not np.array_equal(ours[counts, 0], evaluated(panel_of([made]))[counts, 0], equal_nan=True)


def test_a_part_is_the_same_columns() -> None:
    panel = panel_of([gaps(), bars(2)])
    whole = evaluated(panel)
    for name in NAMES:
        part = Alpha158(only=[name]).compile(FIELDS, "raw").evaluate(panel)
        assert part.names == (name,)
        assert part.values[0].tobytes() == whole[NAMES.index(name)].tobytes(), name
    two = Alpha158(only=["VSUMD60", "KMID"]).compile(FIELDS, "raw").evaluate(panel)
    assert two.names == ("KMID", "VSUMD60")


def test_the_typical_price_stands_for_vwap() -> None:
    made = bars(0)
    typical = (made["high"] + made["low"] + made["close"]) / 3
    without = panel_of([made], tuple(n for n in FIELDS if n != "vwap"))
    ours = Alpha158(vwap="typical", only=["VWAP0"]).compile(without.fields, "raw").evaluate(without).values
    close = made["close"].astype(np.float32)
    assert np.array_equal(ours[0, 0], typical.astype(np.float32) / close)
    with pytest.raises(InputError, match=r"the field vwap.*typical"):
        Alpha158().compile(without.fields, "raw")
    Alpha158(only=["MA5"]).compile(without.fields, "raw").evaluate(without)


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        ({"conventions": "pandas"}, "features.conventions"),
        ({"vwap": "open"}, "features.vwap"),
        ({"only": ["MA7"]}, "features.only"),
        ({"only": []}, "features.only"),
    ],
)
def test_errors_name_what_was_given(given: dict[str, object], parameter: str) -> None:
    with pytest.raises(InputError) as caught:
        Alpha158(**given)  # type: ignore[arg-type]  # on purpose
    assert caught.value.parameter == parameter


@pytest.mark.parametrize("basis", ["split_adjusted", "total_return"])
def test_back_adjusted_prices_are_refused(basis: str) -> None:
    """Because the level shows: the same bars in another unit have other features."""
    with pytest.raises(InputError, match=r"features\.conventions=ours"):
        Alpha158().compile(FIELDS, basis)
    small = {name: x if name == "volume" else x * 1e-6 for name, x in bars(0).items()}
    fit = NAMES.index("RSQR20")
    assert np.isnan(evaluated(panel_of([small]))[fit]).all()
    assert np.isfinite(evaluated(panel_of([bars(0)]))[fit, 0, 5:]).all()


def test_the_lookback_is_exact() -> None:
    panel = panel_of([gaps(), before(30, bars(1, rows=ROWS - 30)), no_close()])
    whole = evaluated(panel)
    tail = evaluated(panel_of([{n: panel.field(n)[s, 25:] for n in FIELDS} for s in range(3)]))
    assert Alpha158().compile(FIELDS, "raw").lookback == LOOKBACK
    assert whole[:, :, 25 + LOOKBACK :].tobytes() == np.ascontiguousarray(tail[:, :, LOOKBACK:]).tobytes()


@pytest.mark.parametrize("windows", [(5, 10, 20, 30, 60), (1, 2, 7, 8), (3, 11, 13)])
def test_sorting_networks_sort(windows: tuple[int, ...]) -> None:
    network, rng = Network(windows), np.random.default_rng(0)
    for _ in range(200):
        values = rng.integers(0, rng.integers(2, 80), windows[-1])
        wires, done = values.copy(), 0
        for k, w in enumerate(windows):
            for low, high in network.pairs[done : network.ends[k]]:
                wires[low], wires[high] = min(wires[low], wires[high]), max(wires[low], wires[high])
            done = network.ends[k]
            assert np.array_equal(wires[network.orders[k, :w]], np.sort(values[:w]))


def test_ours_are_definitions_in_the_language() -> None:
    texts = definitions()
    assert tuple(texts) == NAMES
    assert texts["VSUMD5"] == "ts_sum(volume - ref(volume, 1), 5) / ts_sum(abs(volume - ref(volume, 1)), 5)"


@pytest.mark.parametrize("basis", ["raw", "split_adjusted", "total_return"])
def test_ours_are_free_of_price_levels_and_compile_on_any_basis(basis: str) -> None:
    graph = Alpha158("ours", vwap="typical").compile(("open", "high", "low", "close", "volume"), basis)
    assert graph.names == NAMES
    assert graph.lookback == 60
