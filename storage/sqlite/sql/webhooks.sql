-- Webhooks of identities (storage/identities/webhooks.py).

-- name: of_identity
SELECT id, posting_identity_id, url, secret, created_at, told, pending, failures, failing_since, next_at, problem, ended_at
FROM webhooks WHERE posting_identity_id = ? ORDER BY created_at, id

-- name: one
SELECT id, posting_identity_id, url, secret, created_at, told, pending, failures, failing_since, next_at, problem, ended_at
FROM webhooks WHERE id = ?

-- name: live
SELECT id, posting_identity_id, next_at FROM webhooks WHERE ended_at IS NULL

-- name: insert
INSERT INTO webhooks (id, posting_identity_id, url, secret, created_at, told) VALUES (?, ?, ?, ?, ?, ?)

-- name: remove
DELETE FROM webhooks WHERE id = ? AND posting_identity_id = ?

-- name: resume
UPDATE webhooks SET failures = 0, failing_since = NULL, next_at = 0, problem = NULL, ended_at = NULL
WHERE id = ? AND posting_identity_id = ?

-- name: note
UPDATE webhooks SET told = ?, pending = ?, failures = ?, failing_since = ?, next_at = ?, problem = ?, ended_at = ?
WHERE id = ?
