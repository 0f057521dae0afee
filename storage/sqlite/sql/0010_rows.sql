-- Derived rows are made in Python (relay/protocol/rows.py) and written by difference. Here are tables, indexes and counters: no
-- trigger decides any more what a row is. All rows are made again at the next start: what is in `rebuild` is still to do.

INSERT INTO meta (name, value) VALUES ('rebuild', '["profiles","posts","comments","votes","passages"]');

-- number: what votes name an identity by; given once, since identities are never deleted.
ALTER TABLE posting_identities ADD COLUMN number INTEGER;
UPDATE posting_identities SET number = rowid;
CREATE UNIQUE INDEX posting_identities_by_number ON posting_identities (number);
CREATE TRIGGER posting_identities_come AFTER INSERT ON posting_identities WHEN NEW.number IS NULL BEGIN
    UPDATE posting_identities SET number = (SELECT coalesce(max(number), 0) + 1 FROM posting_identities) WHERE id = NEW.id;
END;

DROP TRIGGER feed_events_go;
DROP TRIGGER passages_events_go;
DROP TABLE post_upvotes;
DROP TABLE post_downvotes;
DROP TABLE comment_upvotes;
DROP TABLE comment_downvotes;
DROP TABLE comments;
DROP TABLE posts;
DROP TABLE profiles;

-- seq: the event that the row is made of, here and in every table of derived rows.
CREATE TABLE profiles (
    pubkey TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    name TEXT,
    display_name TEXT,
    about TEXT,
    picture TEXT,
    nip05 TEXT,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A row is found by its event's id, which is unique in events: one more index of ids, in no order, would cost as much as all
-- others together. first_seen: when the event came. expires_at: when it is to be served no more (NIP-40). The counters move
-- with the rows they count. Long texts stand last, so that a counter is found without reading them.
CREATE TABLE posts (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    posting_identity_id TEXT NOT NULL,
    pubkey TEXT NOT NULL,
    group_id TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER,
    first_seen INTEGER NOT NULL,
    expires_at INTEGER,
    upvotes INTEGER NOT NULL DEFAULT 0,
    downvotes INTEGER NOT NULL DEFAULT 0,
    uncounted INTEGER NOT NULL DEFAULT 0,
    comment_count INTEGER NOT NULL DEFAULT 0,
    score INTEGER NOT NULL GENERATED ALWAYS AS (upvotes - downvotes) STORED,
    hot REAL NOT NULL GENERATED ALWAYS AS (
        log10(max(upvotes - downvotes, 1)) + min(created_at, first_seen) / 45000.0
    ) STORED,
    title TEXT NOT NULL,
    url TEXT,
    content TEXT NOT NULL
) STRICT;

-- Each of these ends in the row's number, seq: a page goes on from (value, seq), however deep it is.
CREATE INDEX posts_by_created_at ON posts (created_at);
CREATE INDEX posts_by_hot ON posts (hot);
CREATE INDEX posts_by_score ON posts (score);
CREATE INDEX posts_by_posting_identity_id ON posts (posting_identity_id, created_at);

-- parent_id: the comment it answers, NULL where it answers the post or what it answered is not here. post_seq and parent_seq
-- are the numbers of the same rows; the indexes have those. comment_count: direct replies.
CREATE TABLE comments (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    post_id TEXT NOT NULL,
    post_seq INTEGER NOT NULL,
    parent_id TEXT,
    parent_seq INTEGER,
    posting_identity_id TEXT NOT NULL,
    pubkey TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    expires_at INTEGER,
    upvotes INTEGER NOT NULL DEFAULT 0,
    downvotes INTEGER NOT NULL DEFAULT 0,
    uncounted INTEGER NOT NULL DEFAULT 0,
    comment_count INTEGER NOT NULL DEFAULT 0,
    score INTEGER NOT NULL GENERATED ALWAYS AS (upvotes - downvotes) STORED,
    hot REAL NOT NULL GENERATED ALWAYS AS (
        log10(max(upvotes - downvotes, 1)) + min(created_at, first_seen) / 45000.0
    ) STORED,
    content TEXT NOT NULL
) STRICT;

CREATE INDEX comments_by_post_id_and_created_at ON comments (post_seq, created_at);
CREATE INDEX comments_by_parent_id_and_created_at ON comments (post_seq, parent_seq, created_at);
CREATE INDEX comments_by_parent_id_and_score ON comments (post_seq, parent_seq, score);

-- Votes: one row for each target and identity, by numbers alone. target and kind: the row voted on, of posts (11) or of comments
-- (1111). voter: number in posting_identities. seq: the event of the vote. up: 1, or 0 for down. counts: 0 where meta says it
-- does not.
CREATE TABLE votes (
    target INTEGER NOT NULL,
    voter INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    up INTEGER NOT NULL,
    counts INTEGER NOT NULL,
    PRIMARY KEY (target, voter)
) STRICT, WITHOUT ROWID;

CREATE INDEX votes_by_voter ON votes (voter);

-- The plan's tables of votes, and their like for votes down.
CREATE VIEW post_upvotes AS
SELECT t.id AS post_id, i.id AS voter_id, v.created_at, v.target AS post_seq, lower(hex(e.id)) AS event_id, v.counts
FROM votes AS v JOIN posts AS t ON t.seq = v.target JOIN posting_identities AS i ON i.number = v.voter
JOIN events AS e ON e.seq = v.seq
WHERE v.kind = 11 AND v.up = 1;

CREATE VIEW post_downvotes AS
SELECT t.id AS post_id, i.id AS voter_id, v.created_at, v.target AS post_seq, lower(hex(e.id)) AS event_id, v.counts
FROM votes AS v JOIN posts AS t ON t.seq = v.target JOIN posting_identities AS i ON i.number = v.voter
JOIN events AS e ON e.seq = v.seq
WHERE v.kind = 11 AND v.up = 0;

CREATE VIEW comment_upvotes AS
SELECT t.id AS comment_id, i.id AS voter_id, v.created_at, v.target AS comment_seq, lower(hex(e.id)) AS event_id, v.counts
FROM votes AS v JOIN comments AS t ON t.seq = v.target JOIN posting_identities AS i ON i.number = v.voter
JOIN events AS e ON e.seq = v.seq
WHERE v.kind = 1111 AND v.up = 1;

CREATE VIEW comment_downvotes AS
SELECT t.id AS comment_id, i.id AS voter_id, v.created_at, v.target AS comment_seq, lower(hex(e.id)) AS event_id, v.counts
FROM votes AS v JOIN comments AS t ON t.seq = v.target JOIN posting_identities AS i ON i.number = v.voter
JOIN events AS e ON e.seq = v.seq
WHERE v.kind = 1111 AND v.up = 0;

-- The plan's table: what is knowledge among the passages, with the vectors that serve. Its user is whoever the author's key
-- belongs to now.
DROP VIEW knowledge;
CREATE VIEW knowledge AS
SELECT
    p.id, p.event_id, p.chunk, nullif(p.title, '') AS title, p.content, v.embedding,
    iif(v.key IS NULL, NULL, s.name) AS model, p.tags, p.source,
    (SELECT k.user_id FROM user_keys AS k WHERE k.pubkey = p.pubkey) AS user_id,
    p.organization_id, p.project_id, p.created_at, p.seq, p.audience
FROM passages AS p
LEFT JOIN spaces AS s ON s.state = 'serving'
LEFT JOIN vectors AS v ON v.key = s.slot * 1099511627776 + p.id
WHERE p.kind_of = 'knowledge';
