-- What all projections share. `touched` holds the keys to refresh, as text and, where they are hex, as bytes.

-- name: touched
CREATE TEMP TABLE touched (key TEXT PRIMARY KEY, bytes BLOB) WITHOUT ROWID

-- name: untouch
DELETE FROM touched

-- name: touch
INSERT OR IGNORE INTO touched (key, bytes) VALUES {rows}

-- name: last_touched
SELECT count(*), max(bytes) FROM touched

-- name: empty
DELETE FROM {table}

-- name: number
SELECT count(*) FROM {table}

-- name: insert
INSERT INTO {table} ({columns}) {rows} {again}

-- name: differences
WITH made ({columns}) AS ({rows})
SELECT DISTINCT {key} FROM (
    SELECT * FROM (SELECT {columns} FROM {table} EXCEPT SELECT {columns} FROM made)
    UNION ALL
    SELECT * FROM (SELECT {columns} FROM made EXCEPT SELECT {columns} FROM {table})
) LIMIT 100
