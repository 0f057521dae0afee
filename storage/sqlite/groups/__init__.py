"""Groups on SQLite: `reads` looks up, `known` remembers for the writer, `changes` carries out what was decided."""
