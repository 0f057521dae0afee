-- Who a key says it is: the newest live kind 0, whatever of its content is JSON of the right type.

-- name: keys
INSERT INTO touched (key, bytes)
SELECT DISTINCT lower(hex(v.pubkey)), v.pubkey
FROM entries AS e CROSS JOIN events AS v ON v.seq = e.seq
WHERE e.key = x'4b' AND e.kind = 0 AND v.pubkey > :after
ORDER BY v.pubkey LIMIT :most

-- name: forget_profiles
DELETE FROM profiles WHERE pubkey IN (SELECT key FROM touched)

-- name: profiles
SELECT
    p.key AS pubkey,
    CASE WHEN json_type(p.content, '$.name') = 'text'
        THEN sound_text(CAST(json_extract(p.content, '$.name') AS BLOB)) END AS name,
    CASE WHEN json_type(p.content, '$.display_name') = 'text'
        THEN sound_text(CAST(json_extract(p.content, '$.display_name') AS BLOB)) END AS display_name,
    CASE WHEN json_type(p.content, '$.about') = 'text'
        THEN sound_text(CAST(json_extract(p.content, '$.about') AS BLOB)) END AS about,
    CASE WHEN json_type(p.content, '$.picture') = 'text'
        THEN sound_text(CAST(json_extract(p.content, '$.picture') AS BLOB)) END AS picture,
    CASE WHEN json_type(p.content, '$.nip05') = 'text'
        THEN sound_text(CAST(json_extract(p.content, '$.nip05') AS BLOB)) END AS nip05,
    p.created_at
FROM (
    SELECT
        c.key,
        c.created_at,
        CASE WHEN json_valid(c.content) THEN c.content ELSE '{}' END AS content
    FROM (
        SELECT t.key, v.created_at, json_extract(CAST(v.wire AS TEXT), '$.content') AS content
        FROM touched AS t CROSS JOIN events AS v ON v.seq = (
            SELECT e.seq FROM entries AS e CROSS JOIN events AS w ON w.seq = e.seq
            WHERE e.key = CAST(x'41' || t.bytes AS BLOB) AND e.kind = 0
            ORDER BY e.created_at DESC, w.id LIMIT 1
        )
    ) AS c
) AS p
