"""Search on SQLite: questions answered by FTS5 and by vectors, and the vectors kept up with the tables."""
