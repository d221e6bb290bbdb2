"""Feature sets: names and the expressions that they stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Panel
from backcast.signals.custom import OwnFeature
from backcast.signals.expression import Field, error_at, parse
from backcast.signals.graph import Graph
from backcast.signals.nodes import FIELD, Builder
from backcast.signals.types import Features, FeatureSource

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
RATIO = (
    "Write a ratio or a rank in time: close / ref(close, 20) - 1, close / ts_mean(close, 20), "
    "volume / ts_mean(volume, 20), ts_zscore(close, 20); across symbols, of such a value."
)
SCALE_FREE = (
    "If its values do not change where all prices are multiplied by a constant, let it say scale_free=True."
)
_BASES = ("raw", "split_adjusted", "total_return")


class FeatureSet(FeatureSource):
    """Features by name, each an expression in the language of `signals/expression.py`.

    expressions: name -> text; names are identifiers of at most 64 characters and become the columns of a model's
    input, in the order given. own: name -> a feature written in Python (`signals/custom.py`), after the expressions.
    Raises InputError at once for a name or a text that cannot be read.
    """

    def __init__(
        self, expressions: Mapping[str, str] | None = None, own: Mapping[str, OwnFeature] | None = None
    ) -> None:
        if not (isinstance(expressions, Mapping) and expressions) and not (own and expressions in (None, {})):
            raise InputError("features.expressions", expressions, "a mapping of names to expressions")
        self.expressions, self.own = dict(expressions or {}), _own(own)
        for name in (*self.expressions, *self.own):
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise InputError(
                    "features.expressions", name, "a name of letters, digits and _, at most 64 long"
                )
        twice = self.expressions.keys() & self.own.keys()
        if twice:
            raise InputError("features.own", min(twice), "a name that no expression has")
        self._trees = {name: parse(text, f"features.{name}") for name, text in self.expressions.items()}

    def compile(self, fields: tuple[str, ...], price_basis: str) -> Graph:
        """One graph for all expressions on a panel with these fields.

        Raises InputError for a field that the panel does not have and, on back-adjusted prices (`price_basis` other
        than raw), for an expression that depends on the level of prices or volumes: the level carries later splits
        and dividends.
        """
        if price_basis not in _BASES:
            raise InputError("price_basis", price_basis, f"one of {', '.join(_BASES)}")
        builder, outputs = Builder(fields), []
        for name, tree in self._trees.items():
            text = self.expressions[name]
            try:
                outputs.append(builder.add(tree))
            except KeyError as missing:
                raise self._unknown(name, text, missing.args[0], fields) from None
            scale = builder.nodes[outputs[-1]].scale
            if price_basis != "raw" and (scale is None or not scale.invariant):
                raise _level(name, text, price_basis, RATIO)
        for name, feature in self.own.items():
            outputs.append(self._add_own(builder, name, feature, fields))
            if price_basis != "raw" and not feature.scale_free:
                raise _level(name, type(feature).__name__, price_basis, SCALE_FREE)
        used = tuple(name for name in fields if (FIELD, (), (), name) in builder.places)
        return Graph((*self._trees, *self.own), tuple(outputs), tuple(builder.nodes), used, self.own)

    def _add_own(self, builder: Builder, name: str, feature: OwnFeature, fields: tuple[str, ...]) -> int:
        inputs = []
        for text, tree in zip(feature.inputs, feature.trees, strict=True):
            try:
                inputs.append(builder.add(tree))
            except KeyError as missing:
                raise self._unknown(name, text, missing.args[0], fields) from None
        return builder.own(name, feature, tuple(inputs))

    @staticmethod
    def _unknown(name: str, text: str, field: Field, fields: tuple[str, ...]) -> InputError:
        return error_at(
            f"features.{name}", text, field.at, "a field of the panel", f"It has: {', '.join(fields)}."
        )


def _own(own: Mapping[str, OwnFeature] | None) -> dict[str, OwnFeature]:
    if own is not None and not isinstance(own, Mapping):
        raise InputError("features.own", own, "a mapping of names to features")
    for name, feature in (own or {}).items():
        if not isinstance(feature, OwnFeature):
            raise InputError(
                f"features.own.{name}", feature, "a StepFeature or a WindowFeature of signals/custom.py"
            )
    return dict(own or {})


def _level(name: str, text: str, price_basis: str, hint: str) -> InputError:
    return InputError(
        f"features.{name}",
        text,
        f"a feature free of price levels, since prices are {price_basis}"
        " (back-adjusted: their level carries later splits and dividends)",
        hint,
    )


class NoFeatures(FeatureSource):
    """No features at all, for runs that forecast nothing."""

    names: tuple[str, ...] = ()
    lookback = 0

    def __init__(self) -> None:
        self.expressions = {}

    def compile(self, fields: tuple[str, ...], price_basis: str) -> NoFeatures:
        return self

    def evaluate(self, panel: Panel, threads: int = 1) -> Features:
        """(0, S, T)."""
        return Features((), panel.symbols, np.empty((0, *panel.member.shape)))
