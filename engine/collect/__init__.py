"""All jobs of a study beside each other, ranked by the trial log as it stands: which of them, if any, is better than luck."""

from backcast.engine.collect.study import collect
from backcast.engine.collect.terminal import show

__all__ = ["collect", "show"]
