"""Point-in-time data: sources, the append-only store, panels as known."""
