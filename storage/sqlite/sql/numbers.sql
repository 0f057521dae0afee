-- Numbers that are given out once.

-- name: identifier
SELECT identifier FROM issue_identifiers WHERE id = ?

-- name: next
INSERT INTO numbers (name, value) VALUES (?, 1) ON CONFLICT DO UPDATE SET value = value + 1 RETURNING value

-- name: call
INSERT INTO issue_identifiers (id, identifier) VALUES (?, ?)

-- name: enter
INSERT OR IGNORE INTO entries (key, kind, created_at, rank, seq) VALUES {rows}

-- name: seqs_of_kind
SELECT seq FROM entries WHERE key = ? AND kind = ? ORDER BY seq
