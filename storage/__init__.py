"""Where events are kept: the interfaces named by use, and the SQLite backend."""
