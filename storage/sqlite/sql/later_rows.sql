-- Rows that are made after the change that they follow from, see storage/sqlite/rows/later_rows.py.

-- name: put
INSERT INTO rows_due (dependent, id, created_at, rank, seq) VALUES {rows}
ON CONFLICT DO UPDATE SET created_at = excluded.created_at, rank = excluded.rank, seq = excluded.seq

-- By chance, so that what changes again and again does not keep the others waiting.
-- name: next
SELECT dependent, id, created_at, rank, seq FROM rows_due ORDER BY random() LIMIT 1

-- name: keys
SELECT lower(hex(v.id)), e.created_at, e.rank, e.seq
FROM entries AS e CROSS JOIN events AS v ON v.seq = e.seq
WHERE e.key = ? AND e.kind = ? AND (e.created_at, e.rank, e.seq) > (?, ?, ?)
ORDER BY e.created_at, e.rank, e.seq LIMIT ?

-- name: set
UPDATE rows_due SET created_at = ?, rank = ?, seq = ? WHERE dependent = ? AND id = ?

-- name: drop
DELETE FROM rows_due WHERE dependent = ? AND id = ?

-- name: waiting
SELECT DISTINCT dependent FROM rows_due
