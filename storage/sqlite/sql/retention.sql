-- What is past its days (relay.protocol.retention). Lists in braces become as many parameters as there are values.

-- name: next_kind
-- The lowest kind, from one on, of which there is an event under a key.
SELECT min(kind) FROM entries WHERE key = ? AND kind >= ?

-- name: oldest
-- Of one kind under a key, the oldest events up to a time and after a place.
SELECT group_concat(created_at), group_concat(rank), group_concat(seq), group_concat(lower(hex(pubkey)))
FROM (
    SELECT e.created_at, e.rank, e.seq, v.pubkey FROM entries AS e CROSS JOIN events AS v ON v.seq = e.seq
    WHERE e.key = ?1 AND e.kind = ?2 AND e.created_at <= ?3 AND (e.created_at, e.rank, e.seq) > (?4, ?5, ?6)
    ORDER BY e.created_at, e.rank, e.seq LIMIT ?7
)

-- name: identities
-- Those of these keys that are bound to a posting identity of this relay.
SELECT k.pubkey FROM identity_keys AS k CROSS JOIN posting_identities AS p ON p.id = k.posting_identity_id
WHERE k.pubkey IN ({values}) AND k.revoked_at IS NULL AND p.origin IS NULL
