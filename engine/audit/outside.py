"""Files that a user's own classes read: what is in them, and up to when, no change of the data can show."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backcast.data.types import Panel
from backcast.engine.audit.findings import WARNING, Check, Finding
from backcast.engine.configure import build

PARTS = {"features": "features", "label": "labels", "folds": "fit", "model": "fit", "portfolio": "targets",
         "execution": "execution", "simulator": "account"}  # fmt: skip
"""Parts of a configuration, and the layer in which what they read would enter."""
CODE = (".py", ".pyc", ".so", ".nbi", ".nbc", ".pyd", ".dylib")
SYSTEM = tuple({sys.prefix, sys.base_prefix, "/usr", "/etc", "/proc", "/sys", "/dev"})
"""Where a library's own data lie."""

_listening: list[list[str]] = []  # a hook cannot be taken away again: it hears nothing while this is empty
_hooked: list[bool] = []


def checks(config: Mapping[str, Any], panel: Panel) -> list[Check]:
    """WARNING for each part of the user's own that reads a file while it is made, or while features are computed."""
    return [
        _check(config[part], part, layer, panel)
        for part, layer in PARTS.items()
        if _foreign(config.get(part))
    ]


def _foreign(node: Any) -> bool:
    """Whether a node, or one inside of it, names a class that is not ours."""
    if isinstance(node, Mapping):
        own = str(node.get("_target_", "backcast."))
        return not own.startswith("backcast.") or any(_foreign(value) for value in node.values())
    return isinstance(node, list) and any(_foreign(value) for value in node)


def _check(node: Mapping[str, Any], part: str, layer: str, panel: Panel) -> Check:
    check = Check(f"files read: {part}", layer, "while they are made, and features computed")
    with _heard() as files:
        try:
            made = build(node, part)
            if part == "features":
                made.compile(panel.fields, panel.price_basis).evaluate(panel)
        except Exception as error:  # the user's: the run itself has made it once
            check.inconclusive = f"it could not be made again: {type(error).__name__}: {error}"
    check.cells, check.changed = 1, len(set(files))
    if files:
        check.finding = Finding(
            WARNING,
            f"The {part} of this run read {files[0]}: whether it was made of later data, no change of the store can show.",
            "Ingest what is in it as facts with their known_at, or state its numbers in the configuration.",
            column=part,
        )
    return check


@contextmanager
def _heard() -> Iterator[list[str]]:
    """The files that are opened for reading from the user's own code, in order."""
    if not _hooked:
        sys.addaudithook(_hear)
        _hooked.append(True)
    files: list[str] = []
    _listening.append(files)
    try:
        yield files
    finally:
        _listening.remove(files)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open" or not _listening or not isinstance(arguments[0], str | bytes):
        return
    path, mode = str(Path(str(arguments[0])).absolute()), str(arguments[1] or "r")
    if "r" in mode and not path.endswith(CODE) and not path.startswith(SYSTEM) and _by_user():
        _listening[-1].append(path)


def _by_user() -> bool:
    """Whether a user's code, between here and the reader, asked for it, be it through a library or through ours; an import is
    no reading."""
    frame, asked = sys._getframe(2), False
    while frame is not None and frame.f_code is not _check.__code__:
        name, file = frame.f_globals.get("__name__", ""), frame.f_code.co_filename
        if name.startswith("importlib"):
            return False
        asked = asked or not (
            name.startswith("backcast.") or name == "contextlib" or file.startswith((*SYSTEM, "<"))
        )
        frame = frame.f_back  # type: ignore[assignment]  # None ends it
    return asked
