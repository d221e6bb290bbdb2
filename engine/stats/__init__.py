"""Statistics of return series: what a strategy did, and whether that is more than luck."""
