"""Files that are whole after a power cut, written under another name, synced, renamed, their folder synced; and JSON that
notices a flipped bit."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backcast.data.errors import InputError


def sync(path: Path) -> None:
    """Forces a file, or the names in a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Replaces or makes a file; a reader sees the old content or the new, and a kill leaves one of the two."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """The same for bytes. Errors: OSError, which names the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        sync(partial)
    except OSError as error:  # a full disk: what was begun goes, and a write does not know where it writes
        partial.unlink(missing_ok=True)
        error.filename = error.filename or str(path)
        raise
    partial.replace(path)
    sync(path.parent)


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_sealed(path: Path, content: dict[str, Any]) -> None:
    """`write_text` of a JSON object with the SHA-256 of its content."""
    write_text(path, json.dumps({**content, "seal": _seal(content)}, indent=1, sort_keys=True))


def read_sealed(path: Path, hint: str) -> dict[str, Any]:
    """What `write_sealed` wrote. Errors: InputError, with the hint, for anything else."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("seal", None) == _seal(content):
            return content
        reason = "its content is not what was written"
    except (OSError, ValueError, AttributeError, TypeError) as error:
        reason = str(error)
    raise InputError(str(path), reason, "the file as it was written", hint)


def _seal(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@contextmanager
def lease(folder: Path) -> Iterator[None]:
    """As long as this lasts `unused` says no. It is a lock of the kernel's, so that it ends with its holder, however that ends.
    Errors: FileNotFoundError."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


@contextmanager
def unused(folder: Path) -> Iterator[bool]:
    """Whether nobody has a lease of a folder; nobody gets one while this lasts."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(handle)
