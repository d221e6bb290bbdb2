"""A synthetic market small enough to run whole commands on."""

MARKET = (
    "dataset=synthetic",
    "dataset.symbols=16",
    "dataset.sessions=420",
    "folds=monthly",
    "folds.first_fit=260",
    "features=ohlcv",
)
