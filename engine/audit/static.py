"""What is known of features without running them: their graph holds causal operators alone, each with a look-back."""

from __future__ import annotations

from backcast.engine.audit.findings import Check
from backcast.signals.feature import NoFeatures
from backcast.signals.graph import Graph
from backcast.signals.qlib_features import QlibFeatures
from backcast.signals.types import Compiled


def proved(compiled: Compiled) -> bool:
    """Whether features cannot look ahead whatever the data: expressions alone, with nothing of the user's own in Python.

    The language has no operator that reads a later row, and each operator is held to the law of live by the tests.
    """
    if isinstance(compiled, NoFeatures):
        return True
    return type(compiled) is Graph and not compiled.own


def stepwise(compiled: Compiled) -> bool:
    """Whether features have a live state, so that they can be replayed bar by bar."""
    return isinstance(compiled, NoFeatures) or type(compiled) in (Graph, QlibFeatures)


def check(compiled: Compiled) -> Check | None:
    """What is proved, in a sentence; None where nothing is, or there is nothing to prove."""
    if not (proved(compiled) and isinstance(compiled, Graph)):
        return None
    own = sorted({node.operator for node in compiled.nodes})
    told = (
        f"{len(compiled.names)} expressions of {len(compiled.nodes)} causal operators ({len(own)} kinds) that look back "
        f"{compiled.lookback} rows and never ahead; nothing in Python"
    )
    return Check("static proof: features", "features", told, proved=True)
