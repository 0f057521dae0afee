-- Of which group an event was that is gone, by its id, and by the key of its address (storage/sqlite/entries.py): what answers it
-- belongs to that group all the same.
CREATE TABLE group_events_gone (
    key BLOB PRIMARY KEY,
    group_number INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What answers an event of a group by its address alone was in no group until now: it is looked for between other work.
INSERT OR IGNORE INTO group_answers_due (seq, name, kind, created_at, rank, last)
SELECT seq, 'a', -1, 0, 0, 0 FROM events
WHERE group_number IS NOT NULL AND (kind BETWEEN 10000 AND 19999 OR kind BETWEEN 30000 AND 39999);
