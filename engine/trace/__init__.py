"""One position's whole story, from what was known to what it came to."""

from backcast.engine.trace.story import trace

__all__ = ["trace"]
