-- The posts of an identity are found by its keys in `entries`, where they stand anyhow.
DROP INDEX posts_by_posting_identity_id;
