"""Search: words by FTS5, meaning by vectors, and both weighed together. `engine` is what the rest of the relay knows of it."""
