Statements about peers; see storage.peers.

-- name: all
SELECT url, settings, paused, place, status FROM peers ORDER BY url

-- name: refused
SELECT id FROM peer_refusals WHERE url = ? AND way = ? AND until > ? ORDER BY until DESC LIMIT ?

-- name: add
INSERT INTO peers (url, settings) VALUES (?, ?) ON CONFLICT (url) DO UPDATE SET settings = excluded.settings

-- name: remove
DELETE FROM peers WHERE url = ?

-- name: forget_refusals
DELETE FROM peer_refusals WHERE url = ?

-- name: pause
INSERT INTO peers (url, paused) VALUES (?, ?) ON CONFLICT (url) DO UPDATE SET paused = excluded.paused

-- name: note
UPDATE peers SET place = ?, status = ? WHERE url = ?

-- name: know
INSERT OR IGNORE INTO peers (url) VALUES (?)

-- name: remember
INSERT INTO peer_refusals (url, way, id, until) VALUES {rows}
ON CONFLICT (url, way, id) DO UPDATE SET until = excluded.until

-- name: forget_old
DELETE FROM peer_refusals WHERE until <= ?
