-- updated_at: the time of the edit (kind 1010) that gives a comment its text, as of posts. Edits of comments may be in the log already.
ALTER TABLE comments ADD COLUMN updated_at INTEGER;

INSERT INTO meta (name, value) VALUES ('rebuild', '["comments","passages"]') ON CONFLICT DO UPDATE SET value = iif(
    value = '[]', excluded.value, substr(value, 1, length(value) - 1) || ',' || substr(excluded.value, 2)
);
