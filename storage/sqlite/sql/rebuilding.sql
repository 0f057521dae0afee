-- A rebuild and a check go through the log in parts.

-- name: events_of_kind
-- The next events under a key of `entries` and a kind, in the order of the index: columns as in sources.sql, and the place.
SELECT
    json_group_array(json_array(
        e.created_at, e.rank, v.seq, v.received_at, v.expires_at, hex(v.audience),
        (SELECT g.id FROM groups AS g WHERE g.number = v.group_number)
    )),
    CAST(group_concat(v.wire, char(10)) AS BLOB)
FROM (
    SELECT created_at, rank, seq FROM entries
    WHERE key = ? AND kind = ? AND (created_at, rank, seq) > (?, ?, ?)
    ORDER BY created_at, rank, seq LIMIT ?
) AS e CROSS JOIN events AS v ON v.seq = e.seq

-- name: counters_of_posts
-- Counters as they stand, and as counting gives them.
SELECT json_group_array(json_array(
    t.seq, t.id, t.upvotes, t.downvotes, t.uncounted, t.comment_count,
    (SELECT count(*) FROM votes AS v WHERE v.target = t.seq AND v.counts AND v.up),
    (SELECT count(*) FROM votes AS v WHERE v.target = t.seq AND v.counts AND NOT v.up),
    (SELECT count(*) FROM votes AS v WHERE v.target = t.seq AND NOT v.counts),
    (SELECT count(*) FROM comments AS c WHERE c.post_seq = t.seq)
))
FROM (SELECT * FROM posts WHERE seq > ? ORDER BY seq LIMIT ?) AS t

-- name: counters_of_comments
SELECT json_group_array(json_array(
    t.seq, t.id, t.upvotes, t.downvotes, t.uncounted, t.comment_count,
    (SELECT count(*) FROM votes AS v WHERE v.target = t.seq AND v.counts AND v.up),
    (SELECT count(*) FROM votes AS v WHERE v.target = t.seq AND v.counts AND NOT v.up),
    (SELECT count(*) FROM votes AS v WHERE v.target = t.seq AND NOT v.counts),
    (SELECT count(*) FROM comments AS c WHERE c.post_seq = t.post_seq AND c.parent_seq = t.seq)
))
FROM (SELECT * FROM comments WHERE seq > ? ORDER BY seq LIMIT ?) AS t

-- name: pending
SELECT value FROM meta WHERE name = 'rebuild'

-- name: set_pending
INSERT OR REPLACE INTO meta (name, value) VALUES ('rebuild', ?)

-- name: whose_votes
SELECT value FROM meta WHERE name = 'votes'

-- name: set_whose_votes
UPDATE meta SET value = ? WHERE name = 'votes'

-- name: set_operators
UPDATE meta SET value = ? WHERE name = 'operators'

-- name: page_size
PRAGMA page_size

-- name: page_count
PRAGMA page_count

-- name: free_pages
PRAGMA freelist_count
