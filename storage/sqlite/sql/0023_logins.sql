-- By which key a token was got (POST /agents/login), or the token that it was made by: it ends when that key is unbound.
CREATE TABLE identity_logins (
    token_id TEXT PRIMARY KEY REFERENCES identity_tokens (id) ON DELETE CASCADE,
    pubkey TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX identity_logins_by_pubkey ON identity_logins (pubkey);
