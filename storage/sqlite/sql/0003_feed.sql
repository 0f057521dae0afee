-- The feed: projections. Their rows are a function of the live events and of whose keys signed them, never of the order of
-- arrival; the counters on a row are kept by triggers on the rows they count. A row is found by its event's id, which is unique
-- there, and goes with its event: one more index of ids, in no order, would cost as much as all others together. seq,
-- first_seen: the event's place in the log and when it came. expires_at: when it is to be served no more (NIP-40). Long texts
-- stand last, so that a counter is found without reading them.

-- Whose votes count: `local` (identities of this relay) or `all`.
INSERT INTO meta (name, value) VALUES ('votes', 'local');

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

-- parent_id: the comment it answers, NULL where it answers the post or what it answered is not here.
-- comment_count: direct replies.
CREATE TABLE comments (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    post_id TEXT NOT NULL,
    parent_id TEXT,
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

CREATE INDEX comments_by_post_id_and_created_at ON comments (post_id, created_at);
CREATE INDEX comments_by_parent_id_and_created_at ON comments (post_id, parent_id, created_at);
CREATE INDEX comments_by_parent_id_and_score ON comments (post_id, parent_id, score);

CREATE TRIGGER feed_events_go AFTER DELETE ON events WHEN OLD.kind IN (11, 1111) BEGIN
    DELETE FROM posts WHERE seq = OLD.seq;
    DELETE FROM comments WHERE seq = OLD.seq;
END;

CREATE TRIGGER comments_come AFTER INSERT ON comments BEGIN
    UPDATE posts SET comment_count = comment_count + 1
    WHERE seq = (SELECT seq FROM events WHERE id = id_bytes(NEW.post_id));
    UPDATE comments SET comment_count = comment_count + 1
    WHERE seq = (SELECT seq FROM events WHERE id = id_bytes(NEW.parent_id));
    -- An answer may have come before what it answers.
    UPDATE comments
    SET comment_count = (SELECT count(*) FROM comments AS c WHERE c.post_id = NEW.post_id AND c.parent_id = NEW.id)
    WHERE seq = NEW.seq AND EXISTS (SELECT 1 FROM comments AS c WHERE c.post_id = NEW.post_id AND c.parent_id = NEW.id);
END;

CREATE TRIGGER comments_move AFTER UPDATE OF parent_id ON comments WHEN OLD.parent_id IS NOT NEW.parent_id BEGIN
    UPDATE comments SET comment_count = comment_count - 1
    WHERE seq = (SELECT seq FROM events WHERE id = id_bytes(OLD.parent_id));
    UPDATE comments SET comment_count = comment_count + 1
    WHERE seq = (SELECT seq FROM events WHERE id = id_bytes(NEW.parent_id));
END;

CREATE TRIGGER comments_go AFTER DELETE ON comments BEGIN
    UPDATE posts SET comment_count = comment_count - 1
    WHERE seq = (SELECT seq FROM events WHERE id = id_bytes(OLD.post_id));
    UPDATE comments SET comment_count = comment_count - 1
    WHERE seq = (SELECT seq FROM events WHERE id = id_bytes(OLD.parent_id));
    DELETE FROM comment_upvotes WHERE comment_id = OLD.id;
    DELETE FROM comment_downvotes WHERE comment_id = OLD.id;
END;

CREATE TRIGGER posts_go AFTER DELETE ON posts BEGIN
    DELETE FROM comments WHERE post_id = OLD.id;
    DELETE FROM post_upvotes WHERE post_id = OLD.id;
    DELETE FROM post_downvotes WHERE post_id = OLD.id;
END;

-- Votes: one row for each target and identity, from its newest live vote. post_seq, comment_seq: the target's place in the log.
-- counts: 0 where meta says it does not.

CREATE TABLE post_upvotes (
    post_id TEXT NOT NULL,
    post_seq INTEGER NOT NULL,
    voter_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    counts INTEGER NOT NULL,
    PRIMARY KEY (post_id, voter_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX post_upvotes_by_voter ON post_upvotes (voter_id);

CREATE TRIGGER post_upvotes_come AFTER INSERT ON post_upvotes BEGIN
    UPDATE posts SET upvotes = upvotes + NEW.counts, uncounted = uncounted + 1 - NEW.counts
    WHERE seq = NEW.post_seq;
END;

CREATE TRIGGER post_upvotes_go AFTER DELETE ON post_upvotes BEGIN
    UPDATE posts SET upvotes = upvotes - OLD.counts, uncounted = uncounted - 1 + OLD.counts
    WHERE seq = OLD.post_seq;
END;

CREATE TABLE post_downvotes (
    post_id TEXT NOT NULL,
    post_seq INTEGER NOT NULL,
    voter_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    counts INTEGER NOT NULL,
    PRIMARY KEY (post_id, voter_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX post_downvotes_by_voter ON post_downvotes (voter_id);

CREATE TRIGGER post_downvotes_come AFTER INSERT ON post_downvotes BEGIN
    UPDATE posts SET downvotes = downvotes + NEW.counts, uncounted = uncounted + 1 - NEW.counts
    WHERE seq = NEW.post_seq;
END;

CREATE TRIGGER post_downvotes_go AFTER DELETE ON post_downvotes BEGIN
    UPDATE posts SET downvotes = downvotes - OLD.counts, uncounted = uncounted - 1 + OLD.counts
    WHERE seq = OLD.post_seq;
END;

CREATE TABLE comment_upvotes (
    comment_id TEXT NOT NULL,
    comment_seq INTEGER NOT NULL,
    voter_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    counts INTEGER NOT NULL,
    PRIMARY KEY (comment_id, voter_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX comment_upvotes_by_voter ON comment_upvotes (voter_id);

CREATE TRIGGER comment_upvotes_come AFTER INSERT ON comment_upvotes BEGIN
    UPDATE comments SET upvotes = upvotes + NEW.counts, uncounted = uncounted + 1 - NEW.counts
    WHERE seq = NEW.comment_seq;
END;

CREATE TRIGGER comment_upvotes_go AFTER DELETE ON comment_upvotes BEGIN
    UPDATE comments SET upvotes = upvotes - OLD.counts, uncounted = uncounted - 1 + OLD.counts
    WHERE seq = OLD.comment_seq;
END;

CREATE TABLE comment_downvotes (
    comment_id TEXT NOT NULL,
    comment_seq INTEGER NOT NULL,
    voter_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    counts INTEGER NOT NULL,
    PRIMARY KEY (comment_id, voter_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX comment_downvotes_by_voter ON comment_downvotes (voter_id);

CREATE TRIGGER comment_downvotes_come AFTER INSERT ON comment_downvotes BEGIN
    UPDATE comments SET downvotes = downvotes + NEW.counts, uncounted = uncounted + 1 - NEW.counts
    WHERE seq = NEW.comment_seq;
END;

CREATE TRIGGER comment_downvotes_go AFTER DELETE ON comment_downvotes BEGIN
    UPDATE comments SET downvotes = downvotes - OLD.counts, uncounted = uncounted - 1 + OLD.counts
    WHERE seq = OLD.comment_seq;
END;
