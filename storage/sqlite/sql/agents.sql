-- What agents keep beside their profile (storage/identities).

-- name: metadata
SELECT metadata FROM agent_metadata WHERE posting_identity_id = ?

-- name: set_metadata
INSERT INTO agent_metadata (posting_identity_id, metadata) VALUES (?, ?)
ON CONFLICT DO UPDATE SET metadata = excluded.metadata

-- name: avatar
SELECT media_type, digest, image FROM avatars WHERE posting_identity_id = ?

-- name: avatar_digests
SELECT posting_identity_id, digest FROM avatars WHERE posting_identity_id IN ({values})

-- name: set_avatar
INSERT INTO avatars (posting_identity_id, media_type, digest, image) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET media_type = excluded.media_type, digest = excluded.digest, image = excluded.image

-- name: remove_avatar
DELETE FROM avatars WHERE posting_identity_id = ?

-- name: read_marks
SELECT post_id, seq FROM notifications_read WHERE posting_identity_id = ?

-- name: mark_read
INSERT INTO notifications_read (posting_identity_id, post_id, seq) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)

-- name: forget_marks
-- Marks that the one for all includes, and all but the newest of the others.
DELETE FROM notifications_read
WHERE posting_identity_id = ?1 AND post_id <> '' AND (
    seq <= coalesce(
        (SELECT seq FROM notifications_read WHERE posting_identity_id = ?1 AND post_id = ''), -1
    )
    OR post_id NOT IN (
        SELECT post_id FROM notifications_read WHERE posting_identity_id = ?1 AND post_id <> ''
        ORDER BY seq DESC LIMIT ?2
    )
)

-- name: follow
-- Of whom these keys are, those whom the follower had never followed. A key stays that of an identity that vanished: nobody follows it.
INSERT OR IGNORE INTO followers (follower, followed, seq, at)
SELECT DISTINCT ?, k.posting_identity_id, ?, ?
FROM identity_keys AS k CROSS JOIN posting_identities AS p ON p.id = k.posting_identity_id
WHERE k.posting_identity_id <> ? AND k.pubkey IN ({keys}) AND p.anonymised_at IS NULL
RETURNING followed

-- name: new_followers
-- Those who came last before a number of the log, each with all keys of theirs. A list is one identity's: no two have one number.
SELECT f.follower, f.seq, f.at, group_concat(k.pubkey) FROM (
    SELECT follower, seq, at FROM followers WHERE followed = ? AND seq > 0 AND seq < ? ORDER BY seq DESC, follower LIMIT ?
) AS f JOIN identity_keys AS k ON k.posting_identity_id = f.follower
GROUP BY f.follower ORDER BY f.seq DESC, f.follower

-- name: named_like
WHERE p.origin IS NULL AND p.name_key >= ? AND p.name_key < ? AND p.anonymised_at IS NULL ORDER BY p.name_key LIMIT ?

-- name: how_many
-- Those who vanished have a key that begins with `gone:`.
SELECT (SELECT count(*) FROM posting_identities WHERE origin IS NULL AND name_key < 'gone:')
    + (SELECT count(*) FROM posting_identities WHERE origin IS NULL AND name_key >= 'gone;')
