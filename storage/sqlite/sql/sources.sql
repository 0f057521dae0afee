-- What rows are made of, each answer in one step. JSON is only how an answer is handed over.

-- name: events
SELECT
    json_group_array(json_array(
        seq, received_at, expires_at, hex(audience), (SELECT g.id FROM groups AS g WHERE g.number = group_number)
    )),
    CAST(group_concat(wire, char(10)) AS BLOB)
FROM events WHERE id IN ({ids})

-- name: numbered
SELECT
    json_group_array(json_array(
        seq, received_at, expires_at, hex(audience), (SELECT g.id FROM groups AS g WHERE g.number = group_number)
    )),
    CAST(group_concat(wire, char(10)) AS BLOB)
FROM events WHERE seq IN ({seqs})

-- name: newest
-- Of each key of `entries` and kind the newest event; of equal rank the lowest id.
SELECT
    json_group_array(json_array(
        w.column1, v.seq, v.received_at, v.expires_at, hex(v.audience), (SELECT g.id FROM groups AS g WHERE g.number = v.group_number)
    )),
    CAST(group_concat(v.wire, char(10)) AS BLOB)
FROM (VALUES {rows}) AS w CROSS JOIN events AS v ON v.seq = (
    SELECT x.seq FROM entries AS e CROSS JOIN events AS x ON x.seq = e.seq
    WHERE e.key = w.column2 AND e.kind = w.column3
    ORDER BY e.created_at DESC, e.rank DESC, x.id LIMIT 1
)

-- name: newest_in_group
-- The same among the events of a group.
SELECT
    json_group_array(json_array(
        w.column1, v.seq, v.received_at, v.expires_at, hex(v.audience), (SELECT g.id FROM groups AS g WHERE g.number = v.group_number)
    )),
    CAST(group_concat(v.wire, char(10)) AS BLOB)
FROM (VALUES {rows}) AS w CROSS JOIN events AS v ON v.seq = (
    SELECT x.seq FROM entries AS e CROSS JOIN events AS x ON x.seq = e.seq
    WHERE e.key = w.column2 AND e.kind = w.column3
        AND x.group_number = (SELECT h.number FROM groups AS h WHERE h.id = w.column4)
    ORDER BY e.created_at DESC, e.rank DESC, x.id LIMIT 1
)

-- name: owners
SELECT json_group_array(json_array(
    k.pubkey, i.id, i.number, i.origin IS NULL,
    (SELECT group_concat(o.pubkey) FROM identity_keys AS o WHERE o.posting_identity_id = i.id)
))
FROM identity_keys AS k CROSS JOIN posting_identities AS i ON i.id = k.posting_identity_id
WHERE k.pubkey IN ({pubkeys})

-- name: children
SELECT json_group_array(id) FROM groups WHERE parent IN ({ids})

-- name: users
SELECT json_group_array(json_array(pubkey, user_id)) FROM user_keys WHERE pubkey IN ({pubkeys})

-- name: identifiers
SELECT json_group_array(json_array(lower(hex(id)), identifier)) FROM issue_identifiers WHERE id IN ({ids})

-- name: operators
SELECT value FROM meta WHERE name = 'operators'

-- name: standings
SELECT json_group_array(json_array(
    lower(hex(v.id)), v.seq, CASE WHEN p.seq IS NOT NULL THEN 'posts' WHEN c.seq IS NOT NULL THEN 'comments' END
))
FROM events AS v LEFT JOIN posts AS p ON p.seq = v.seq LEFT JOIN comments AS c ON c.seq = v.seq
WHERE v.id IN ({ids})

-- name: tagged
SELECT group_concat(DISTINCT lower(hex(v.id)))
FROM entries AS e CROSS JOIN events AS v ON v.seq = e.seq
WHERE e.key IN ({keys}) AND e.kind = ?

-- name: about
SELECT group_concat(DISTINCT lower(hex(substr(e.key, 2))))
FROM (VALUES {rows}) AS w CROSS JOIN entries AS e ON e.key > w.column1 AND e.key < w.column2
WHERE e.kind = ?

-- name: unspoken
-- Of some events those of which nobody has said anything (storage/sqlite/entries.py, `about`).
SELECT group_concat(lower(hex(substr(w.column1, 2))))
FROM (VALUES {rows}) AS w
WHERE NOT EXISTS (SELECT 1 FROM entries AS e WHERE e.key > w.column1 AND e.key < w.column2)

-- name: first_votes
-- Of some votes those beside which nothing else is said by the same key of the same event (storage/sqlite/entries.py, `about`).
SELECT json_group_array(w.column1)
FROM (VALUES {rows}) AS w
WHERE (SELECT count(*) FROM (SELECT 1 FROM entries AS e WHERE e.key = w.column2 LIMIT 2)) = 1

-- name: counts_all
SELECT value = 'all' FROM meta WHERE name = 'votes'

-- name: edited
SELECT json_group_array(name) FROM edited_groups WHERE name IN ({names})

-- name: marks
SELECT json_group_array(lower(hex(d.id))) FROM (VALUES {rows}) AS w CROSS JOIN deleted AS d
ON d.id = w.column1 AND d.deleter = w.column2
