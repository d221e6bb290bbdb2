"""The audit of what did not come from us: a function of prices, run again with another future."""

from backcast.engine.audit.foreign.audit import Audit, audit

__all__ = ["Audit", "audit"]
