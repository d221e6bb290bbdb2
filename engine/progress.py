"""Progress of long work, on the terminal or not at all."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

Update = Callable[[float], None]


def printable(text: str) -> str:
    """A text in one line without control characters, which a terminal would obey: they are shown as Python writes them."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class Progress:
    """A bar a stage on standard error. `quiet` draws nothing; without a terminal a line is printed per stage."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet)
        columns = (
            TextColumn("{task.description:<28}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self._bars = Bars(*columns, console=self._console, disable=quiet or not self._console.is_terminal)

    def __enter__(self) -> Progress:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def stage(self, name: str) -> Update:
        """A new stage; the function returned takes the share done, from 0 to 1, and may be called from any thread."""
        if not self._console.is_terminal:
            self._console.print(f"{name} ...")
        task = self._bars.add_task(name, total=1.0)
        return lambda share: self._bars.update(task, completed=share)

    def counter(self, name: str) -> Callable[[int], None]:
        """A stage whose end is not known; the function returned takes how much was done so far."""
        task = self._bars.add_task(name, total=None)
        return lambda count: self._bars.update(task, description=f"{name} {count:,}")
