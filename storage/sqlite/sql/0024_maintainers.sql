-- The states of a repository's issues are set by its maintainers, too. A change of who they are makes its issues again, in parts:
-- dependent: the table; id: whose change it was; the rest: the event up to which its rows are made, in the order of `entries`.
CREATE TABLE rows_due (
    dependent TEXT NOT NULL,
    id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (dependent, id)
) STRICT, WITHOUT ROWID;

INSERT INTO meta (name, value) VALUES ('rebuild', '["issue_rows"]') ON CONFLICT DO UPDATE SET value = iif(
    value = '[]', excluded.value, substr(value, 1, length(value) - 1) || ',' || substr(excluded.value, 2)
);
