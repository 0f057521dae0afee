-- What storage/sqlite/files/upgrades.py asks and writes. Keys of entries: x'4b' is every public event by kind, x'4f4b' every private one.

-- name: edits
SELECT e.kind, e.created_at, e.rank, e.seq, v.wire FROM entries AS e CROSS JOIN events AS v ON v.seq = e.seq
WHERE e.key IN (x'4b', x'4f4b') AND e.kind = 1010

-- name: edited_group
INSERT OR IGNORE INTO edited_groups (name) VALUES (?)

-- name: identity_keys
-- Of those who have not vanished.
SELECT k.pubkey, k.posting_identity_id FROM identity_keys AS k CROSS JOIN posting_identities AS p ON p.id = k.posting_identity_id
WHERE p.anonymised_at IS NULL

-- name: followers
INSERT OR IGNORE INTO followers (follower, followed, seq, at)
SELECT k.posting_identity_id, ?1, 0, e.created_at FROM entries AS e CROSS JOIN events AS v ON v.seq = e.seq
CROSS JOIN identity_keys AS k ON k.pubkey = lower(hex(v.pubkey))
CROSS JOIN posting_identities AS p ON p.id = k.posting_identity_id
WHERE e.key = ?2 AND e.kind = 3 AND k.posting_identity_id <> ?1 AND p.anonymised_at IS NULL

-- name: entry
INSERT OR IGNORE INTO entries (key, kind, created_at, rank, seq) VALUES (?, ?, ?, ?, ?)
