-- Groups (NIP-29): what they are after the moderation events so far (relay/protocol/groups/state.py), and which events belong to one.

-- number: what events and members name the group by; given once and never again. began: the number of the log after which
-- events count for it. Lists are JSON; supported_kinds NULL is all. members, owners, codes: how many it has now.
-- moving: where its settings have changed who may read it, the highest number of the log up to which its events may still be
-- entered for those who might read them before; NULL where all are right. listing_due: its list of members is to be told.
CREATE TABLE groups (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    creator TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    type TEXT NOT NULL,
    name TEXT NOT NULL,
    about TEXT NOT NULL,
    picture TEXT NOT NULL,
    banner TEXT NOT NULL,
    private INTEGER NOT NULL,
    restricted INTEGER NOT NULL,
    hidden INTEGER NOT NULL,
    closed INTEGER NOT NULL,
    livekit INTEGER NOT NULL,
    supported_kinds TEXT,
    parent TEXT,
    children TEXT NOT NULL,
    extra TEXT NOT NULL,
    pins TEXT NOT NULL,
    ended INTEGER NOT NULL,
    began INTEGER NOT NULL,
    members INTEGER NOT NULL DEFAULT 0,
    owners INTEGER NOT NULL DEFAULT 0,
    codes INTEGER NOT NULL DEFAULT 0,
    moving INTEGER,
    listing_due INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX groups_by_creator ON groups (creator) WHERE ended = 0;
CREATE INDEX groups_by_parent ON groups (parent) WHERE parent IS NOT NULL;
CREATE INDEX groups_moving ON groups (number) WHERE moving IS NOT NULL;
CREATE INDEX groups_listing_due ON groups (number) WHERE listing_due = 1;

-- standing: member, removed (by somebody else) or left. roles: JSON. since: created_at of the event that made it so.
CREATE TABLE group_members (
    group_number INTEGER NOT NULL,
    pubkey TEXT NOT NULL,
    standing TEXT NOT NULL CHECK (standing IN ('member', 'removed', 'left')),
    roles TEXT NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (group_number, pubkey)
) STRICT, WITHOUT ROWID;

CREATE INDEX group_members_by_pubkey ON group_members (pubkey) WHERE standing = 'member';
CREATE INDEX group_members_by_since ON group_members (group_number, since) WHERE standing = 'member';
CREATE INDEX group_members_with_roles ON group_members (group_number, since) WHERE standing = 'member' AND roles <> '[]';

-- by: who made the code. uses_left: NULL is no bound.
CREATE TABLE group_invites (
    code_hash TEXT NOT NULL,
    group_number INTEGER NOT NULL,
    by TEXT NOT NULL,
    expires_at INTEGER,
    uses_left INTEGER,
    revoked INTEGER NOT NULL,
    PRIMARY KEY (code_hash, group_number)
) STRICT, WITHOUT ROWID;

CREATE INDEX group_invites_by_group ON group_invites (group_number);

-- The group that an event belongs to, NULL for none. The index holds those of groups alone: others do not pay for it.
ALTER TABLE events ADD COLUMN group_number INTEGER;
CREATE INDEX events_by_group ON events (group_number) WHERE group_number IS NOT NULL;

-- Events of groups that more were waiting for than one transaction takes in: those that answer them and came first, from a
-- place in the index on.
CREATE TABLE group_answers_due (
    seq INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    kind INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    last INTEGER NOT NULL
) STRICT;

-- Posts of a community, by every order of the feed.
CREATE INDEX posts_by_group_id_and_created_at ON posts (group_id, created_at) WHERE group_id IS NOT NULL;
CREATE INDEX posts_by_group_id_and_hot ON posts (group_id, hot) WHERE group_id IS NOT NULL;
CREATE INDEX posts_by_group_id_and_score ON posts (group_id, score) WHERE group_id IS NOT NULL;
