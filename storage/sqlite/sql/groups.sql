-- Groups, their members and invites. Lists in braces become as many parameters as there are values.

-- name: group
SELECT
    number, members, owners, codes, moving, began, listing_due, id, creator, created_at, type, name, about, picture, banner, private, restricted,
    hidden, closed, livekit, supported_kinds, parent, children, extra, pins, ended, home, home_url, apart
FROM groups

-- name: by_ids
WHERE id IN ({values})

-- name: by_numbers
WHERE number IN ({values})

-- name: newest_first
WHERE ended = 0 AND (home = '' OR (?6 AND apart = 0)) AND number < ?1 AND (?2 OR hidden = 0) AND (?3 IS NULL OR type = ?3)
    AND (?4 IS NULL OR parent = ?4)
ORDER BY number DESC LIMIT ?5

-- name: like
-- Of other relays, too, by the id that they give them; none of those that are kept apart.
WHERE ended = 0 AND apart = 0 AND hidden = 0 AND number < ?1
    AND (instr(lower(substr(id, instr(id, ' ') + 1)), ?2) > 0 OR instr(lower(name), ?2) > 0)
ORDER BY number DESC LIMIT ?3

-- name: communities
WHERE ended = 0 AND (home = '' OR (?4 AND apart = 0)) AND hidden = 0 AND private = 0 AND number < ?1 AND (
    instr(replace(replace(supported_kinds, '[', ','), ']', ','), ',11,') > 0
    OR EXISTS (SELECT 1 FROM posts AS p WHERE p.group_id = groups.id)
    OR (?2 <> '' AND supported_kinds IS NULL AND type = 'thread')  -- whoever began it may look for it before its first post
) AND (?2 = '' OR instr(lower(substr(id, instr(id, ' ') + 1)), ?2) > 0 OR instr(lower(name), ?2) > 0)
ORDER BY number DESC LIMIT ?3

-- name: taken
SELECT EXISTS (SELECT 1 FROM groups WHERE lower(id) = ?)

-- name: number
SELECT number FROM groups WHERE id = ?

-- name: any
SELECT EXISTS (SELECT 1 FROM groups)

-- name: groups_of_code
SELECT id FROM group_invites JOIN groups ON number = group_number WHERE code_hash = ? AND ended = 0 LIMIT 2

-- name: how_many
SELECT count(*) FROM groups WHERE ended = 0 AND home = ''

-- name: begun_by
SELECT count(*) FROM groups WHERE ended = 0 AND home = '' AND creator = ?

-- name: how_many_of_home
SELECT count(*) FROM groups INDEXED BY groups_by_home WHERE home = ? AND home <> '' AND ended = 0

-- name: called
-- Groups of other relays that events call so, the first first.
WHERE home <> '' AND substr(id, instr(id, ' ') + 1) IN ({values}) ORDER BY number

-- name: private_homes
SELECT DISTINCT home FROM groups INDEXED BY groups_by_home WHERE home <> '' AND ended = 0 AND home <> '?' AND private = 1

-- name: drop_other_members
-- Those of a replica that are not named; whom it took.
DELETE FROM group_members WHERE group_number = ? AND pubkey NOT IN (SELECT value FROM json_each(?)) RETURNING pubkey

-- name: put_listed_members
INSERT INTO group_members (group_number, pubkey, standing, roles, since)
SELECT ?1, value, 'member', '[]', ?3 FROM json_each(?2) WHERE true
ON CONFLICT (group_number, pubkey) DO NOTHING RETURNING pubkey

-- name: loose_of_id
-- Events that peers brought before it was known that they are of a group, the newest first.
SELECT group_concat(seq) FROM (
    SELECT v.seq FROM entries AS e CROSS JOIN events AS v ON v.seq = e.seq
    WHERE e.key = ? AND v.group_number IS NULL AND v.door = ? LIMIT ?
)

-- name: put_group
INSERT INTO groups (
    number, began, id, creator, created_at, type, name, about, picture, banner, private, restricted,
    hidden, closed, livekit, supported_kinds, parent, children, extra, pins, ended, home, home_url, apart
) VALUES (coalesce(?, (SELECT coalesce(max(number), 0) + 1 FROM groups)), {values})
ON CONFLICT (id) DO UPDATE SET
    creator = excluded.creator, created_at = excluded.created_at, type = excluded.type, name = excluded.name,
    about = excluded.about, picture = excluded.picture, banner = excluded.banner, private = excluded.private,
    restricted = excluded.restricted, hidden = excluded.hidden, closed = excluded.closed, livekit = excluded.livekit,
    supported_kinds = excluded.supported_kinds, parent = excluded.parent, children = excluded.children,
    extra = excluded.extra, pins = excluded.pins, ended = excluded.ended, home = excluded.home,
    home_url = excluded.home_url, apart = excluded.apart

-- name: set_sizes
UPDATE groups SET members = ?, owners = ?, codes = ? WHERE number = ?

-- name: set_moving
UPDATE groups SET moving = ? WHERE number = ?

-- name: moving
SELECT number, id, private, hidden, ended OR apart, moving FROM groups INDEXED BY groups_moving WHERE moving IS NOT NULL ORDER BY number

-- name: how_many_moving
SELECT count(*) FROM groups WHERE moving IS NOT NULL

-- name: next_of_group
-- The next events of a group, the newest first, up to a number.
SELECT group_concat(seq) FROM (
    SELECT seq FROM events INDEXED BY events_by_group WHERE group_number = ? AND seq <= ? ORDER BY seq DESC LIMIT ?
)

-- name: of_group_and_kinds
-- The events of a group of some kinds, public and private ones; the index has them by the group that their `h` names.
SELECT e.seq FROM entries AS e CROSS JOIN events AS v ON v.seq = e.seq
WHERE e.key IN (?, ?) AND e.kind IN ({kinds}) AND v.group_number = ? LIMIT ?

-- name: set_listing_due
UPDATE groups SET listing_due = ? WHERE number = ?

-- name: listings_due
SELECT id FROM groups INDEXED BY groups_listing_due WHERE listing_due = 1

-- name: members
-- A join, since SQLite would look up the group alone for a pair, and go through its members.
SELECT m.group_number, m.pubkey, m.standing, m.roles, m.since
FROM (VALUES {rows}) AS w CROSS JOIN group_members AS m ON m.group_number = w.column1 AND m.pubkey = w.column2

-- name: put_member
INSERT INTO group_members (group_number, pubkey, standing, roles, since) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (group_number, pubkey) DO UPDATE SET standing = excluded.standing, roles = excluded.roles, since = excluded.since

-- name: drop_member
DELETE FROM group_members WHERE group_number = ? AND pubkey = ?

-- name: memberships
SELECT m.pubkey, g.id, m.standing, m.roles, m.since
FROM group_members AS m CROSS JOIN groups AS g ON g.number = m.group_number
WHERE m.pubkey IN ({values}) AND m.standing = 'member' AND g.ended = 0
    AND NOT EXISTS (SELECT 1 FROM vanishing AS v WHERE v.pubkey = m.pubkey)

-- name: groups_to_leave
SELECT m.group_number FROM group_members AS m INDEXED BY group_members_by_pubkey
CROSS JOIN groups AS g ON g.number = m.group_number
WHERE m.pubkey = ? AND m.standing = 'member' AND g.ended = 0 AND g.home = '' LIMIT ?

-- name: moderation_by
-- The next of what an author changed, by his keys in `entries`, in whatever group or none.
SELECT group_concat(seq) FROM (
    SELECT e.seq FROM entries AS e WHERE e.key IN (?, ?) AND e.kind IN ({kinds}) AND e.created_at <= ? LIMIT ?
)

-- name: put_vanishing
INSERT INTO vanishing (pubkey, until, cause) VALUES (?, ?, ?)
ON CONFLICT (pubkey) DO UPDATE SET until = excluded.until, cause = excluded.cause WHERE excluded.until >= until

-- name: vanishing
SELECT pubkey, until, cause FROM vanishing LIMIT 1

-- name: is_vanishing
SELECT EXISTS (SELECT 1 FROM vanishing WHERE pubkey = ?)

-- name: drop_vanishing
DELETE FROM vanishing WHERE pubkey = ?

-- name: members_of
SELECT pubkey, standing, roles, since FROM group_members
WHERE group_number = ?1 AND standing = 'member' AND (since, pubkey) < (?2, ?3)
ORDER BY since DESC, pubkey DESC LIMIT ?4

-- name: admins_of
SELECT pubkey, standing, roles, since FROM group_members
WHERE group_number = ? AND standing = 'member' AND roles <> '[]' ORDER BY since DESC, pubkey DESC LIMIT ?

-- name: since
SELECT since FROM group_members WHERE group_number = ? AND pubkey = ?

-- name: every_member
SELECT m.pubkey || ' ' || g.id, m.standing, m.roles, m.since
FROM group_members AS m CROSS JOIN groups AS g ON g.number = m.group_number WHERE g.home = ''

-- name: every_invite
SELECT i.code_hash || ' ' || g.id, i.by, i.expires_at, i.uses_left, i.revoked
FROM group_invites AS i CROSS JOIN groups AS g ON g.number = i.group_number

-- name: moderation_after
-- The events of groups that change them, public and private ones.
SELECT group_concat(e.seq) FROM entries AS e CROSS JOIN events AS v ON v.seq = e.seq
WHERE e.key IN (?, ?) AND e.kind IN ({kinds}) AND e.seq > ? AND v.group_number IS NOT NULL
    AND (SELECT g.home FROM groups AS g WHERE g.number = v.group_number) = ''

-- name: sizes
SELECT id, members FROM groups WHERE id IN ({values})

-- name: authors
SELECT lower(hex(id)), lower(hex(pubkey)) FROM events WHERE id IN ({ids})

-- name: invite
SELECT by, expires_at, uses_left, revoked FROM group_invites WHERE code_hash = ? AND group_number = ?

-- name: put_invite
INSERT INTO group_invites (code_hash, group_number, by, expires_at, uses_left, revoked) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (code_hash, group_number) DO UPDATE SET
    by = excluded.by, expires_at = excluded.expires_at, uses_left = excluded.uses_left, revoked = excluded.revoked

-- name: drop_invite
DELETE FROM group_invites WHERE code_hash = ? AND group_number = ?

-- name: invites_of
SELECT code_hash, by, expires_at, uses_left, revoked FROM group_invites
WHERE group_number = ? AND revoked = 0 LIMIT ?

-- name: groups_of_events
-- Those that are gone come before those that are here: what is found last counts.
SELECT lower(hex(key)), group_number FROM group_events_gone WHERE key IN ({gone})
UNION ALL SELECT lower(hex(id)), group_number FROM events WHERE id IN ({ids}) AND group_number IS NOT NULL

-- name: groups_of_addresses
-- By the keys of addresses: the group of the version that was here last, and with its id that of the live one.
SELECT lower(hex(key)), NULL, group_number FROM group_events_gone WHERE key IN ({gone})
UNION ALL SELECT lower(hex(e.key)), lower(hex(v.id)), coalesce(v.group_number, 0)
FROM entries AS e CROSS JOIN events AS v ON v.seq = e.seq WHERE e.key IN ({keys})

-- name: put_gone
INSERT INTO group_events_gone (key, group_number) VALUES {rows}
ON CONFLICT (key) DO UPDATE SET group_number = excluded.group_number

-- name: begins_so
-- The ids of events of a group between two ids; few, since they are random. The plus: by these, not by the group.
SELECT lower(hex(id)) FROM events WHERE id BETWEEN ? AND ? AND +group_number = ?

-- name: answers
-- What answers these events and belongs to no group: under each key of `entries` what is of a kind that answers. The plus keeps
-- SQLite from looking each kind up.
SELECT e.key, e.seq FROM entries AS e
WHERE e.key IN ({keys}) AND +e.kind IN ({kinds}) AND (SELECT v.group_number FROM events AS v WHERE v.seq = e.seq) IS NULL
LIMIT ?

-- name: answered
-- The keys of these under which there is any.
SELECT k.column1 FROM (VALUES {keys}) AS k WHERE EXISTS (
    SELECT 1 FROM entries AS e WHERE e.key = k.column1 AND +e.kind IN ({kinds})
        AND (SELECT v.group_number FROM events AS v WHERE v.seq = e.seq) IS NULL
)

-- name: answers_after
-- The next of them under one key, from a place in the index on.
SELECT e.kind, e.created_at, e.rank, e.seq FROM entries AS e
WHERE e.key = ? AND e.kind IN ({kinds}) AND (e.kind, e.created_at, e.rank, e.seq) > (?, ?, ?, ?)
    AND (SELECT v.group_number FROM events AS v WHERE v.seq = e.seq) IS NULL
ORDER BY e.kind, e.created_at, e.rank, e.seq LIMIT ?

-- name: readdress
UPDATE events SET audience = d.column2, group_number = d.column3
FROM (VALUES {rows}) AS d WHERE events.seq = d.column1

-- name: put_answers_due
INSERT OR IGNORE INTO group_answers_due (seq, name, kind, created_at, rank, last)
SELECT v.seq, 'e', -1, 0, 0, 0 FROM events AS v WHERE v.id IN (VALUES {rows})

-- name: answers_due
SELECT d.seq, d.name, d.kind, d.created_at, d.rank, d.last, lower(hex(v.id)), v.group_number
FROM group_answers_due AS d LEFT JOIN events AS v ON v.seq = d.seq ORDER BY d.seq LIMIT 1

-- name: set_answers_due
UPDATE group_answers_due SET name = ?, kind = ?, created_at = ?, rank = ?, last = ? WHERE seq = ?

-- name: drop_answers_due
DELETE FROM group_answers_due WHERE seq = ?

-- name: any_answers_due
SELECT EXISTS (SELECT 1 FROM group_answers_due)

-- name: put_authors
INSERT OR IGNORE INTO group_authors (pubkey, prefix) VALUES {rows}

-- name: drop_authors
-- The kinds are those of what is said in groups (entries.SAID).
DELETE FROM group_authors
WHERE (pubkey, prefix) IN (SELECT column1, column2 FROM (VALUES {rows}))
    AND NOT EXISTS (
        SELECT 1 FROM entries AS e
        WHERE e.key = CAST(prefix || x'41' || pubkey AS BLOB) AND e.kind IN (5, 7, 9, 11, 16, 1111)
    )

-- name: groups_of_author
SELECT prefix FROM group_authors WHERE pubkey = ?

-- name: put_edited
INSERT OR IGNORE INTO edited_groups (name) VALUES (?)
