"""One data set of the store for notebooks: everything that `backcast sql` and `backcast store` answer, as frames.

mine = backcast.store("us5")
then = mine.as_of("2012-08-10")
then.table("bars"), then.prices("back"), then.universe(), then.sql("SELECT count(*) FROM actions")
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from backcast.data import asof, history, sql, views
from backcast.data.catalog import Pin
from backcast.data.heldout import HeldOut
from backcast.data.sources.instants import instant_of
from backcast.data.store import Store
from backcast.data.types import Panel


class Reader:
    """A data set at one version, which later ingests do not change: the present one, or that of a named snapshot.

    What lies in a sealed holdout is not there. Instants are ISO text, UTC where they have no offset. Errors: StaleDataError
    where there is no such data set, InputError.
    """

    def __init__(self, dataset: str, snapshot: str | None = None, store: Store | None = None) -> None:
        self.store, self.dataset = store or HeldOut(), dataset
        self.pin: Pin = self.store.version(dataset, snapshot)

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of its tables, the declared ones among them."""
        return tuple(self.store.info(self.dataset).tables)

    def as_of(self, at: str | None = None) -> Known:
        """The data set as it was known at an instant (default: now)."""
        return Known(self, self._moment(at))

    def panel(self, *fields: str, until: str | None = None) -> Panel:
        """Every cell as each decision first knew it, over the whole calendar; with `until` from a store that ends there."""
        return asof.load_panel(
            self.store, self.dataset, self.pin, fields or None, self._moment(until) if until else None
        )

    def changes(self, table: str, after: str, until: str) -> pl.DataFrame:
        """The cells whose value changed between two knowledge times."""
        return history.changes(
            self.store, self.dataset, table, instant_of(after), self._moment(until), self.pin
        )

    def cell(self, table: str, at: str | None = None, **key: object) -> pl.DataFrame:
        """Every version of the rows with a key, such as symbol="AAPL", and where each came from."""
        return history.cell(self.store, self.dataset, table, key, self._moment(at), self.pin)

    def _moment(self, at: str | None) -> np.datetime64:
        return self.store.moment(self.dataset, instant_of(at) if at else None)


@dataclass(frozen=True)
class Known:
    """A data set as it was known at an instant."""

    reader: Reader
    at: np.datetime64

    def table(self, name: str) -> pl.DataFrame:
        """Of each key the newest version known."""
        mine = self.reader
        return pl.DataFrame(pl.from_arrow(mine.store.as_of(mine.dataset, name, self.at, mine.pin)))

    def prices(self, adjust: str = "forward") -> pl.DataFrame:
        """Bars adjusted by the actions known: `forward` from the first session, or `back` from the newest."""
        return views.prices(self.reader.store, self.reader.dataset, self.at, adjust, self.reader.pin)

    def universe(self) -> pl.DataFrame:
        """Members with their spells, those who left included."""
        return views.universe(self.reader.store, self.reader.dataset, self.at, self.reader.pin)

    def symbols(self) -> pl.DataFrame:
        """Permanent symbols and the tickers that they had."""
        return views.symbols(self.reader.store, self.reader.dataset, self.at, self.reader.pin)

    def sql(self, query: str) -> pl.DataFrame:
        """The answer of one SELECT over the tables."""
        return sql.select(self.reader.store, query, self.at, self.reader.dataset, self.reader.pin)
