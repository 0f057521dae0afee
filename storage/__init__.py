"""Where events are kept: the interfaces, the SQLite backend and the in-memory reference."""
