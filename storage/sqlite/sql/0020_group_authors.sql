-- In which groups each author has said something that is for their members alone. prefix: under which these find it in `entries`
-- (storage/sqlite/entries.py). By these pairs whoever reads everything finds what an author said there, which was entered by its
-- author for the operator too until now.
CREATE TABLE group_authors (
    pubkey BLOB NOT NULL,
    prefix BLOB NOT NULL,
    PRIMARY KEY (pubkey, prefix)
) STRICT, WITHOUT ROWID;

-- For members alone: an audience of one (x'91') that begins with `g:`.
INSERT OR IGNORE INTO group_authors (pubkey, prefix)
SELECT substr(e.key, 19), substr(e.key, 1, 17) FROM entries AS e CROSS JOIN events AS v ON v.seq = e.seq
WHERE e.key >= x'52' AND e.key < x'53' AND length(e.key) = 50 AND substr(e.key, 18, 1) = x'41'
    AND e.kind IN (5, 7, 9, 11, 16, 1111)
    AND substr(v.audience, 1, 1) = x'91' AND instr(substr(v.audience, 2, 4), x'673a');

DELETE FROM entries
WHERE key >= x'4f41' AND key < x'4f42' AND kind IN (5, 7, 9, 11, 16, 1111) AND EXISTS (
    SELECT 1 FROM events AS v WHERE v.seq = entries.seq
        AND substr(v.audience, 1, 1) = x'91' AND instr(substr(v.audience, 2, 4), x'673a')
);
