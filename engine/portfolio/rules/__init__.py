"""Rules that turn forecasts into weights, one a file."""
