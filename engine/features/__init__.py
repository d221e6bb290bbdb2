"""What users see of features (`backcast features`), and the cache that keeps what was computed."""
