-- Primary tables: who someone is (storage/identities). Lists in braces become as many parameters as there are values.

-- name: identity
SELECT
    p.id, p.name, p.display_name, p.description, p.user_id, p.claim_url, p.origin, p.created_at, p.anonymised_at,
    (
        SELECT k.pubkey FROM identity_keys AS k
        WHERE k.posting_identity_id = p.id AND k.revoked_at IS NULL
        ORDER BY k.retired_at IS NOT NULL, k.chosen_at IS NULL, k.custody DESC, k.created_at, k.pubkey LIMIT 1
    )
FROM posting_identities AS p

-- name: by_id
WHERE p.id = ?

-- name: by_name
WHERE p.name_key = ? AND p.origin IS NULL

-- name: name_taken
SELECT 1 FROM posting_identities WHERE name_key IN (?, ?) AND origin IS NULL

-- name: name_of
SELECT name_key FROM posting_identities WHERE id = ?

-- name: by_ids
WHERE p.id IN ({values})

-- name: by_user
WHERE p.user_id = ? ORDER BY p.created_at DESC, p.id LIMIT 100

-- name: owners
SELECT pubkey, posting_identity_id FROM identity_keys WHERE pubkey IN ({values})

-- name: names_of_keys
-- The beginning is enough: names are shown much shorter, and a profile may hold one of any length.
SELECT p.pubkey, substr(coalesce(p.display_name, ''), 1, 1000), substr(coalesce(p.name, ''), 1, 1000)
FROM profiles AS p CROSS JOIN events AS e ON e.seq = p.seq
WHERE p.pubkey IN ({values}) AND e.audience IS NULL AND (e.expires_at IS NULL OR e.expires_at > ?)

-- name: keys
SELECT k.pubkey, k.posting_identity_id, k.custody, k.created_at, k.revoked_at, k.retired_at, c.pubkey IS NOT NULL
FROM identity_keys AS k LEFT JOIN custodial_keys AS c ON c.pubkey = k.pubkey
WHERE k.posting_identity_id = ? ORDER BY k.created_at, k.pubkey

-- name: key
SELECT k.pubkey, k.posting_identity_id, k.custody, k.created_at, k.revoked_at, k.retired_at, c.pubkey IS NOT NULL
FROM identity_keys AS k LEFT JOIN custodial_keys AS c ON c.pubkey = k.pubkey WHERE k.pubkey = ?

-- name: bindings
SELECT group_concat(pubkey || ' ' || posting_identity_id || ' ' || (revoked_at IS NULL))
FROM identity_keys WHERE pubkey IN ({values})

-- name: siblings
SELECT mine.pubkey, theirs.pubkey FROM identity_keys AS mine
CROSS JOIN identity_keys AS theirs ON theirs.posting_identity_id = mine.posting_identity_id
WHERE mine.pubkey IN ({values})

-- name: members
SELECT k.pubkey FROM identity_keys AS k CROSS JOIN posting_identities AS p ON p.id = k.posting_identity_id
WHERE k.revoked_at IS NULL AND p.origin IS NULL ORDER BY k.created_at DESC, k.pubkey LIMIT ?

-- name: held_key
SELECT c.pubkey, c.ciphertext, k.retired_at IS NOT NULL
FROM identity_keys AS k CROSS JOIN custodial_keys AS c ON c.pubkey = k.pubkey
WHERE k.posting_identity_id = ? AND k.revoked_at IS NULL
ORDER BY k.retired_at IS NOT NULL, k.created_at DESC, k.pubkey LIMIT 1

-- name: held
SELECT pubkey, ciphertext, retired_at IS NOT NULL FROM custodial_keys WHERE pubkey = ?

-- name: user_key
SELECT c.pubkey, c.ciphertext, c.retired_at IS NOT NULL
FROM users AS u CROSS JOIN user_keys AS k ON k.user_id = u.id CROSS JOIN custodial_keys AS c ON c.pubkey = k.pubkey
WHERE u.user_id = ? ORDER BY k.created_at, k.pubkey LIMIT 1

-- name: insert_user_key
INSERT INTO user_keys (pubkey, user_id, custody, created_at) VALUES (?, ?, 'relay', ?)

-- name: count_keys
SELECT count(*) FROM identity_keys WHERE posting_identity_id = ? AND revoked_at IS NULL

-- name: count_keys_ever
SELECT count(*) FROM identity_keys WHERE posting_identity_id = ?

-- name: identity_tokens
SELECT id, posting_identity_id, name, last_used_at, created_at, expires_at, revoked_at FROM identity_tokens
WHERE posting_identity_id = ? ORDER BY created_at DESC, id

-- name: user_tokens
SELECT id, user_id, name, last_used_at, created_at, expires_at, revoked_at FROM api_tokens
WHERE user_id = ? ORDER BY created_at DESC, id

-- name: identity_token
SELECT id, posting_identity_id, name, last_used_at, created_at, expires_at, revoked_at FROM identity_tokens
WHERE token_hash = ?

-- name: user_token
SELECT id, user_id, name, last_used_at, created_at, expires_at, revoked_at FROM api_tokens WHERE token_hash = ?

-- name: identity_token_states
SELECT id, revoked_at, expires_at FROM identity_tokens WHERE id IN ({values})

-- name: user_token_states
SELECT id, revoked_at, expires_at FROM api_tokens WHERE id IN ({values})

-- name: key_claim
SELECT posting_identity_id, expires_at, used_at IS NOT NULL FROM key_claims WHERE code_hash = ?

-- name: invite
SELECT expires_at FROM invites WHERE code_hash = ?

-- name: identity_claim
SELECT posting_identity_id, expires_at, used_at IS NOT NULL FROM identity_claims WHERE secret_hash = ?

-- name: user
SELECT id, user_id, name, username, email, image, credits, created_at, plan FROM users WHERE user_id = ?

-- name: user_row
SELECT id, user_id, name, username, email, image, credits, created_at, plan FROM users WHERE id = ?

-- name: secret_check
SELECT value FROM meta WHERE name = 'secret_check'

-- name: insert_identity
INSERT INTO posting_identities (id, name, name_key, display_name, description, origin, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: insert_key
INSERT INTO identity_keys (pubkey, posting_identity_id, custody, created_at) VALUES (?, ?, ?, ?)

-- name: insert_custodial_key
INSERT INTO custodial_keys (pubkey, ciphertext, created_at) VALUES (?, ?, ?)

-- name: insert_identity_token
INSERT INTO identity_tokens (id, posting_identity_id, name, token_hash, created_at, expires_at)
VALUES (?, ?, ?, ?, ?, ?)

-- name: insert_login
INSERT INTO identity_logins (token_id, pubkey) VALUES (?, ?)

-- name: inherit_login
INSERT INTO identity_logins (token_id, pubkey) SELECT ?1, pubkey FROM identity_logins WHERE token_id = ?2

-- name: insert_user_token
INSERT INTO api_tokens (id, user_id, name, token_hash, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)

-- name: insert_key_claim
INSERT INTO key_claims (code_hash, posting_identity_id, expires_at) VALUES (?, ?, ?)

-- name: insert_identity_claim
INSERT INTO identity_claims (secret_hash, posting_identity_id, expires_at) VALUES (?, ?, ?)

-- name: insert_user
INSERT INTO users (id, user_id, created_at, plan) VALUES (?, ?, ?, 'free')

-- name: insert_invite
INSERT INTO invites (code_hash, expires_at) VALUES (?, ?)

-- name: forget_invites
DELETE FROM invites WHERE expires_at <= ?

-- name: count_invites
SELECT count(*) FROM invites WHERE expires_at > ?

-- name: use_invite
DELETE FROM invites WHERE code_hash = ?

-- name: describe
UPDATE posting_identities SET display_name = ?, description = ? WHERE id = ? AND anonymised_at IS NULL

-- name: unname
UPDATE posting_identities SET
    display_name = CASE WHEN display_name = ?1 THEN NULL ELSE display_name END,
    description = CASE WHEN description = ?2 THEN NULL ELSE description END
WHERE id = ?3 AND anonymised_at IS NULL AND (display_name = ?1 OR description = ?2)

-- name: rebind
UPDATE identity_keys SET revoked_at = NULL WHERE pubkey = ?

-- name: unbind
UPDATE identity_keys SET revoked_at = ?, chosen_at = NULL WHERE pubkey = ? AND revoked_at IS NULL

-- name: choose
UPDATE identity_keys SET chosen_at = CASE pubkey WHEN ? THEN ? END WHERE posting_identity_id = ?

-- name: retire
UPDATE identity_keys SET retired_at = ? WHERE pubkey = ? AND retired_at IS NULL

-- name: retire_custodial
UPDATE custodial_keys SET retired_at = ? WHERE pubkey = ? AND retired_at IS NULL

-- name: destroy
DELETE FROM custodial_keys WHERE pubkey = ?

-- name: use_key_claim
UPDATE key_claims SET used_at = ? WHERE code_hash = ?

-- name: use_identity_claim
UPDATE identity_claims SET used_at = ? WHERE secret_hash = ?

-- name: forget_key_claims
DELETE FROM key_claims WHERE posting_identity_id = ? AND expires_at < ?

-- name: count_key_claims
SELECT count(*) FROM key_claims WHERE posting_identity_id = ? AND used_at IS NULL AND expires_at >= ?

-- name: forget_identity_claims
DELETE FROM identity_claims WHERE posting_identity_id = ? AND used_at IS NULL

-- name: link
UPDATE posting_identities SET user_id = ?, claim_url = ? WHERE id = ?

-- name: count_identity_tokens
SELECT count(*) FROM identity_tokens
WHERE posting_identity_id = ?1 AND revoked_at IS NULL AND coalesce(expires_at, ?2 + 1) > ?2

-- name: count_user_tokens
SELECT count(*) FROM api_tokens WHERE user_id = ?1 AND revoked_at IS NULL AND coalesce(expires_at, ?2 + 1) > ?2

-- name: count_live_identity_token
SELECT count(*) FROM identity_tokens
WHERE posting_identity_id = ?1 AND id = ?2 AND revoked_at IS NULL AND coalesce(expires_at, ?3 + 1) > ?3

-- name: count_live_user_token
SELECT count(*) FROM api_tokens WHERE user_id = ?1 AND id = ?2 AND revoked_at IS NULL AND coalesce(expires_at, ?3 + 1) > ?3

-- name: expire_identity_token
UPDATE identity_tokens SET expires_at = min(coalesce(expires_at, ?1), ?1) WHERE posting_identity_id = ?2 AND id = ?3

-- name: forget_identity_tokens
DELETE FROM identity_tokens WHERE id IN (
    SELECT id FROM identity_tokens
    WHERE posting_identity_id = ?1 AND (revoked_at IS NOT NULL OR expires_at <= ?2)
    ORDER BY coalesce(revoked_at, expires_at) DESC, id LIMIT -1 OFFSET ?3
)

-- name: forget_user_tokens
DELETE FROM api_tokens WHERE id IN (
    SELECT id FROM api_tokens WHERE user_id = ?1 AND (revoked_at IS NOT NULL OR expires_at <= ?2)
    ORDER BY coalesce(revoked_at, expires_at) DESC, id LIMIT -1 OFFSET ?3
)

-- name: revoke_identity_token
UPDATE identity_tokens SET revoked_at = ? WHERE posting_identity_id = ? AND id = ? AND revoked_at IS NULL

-- name: revoke_user_token
UPDATE api_tokens SET revoked_at = ? WHERE user_id = ? AND id = ? AND revoked_at IS NULL

-- name: end_logins
UPDATE identity_tokens SET revoked_at = ?1
WHERE revoked_at IS NULL AND id IN (SELECT token_id FROM identity_logins WHERE pubkey = ?2)

-- name: revoke_identity_tokens
UPDATE identity_tokens SET revoked_at = coalesce(revoked_at, ?), name = NULL WHERE posting_identity_id = ?

-- name: use_identity_token
UPDATE identity_tokens SET last_used_at = ? WHERE id = ?

-- name: use_user_token
UPDATE api_tokens SET last_used_at = ? WHERE id = ?

-- name: edit_user
UPDATE users SET
    name = coalesce(?2, name), username = coalesce(?3, username), email = coalesce(?4, email),
    image = coalesce(?5, image)
WHERE id = ?1

-- name: anonymise
UPDATE posting_identities SET
    name = 'gone-' || substr(id, 1, 12), name_key = ?, display_name = NULL,
    description = NULL, user_id = NULL, claim_url = NULL, anonymised_at = ?
WHERE id = ? AND anonymised_at IS NULL

-- name: forget_claims_of_identity
DELETE FROM identity_claims WHERE posting_identity_id = ?

-- name: forget_codes_of_identity
DELETE FROM key_claims WHERE posting_identity_id = ?

-- name: count_provisioned
SELECT count(*) FROM posting_identities WHERE origin IS ? AND created_at > ?

-- name: set_secret_check
INSERT OR REPLACE INTO meta (name, value) VALUES ('secret_check', ?)

-- name: count_webhooks
SELECT count(*) FROM webhooks

-- name: secrets
SELECT 'custodial_keys', 'ciphertext', pubkey, ciphertext FROM custodial_keys
UNION ALL
SELECT 'users', 'github_access_token', id, github_access_token FROM users WHERE github_access_token IS NOT NULL
UNION ALL
SELECT 'users', 'github_refresh_token', id, github_refresh_token FROM users WHERE github_refresh_token IS NOT NULL
UNION ALL
SELECT 'webhooks', 'secret', id, secret FROM webhooks

-- name: recode_custodial_keys_ciphertext
UPDATE custodial_keys SET ciphertext = ? WHERE pubkey = ?

-- name: recode_webhooks_secret
UPDATE webhooks SET secret = ? WHERE id = ?

-- name: recode_users_github_access_token
UPDATE users SET github_access_token = ? WHERE id = ?

-- name: recode_users_github_refresh_token
UPDATE users SET github_refresh_token = ? WHERE id = ?
