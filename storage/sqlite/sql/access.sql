Statements about what the operator said; see storage.access.

-- name: rule
SELECT allowed, reason FROM access_rules WHERE subject = ? AND value = ?

-- name: number
SELECT count(*) FROM access_rules WHERE subject = ?

-- name: set_rule
INSERT OR REPLACE INTO access_rules (subject, value, allowed, reason, by_key, at) VALUES (?, ?, ?, ?, ?, ?)

-- name: lift_rule
DELETE FROM access_rules WHERE subject = ? AND value = ?

-- name: rules
SELECT subject, value, allowed, reason, by_key, at FROM access_rules WHERE subject = ? AND allowed = ? ORDER BY at DESC, value

-- name: values
SELECT group_concat(value, ' ') FROM access_rules WHERE subject = ? AND allowed = ?

-- name: text
SELECT text FROM relay_texts WHERE setting = ?

-- name: texts
SELECT setting, text FROM relay_texts

-- name: set_text
INSERT OR REPLACE INTO relay_texts (setting, text) VALUES (?, ?)

-- name: drop_text
DELETE FROM relay_texts WHERE setting = ?

-- name: log
INSERT INTO management_log (at, by_key, done, subject, value, reason) VALUES (?, ?, ?, ?, ?, ?)

-- name: logged
SELECT at, by_key, done, subject, value, reason FROM management_log ORDER BY id DESC LIMIT ?

-- name: unmark_id
DELETE FROM deleted WHERE id = ? AND deleter = ?

-- name: unmark_address
-- Only what the operator's removal closed: an author's own also stands among the deleted ids.
DELETE FROM deleted_addresses WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM deleted WHERE id = ?1)

-- name: close_codes
DELETE FROM key_claims WHERE posting_identity_id IN (SELECT posting_identity_id FROM identity_keys WHERE pubkey IN (SELECT value FROM json_each(?)))
