-- What the writer does. Lists in braces become as many parameters as there are values.

-- name: known
-- Of a batch in one step: which ids are here, which are deleted by whom, which authors have vanished.
SELECT
    (SELECT group_concat(lower(hex(id))) FROM events WHERE id IN ({ids})),
    (SELECT group_concat(lower(hex(id)) || ' ' || lower(hex(deleter))) FROM deleted WHERE id IN ({marks})),
    (SELECT group_concat(lower(hex(pubkey)) || ' ' || until) FROM vanished WHERE pubkey IN ({pubkeys}))

-- name: addresses
-- Of a batch in one step: the live version of each address, and up to which version it is deleted.
SELECT
    (
        SELECT group_concat(lower(hex(e.key)) || ' ' || e.created_at || ' ' || lower(hex(v.id)))
        FROM entries AS e CROSS JOIN events AS v ON v.seq = e.seq WHERE e.key IN ({keys})
    ),
    (
        SELECT group_concat(lower(hex(address)) || ' ' || until || ' ' || lower(hex(id)))
        FROM deleted_addresses WHERE address IN ({marks})
    )

-- name: rows_of_ids
SELECT group_concat(seq), group_concat(coalesce(lower(hex(audience)), '')),
    group_concat(coalesce(group_number, 0)), CAST(group_concat(wire, char(10)) AS BLOB)
FROM events WHERE id IN ({ids})

-- name: rows_of_seqs
SELECT group_concat(seq), group_concat(coalesce(lower(hex(audience)), '')),
    group_concat(coalesce(group_number, 0)), CAST(group_concat(wire, char(10)) AS BLOB)
FROM events WHERE seq IN ({seqs})

-- name: mail_to
-- The oldest of a kind under two keys, before a number of the log.
SELECT group_concat(seq) FROM (
    SELECT seq, created_at FROM (SELECT seq, created_at FROM entries WHERE key = ?1 AND kind = ?3 AND seq < ?4 ORDER BY created_at LIMIT ?5)
    UNION ALL
    SELECT seq, created_at FROM (SELECT seq, created_at FROM entries WHERE key = ?2 AND kind = ?3 AND seq < ?4 ORDER BY created_at LIMIT ?5)
    ORDER BY 2 LIMIT ?5
)

-- name: expired
SELECT group_concat(seq) FROM (SELECT seq FROM events WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)

-- name: insert_events
-- OR FAIL, here and for entries: the writer rolls back more than one statement when one fails, so that this need not be able to undo
-- its own first rows. To be able to, SQLite copies each page before a statement of several rows changes it.
INSERT OR FAIL INTO events (seq, id, pubkey, kind, created_at, expires_at, audience, door, received_at, wire, group_number)
VALUES {rows}

-- name: insert_entries
INSERT OR FAIL INTO entries (key, kind, created_at, rank, seq) VALUES {rows}

-- name: delete_events
DELETE FROM events WHERE seq IN (VALUES {rows})

-- name: delete_entries
-- A plain SELECT around the VALUES: only then does SQLite look the rows up by the primary key instead of scanning.
DELETE FROM entries
WHERE (key, kind, created_at, rank, seq) IN (SELECT column1, column2, column3, column4, column5 FROM (VALUES {rows}))

-- name: mark_ids
INSERT OR IGNORE INTO deleted (id, deleter) VALUES {rows}

-- name: mark_addresses
INSERT INTO deleted_addresses (address, until, id) VALUES {rows}
ON CONFLICT (address) DO UPDATE SET until = excluded.until, id = excluded.id
WHERE excluded.until > until OR (excluded.until = until AND excluded.id < id)

-- name: mark_vanished
INSERT INTO vanished (pubkey, until) VALUES {rows}
ON CONFLICT (pubkey) DO UPDATE SET until = max(until, excluded.until)

-- name: set_last_seq
UPDATE meta SET value = ? WHERE name = 'last_seq'

-- name: last_seq
SELECT value FROM meta WHERE name = 'last_seq'

-- name: missing
SELECT
    (SELECT value FROM meta WHERE name = 'missing_first'),
    (SELECT value FROM meta WHERE name = 'missing_last')

-- name: set_missing
INSERT OR REPLACE INTO meta (name, value) VALUES ('missing_first', ?), ('missing_last', ?)

-- name: accept_loss
DELETE FROM meta WHERE name IN ('missing_first', 'missing_last')

-- name: keep_room
INSERT OR REPLACE INTO meta (name, value) VALUES ('room', zeroblob(?))

-- name: mark_foreign_dropped
INSERT INTO meta (name, value) VALUES ('foreign_dropped', 1) ON CONFLICT DO NOTHING;

-- name: foreign_of_kind
SELECT group_concat(seq) FROM (
    SELECT entries.seq FROM entries JOIN events ON events.seq = entries.seq
    WHERE entries.key = ?1 AND entries.kind = ?2 AND events.pubkey <> ?3
);
