"""The SQLite backend: a data directory with one writer and any number of readers. `backend` opens it."""
