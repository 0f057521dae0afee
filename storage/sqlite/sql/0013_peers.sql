-- Relays that this one stays in step with. Primary data.

-- settings: JSON, empty where the peer stands in the settings' file; place and status: JSON, see storage.peers.
CREATE TABLE peers (
    url TEXT NOT NULL PRIMARY KEY,
    settings TEXT NOT NULL DEFAULT '',
    paused INTEGER NOT NULL DEFAULT 0,
    place TEXT NOT NULL DEFAULT '{}',
    status TEXT NOT NULL DEFAULT '{}'
) STRICT;

-- Events that are not to be asked of a peer again (way 0), or offered to it (way 1), for a while.
CREATE TABLE peer_refusals (
    url TEXT NOT NULL,
    way INTEGER NOT NULL,
    id BLOB NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (url, way, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX peer_refusals_by_until ON peer_refusals (until);
