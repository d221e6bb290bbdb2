"""Frames of pandas, polars or Arrow from Python, in long form or as a matrix of closes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import polars as pl
import pyarrow as pa

from backcast.data.errors import InputError
from backcast.data.sources.tabular import Tabular


@dataclass(frozen=True, kw_only=True, eq=False)
class Frames(Tabular):
    """frame: bars in long form (date, symbol, close ...), or wide (dates by symbols, the cells are closes; an empty cell
    is no bar), or None; actions, membership, facts, and the `frame` of each declared table: frames of the other tables. The
    other keys are those of `Tabular`."""

    frame: Any = field(default=None, kw_only=False)
    actions: Any = None
    membership: Any = None
    facts: Any = None

    rows_key: ClassVar[str] = "frame"

    def frames(self) -> Iterator[tuple[str, str, pl.DataFrame]]:
        if self.frame is not None:
            yield "bars", "frame", self._long(_polars("frame", self.frame))
        for name, given in (
            ("actions", self.actions),
            ("membership", self.membership),
            ("facts", self.facts),
            *self._rows_of_tables().items(),
        ):
            if given is not None:
                yield name, name, _polars(name, given)

    def _long(self, frame: pl.DataFrame) -> pl.DataFrame:
        """A wide frame unpivoted; a long one as it is."""
        date = self._columns("bars").get("date") or next(
            (c for c in frame.columns if c.lower() == "date"), None
        )
        names = {c.lower() for c in frame.columns}
        if date is None or names & {"symbol", "close"} or set(self._columns("bars")) - {"date"}:
            return frame
        wide = frame.unpivot(index=date, variable_name="symbol", value_name="close")
        if not wide["close"].dtype.is_numeric():
            raise InputError("frame", str(wide["close"].dtype), "closes that are numbers, a column a symbol")
        return wide.filter(pl.col("close").is_not_null() & pl.col("close").is_not_nan())


def _polars(name: str, frame: Any) -> pl.DataFrame:
    """The same rows in polars; a pandas index of dates, or of dates and symbols, becomes columns."""
    if isinstance(frame, pl.DataFrame):
        return frame
    if isinstance(frame, pa.Table):
        found = pl.from_arrow(frame)
        assert isinstance(found, pl.DataFrame)  # a table gives a frame
        return found
    if hasattr(frame, "reset_index"):
        index = frame.index
        if index.nlevels > 1:
            frame = frame.reset_index()
        elif index.dtype.kind == "M":
            frame = frame.rename_axis(index.name or "date").reset_index()
        frame.columns = [str(c) for c in frame.columns]
        try:
            return pl.from_pandas(frame)
        except (pa.ArrowException, OverflowError, TypeError) as error:
            raise InputError(name, str(error).splitlines()[0], "columns of one type each") from error
    raise InputError(name, type(frame).__name__, "a frame of pandas or polars, or an Arrow table")
