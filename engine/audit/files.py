"""Where two saved models differ: the JSON key, the tensor or the line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from backcast.engine.audit.findings import number

Difference = tuple[str, float | None, float | None]
"""The name of what differs, and what it was and became where it is one number."""


def difference(one: Path, other: Path) -> Difference:
    """The first difference of two files of one name."""
    if not (one.is_file() and other.is_file()):
        return f"{one.name} (there once only)", None, None
    if one.suffix == ".json":
        found = _json(json.loads(one.read_text()), json.loads(other.read_text()), "")
        return found or (f"{one.name} (its spelling)", None, None)
    if one.suffix == ".safetensors":
        return _tensors(one, other)
    return _lines(one, other)


def _json(one: Any, other: Any, key: str) -> Difference | None:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted({*one, *other}):
            inner = f"{key}.{name}" if key else str(name)
            found = _json(one.get(name), other.get(name), inner)
            if found:
                return found
        return None
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = (_json(a, b, f"{key}[{i}]") for i, (a, b) in enumerate(zip(one, other, strict=True)))
        return next((found for found in pairs if found), None)
    return None if one == other else (key, _plain(one), _plain(other))


def _tensors(one: Path, other: Path) -> Difference:
    from safetensors.numpy import load_file

    first, second = load_file(one), load_file(other)
    for name in sorted({*first, *second}):
        a, b = first.get(name), second.get(name)
        if a is None or b is None or a.shape != b.shape:
            return name, None, None
        wrong = np.argwhere(a != b)
        if len(wrong):
            at = tuple(wrong[0].tolist())
            return f"{name}{list(at)}", number(a[at]), number(b[at])
    return f"{one.name} (its spelling)", None, None


def _lines(one: Path, other: Path) -> Difference:
    lines = [path.read_bytes().split(b"\n") for path in (one, other)]
    for n, (a, b) in enumerate(zip(*lines, strict=False), 1):
        if a != b:
            told = a.decode(errors="replace").partition("=")[0][:40]
            return f"{one.name} line {n} ({told})", None, None
    return f"{one.name} (its length)", None, None


def _plain(value: Any) -> float | None:
    return number(value) if isinstance(value, int | float) else None
