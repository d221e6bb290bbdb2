"""Forecasting models, one family a file. Each gives a mean and the quantiles of `signals.types.QUANTILES`."""
