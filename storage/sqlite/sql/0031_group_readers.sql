-- What was stored in groups while other rules said who may read it (whom an invite is made out to; what is said of a hidden group) is
-- entered for those who may read it now, a part at a time: see `moving` in 0011_groups.sql.
UPDATE groups SET moving = (SELECT max(seq) FROM events WHERE group_number = groups.number) WHERE home = '';
