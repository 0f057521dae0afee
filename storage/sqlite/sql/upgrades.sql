-- What storage/sqlite/upgrades.py asks and writes. Keys of entries: x'4b' is every public event by kind, x'4f4b' every private one.

-- name: edits
SELECT e.kind, e.created_at, e.rank, e.seq, v.wire FROM entries AS e CROSS JOIN events AS v ON v.seq = e.seq
WHERE e.key IN (x'4b', x'4f4b') AND e.kind = 1010

-- name: edited_group
INSERT OR IGNORE INTO edited_groups (name) VALUES (?)

-- name: entry
INSERT OR IGNORE INTO entries (key, kind, created_at, rank, seq) VALUES (?, ?, ?, ?, ?)
