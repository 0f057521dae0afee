-- Earlier versions of articles, see storage/sqlite/earlier.py.

-- name: keep
INSERT INTO earlier_versions (address, created_at, id, pubkey, wire) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING

-- name: prune
DELETE FROM earlier_versions WHERE id IN (
    SELECT id FROM (
        SELECT id, row_number() OVER newest AS place, sum(length(wire)) OVER newest AS bytes
        FROM earlier_versions WHERE address = ?1
        WINDOW newest AS (ORDER BY created_at DESC, id ROWS UNBOUNDED PRECEDING)
    ) WHERE place > ?2 OR bytes > ?3
)

-- name: of_address
SELECT wire FROM earlier_versions WHERE address = ? ORDER BY created_at DESC, id

-- name: by_id
SELECT wire FROM earlier_versions WHERE id = ?

-- name: forget_address
DELETE FROM earlier_versions WHERE address = ? AND created_at <= ?

-- name: forget_author
DELETE FROM earlier_versions WHERE pubkey = ? AND created_at <= ?

-- name: forget_own
DELETE FROM earlier_versions WHERE id = ? AND pubkey = ?

-- name: forget
DELETE FROM earlier_versions WHERE id = ?
