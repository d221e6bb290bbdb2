"""What a run came to, read from its folder alone: the report, its charts, and the page."""
