"""A data set that is in the store already: put there by `backcast ingest`, or from Python."""

from __future__ import annotations

from backcast.data.errors import StaleDataError
from backcast.data.schema import check_name
from backcast.data.sources.base import Batch, Source


class Stored(Source):
    """name: the data set's name in the store."""

    def __init__(self, name: str) -> None:
        self.name = check_name(name)

    def read(self) -> Batch:
        """Errors: StaleDataError always: this is only asked for what the store does not hold."""
        raise StaleDataError(
            f"The data set {self.name} is not in the store. Put it there with `backcast ingest`, or from Python with "
            "backcast.ingest(frame, ...)."
        )
