-- Groups of other relays (relay/protocol/groups/state.py, Group.home): kept beside this relay's under ids that none of those can have.
ALTER TABLE groups ADD COLUMN home TEXT NOT NULL DEFAULT '';
ALTER TABLE groups ADD COLUMN home_url TEXT NOT NULL DEFAULT '';
ALTER TABLE groups ADD COLUMN apart INTEGER NOT NULL DEFAULT 0;

-- By the id that events name.
CREATE INDEX groups_of_others ON groups (substr(id, instr(id, ' ') + 1)) WHERE home <> '';
CREATE INDEX groups_by_home ON groups (home) WHERE home <> '' AND ended = 0;
