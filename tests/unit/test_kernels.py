"""Every compiled operator equals its plain NumPy truth: random, adversarial and holed series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backcast.data.types import Floats
from backcast.signals.kernels import cache, reference
from backcast.signals.kernels.operators import CROSS_SECTION, ROLLING, across, mapped, rolled

ROWS = 140


def _series() -> dict[str, Floats]:
    rng = np.random.default_rng(7)
    noise = rng.normal(size=ROWS)
    holed, spike, steps = noise.copy(), 100 + noise, np.repeat(rng.normal(size=ROWS // 7), 7)
    holed[rng.random(ROWS) < 0.05] = np.nan
    spike[60] = 1e12
    return {
        "random": noise,
        "level": 1e6 + 0.1 * noise,
        "walk": 100 * np.exp(np.cumsum(0.01 * noise)),
        "holed": holed,
        "spike": spike,
        "ties": rng.integers(0, 4, ROWS).astype(float),
        "steps": steps,
        "constant": np.full(ROWS, 0.1),
        "tiny": 1e-90 * noise,
        "huge": 1e90 * noise,
        "rising": np.arange(ROWS) * 1.0,
        "falling": -np.arange(ROWS) * 1.0,
        "unknown": np.full(ROWS, np.nan),
    }


SERIES = _series()
X = np.stack(list(SERIES.values()), axis=1)
Y = X[:, np.roll(np.arange(X.shape[1]), 3)]
FLOOR = {  # in units of what the operator's rounding is relative to: see `_unit`
    "ts_mean": 1e-14, "ts_sum": 1e-14, "ts_slope": 1e-12, "ts_corr": 1e-11, "ts_zscore": 1e-11,
}  # fmt: skip


def _unit(operator: str, x: Floats, window: int) -> Floats:
    """What an absolute error is measured against where the answer itself may cancel to nothing."""
    if operator in ("ts_mean", "ts_sum"):
        size = reference.OVER_TIME["ts_max"](np.abs(x), window)
        return size * (window if operator == "ts_sum" else 1)
    if operator == "ts_slope":
        return reference.OVER_TIME["ts_std"](x, window) / window
    return np.ones(len(x))


def _literals(operator: str, window: int) -> tuple[float, ...]:
    return (window, 0.3) if operator == "ts_quantile" else (window,)


@pytest.mark.parametrize("window", [1, 2, 3, 5, 20, 61])
@pytest.mark.parametrize("operator", sorted(ROLLING))
def test_equals_the_plain_definition(operator: str, window: int) -> None:
    if window == 1 and operator in ("ts_std", "ts_zscore", "ts_slope", "ts_corr"):
        pytest.skip("needs two rows")
    two = operator == "ts_corr"
    ours = rolled(operator, (X, Y) if two else (X,), _literals(operator, window), slot=12_345)
    for lane, name in enumerate(SERIES):
        inputs = (X[:, lane], Y[:, lane]) if two else (X[:, lane],)
        truth = reference.OVER_TIME[operator](*inputs, *_literals(operator, window))
        assert np.array_equal(np.isnan(ours[:, lane]), np.isnan(truth)), name
        error = np.abs(ours[:, lane] - truth)
        allowed = 1e-12 * np.abs(truth) + FLOOR.get(operator, 0.0) * _unit(operator, X[:, lane], window)
        assert (np.isnan(truth) | (error <= allowed)).all(), (name, np.nanmax(error / allowed))


def test_std_keeps_its_digits_at_a_high_level() -> None:
    x = 1e6 + 0.1 * np.random.default_rng(1).normal(size=(2000, 4))
    ours = rolled("ts_std", (x,), (20,), slot=3)
    for lane in range(4):
        truth = reference.OVER_TIME["ts_std"](x[:, lane], 20)
        np.testing.assert_allclose(ours[19:, lane], truth[19:], rtol=1e-13)


def test_a_spike_leaves_no_trace() -> None:
    x = np.random.default_rng(2).normal(size=(400, 3))
    spiked = x.copy()
    spiked[100] = 1e12
    for operator in ROLLING:
        if operator != "ts_corr":
            plain, after = (rolled(operator, (v,), _literals(operator, 20), 5) for v in (x, spiked))
            assert np.array_equal(plain[121:], after[121:]), operator


@pytest.mark.parametrize("operator", sorted(CROSS_SECTION))
def test_across_symbols(operator: str) -> None:
    rng = np.random.default_rng(3)
    x = np.vstack(
        [
            rng.normal(size=(20, 31)),
            rng.integers(0, 3, (20, 31)),
            np.full((2, 31), 0.1),
            np.full((1, 31), np.nan),
        ]
    )
    x[rng.random(x.shape) < 0.1] = np.nan
    member = rng.random(x.shape) < 0.7
    member[5] = False
    member[6] = np.arange(31) == 4
    ours = across(operator, x, member)
    for t in range(len(x)):
        np.testing.assert_allclose(
            ours[t], reference.ACROSS[operator](x[t], member[t]), rtol=1e-12, atol=1e-14
        )


def test_a_stranger_changes_nobody() -> None:
    rng = np.random.default_rng(4)
    x, member = rng.normal(size=(5, 9)), np.ones((5, 9), dtype=bool)
    member[:, 3] = False
    other = x.copy()
    other[:, 3] = 1e9
    for operator in CROSS_SECTION:
        assert np.array_equal(across(operator, x, member), across(operator, other, member), equal_nan=True)


@pytest.mark.parametrize("operator", ["+", "-", "*", "/", "min", "max", "<", "<=", ">", ">=", "==", "!=", "neg", "abs",
                                      "sign", "log", "where"])  # fmt: skip
def test_element_by_element(operator: str) -> None:
    values = np.array([0.0, 1.0, -2.0, 1e200, np.nan, 3.5])
    x, y = (v.copy() for v in np.meshgrid(values, values))
    inputs = {"where": (x, y, 2 * y), "neg": (x,), "abs": (x,), "sign": (x,), "log": (x,)}.get(
        operator, (x, y)
    )
    ours = mapped(operator, inputs)
    np.testing.assert_allclose(ours, reference.at_once(operator, *inputs), rtol=1e-15)
    assert not np.isinf(ours).any()


def test_the_cache_follows_the_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache.config, "CACHE_DIR", "")
    monkeypatch.setenv("BACKCAST_HOME", str(tmp_path))
    first = cache.use_kernel_cache()
    assert first is not None
    assert first.parent == tmp_path / "cache" / "numba"
    assert cache.use_kernel_cache() == first
    (tmp_path / "kernel.py").write_text("@compiled")
    monkeypatch.setattr(cache, "_KERNELS", (str(tmp_path),))
    monkeypatch.setattr(cache.config, "CACHE_DIR", "")
    assert cache.use_kernel_cache() != first


def test_a_home_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(cache.config, "CACHE_DIR", "")
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    monkeypatch.setenv("BACKCAST_HOME", str(tmp_path / "file"))
    folder = cache.use_kernel_cache()
    assert folder is not None
    assert tmp_path / "temporary" in folder.parents
