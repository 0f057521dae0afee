-- Votes: of each target and identity the newest live kind 7 that is `+`, empty or `-`, of equals the one with the lowest id,
-- whichever of the identity's keys signed it. A key here is the target's id and the author's: where `entries` has it, after 0x42.
-- The + of `+target` keeps SQLite from walking all posts, or all comments, to find the few that are voted on.

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
    target TEXT, voter TEXT, created_at INTEGER, event_id TEXT, up INTEGER, counts INTEGER, PRIMARY KEY (target, voter)
) WITHOUT ROWID

-- name: clear
DELETE FROM made_votes

-- name: make
-- Every touched pair of target and identity; one whose vote was taken back has no event.
WITH pairs AS MATERIALIZED (
    SELECT DISTINCT substr(t.key, 1, 64) AS target, substr(t.bytes, 1, 32) AS bytes, k.posting_identity_id AS voter
    FROM touched AS t CROSS JOIN identity_keys AS k ON k.pubkey = substr(t.key, 65)
),
newest AS MATERIALIZED (
    SELECT p.target, p.voter, (
        SELECT x.seq
        FROM identity_keys AS k
        CROSS JOIN events AS x ON x.seq = (
            SELECT y.seq
            FROM entries AS e CROSS JOIN events AS y ON y.seq = e.seq
            WHERE e.key = CAST(x'42' || p.bytes || id_bytes(k.pubkey) AS BLOB) AND e.kind = 7
            ORDER BY e.created_at DESC, y.id LIMIT 1
        )
        WHERE k.posting_identity_id = p.voter
        ORDER BY x.created_at DESC, x.id LIMIT 1
    ) AS seq
    FROM pairs AS p
)
INSERT INTO made_votes (target, voter, created_at, event_id, up, counts)
SELECT
    n.target, n.voter, v.created_at, lower(hex(v.id)), json_extract(CAST(v.wire AS TEXT), '$.content') <> '-',
    (SELECT value FROM meta WHERE name = 'votes') = 'all'
        OR (SELECT origin FROM posting_identities WHERE id = n.voter) IS NULL
FROM newest AS n LEFT JOIN events AS v ON v.seq = n.seq

-- name: post_upvotes
SELECT target AS post_id, voter AS voter_id, created_at, event_id, counts
FROM made_votes WHERE up AND +target IN (SELECT id FROM posts)

-- name: forget_post_upvotes
DELETE FROM post_upvotes
WHERE (post_id, voter_id) IN (SELECT target, voter FROM made_votes)
    AND event_id NOT IN (SELECT event_id FROM made_votes WHERE up AND event_id IS NOT NULL)

-- name: again_post_upvotes
ON CONFLICT DO NOTHING

-- name: post_downvotes
SELECT target AS post_id, voter AS voter_id, created_at, event_id, counts
FROM made_votes WHERE NOT up AND +target IN (SELECT id FROM posts)

-- name: forget_post_downvotes
DELETE FROM post_downvotes
WHERE (post_id, voter_id) IN (SELECT target, voter FROM made_votes)
    AND event_id NOT IN (SELECT event_id FROM made_votes WHERE NOT up AND event_id IS NOT NULL)

-- name: again_post_downvotes
ON CONFLICT DO NOTHING

-- name: comment_upvotes
SELECT target AS comment_id, voter AS voter_id, created_at, event_id, counts
FROM made_votes WHERE up AND +target IN (SELECT id FROM comments)

-- name: forget_comment_upvotes
DELETE FROM comment_upvotes
WHERE (comment_id, voter_id) IN (SELECT target, voter FROM made_votes)
    AND event_id NOT IN (SELECT event_id FROM made_votes WHERE up AND event_id IS NOT NULL)

-- name: again_comment_upvotes
ON CONFLICT DO NOTHING

-- name: comment_downvotes
SELECT target AS comment_id, voter AS voter_id, created_at, event_id, counts
FROM made_votes WHERE NOT up AND +target IN (SELECT id FROM comments)

-- name: forget_comment_downvotes
DELETE FROM comment_downvotes
WHERE (comment_id, voter_id) IN (SELECT target, voter FROM made_votes)
    AND event_id NOT IN (SELECT event_id FROM made_votes WHERE NOT up AND event_id IS NOT NULL)

-- name: again_comment_downvotes
ON CONFLICT DO NOTHING
