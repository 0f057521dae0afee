-- chosen_at: the owner chose this key, one of an identity at most: the API signs with it, and it is the one that is shown.
ALTER TABLE identity_keys ADD COLUMN chosen_at INTEGER;
