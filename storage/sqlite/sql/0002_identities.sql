-- Who someone is: primary tables, never rebuilt from the log. Hashes and ciphertext only; a secret never stands here.
-- Times are unix seconds; ids of these rows are 32 lower-case hex digits, pubkeys 64.

-- user_id: who the user is elsewhere, `nostr:<pubkey>` or the subject of a JWT. The github tokens are ciphertext.
CREATE TABLE users (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL UNIQUE,
    name TEXT,
    username TEXT,
    email TEXT,
    image TEXT,
    credits INTEGER,
    created_at INTEGER,
    referrer_id TEXT,
    plan TEXT CHECK (plan IN ('free', 'pro', 'enterprise')),
    github_access_token BLOB,
    github_refresh_token BLOB,
    github_token_expires_at INTEGER,
    github_scopes TEXT,
    stripe_customer_id TEXT
) STRICT;

CREATE INDEX users_by_email ON users (email);
CREATE INDEX users_by_stripe_customer_id ON users (stripe_customer_id);

-- token_hash: SHA-256 of the token, hex; unique, so its index is by_token_hash (as in identity_tokens).
CREATE TABLE api_tokens (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    token_hash TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    last_used_at INTEGER,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT;

CREATE INDEX api_tokens_by_user_id ON api_tokens (user_id);

-- name_key: the name in lower case, unique among identities of this relay; origin: the peer a foreign one came by.
CREATE TABLE posting_identities (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    display_name TEXT,
    description TEXT,
    user_id TEXT REFERENCES users (id),
    claim_url TEXT,
    origin TEXT,
    created_at INTEGER NOT NULL,
    anonymised_at INTEGER
) STRICT;

CREATE UNIQUE INDEX posting_identities_by_name_key ON posting_identities (name_key) WHERE origin IS NULL;
CREATE INDEX posting_identities_by_user_id ON posting_identities (user_id);
CREATE INDEX posting_identities_by_created_at ON posting_identities (created_at);
CREATE INDEX posting_identities_by_origin ON posting_identities (origin, created_at) WHERE origin IS NOT NULL;

-- Append-only: a key belongs to one identity for ever, and what it wrote is that identity's whether it is revoked or not.
-- revoked_at: it may not write as the identity any more. retired_at: the relay signs nothing new with it.
CREATE TABLE identity_keys (
    pubkey TEXT PRIMARY KEY,
    posting_identity_id TEXT NOT NULL REFERENCES posting_identities (id),
    custody TEXT NOT NULL CHECK (custody IN ('own', 'relay')),
    created_at INTEGER NOT NULL,
    revoked_at INTEGER,
    retired_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX identity_keys_by_posting_identity_id ON identity_keys (posting_identity_id);
CREATE INDEX identity_keys_by_created_at ON identity_keys (created_at) WHERE revoked_at IS NULL;

CREATE TABLE identity_tokens (
    id TEXT PRIMARY KEY,
    posting_identity_id TEXT NOT NULL REFERENCES posting_identities (id),
    token_hash TEXT NOT NULL UNIQUE,
    name TEXT,
    last_used_at INTEGER,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT;

CREATE INDEX identity_tokens_by_posting_identity_id ON identity_tokens (posting_identity_id);

-- Secret keys that the relay holds, encrypted under the master secret and bound to their row.
CREATE TABLE custodial_keys (
    pubkey TEXT PRIMARY KEY,
    ciphertext BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    retired_at INTEGER
) STRICT, WITHOUT ROWID;

-- Keys that sign what a user does in the control plane; never an identity's.
CREATE TABLE user_keys (
    pubkey TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    custody TEXT NOT NULL CHECK (custody IN ('own', 'relay')),
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX user_keys_by_user_id ON user_keys (user_id);

-- Single-use codes that bind a key to an identity.
CREATE TABLE key_claims (
    code_hash TEXT PRIMARY KEY,
    posting_identity_id TEXT NOT NULL REFERENCES posting_identities (id),
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX key_claims_by_posting_identity_id ON key_claims (posting_identity_id);

-- Single-use secrets that link an identity to a user.
CREATE TABLE identity_claims (
    secret_hash TEXT PRIMARY KEY,
    posting_identity_id TEXT NOT NULL REFERENCES posting_identities (id),
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX identity_claims_by_posting_identity_id ON identity_claims (posting_identity_id);
