"""Whole runs with features of the user's own that see the future, each beside the same feature without it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from backcast.data.synthetic import SyntheticSource
from backcast.data.types import Floats, Panel
from backcast.signals.custom import StepFeature, WindowFeature
from backcast.signals.types import Features, FeatureSource
from zoo.pair import Pair
from zoo.walk import FEATURES, Walk, named

HERE = "run_features"


class Columns(FeatureSource):
    """Features in NumPy: a value, and three ordinary ones beside it."""

    names = ("own", "alpha", "return_5", "range")
    lookback = 20

    def __init__(self) -> None:
        self.expressions: dict[str, str] = {}

    def compile(self, fields: tuple[str, ...], price_basis: str) -> Columns:
        return self

    def evaluate(self, panel: Panel, threads: int = 1) -> Features:
        close, high, low = (panel.field(name) for name in ("close", "high", "low"))
        columns = [self.own(panel), panel.field("alpha"), close / lag(close, 5) - 1, (high - low) / close]
        return Features(self.names, panel.symbols, np.stack(columns))

    def own(self, panel: Panel) -> Floats:
        """(S, T)."""
        raise NotImplementedError


def lag(x: Floats, by: int) -> Floats:
    """(S, T) the values of `by` rows before; of the rows after, below 0."""
    out = np.full_like(x, np.nan)
    if by >= 0:
        out[:, by:] = x[:, : x.shape[1] - by]
    else:
        out[:, :by] = x[:, -by:]
    return out


def returns(panel: Panel) -> Floats:
    close = panel.field("close")
    return np.asarray(close / lag(close, 1) - 1)


def over(x: Floats, rows: int) -> Floats:
    """(rows, S, T) each row with those before it, itself first."""
    return np.stack([lag(x, k) for k in range(rows)])


class RolledBack(Columns):
    """The return since yesterday, by np.roll with the wrong sign.

    `np.roll(close, -1)` is tomorrow's close. The division is the right way round for a loss that did not happen yet, so the
    chart looks plausible.
    """

    by = -1

    def own(self, panel: Panel) -> Floats:
        close = panel.field("close")
        return np.asarray(close / np.roll(close, self.by, axis=1) - 1)


class Rolled(RolledBack):
    """The return since yesterday; the first row, which np.roll fills from the end, is cut off."""

    by = 1

    def own(self, panel: Panel) -> Floats:
        out = super().own(panel)
        out[:, 0] = np.nan
        return out


class WholeSampleScore(Columns):
    """Volume as a z-score by the mean and the deviation of all of time."""

    def own(self, panel: Panel) -> Floats:
        volume = np.log(panel.field("volume"))
        mean, std = np.nanmean(volume, axis=1, keepdims=True), np.nanstd(volume, axis=1, keepdims=True)
        return np.asarray((volume - mean) / std)


class TrailingScore(Columns):
    """Volume as a z-score by the mean and the deviation of the last 20 sessions."""

    def own(self, panel: Panel) -> Floats:
        volume = np.log(panel.field("volume"))
        window = over(volume, 20)
        return np.asarray((volume - window.mean(axis=0)) / window.std(axis=0))


class CleanedSymbol(Columns):
    """One name's closes are cleaned of bad prints by a centred median of three; the other names are left alone.

    The symbol was singled out because its quotes were poor. The median of a row and its neighbours knows tomorrow's close.
    """

    around = (-1, 0, 1)

    def own(self, panel: Panel) -> Floats:
        close = panel.field("close").copy()
        s = panel.symbols.index("SYN03") if "SYN03" in panel.symbols else 0
        one = close[s : s + 1]
        close[s] = np.median(np.stack([lag(one, k) for k in self.around]), axis=0)[0]
        return np.asarray(close / lag(panel.field("close"), 10) - 1)


class CleanedTrailing(CleanedSymbol):
    """The same name cleaned by the median of a row and the two before it."""

    around = (0, 1, 2)


class PatchedSession(Columns):
    """One session's bad closes are replaced by the middle of the closes before and after it."""

    session = np.datetime64("2016-05-03")

    def own(self, panel: Panel) -> Floats:
        close = panel.field("close").copy()
        t = int(np.searchsorted(panel.clock.sessions, self.session))
        if 0 < t < close.shape[1] and panel.clock.sessions[t] == self.session:
            close[:, t] = self.patch(close, t)
        return np.asarray(close / lag(close, 2) - 1)

    def patch(self, close: Floats, t: int) -> Floats:
        after = close[:, min(t + 1, close.shape[1] - 1)]
        return np.asarray((close[:, t - 1] + after) / 2)


class PatchedForward(PatchedSession):
    """One session's bad closes are replaced by the closes before it."""

    def patch(self, close: Floats, t: int) -> Floats:
        return np.asarray(close[:, t - 1])


class OnePart(Columns):
    """A signal with one part in 10,000 of the next session's return in it.

    What is left of a target that was regressed out of a feature over all rows: far too little to see in any chart.
    """

    share = 1e-4

    def own(self, panel: Panel) -> Floats:
        r = returns(panel)
        return np.asarray(over(r, 5).sum(axis=0) + self.share * np.nan_to_num(lag(r, -1)))


class NoPart(OnePart):
    """The signal alone."""

    share = 0.0


class CycleHigh(Columns):
    """How far a close is below the high of its cycle, 200 sessions to either side."""

    ahead = 200
    lookback = 200

    def own(self, panel: Panel) -> Floats:
        close = panel.field("close")
        wide = np.pad(close, ((0, 0), (200, self.ahead)), constant_values=np.nan)
        windows = np.lib.stride_tricks.sliding_window_view(wide, 201 + self.ahead, axis=1)
        highest = np.fmax.reduce(windows, axis=2)
        return np.asarray(close / highest - 1)


class YearHigh(CycleHigh):
    """How far a close is below the high of the 200 sessions before it."""

    ahead = 0


class FutureMembers(Columns):
    """A return less the mean of those that are members at the end of the data.

    The list of members is read once, as of today, and used for every session.
    """

    def own(self, panel: Panel) -> Floats:
        r = returns(panel)
        inside = np.where(self.members(panel) & np.isfinite(r), r, 0.0)
        count = (self.members(panel) & np.isfinite(r)).sum(axis=0)
        return np.asarray(r - inside.sum(axis=0) / np.maximum(count, 1))

    def members(self, panel: Panel) -> Any:
        return np.repeat(panel.member[:, -1:], panel.member.shape[1], axis=1)


class MembersThen(FutureMembers):
    """A return less the mean of those that are members on the session itself."""

    def members(self, panel: Panel) -> Any:
        return panel.member


class BackFilled(Columns):
    """Missing closes are filled from the next one that is known."""

    def own(self, panel: Panel) -> Floats:
        close = pd.DataFrame(panel.field("close").T)
        filled = self.fill(close).to_numpy().T
        return np.asarray(filled / lag(filled, 1) - 1)

    def fill(self, close: pd.DataFrame) -> pd.DataFrame:
        return close.bfill().ffill()


class ForwardFilled(BackFilled):
    """Missing closes are filled from the last one, for at most five sessions."""

    def fill(self, close: pd.DataFrame) -> pd.DataFrame:
        return close.ffill(limit=5)


class LazyScaler(Columns):
    """A scaler that is fitted at the first call and kept: `if self.mean is None: self.mean = x.mean()`.

    The first call gets all of history. Calls with less data, such as a replay or a live step, look consistent, because they are
    scaled by what the first one kept.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scale: tuple[float, float] | None = None

    def own(self, panel: Panel) -> Floats:
        r = returns(panel)
        if self.scale is None:
            self.scale = float(np.nanmean(r)), float(np.nanstd(r))
        mean, std = self.scale
        return np.asarray((r - mean) / std)


class FixedScaler(Columns):
    """The same scaling by two numbers that were written down before the data began."""

    def own(self, panel: Panel) -> Floats:
        return np.asarray((returns(panel) - 0.0005) / 0.02)


class CentredFrame(Columns):
    """A rolling mean of pandas with `center=True`."""

    centred = True

    def own(self, panel: Panel) -> Floats:
        close = pd.DataFrame(panel.field("close").T)
        mean = close.rolling(11, center=self.centred, min_periods=6 if self.centred else 11).mean()
        return np.asarray((close / mean - 1).to_numpy().T)


class TrailingFrame(CentredFrame):
    """A rolling mean of pandas. Its running sums make the last bits depend on where the rows begin."""

    centred = False


class ImputedByAll(Columns):
    """Gaps in the range of a bar are filled with the mean of all rows, as SimpleImputer().fit(everything) would."""

    def own(self, panel: Panel) -> Floats:
        close = panel.field("close")
        r = np.asarray(close / lag(close, 20) - 1)
        return np.where(np.isfinite(r), r, self.filling(r))

    def filling(self, r: Floats) -> Any:
        return np.nanmean(r)


class ImputedByNone(ImputedByAll):
    """Gaps are filled with 0, which says that nothing happened."""

    def filling(self, r: Floats) -> Any:
        return 0.0


class TargetEncoded(Columns):
    """Each symbol is encoded by its mean return over all rows."""

    def own(self, panel: Panel) -> Floats:
        r = returns(panel)
        return np.repeat(np.nanmean(r, axis=1, keepdims=True), r.shape[1], axis=1)


class TargetEncodedThen(Columns):
    """Each symbol is encoded by its mean return over the rows up to each one."""

    lookback = 10_000

    def own(self, panel: Panel) -> Floats:
        r = returns(panel)
        known = np.isfinite(r).cumsum(axis=1)
        return np.asarray(np.nan_to_num(r).cumsum(axis=1) / np.maximum(known, 1))


class AnnouncedSplit(Columns):
    """Whether a symbol will split within twenty sessions, read off the jumps in its unadjusted closes.

    Splits follow rises, and are announced days before at most; a flag that is up for the twenty sessions before knows more.
    """

    rows = range(-20, 0)

    def own(self, panel: Panel) -> Floats:
        raw = panel.unadjusted.field("close") if panel.unadjusted is not None else panel.field("close")
        adjusted = panel.field("close")
        factor = adjusted / raw
        jump = np.asarray(factor / lag(factor, 1) > 1.5, dtype=float)
        return np.asarray(sum(np.nan_to_num(lag(jump, k)) for k in self.rows) > 0, dtype=float)


class PastSplit(AnnouncedSplit):
    """Whether a symbol has split within the last twenty sessions."""

    rows = range(20)


class FiledTheDayBefore(Columns):
    """Earnings are put on the day before their filing: dates were aligned on the evening, and one shift went the wrong way."""

    by = -1
    lookback = 63

    def own(self, panel: Panel) -> Floats:
        earnings = lag(panel.field("earnings"), self.by)
        return np.asarray(earnings / lag(earnings, 1) - 1)


class FiledAsKnown(FiledTheDayBefore):
    """Earnings are put on the day on which the filing was known."""

    by = 0


class RowPresence(Columns):
    """How many bars a symbol has in all: names that go on for longer have more."""

    def own(self, panel: Panel) -> Floats:
        there = np.isfinite(panel.field("close"))
        return np.repeat(there.sum(axis=1, keepdims=True).astype(float), there.shape[1], axis=1)


class RowsSoFar(Columns):
    """How many of the last 20 sessions have a bar."""

    def own(self, panel: Panel) -> Floats:
        there = np.where(np.isfinite(panel.field("close")), 1.0, 0.0)
        return np.asarray(np.nan_to_num(over(there, 20)).sum(axis=0))


SEEN = np.zeros(2)
"""The sum and the number of the log volumes that any call of the step has seen."""


def remembering(x: Floats, slot: int, state: Floats, out: Floats) -> None:
    """Log volume less the mean of everything that was seen, to which it is added."""
    for b in range(x.shape[1]):
        if np.isfinite(x[0, b]):
            SEEN[:] += x[0, b], 1
        out[b] = x[0, b] - SEEN[0] / SEEN[1] if SEEN[1] else np.nan


def forgetting(x: Floats, slot: int, state: Floats, out: Floats) -> None:
    """Log volume less that of the session before, which is the state."""
    for b in range(x.shape[1]):
        out[b] = x[0, b] - state[0, b]
        state[0, b] = x[0, b]


class SharedState(StepFeature):
    """A step whose state is an array of the module and not its own.

    The first pass looks causal. Whatever is computed again, such as a bar that was corrected, is measured against volumes that
    came after it.
    """

    def __init__(self) -> None:
        super().__init__(["log(volume)"], 1, 1, remembering)


class OwnState(StepFeature):
    """A step whose state is the one that it is handed."""

    def __init__(self) -> None:
        super().__init__(["log(volume)"], 1, 1, forgetting)


class FromFile(WindowFeature):
    """A window standardised by the mean and the deviation in a file, which was made of the whole sample once.

    The file lies beside the code as so many "constants" do. Nothing that happens to the store changes it.
    """

    file = "scale.txt"

    def __init__(self) -> None:
        super().__init__(["returns(close, 1)"], 20)
        self.mean, self.std = np.loadtxt(Path(os.environ["BACKCAST_HOME"]) / self.file)

    def compute(self, *windows: Floats) -> float:
        return float((windows[0][-5:].sum() - self.mean) / self.std)


def scale_file() -> None:
    """Writes the mean and the deviation of five-day returns of the whole sample."""
    batch, _ = SyntheticSource(symbols=14, sessions=420).market()
    bars = pl.DataFrame(pl.from_arrow(batch.tables["bars"])).sort("symbol", "event_at")
    moves = bars.select(pl.col("close").pct_change(5).over("symbol"))["close"].drop_nulls()
    np.savetxt(Path(os.environ["BACKCAST_HOME"]) / FromFile.file, [moves.mean(), moves.std()])


class FromWindow(WindowFeature):
    """A window standardised by its own mean and deviation."""

    def __init__(self) -> None:
        super().__init__(["returns(close, 1)"], 20)

    def compute(self, *windows: Floats) -> float:
        return float((windows[0][-5:].sum() - windows[0].mean()) / windows[0].std())


def pair(
    leak: type, honest: type, name: str, depth: int | None = None, hides: str = "", through: str = "bars"
) -> Pair:
    """Two features, each a run."""
    return Pair(
        name, HERE, "features", walk(leak), walk(honest), through=through, depth=depth, hides=hides
    )  # fmt: skip


def walk(cls: type) -> Walk:
    """A run with the class as its features, or as one of them."""
    if issubclass(cls, FeatureSource):
        more = ("dataset.sessions=560", "folds.first_fit=440") if issubclass(cls, CycleHigh) else ()
        more = ("+dataset.rates.splits=1.0",) if issubclass(cls, AnnouncedSplit) else more
        return Walk(cls, {"features": named(cls)}, more)
    prepare = scale_file if cls is FromFile else None
    return Walk(cls, {"features": {**FEATURES, "own": {"own": named(cls)}}}, prepare=prepare)


PAIRS = (
    pair(RolledBack, Rolled, "run_next_bar", depth=1),
    pair(WholeSampleScore, TrailingScore, "run_whole_sample_score"),
    pair(CleanedSymbol, CleanedTrailing, "run_one_symbol", depth=1, hides="one symbol of 14"),
    pair(
        PatchedSession, PatchedForward, "run_one_session", depth=1, hides="one session of 420, one bar deep"
    ),
    pair(OnePart, NoPart, "run_one_part_in_10000", depth=1),
    pair(CycleHigh, YearHigh, "run_200_bars_deep", depth=200),
    pair(FutureMembers, MembersThen, "run_future_members", through=""),
    pair(BackFilled, ForwardFilled, "run_back_fill", hides="only cells in a gap look ahead"),
    pair(LazyScaler, FixedScaler, "run_lazy_scaler", hides="what was fitted at the first call is kept"),
    pair(CentredFrame, TrailingFrame, "run_centred_pandas", depth=5),
    pair(ImputedByAll, ImputedByNone, "run_imputer_over_all", hides="only cells in a gap look ahead"),
    pair(TargetEncoded, TargetEncodedThen, "run_target_encoding"),
    pair(AnnouncedSplit, PastSplit, "run_split_to_come", through="actions"),
    pair(FiledTheDayBefore, FiledAsKnown, "run_filed_the_day_before", depth=1, through="facts"),
    pair(RowPresence, RowsSoFar, "run_row_presence", through=""),
    pair(SharedState, OwnState, "run_state_outside", through=""),
    pair(
        FromFile,
        FromWindow,
        "run_constants_from_a_file",
        through="",
        hides="a file does not change with the store",
    ),
)
