"""A file of features with the code that makes it: the code must give the file again, and is audited itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from backcast.data.errors import InputError
from backcast.engine.audit.findings import LEAK, Check, Finding, number
from backcast.engine.audit.foreign.audit import Audit, audit
from backcast.engine.audit.foreign.calling import LAYERS, Output, arguments, call, outputs
from backcast.engine.audit.foreign.compare import Moved, compare
from backcast.engine.audit.foreign.tables import Tables


def audit_features(frame: Any, make: Callable[..., Any], prices: Any, **more: Any) -> Audit:
    """The audit of `make`, before it the check that it gives the frame. more: that of `audit`. Errors: InputError."""
    features = as_features(make)
    given: dict[str, Any] = {name: more[name] for name in ("facts", "membership", "actions") if name in more}
    tables = Tables.of(prices, given, more.get("decides", "after"))
    written = outputs({"features": frame}, tables)
    again = {"features": call(features, tables, arguments(make, tables)).get("features", [])}
    check = same_check(written, again, tables)
    found = audit(features, prices, **more)
    return Audit(found.level, [check, *found.checks], found.cost)


def as_features(make: Callable[..., Any]) -> Callable[..., Any]:
    """The function whose whole answer is features, whatever their names."""
    import functools

    @functools.wraps(make)
    def features(*tables: Any, **more: Any) -> Any:
        made = make(*tables, **more)
        layers = isinstance(made, Mapping) and all(name in LAYERS for name in made)
        return made if layers else {"features": made}

    return features


def same_check(written: Output, again: Output, tables: Tables) -> Check:
    """Whether the code gives the cells of the file."""
    check = Check(
        "the file is what its code gives", "features", "every cell, made again on the prices as given"
    )
    names = {wide.name for wide in written["features"]} ^ {wide.name for wide in again["features"]}
    if names and len(written["features"]) > 1:
        shown = ", ".join(sorted(names)[:4])
        raise InputError("TARGET", shown, f"the features of the code, {[w.name for w in again['features']]}")
    last = max([tables.times.ends()[-1], *(w.at[-1] for w in written["features"] if len(w.at))])
    moved: Moved = compare(written, again, last)["features"]
    check.cells, check.changed, first = moved.cells, moved.changed, moved.first
    if first is not None:
        check.finding = Finding(
            LEAK,
            "The file holds something else than its code gives on these prices.",
            "Write the file again from this code and these prices; what made the file cannot be audited.",
            first.frame or "features", first.column, str(np.datetime_as_string(first.local, "s")),
            recorded=number(first.recorded), replayed=number(first.replayed),
        )  # fmt: skip
    return check
