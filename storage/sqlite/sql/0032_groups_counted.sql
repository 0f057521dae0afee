-- Groups are counted when one begins: by the index alone, not by a look at each.
DROP INDEX groups_by_creator;
CREATE INDEX groups_by_creator ON groups (creator, home, ended) WHERE ended = 0;
