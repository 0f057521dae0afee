-- Edits of messages. updated_at: when a message was edited last, unix seconds.
ALTER TABLE message_rows ADD COLUMN updated_at INTEGER;

-- Groups, by what `h` tags call them, in which something was edited, or deleted so that it may be said again: for those of all others
-- nobody looks for edits. Once in, a group stays.
CREATE TABLE edited_groups (
    name TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

INSERT OR IGNORE INTO edited_groups (name)
SELECT g.id FROM entries AS e CROSS JOIN events AS v ON v.seq = e.seq CROSS JOIN groups AS g ON g.number = v.group_number
WHERE e.key IN (x'4b', x'4f4b') AND e.kind IN (5, 1010);

-- Those that edits name, and the places of edits in `entries`, are found by storage/sqlite/files/upgrades.py.

DROP VIEW message_embeddings;
DROP VIEW messages;
CREATE VIEW messages AS
SELECT
    t.chat_id AS thread_id,
    coalesce((SELECT k.user_id FROM user_keys AS k WHERE k.pubkey = m.pubkey), 'nostr:' || m.pubkey) AS user_id,
    coalesce(t.organization_id, p.organization_id, o.id) AS organization_id, coalesce(t.project_id, p.id) AS project_id,
    m.id, m.role, m.content, m.created_at, m.tool_invocations, m.parts_json, m.annotations_json, m.finish_reason,
    m.prompt_tokens, m.completion_tokens, m.cost,
    (
        SELECT q.id FROM passages AS q JOIN spaces AS s ON s.state = 'serving'
        JOIN vectors AS v ON v.key = s.slot * 1099511627776 + q.id WHERE q.seq = m.seq AND q.chunk = 0
    ) AS embedding_id,
    m.seq, m.pubkey, m.group_id, m.expires_at, m.updated_at
FROM message_rows AS m
LEFT JOIN threads AS t ON t.chat_id = m.group_id
LEFT JOIN projects AS p ON p.id = m.group_id
LEFT JOIN organizations AS o ON o.id = m.group_id
WHERE t.chat_id IS NOT NULL OR p.id IS NOT NULL OR o.id IS NOT NULL;

CREATE VIEW message_embeddings AS
SELECT
    q.event_id AS message_id, v.embedding AS content_embedding, NULL AS tool_embedding, m.thread_id, m.organization_id,
    m.project_id, m.user_id, m.created_at, q.id, q.chunk, s.name AS model, q.audience, m.seq
FROM passages AS q
JOIN spaces AS s ON s.state = 'serving'
JOIN vectors AS v ON v.key = s.slot * 1099511627776 + q.id
JOIN messages AS m ON m.seq = q.seq
WHERE q.kind_of = 'messages';

INSERT INTO meta (name, value) VALUES ('rebuild', '["message_rows","passages"]') ON CONFLICT DO UPDATE SET value = iif(
    value = '[]', excluded.value, substr(value, 1, length(value) - 1) || ',' || substr(excluded.value, 2)
);
