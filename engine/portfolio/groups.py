"""Which group each symbol is in: a sector, a country."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Floats
from backcast.engine.portfolio.known import Known


class Groups:
    """Group codes by a field of the panel (as known at the decision, NaN = not known), or by a mapping of symbols to names.

    Errors: InputError for anything else, and at a decision for a symbol that the mapping does not have.
    """

    def __init__(self, parameter: str, groups: object) -> None:
        self._parameter = parameter
        self._field, self._code = "", dict[str, float]()
        if isinstance(groups, str) and groups:
            self._field = groups
        elif isinstance(groups, Mapping) and groups:
            labels = {
                label: float(i) for i, label in enumerate(sorted({str(label) for label in groups.values()}))
            }
            self._code = {str(symbol): labels[str(label)] for symbol, label in groups.items()}
        else:
            raise InputError(parameter, groups, "a field of the panel, or a mapping of symbols to groups")

    def codes(self, known: Known) -> Floats:
        """(N,) the code of each symbol's group; NaN where it is not known."""
        if self._field:
            fields = known.history.panel.fields
            if self._field not in fields:
                raise InputError(self._parameter, self._field, f"a field of the panel: {', '.join(fields)}")
            return known.field(self._field)
        missing = [symbol for symbol in known.symbols if symbol not in self._code]
        if missing:
            raise InputError(
                f"{self._parameter}.{missing[0]}",
                None,
                "a group for every symbol",
                f"{len(missing)} symbols have none.",
            )
        return np.array([self._code[symbol] for symbol in known.symbols])
