"""The cells of a grid: every combination of the values under `grid`, a configuration each."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backcast.data.errors import SECRET, InputError
from backcast.engine.configure import Config, digest

GROUPS = ("features", "label", "model", "folds", "portfolio", "costs", "execution", "seed", "capital")
"""What a grid may vary."""
FORECAST = ("features", "label", "model", "folds", "execution", "seed")
"""What a forecast depends on: labels are made of the fills that execution says."""
LABELS = ("label", "execution")
"""What labels depend on."""
GIVEN = ("costs", "execution", "capital")
"""What a grid may vary to see what comes of it, and a best cell is not chosen by."""
MOST = 10_000


@dataclass(frozen=True)
class Cell:
    """A parameter set: its number, the values that it sets by dotted key, and its configuration, which has no grid."""

    number: int
    values: dict[str, Any]
    config: dict[str, Any]

    def key(self, parts: Sequence[str]) -> str:
        """The same for cells that agree in these parts of their configuration."""
        return digest({part: self.config[part] for part in parts})


def cells(config: Config) -> list[Cell]:
    """The cells of a configuration; none where it has no grid.

    Errors: InputError for a key that a grid cannot vary, one that is not there, what is no list of distinct values, and more
    cells than `MOST`.
    """
    given = config.get("grid")
    found = list(_axes({} if given is None else given, ""))
    axes = dict(found)
    if len(axes) < len(found):
        raise InputError("grid", [key for key, _ in found], "each parameter once")
    if not axes:
        return []
    for key, values in axes.items():
        _check(config, key, values)
    count = int(np.prod([float(len(values)) for values in axes.values()]))
    if count > MOST:
        raise InputError("grid", f"{count:,} cells", f"at most {MOST:,}")
    made = []
    for number, chosen in enumerate(itertools.product(*axes.values())):
        values = dict(zip(axes, chosen, strict=True))
        made.append(Cell(number, values, with_values(config, values)))
    return made


def _axes(node: Any, at: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(node, Mapping):
        raise InputError("grid", node, "a mapping of parameters to lists of values")
    for name, value in node.items():
        key = f"{at}{name}"
        if isinstance(value, Mapping):
            yield from _axes(value, f"{key}.")
        else:
            yield key, value


def _check(config: Config, key: str, values: Any) -> None:
    group, *path = key.split(".")
    if group not in GROUPS:
        raise InputError(f"grid.{key}", values, f"a parameter of {', '.join(GROUPS)}")
    node: Any = config[group]
    for n, name in enumerate(path):
        if not isinstance(node, Mapping) or name not in node:
            there = [str(k) for k in node if k != "_target_"] if isinstance(node, Mapping) else []
            close = difflib.get_close_matches(name, there, n=1) or sorted(there)
            known = f"It has: {', '.join(close)}." if close else "It has no parameters."
            where = ".".join([group, *path[:n]])
            raise InputError(f"grid.{key}", name, f"a parameter of {where}", known)
        node = node[name]
    if isinstance(node, Mapping):
        raise InputError(f"grid.{key}", values, f"one parameter of {key}, not all of it")
    if "_target_" in path:
        raise InputError(f"grid.{key}", values, "a parameter: choose classes by their group, in a sweep")
    if SECRET.search(key):
        raise InputError(f"grid.{key}", values, "no secret: every cell's values are written down")
    if not isinstance(values, list) or not values:
        raise InputError(f"grid.{key}", values, "a list of values, such as [0.1, 0.2]")
    if len({digest(value) for value in values}) < len(values):
        raise InputError(f"grid.{key}", values, "distinct values")


def with_values(config: Config, values: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with these values by dotted key in place of its own, and without its grid."""
    made: dict[str, Any] = {k: v for k, v in config.items() if k not in ("grid", "grid_selection")}
    for key, value in values.items():
        *path, last = key.split(".")
        node = made
        for name in path:
            node[name] = dict(node[name])
            node = node[name]
        node[last] = value
    return made
