"""Signals: features, labels, folds and forecasting models."""
