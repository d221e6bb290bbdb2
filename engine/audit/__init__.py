"""The leak audit: what a result used that nobody could have known, found by changing the future and looking again."""
