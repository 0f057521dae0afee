-- A tag that was edited out of a post is none of it any more (relay.protocol.topics): what posts are about is made again.
INSERT INTO meta (name, value) VALUES ('rebuild', '["post_topics"]') ON CONFLICT DO UPDATE SET value = iif(
    value = '[]', excluded.value, substr(value, 1, length(value) - 1) || ',' || substr(excluded.value, 2)
);
