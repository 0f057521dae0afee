-- Votes: of each target and identity the newest live kind 7 that is `+`, empty or `-`, of equals the one with the lowest id,
-- whichever of the identity's keys signed it. A key here is the target's id and the author's: where `entries` has it, after 0x42.

-- name: keys
INSERT INTO touched (key, bytes)
SELECT lower(hex(substr(e.key, 2))), substr(e.key, 2) FROM entries AS e
WHERE e.key > CAST(x'42' || :after AS BLOB) AND e.key < x'43' AND e.kind = 7
GROUP BY e.key ORDER BY e.key LIMIT :most

-- name: whose
SELECT value FROM meta WHERE name = 'votes'

-- name: set_whose
UPDATE meta SET value = ? WHERE name = 'votes'

-- name: ready
CREATE TEMP TABLE made_votes (
    target TEXT, bytes BLOB, voter TEXT, created_at INTEGER, event_id TEXT, up INTEGER, counts INTEGER,
    PRIMARY KEY (target, voter)
) WITHOUT ROWID

-- name: clear
DELETE FROM made_votes

-- name: make
-- Every touched pair of target and identity; one whose vote was taken back has no event. id_bytes is slow, and mostly the
-- key at hand is the only one.
WITH pairs AS MATERIALIZED (
    SELECT
        substr(t.key, 1, 64) AS target, substr(t.bytes, 1, 32) AS bytes, k.posting_identity_id AS voter,
        min(k.pubkey) AS known, min(substr(t.bytes, 33)) AS known_bytes
    FROM touched AS t CROSS JOIN identity_keys AS k ON k.pubkey = substr(t.key, 65)
    GROUP BY target, voter
),
newest AS MATERIALIZED (
    SELECT p.target, p.bytes, p.voter, (
        SELECT x.seq
        FROM identity_keys AS k
        CROSS JOIN events AS x ON x.seq = (
            SELECT y.seq
            FROM entries AS e CROSS JOIN events AS y ON y.seq = e.seq
            WHERE e.kind = 7 AND e.key = CAST(
                x'42' || p.bytes || CASE k.pubkey WHEN p.known THEN p.known_bytes ELSE id_bytes(k.pubkey) END AS BLOB
            )
            ORDER BY e.created_at DESC, y.id LIMIT 1
        )
        WHERE k.posting_identity_id = p.voter
        ORDER BY x.created_at DESC, x.id LIMIT 1
    ) AS seq
    FROM pairs AS p
)
INSERT INTO made_votes (target, bytes, voter, created_at, event_id, up, counts)
SELECT
    n.target, n.bytes, n.voter, v.created_at, lower(hex(v.id)), json_extract(CAST(v.wire AS TEXT), '$.content') <> '-',
    (SELECT value FROM meta WHERE name = 'votes') = 'all'
        OR (SELECT origin FROM posting_identities WHERE id = n.voter) IS NULL
FROM newest AS n LEFT JOIN events AS v ON v.seq = n.seq

-- name: post_upvotes
SELECT m.target AS post_id, t.seq AS post_seq, m.voter AS voter_id, m.created_at, m.event_id, m.counts
FROM made_votes AS m CROSS JOIN events AS v ON v.id = m.bytes CROSS JOIN posts AS t ON t.seq = v.seq
WHERE m.up

-- name: forget_post_upvotes
DELETE FROM post_upvotes
WHERE (post_id, voter_id) IN (SELECT target, voter FROM made_votes)
    AND event_id NOT IN (SELECT event_id FROM made_votes WHERE up AND event_id IS NOT NULL)

-- name: again_post_upvotes
ON CONFLICT DO NOTHING

-- name: post_downvotes
SELECT m.target AS post_id, t.seq AS post_seq, m.voter AS voter_id, m.created_at, m.event_id, m.counts
FROM made_votes AS m CROSS JOIN events AS v ON v.id = m.bytes CROSS JOIN posts AS t ON t.seq = v.seq
WHERE m.up = 0

-- name: forget_post_downvotes
DELETE FROM post_downvotes
WHERE (post_id, voter_id) IN (SELECT target, voter FROM made_votes)
    AND event_id NOT IN (SELECT event_id FROM made_votes WHERE NOT up AND event_id IS NOT NULL)

-- name: again_post_downvotes
ON CONFLICT DO NOTHING

-- name: comment_upvotes
SELECT m.target AS comment_id, t.seq AS comment_seq, m.voter AS voter_id, m.created_at, m.event_id, m.counts
FROM made_votes AS m CROSS JOIN events AS v ON v.id = m.bytes CROSS JOIN comments AS t ON t.seq = v.seq
WHERE m.up

-- name: forget_comment_upvotes
DELETE FROM comment_upvotes
WHERE (comment_id, voter_id) IN (SELECT target, voter FROM made_votes)
    AND event_id NOT IN (SELECT event_id FROM made_votes WHERE up AND event_id IS NOT NULL)

-- name: again_comment_upvotes
ON CONFLICT DO NOTHING

-- name: comment_downvotes
SELECT m.target AS comment_id, t.seq AS comment_seq, m.voter AS voter_id, m.created_at, m.event_id, m.counts
FROM made_votes AS m CROSS JOIN events AS v ON v.id = m.bytes CROSS JOIN comments AS t ON t.seq = v.seq
WHERE m.up = 0

-- name: forget_comment_downvotes
DELETE FROM comment_downvotes
WHERE (comment_id, voter_id) IN (SELECT target, voter FROM made_votes)
    AND event_id NOT IN (SELECT event_id FROM made_votes WHERE NOT up AND event_id IS NOT NULL)

-- name: again_comment_downvotes
ON CONFLICT DO NOTHING
