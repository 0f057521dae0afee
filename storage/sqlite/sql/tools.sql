-- What an operator asks. Keys of entries: x'4b' is every public event by kind, x'2a' all kinds in one row of time,
-- x'41' begins an author's; x'4f' stands before the same for private events, but for what is said in groups (group_authors).

-- name: figures
SELECT
    (SELECT count(*) FROM events),
    (SELECT value FROM meta WHERE name = 'last_seq'),
    (SELECT value FROM meta WHERE name = 'schema_version'),
    (
        SELECT count(*) FROM (
            SELECT CASE WHEN substr(key, 1, 1) = x'4f' THEN substr(key, 2) ELSE key END AS author FROM entries
            WHERE (key >= x'41' AND key < x'42') OR (key >= x'4f41' AND key < x'4f42')
            UNION SELECT CAST(x'41' || pubkey AS BLOB) FROM group_authors
        )
    ),
    (SELECT count(*) FROM events WHERE expires_at IS NOT NULL),
    (SELECT count(*) FROM deleted) + (SELECT count(*) FROM deleted_addresses) + (SELECT count(*) FROM vanished)

-- name: times
SELECT min(created_at), max(created_at) FROM entries WHERE key IN (x'4b', x'4f4b')

-- name: kinds
SELECT kind, count(*) AS n FROM entries WHERE key IN (x'4b', x'4f4b') GROUP BY kind ORDER BY n DESC, kind LIMIT 20

-- name: integrity
PRAGMA integrity_check(20)

-- name: page
SELECT seq, id, pubkey, kind, created_at, expires_at, audience, group_number, wire FROM events WHERE seq > ? ORDER BY seq LIMIT ?

-- name: present
SELECT count(*) FROM entries
WHERE (key, kind, created_at, rank, seq) IN (
    SELECT column1, column2, column3, column4, column5 FROM (VALUES {rows})
)

-- name: authors_noted
SELECT count(*) FROM group_authors WHERE (pubkey, prefix) IN (SELECT column1, column2 FROM (VALUES {rows}))

-- name: authors_without_event
SELECT lower(hex(pubkey)) FROM group_authors
WHERE NOT EXISTS (
    SELECT 1 FROM entries AS e
    WHERE e.key = CAST(prefix || x'41' || pubkey AS BLOB) AND e.kind IN (5, 7, 9, 11, 16, 1111)
) LIMIT 100

-- name: entries_without_event
SELECT DISTINCT e.seq FROM entries AS e WHERE NOT EXISTS (SELECT 1 FROM events AS v WHERE v.seq = e.seq) LIMIT 100

-- name: number_of_entries
SELECT count(*) FROM entries

-- name: beyond
SELECT max(seq) FROM events WHERE seq > (SELECT value FROM meta WHERE name = 'last_seq')

-- name: copy
VACUUM INTO ?
