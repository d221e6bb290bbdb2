"""Kernels by themselves: digits at a high level, spikes, members, single rows. Their truth by function: `test_truth`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from language import (
    BY_ROW,
    arity,
    compiled,
    everything,
    kernel_inputs,
    kernel_literals,
    literals,
    panel,
    truth,
    written,
)

from backcast.signals.functions import FUNCTIONS
from backcast.signals.kernels import cache, reference
from backcast.signals.kernels.operators import CROSS_SECTION, ROLLING, across, rolled


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
        values = kernel_literals(operator, 20)
        plain, after = (rolled(operator, kernel_inputs(operator, v, v[::-1]), values, 5) for v in (x, spiked))
        rows = slice(121, 279) if operator in ("ts_corr", "ts_cov") else slice(121, None)
        assert np.array_equal(plain[rows], after[rows]), operator


@pytest.mark.parametrize("operator", sorted(CROSS_SECTION))
def test_across_symbols(operator: str) -> None:
    rng = np.random.default_rng(3)
    parts = [
        rng.normal(size=(20, 31)),
        rng.integers(0, 3, (20, 31)),
        np.full((2, 31), 0.1),
        np.full((1, 31), np.nan),
    ]
    x = np.vstack(parts)
    x[rng.random(x.shape) < 0.1] = np.nan
    group, size = rng.integers(0, 4, x.shape) * 1.0, rng.normal(50, 10, x.shape)
    group[rng.random(x.shape) < 0.05] = np.nan
    size[4], size[7] = 2.0 * group[4] - 1.0, 3.0  # an exposure that the other explains; one that is constant
    member = rng.random(x.shape) < 0.7
    member[5] = False
    member[6] = np.arange(31) == 4
    member[8] = np.arange(31) < 4
    inputs, values = (x, group, size)[: arity(operator)], literals(operator, 0)[0]
    ours = across(operator, inputs, member, values)
    assert np.isfinite(ours[:4]).sum() > 50
    for t in range(len(x)):
        row = reference.ACROSS[operator](*(v[t] for v in inputs), member[t], *values)
        np.testing.assert_allclose(
            ours[t], row, rtol=1e-12, atol=1e-12 if operator == "cs_residual" else 1e-14
        )


@pytest.mark.parametrize("operator", sorted(CROSS_SECTION))
def test_a_stranger_changes_nobody(operator: str) -> None:
    rng = np.random.default_rng(4)
    inputs, member = rng.integers(0, 5, (3, 5, 9)) * 1.0, np.ones((5, 9), dtype=bool)
    member[:, 3] = False
    other = inputs.copy()
    other[:, :, 3] = 1e9
    one, two = (
        across(operator, v[: arity(operator)], member, literals(operator, 0)[0]) for v in (inputs, other)
    )
    assert np.array_equal(one, two, equal_nan=True)


def test_residuals_are_orthogonal_to_the_exposures() -> None:
    rng = np.random.default_rng(5)
    x, one, two = rng.normal(size=(3, 40))
    one += 1e6
    rest = across("cs_residual", [v[None] for v in (x, one, two)], np.ones((1, 40), dtype=bool))[0]
    assert abs(rest.sum()) < 1e-12
    assert abs(rest @ (one - one.mean())) < 1e-10
    assert abs(rest @ two) < 1e-12


@pytest.mark.parametrize(
    "function", [name for name in everything() if name in BY_ROW or name not in FUNCTIONS]
)
def test_row_by_row(function: str) -> None:
    values = np.array([0.0, 1.0, -2.0, 1e200, np.nan, 3.5, 5e-324])
    x, y = (v.copy() for v in np.meshgrid(values, values))
    cells = panel(np.stack([x, y, 2 * y]))
    inputs = cells.fields[: arity(function)]
    for constants in literals(function, 0) if function in FUNCTIONS else [()]:
        text = written(function, inputs, constants)
        ours = compiled(text, fields=cells.fields).evaluate(cells).values[0]
        plain = truth(function)(*cells.values[: len(inputs)], *constants)
        np.testing.assert_allclose(ours, plain, rtol=1e-15)
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
