-- Numbers that are given out once.

-- name: identifier
SELECT identifier FROM issue_identifiers WHERE id = ?

-- name: next
INSERT INTO numbers (name, value) VALUES (?, 1) ON CONFLICT DO UPDATE SET value = value + 1 RETURNING value

-- name: call
INSERT INTO issue_identifiers (id, identifier) VALUES (?, ?)

-- name: issues_after
SELECT v.seq, v.wire FROM entries AS e CROSS JOIN events AS v ON v.seq = e.seq
WHERE e.key = ? AND e.kind = ? AND e.seq > ? ORDER BY v.seq LIMIT ?
