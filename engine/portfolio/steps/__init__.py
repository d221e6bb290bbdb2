"""Steps that a portfolio's weights go through, one a file."""
