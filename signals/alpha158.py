"""Alpha158: the 158 features of qlib's handler of that name, by its published definitions and in its order of columns.

Two conventions. `qlib` gives what qlib gives (pyqlib 0.9.7): prices rounded to float32 and float32 between windows, windows of
the rows that there are, missing values skipped, positions counted from the oldest row, a window constant whose standard
deviation is at most 2e-5 in units of the price. `ours` writes the same definitions in the language of
`signals/expression.py`: full windows, a missing value is missing, and nothing depends on the unit of a price.

Where ours differ on purpose: IMAX, IMIN and IMXD count rows since the extreme (qlib counts from the oldest row), CNT* is NaN
and not 0 where a close is missing, CORR takes log(volume) and not log(volume + 1), and no 1e-12 is added to a
denominator: what would be divided by 0 is NaN.
"""

from __future__ import annotations

from collections.abc import Iterable

from backcast.data.errors import InputError
from backcast.signals.feature import FeatureSet
from backcast.signals.kernels.qlib_series import WINDOWS
from backcast.signals.qlib_features import FIELDS, QlibFeatures
from backcast.signals.types import Compiled, FeatureSource

_CHANGE = "close - ref(close, 1)"
_TRADED = "volume - ref(volume, 1)"
_WEIGHT = "abs(close / ref(close, 1) - 1) * volume"
_PLAIN = {
    "KMID": "(close - open) / open",
    "KLEN": "(high - low) / open",
    "KMID2": "(close - open) / (high - low)",
    "KUP": "(high - max(open, close)) / open",
    "KUP2": "(high - max(open, close)) / (high - low)",
    "KLOW": "(min(open, close) - low) / open",
    "KLOW2": "(min(open, close) - low) / (high - low)",
    "KSFT": "(2 * close - high - low) / open",
    "KSFT2": "(2 * close - high - low) / (high - low)",
    "OPEN0": "open / close",
    "HIGH0": "high / close",
    "LOW0": "low / close",
    "VWAP0": "{vwap} / close",
}
_WINDOWED = {
    "ROC": "ref(close, {w}) / close",
    "MA": "ts_mean(close, {w}) / close",
    "STD": "ts_std(close, {w}) / close",
    "BETA": "ts_slope(close, {w}) / close",
    "RSQR": "ts_rsquare(close, {w})",
    "RESI": "ts_resid(close, {w}) / close",
    "MAX": "ts_max(high, {w}) / close",
    "MIN": "ts_min(low, {w}) / close",
    "QTLU": "ts_quantile(close, {w}, 0.8) / close",
    "QTLD": "ts_quantile(close, {w}, 0.2) / close",
    "RANK": "ts_rank(close, {w})",
    "RSV": "(close - ts_min(low, {w})) / (ts_max(high, {w}) - ts_min(low, {w}))",
    "IMAX": "ts_argmax(high, {w}) / {w}",
    "IMIN": "ts_argmin(low, {w}) / {w}",
    "IMXD": "(ts_argmax(high, {w}) - ts_argmin(low, {w})) / {w}",
    "CORR": "ts_corr(close, log(volume), {w})",
    "CORD": "ts_corr(close / ref(close, 1), log(volume / ref(volume, 1) + 1), {w})",
    "CNTP": "ts_mean(close > ref(close, 1), {w})",
    "CNTN": "ts_mean(close < ref(close, 1), {w})",
    "CNTD": "ts_mean(close > ref(close, 1), {w}) - ts_mean(close < ref(close, 1), {w})",
    "SUMP": f"ts_sum(max({_CHANGE}, 0), {{w}}) / ts_sum(abs({_CHANGE}), {{w}})",
    "SUMN": f"ts_sum(max(-({_CHANGE}), 0), {{w}}) / ts_sum(abs({_CHANGE}), {{w}})",
    "SUMD": f"ts_sum({_CHANGE}, {{w}}) / ts_sum(abs({_CHANGE}), {{w}})",
    "VMA": "ts_mean(volume, {w}) / volume",
    "VSTD": "ts_std(volume, {w}) / volume",
    "WVMA": f"ts_std({_WEIGHT}, {{w}}) / ts_mean({_WEIGHT}, {{w}})",
    "VSUMP": f"ts_sum(max({_TRADED}, 0), {{w}}) / ts_sum(abs({_TRADED}), {{w}})",
    "VSUMN": f"ts_sum(max(-({_TRADED}), 0), {{w}}) / ts_sum(abs({_TRADED}), {{w}})",
    "VSUMD": f"ts_sum({_TRADED}, {{w}}) / ts_sum(abs({_TRADED}), {{w}})",
}
TYPICAL = "((high + low + close) / 3)"
NAMES = (*_PLAIN, *(f"{name}{w}" for name in _WINDOWED for w in WINDOWS))
"""The 158 columns in qlib's order."""


def definitions(vwap: str = "vwap") -> dict[str, str]:
    """Name -> definition in our language; `vwap` is the expression of the average price."""
    plain = {name: text.format(vwap=vwap) for name, text in _PLAIN.items()}
    return plain | {f"{name}{w}": text.format(w=w) for name, text in _WINDOWED.items() for w in WINDOWS}


class Alpha158(FeatureSource):
    """qlib's Alpha158, whole or in part, as a feature set.

    conventions: qlib or ours (see above) · vwap: `field` reads the field vwap, as qlib does; `typical` takes (high + low +
    close) / 3 in its place, which is ours · only: names to compute, in qlib's order whatever theirs; all 158 by default.
    Definitions: qlib.contrib.data.loader.Alpha158DL. Raises InputError for what is none of these.
    """

    def __init__(
        self, conventions: str = "qlib", vwap: str = "field", only: Iterable[str] | None = None
    ) -> None:
        if conventions not in ("qlib", "ours"):
            raise InputError("features.conventions", conventions, "qlib or ours")
        if vwap not in ("field", "typical"):
            raise InputError("features.vwap", vwap, "field or typical")
        wanted = NAMES if only is None else tuple(only)
        for name in wanted:
            if name not in NAMES:
                raise InputError("features.only", name, "names of Alpha158, such as KMID or MA20")
        if not wanted:
            raise InputError("features.only", only, "at least one name")
        self.conventions, self.vwap = conventions, vwap
        texts = definitions("vwap" if vwap == "field" else TYPICAL)
        self.expressions = {name: texts[name] for name in NAMES if name in wanted}
        self._ours = FeatureSet(self.expressions) if conventions == "ours" else None

    def compile(self, fields: tuple[str, ...], price_basis: str) -> Compiled:
        """The features on a panel with these fields.

        Raises InputError for a field that the panel does not have. By qlib's conventions also on back-adjusted prices:
        float32, the 2e-5 under which a window is constant and the 1e-12 of its denominators are in units of the
        price, so that values depend on its level, which carries later splits and dividends.
        """
        if self._ours:
            return self._ours.compile(fields, price_basis)
        if price_basis != "raw":
            raise InputError(
                "features.conventions",
                "qlib",
                f"ours, since prices are {price_basis} (back-adjusted: their level carries later splits and dividends)",
                "qlib rounds prices to float32 and calls a window constant under 2e-5 in units of the price, so its "
                "features depend on the level. features.conventions=ours does not; or ingest raw prices and actions.",
            )
        typical = self.vwap == "typical" or "VWAP0" not in self.expressions
        for name in FIELDS:
            if name not in fields and not (name == "vwap" and typical):
                raise InputError(
                    "features",
                    "alpha158",
                    f"the field {name} in the panel",
                    f"It has: {', '.join(fields)}."
                    + (" features.vwap=typical takes (high + low + close) / 3." * (name == "vwap")),
                )
        places = tuple(NAMES.index(name) for name in self.expressions)
        return QlibFeatures(tuple(self.expressions), places, fields, self.vwap == "typical")
