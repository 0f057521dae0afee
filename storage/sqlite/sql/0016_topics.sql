-- What each post is about, made from its tags, its text and its link (handlers/rows/post_topics.py): `#tag`, or a host.
CREATE TABLE post_topics (
    seq INTEGER NOT NULL,
    topic TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (seq, topic)
) STRICT, WITHOUT ROWID;

CREATE INDEX post_topics_by_topic ON post_topics (topic, created_at, seq);

-- They are made at the next start for the posts that are here already.
INSERT INTO meta (name, value) VALUES ('rebuild', '["post_topics"]') ON CONFLICT DO UPDATE SET value = iif(
    value = '[]', excluded.value, substr(value, 1, length(value) - 1) || ',' || substr(excluded.value, 2)
);
