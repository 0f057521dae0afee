"""The SQLite backend: a data directory with one writer and any number of readers. `backend` opens it.

A room uses those that stand before it and no others:

1. `statements`, the SQL by name; `entries`, what an event is found by; `log_rows`, `live_events` and `earlier`, events as they
   stand in the log; `files`, the database on the disk.
2. A room a subject, with its tables as they are read: `access`, `control_plane`, `feed`, `peers`, `groups`, and `identities`,
   which also gives all look-ups of primary tables as one. Where what is written needs no more than its own tables, it is here too.
3. `rows`, derived from events; `reading`, the log and the connections that read; `search`, over both.
4. `writing`, a transaction and what is done in one; `tools`, what an operator looks at; `backend`.
"""
