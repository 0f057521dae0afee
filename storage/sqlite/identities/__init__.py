"""The primary tables on SQLite: `reads` looks up, `writes` carries out what `storage.identities.decisions` allows."""
