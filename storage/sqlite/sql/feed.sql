-- Pages of the feed. A page is a selection of (seq, value) in order; it starts at (:value, :seq), inclusive. In braces:
-- names of columns and parts of this file, never values.

-- name: posts_by
-- Two arms, as SQLite does not go on from a pair within an index: however many rows share a value, none is passed over.
SELECT seq, value FROM (
    SELECT p.seq, p.{column} AS value FROM posts AS p
    WHERE p.{column} = :value AND p.seq <= :seq AND (p.expires_at IS NULL OR p.expires_at > :now) {place}
    ORDER BY p.seq DESC LIMIT :limit + :offset
)
UNION ALL
SELECT seq, value FROM (
    SELECT p.seq, p.{column} AS value FROM posts AS p
    WHERE p.{column} < :value AND (p.expires_at IS NULL OR p.expires_at > :now) {place}
    ORDER BY p.{column} DESC, p.seq DESC LIMIT :limit + :offset
)
ORDER BY 2 DESC, 1 DESC LIMIT :limit OFFSET :offset

-- name: posts_about
-- The newest of a topic, two arms as in posts_by.
SELECT seq, value FROM (
    SELECT a.seq, a.created_at AS value FROM post_topics AS a CROSS JOIN posts AS p ON p.seq = a.seq
    WHERE a.topic = :topic AND a.created_at = :value AND a.seq <= :seq
        AND (p.expires_at IS NULL OR p.expires_at > :now) {place}
    ORDER BY a.seq DESC LIMIT :limit + :offset
)
UNION ALL
SELECT seq, value FROM (
    SELECT a.seq, a.created_at AS value FROM post_topics AS a CROSS JOIN posts AS p ON p.seq = a.seq
    WHERE a.topic = :topic AND a.created_at < :value AND (p.expires_at IS NULL OR p.expires_at > :now) {place}
    ORDER BY a.created_at DESC, a.seq DESC LIMIT :limit + :offset
)
ORDER BY 2 DESC, 1 DESC LIMIT :limit OFFSET :offset

-- name: listed
-- What is in the feed of all: not what stands in a community that is hidden, or whose metadata has the tag ["feed","off"]; nor
-- in one that has just ended or become private, whose rows go soon.
AND (p.group_id IS NULL OR NOT EXISTS (
    SELECT 1 FROM groups AS o WHERE o.id = p.group_id AND (o.hidden = 1 OR o.private = 1 OR o.ended = 1 OR instr(o.extra, '["feed","off"]') > 0)
))

-- name: in_none
AND p.group_id IS NULL

-- name: in_group
AND p.group_id = :group

-- name: shown
-- What a list of somebody's posts has: not what stands in a hidden group, of which its members alone know.
AND (q.group_id IS NULL OR NOT EXISTS (SELECT 1 FROM groups AS o WHERE o.id = q.group_id AND o.hidden = 1))

-- name: posts_of
-- The newest of each key and of each community, merged. Those of a key are found as its events are (storage/sqlite/entries.py): an
-- index of their own, at another place for every author, cost a post more than all the others.
SELECT seq, value FROM (
    SELECT p.seq, p.created_at AS value
    FROM ({ids}) AS k CROSS JOIN posts AS p ON p.seq IN (
        SELECT e.seq FROM entries AS e CROSS JOIN posts AS q ON q.seq = e.seq
        WHERE e.key = CAST(x'41' || k.id AS BLOB) AND e.kind = 11 AND (e.created_at, e.seq) <= (:value, :seq)
            AND (q.expires_at IS NULL OR q.expires_at > :now) {shown}
        ORDER BY e.created_at DESC, e.seq DESC LIMIT :each
    )
    UNION
    SELECT p.seq, p.created_at AS value
    FROM json_each(:groups) AS a CROSS JOIN posts AS p ON p.seq IN (
        SELECT q.seq FROM posts AS q
        WHERE q.group_id = a.value AND (q.created_at, q.seq) <= (:value, :seq)
            AND (q.expires_at IS NULL OR q.expires_at > :now)
        ORDER BY q.created_at DESC, q.seq DESC LIMIT :each
    )
)
ORDER BY value DESC, seq DESC LIMIT :limit OFFSET :offset

-- name: posts_ranked
-- Of a bounded number of newest posts, the best first.
SELECT r.seq, r.value FROM (
    SELECT p.seq, {rank} AS value FROM ({newest}) AS n CROSS JOIN posts AS p ON p.seq = n.seq
) AS r
WHERE (r.value, r.seq) <= (:value, :seq) ORDER BY r.value DESC, r.seq DESC LIMIT :limit OFFSET :offset

-- name: newest
SELECT p.seq FROM posts AS p
WHERE p.created_at > :since AND (p.expires_at IS NULL OR p.expires_at > :now) {place}
ORDER BY p.created_at DESC, p.seq DESC LIMIT :most

-- name: newest_about
SELECT p.seq FROM post_topics AS a CROSS JOIN posts AS p ON p.seq = a.seq
WHERE a.topic = :topic AND a.created_at > :since AND (p.expires_at IS NULL OR p.expires_at > :now) {place}
ORDER BY a.created_at DESC, a.seq DESC LIMIT :most

-- name: newest_of
SELECT seq FROM (
    SELECT b.seq, b.created_at
    FROM ({ids}) AS k CROSS JOIN posts AS b ON b.seq IN (
        SELECT e.seq FROM entries AS e CROSS JOIN posts AS q ON q.seq = e.seq
        WHERE e.key = CAST(x'41' || k.id AS BLOB) AND e.kind = 11 AND e.created_at > :since
            AND (q.expires_at IS NULL OR q.expires_at > :now) {shown}
        ORDER BY e.created_at DESC, e.seq DESC LIMIT :each
    )
    UNION
    SELECT b.seq, b.created_at
    FROM json_each(:groups) AS a CROSS JOIN posts AS b ON b.seq IN (
        SELECT q.seq FROM posts AS q
        WHERE q.group_id = a.value AND q.created_at > :since AND (q.expires_at IS NULL OR q.expires_at > :now)
        ORDER BY q.created_at DESC, q.seq DESC LIMIT :each
    )
)
ORDER BY created_at DESC, seq DESC LIMIT :most

-- name: keys_of
-- All keys that some identities ever had.
SELECT group_concat(k.pubkey, '')
FROM json_each(?) AS a CROSS JOIN identity_keys AS k ON k.posting_identity_id = a.value

-- name: ids
-- The ids (or pubkeys) in one value, 32 bytes each.
WITH RECURSIVE places (at) AS (
    SELECT 1 WHERE length(:ids) > 0 UNION ALL SELECT at + 32 FROM places WHERE at + 32 <= length(:ids)
)
SELECT substr(:ids, at, 32) AS id FROM places

-- name: posts_among
SELECT p.seq, p.seq AS value FROM ({ids}) AS j
CROSS JOIN events AS v ON v.id = j.id
CROSS JOIN posts AS p ON p.seq = v.seq
WHERE p.expires_at IS NULL OR p.expires_at > :now

-- name: posts
SELECT
    json_group_array(json_array(
        p.seq, p.id, p.posting_identity_id, i.name, i.display_name, p.pubkey, p.title, p.url, p.content, p.created_at,
        p.updated_at, p.first_seen, p.upvotes, p.downvotes, p.uncounted, p.score, p.comment_count,
        (
            SELECT iif(w.up, 'up', 'down') FROM votes AS w
            WHERE w.target = p.seq AND w.voter = (SELECT number FROM posting_identities WHERE id = :viewer)
        ),
        p.group_id, (SELECT o.name FROM groups AS o WHERE o.id = p.group_id AND o.hidden = 0), i.origin,
        (SELECT o.home_url FROM groups AS o WHERE o.id = p.group_id AND o.home <> '')
    )),
    CAST(group_concat(v.wire, char(10)) AS BLOB), min(g.value)
FROM ({page}) AS g
CROSS JOIN posts AS p ON p.seq = g.seq
CROSS JOIN events AS v ON v.seq = g.seq
CROSS JOIN posting_identities AS i ON i.number = p.posting_identity_number
WHERE p.group_id IS NULL
    OR EXISTS (SELECT 1 FROM groups AS o WHERE o.id = p.group_id AND o.private = 0 AND o.ended = 0)

-- name: number
-- An event's place in the log.
SELECT seq FROM events WHERE id = ?

-- name: comments_by
SELECT seq, value FROM (
    SELECT c.seq, c.{column} AS value FROM comments AS c
    WHERE c.post_seq = :post AND c.parent_seq IS :parent AND c.{column} = :value AND c.seq {within} :seq
        AND (c.expires_at IS NULL OR c.expires_at > :now)
    ORDER BY c.seq {way} LIMIT :limit
)
UNION ALL
SELECT seq, value FROM (
    SELECT c.seq, c.{column} AS value FROM comments AS c
    WHERE c.post_seq = :post AND c.parent_seq IS :parent AND c.{column} {beyond} :value
        AND (c.expires_at IS NULL OR c.expires_at > :now)
    ORDER BY c.{column} {way}, c.seq {way} LIMIT :limit
)
ORDER BY 2 {way}, 1 {way} LIMIT :limit

-- name: comments_ranked
-- Of a bounded number of newest comments, those first that have most votes, the more so the more evenly they are divided.
SELECT r.seq, r.value FROM (
    SELECT
        c.seq,
        CASE WHEN min(c.upvotes, c.downvotes) > 0
            THEN pow(c.upvotes + c.downvotes, min(c.upvotes, c.downvotes) * 1.0 / max(c.upvotes, c.downvotes)) ELSE 0.0 END AS value
    FROM (
        SELECT q.seq FROM comments AS q
        WHERE q.post_seq = :post AND q.parent_seq IS :parent AND (q.expires_at IS NULL OR q.expires_at > :now)
        ORDER BY q.created_at DESC, q.seq DESC LIMIT :most
    ) AS n
    CROSS JOIN comments AS c ON c.seq = n.seq
) AS r
WHERE (r.value, r.seq) <= (:value, :seq) ORDER BY r.value DESC, r.seq DESC LIMIT :limit

-- name: replies
-- The first replies to each of these comments, as many as have room: each takes its event, and its text again.
SELECT r.seq, r.value FROM (
    SELECT c.seq, c.{column} AS value, sum(2 * length(v.wire)) OVER (ORDER BY c.{column} {way}, c.seq {way}) AS bytes
    FROM json_each(:parents) AS a CROSS JOIN comments AS c ON c.seq IN (
        SELECT q.seq FROM comments AS q
        WHERE q.post_seq = :post AND q.parent_seq = a.value AND (q.expires_at IS NULL OR q.expires_at > :now)
        ORDER BY q.{column} {way}, q.seq {way} LIMIT :each
    )
    CROSS JOIN events AS v ON v.seq = c.seq
) AS r
WHERE r.bytes <= :room ORDER BY r.value {way}, r.seq {way} LIMIT :limit

-- name: comments_among
SELECT c.seq, c.seq AS value FROM ({ids}) AS j
CROSS JOIN events AS v ON v.id = j.id
CROSS JOIN comments AS c ON c.seq = v.seq
CROSS JOIN posts AS p ON p.seq = c.post_seq
WHERE (c.expires_at IS NULL OR c.expires_at > :now) AND (p.expires_at IS NULL OR p.expires_at > :now)

-- name: comments
SELECT
    json_group_array(json_array(
        c.seq, c.id, c.post_id, c.parent_id, c.posting_identity_id, i.name, i.display_name, c.pubkey, c.content,
        c.created_at, c.updated_at, c.first_seen, c.upvotes, c.downvotes, c.uncounted, c.score, c.comment_count,
        (
            SELECT iif(w.up, 'up', 'down') FROM votes AS w
            WHERE w.target = c.seq AND w.voter = (SELECT number FROM posting_identities WHERE id = :viewer)
        ),
        i.origin
    )),
    CAST(group_concat(v.wire, char(10)) AS BLOB), {extreme}(g.value)
FROM ({page}) AS g
CROSS JOIN comments AS c ON c.seq = g.seq
CROSS JOIN posts AS t ON t.seq = c.post_seq
CROSS JOIN events AS v ON v.seq = g.seq
CROSS JOIN posting_identities AS i ON i.id = c.posting_identity_id
WHERE t.group_id IS NULL
    OR EXISTS (SELECT 1 FROM groups AS o WHERE o.id = t.group_id AND o.private = 0 AND o.ended = 0)

-- name: of_hidden
SELECT json_group_array(v.seq) FROM json_each(:seqs) AS j
CROSS JOIN events AS v ON v.seq = j.value
CROSS JOIN groups AS g ON g.number = v.group_number
WHERE g.hidden = 1 AND g.id NOT IN (SELECT value FROM json_each(:members))

-- name: karma
-- The scores of the newest posts and of the newest comments by some keys; what has no row is none here.
SELECT coalesce((
    {posts}
), 0) + coalesce((
    {comments}
), 0)

-- name: scores
SELECT sum(r.score) FROM (
    SELECT e.seq FROM ({ids}) AS k
    CROSS JOIN entries AS e ON e.key = CAST(x'41' || k.id AS BLOB) AND e.kind = {kind}
        AND e.created_at >= coalesce((
            SELECT f.created_at FROM entries AS f
            WHERE f.key = CAST(x'41' || k.id AS BLOB) AND f.kind = {kind}
            ORDER BY f.created_at DESC LIMIT 1 OFFSET :most
        ), 0)
    ORDER BY e.created_at DESC LIMIT :most
) AS n
CROSS JOIN {table} AS r ON r.seq = n.seq
WHERE r.expires_at IS NULL OR r.expires_at > :now

-- name: arrivals
SELECT json_group_array(json_array(lower(hex(v.id)), v.seq, v.received_at))
FROM ({ids}) AS j CROSS JOIN events AS v ON v.id = j.id

-- name: how_many
-- Those in no community; the others have an index of their own.
SELECT (SELECT count(*) FROM posts) - (SELECT count(*) FROM posts WHERE group_id IS NOT NULL)

-- name: how_many_in
SELECT json_group_array(json_array(a.value, (
    SELECT count(*) FROM (SELECT 1 FROM posts AS q WHERE q.group_id = a.value LIMIT :most)
)))
FROM json_each(:groups) AS a

-- name: link_previews
SELECT json_group_array(json_array(p.seq, json_array(p.title, p.description, p.picture)))
FROM json_each(:seqs) AS j CROSS JOIN link_previews AS p ON p.seq = j.value

-- name: keep_link_preview
INSERT INTO link_previews (seq, title, description, picture)
SELECT :seq, :title, :description, :picture WHERE EXISTS (SELECT 1 FROM posts WHERE seq = :seq)
ON CONFLICT DO UPDATE SET title = excluded.title, description = excluded.description, picture = excluded.picture
