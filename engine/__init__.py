"""The engine: portfolios, execution, simulation, walk-forward runs, audits and reports."""
