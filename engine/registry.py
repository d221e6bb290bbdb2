"""The model registry: fitted models by content hash, one champion, one decision an ISO week.

`<home>/registry/<name>/models/<hash>/` holds a fitted model and its card; `champion.json` names one of them and is
replaced by rename; `decisions/<week>.json` says what a week's retraining came to. A kill leaves the old champion in place.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backcast.data.catalog import home
from backcast.data.durable import sync, write_text
from backcast.data.errors import InputError, LockedError
from backcast.signals.models.base import FittedModel, ForecastModel


class Registry:
    """The models that one retraining job has registered under a name."""

    def __init__(self, name: str) -> None:
        self.folder = home() / "registry" / name

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Errors: LockedError where another process retrains under this name."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise LockedError(
                    f"Another process is retraining in {self.folder}. Wait until it ends."
                ) from error
            yield

    def register(self, fitted: FittedModel, card: dict[str, Any]) -> str:
        """The model's content hash; registering the same content twice changes nothing."""
        models = self.folder / "models"
        models.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=models, prefix=".partial-") as name:
            partial = Path(name) / "model"
            partial.mkdir()
            fitted.save(partial)
            (partial / "card.json").write_text(json.dumps(card, indent=1, sort_keys=True))
            content = _content_hash(partial)
            for path in partial.iterdir():
                sync(path)
            if (models / content).exists():
                shutil.rmtree(partial)
            else:
                partial.rename(models / content)
                sync(models)
        return content

    def model_folder(self, content: str) -> Path:
        """Where a registered model lies."""
        return self.folder / "models" / content

    def load(self, content: str, model: ForecastModel) -> FittedModel:
        """A registered model, of this recipe. Errors: InputError where the files do not match the hash."""
        folder = self.model_folder(content)
        if not folder.is_dir() or _content_hash(folder) != content:
            raise InputError(
                str(folder), "", "the files that were registered", "Restore them, or remove champion.json."
            )
        return model.load(folder)

    def champion(self) -> str | None:
        """The champion's content hash."""
        found = self._read("champion.json")
        return None if found is None else str(found["model"])

    def promote(self, content: str, week: str) -> None:
        self._write("champion.json", {"model": content, "week": week})

    def decision(self, week: str) -> dict[str, Any] | None:
        """What was decided in an ISO week, if anything was."""
        return self._read(f"decisions/{week}.json")

    def decide(self, week: str, decision: dict[str, Any]) -> None:
        self._write(f"decisions/{week}.json", decision)

    def _read(self, name: str) -> dict[str, Any] | None:
        path = self.folder / name
        if not path.exists():
            return None
        try:
            found: dict[str, Any] = json.loads(path.read_text())
        except ValueError as error:
            raise InputError(
                str(path), str(error), "a JSON file of the registry", "Restore it from a backup."
            ) from error
        return found

    def _write(self, name: str, value: dict[str, Any]) -> None:
        write_text(self.folder / name, json.dumps(value, indent=1, sort_keys=True))


def _content_hash(folder: Path) -> str:
    """SHA-256 over the names and bytes of a folder's files."""
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        whole.update(f"{path.name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode())
    return whole.hexdigest()
