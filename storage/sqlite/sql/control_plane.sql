-- The control plane, read. A list goes on after a place in its order; what a key's groups hold is found by its memberships.

-- name: organizations
SELECT o.id, o.name, o.logo, o.plan, o.credits, o.created_at, o.updated_at, o.owner_id, m.roles
FROM group_members AS m JOIN groups AS g ON g.number = m.group_number JOIN organizations AS o ON o.id = g.id
WHERE m.pubkey = ?1 AND m.standing = 'member' AND (?2 IS NULL OR (o.created_at, o.id) < (?2, ?3))
ORDER BY o.created_at DESC, o.id DESC LIMIT ?4

-- name: organization
SELECT o.id, o.name, o.logo, o.plan, o.credits, o.created_at, o.updated_at, o.owner_id, {roles}
FROM organizations AS o JOIN groups AS g ON g.id = o.id WHERE o.id = ?1

-- name: members
SELECT
    m.pubkey, coalesce((SELECT k.user_id FROM user_keys AS k WHERE k.pubkey = m.pubkey), 'nostr:' || m.pubkey), m.roles, m.since
FROM group_members AS m JOIN groups AS g ON g.number = m.group_number
WHERE g.id = ?1 AND g.ended = 0 AND m.standing = 'member' AND (?2 IS NULL OR (m.since, m.pubkey) < (?2, ?3))
ORDER BY m.since DESC, m.pubkey DESC LIMIT ?4

-- name: project_columns
SELECT
    p.id, p.name, p.description, p.user_id, p.organization_id, p.system_prompt, p.default_model, p.default_tools, p.autopilot_spec,
    p.autopilot_plan, p.autopilot_plan_updated_at, p.created_at, p.updated_at, p.is_archived, {roles}

-- name: projects
FROM group_members AS m JOIN groups AS g ON g.number = m.group_number JOIN projects AS p ON p.id = g.id
WHERE m.pubkey = ?1 AND m.standing = 'member' AND (?2 IS NULL OR (p.updated_at, p.id) < (?2, ?3))
    AND (?5 IS NULL OR p.organization_id = ?5) AND (?6 IS NULL OR p.is_archived = ?6)
ORDER BY p.updated_at DESC, p.id DESC LIMIT ?4

-- name: project
FROM projects AS p JOIN groups AS g ON g.id = p.id WHERE p.id = ?1

-- name: thread_columns
SELECT
    t.chat_id, t.user_id, t.organization_id, t.project_id, t.agent_slug, t.metadata, t.is_archived, t.created_at, t.updated_at,
    t.is_shared, t.title, {roles}

-- name: threads
FROM group_members AS m JOIN groups AS g ON g.number = m.group_number JOIN threads AS t ON t.chat_id = g.id
WHERE m.pubkey = ?1 AND m.standing = 'member' AND (?2 IS NULL OR (t.updated_at, t.chat_id) < (?2, ?3))
    AND (?5 IS NULL OR t.organization_id = ?5) AND (?6 IS NULL OR t.project_id = ?6) AND (?7 IS NULL OR t.is_archived = ?7)
ORDER BY t.updated_at DESC, t.chat_id DESC LIMIT ?4

-- name: thread
FROM threads AS t JOIN groups AS g ON g.id = t.chat_id WHERE t.chat_id = ?1

-- name: roles_in
(SELECT m.roles FROM group_members AS m WHERE m.group_number = g.number AND m.pubkey = ?2 AND m.standing = 'member')

-- name: message_columns
SELECT
    m.seq, m.id, m.thread_id, m.organization_id, m.project_id, m.user_id, m.pubkey, m.role, m.content, m.created_at,
    m.tool_invocations, m.parts_json, m.annotations_json, m.finish_reason, m.prompt_tokens, m.completion_tokens, m.cost,
    m.group_id, m.updated_at, v.wire
FROM messages AS m JOIN events AS v ON v.seq = m.seq

-- name: messages
WHERE m.group_id = ?1 AND (?2 IS NULL OR (m.created_at, m.seq) < (?2, ?3)) AND (m.expires_at IS NULL OR m.expires_at > ?5)
ORDER BY m.created_at DESC, m.seq DESC LIMIT ?4

-- name: message
WHERE m.seq = (SELECT seq FROM events WHERE id = ?1) AND (m.expires_at IS NULL OR m.expires_at > ?2)

-- name: edited_messages
SELECT m.id, m.content, m.updated_at
FROM events AS v CROSS JOIN message_rows AS m ON m.seq = v.seq CROSS JOIN groups AS g ON g.id = m.group_id
WHERE v.id IN ({ids}) AND m.updated_at IS NOT NULL
    AND (m.group_id = ? OR (? IS NULL AND g.private = 0 AND g.hidden = 0 AND g.ended = 0))

-- name: issue_columns
SELECT
    i.seq, i.id, i.identifier, i.title, i.description, i.status_id, i.priority_id, i.assignee_id, i.label_ids, i.rank,
    i.created_at, i.updated_at, i.due_date, i.user_id, i.pubkey, i.group_id, i.repo_id, i.project_id, i.organization_id, v.wire
FROM issues AS i JOIN events AS v ON v.seq = i.seq

-- name: issues
WHERE (?2 IS NULL OR (i.rank, i.seq) > (?2, ?3)) AND (?5 IS NULL OR i.status_id = ?5) AND (?6 IS NULL OR i.assignee_id = ?6)
    AND (?7 IS NULL OR instr(',' || substr(i.label_ids, 2, length(i.label_ids) - 2) || ',', ',' || ?7 || ',')) AND (v.expires_at IS NULL OR v.expires_at > ?9) AND {scope}
ORDER BY i.rank, i.seq LIMIT ?4

-- name: of_group
i.group_id = ?8 AND ?1 IS NOT NULL

-- name: of_repo
i.repo_id = ?8 AND i.group_id IS NULL AND ?1 IS NOT NULL

-- name: of_mine
i.group_id IN ({mine}) AND ?8 IS NULL

-- name: mine
SELECT g.id FROM group_members AS m JOIN groups AS g ON g.number = m.group_number
WHERE m.pubkey = ?1 AND m.standing = 'member' AND g.ended = 0 AND g.apart = 0

-- name: issue
WHERE i.seq = (SELECT seq FROM events WHERE id = ?1) AND (v.expires_at IS NULL OR v.expires_at > ?2)

-- name: rank_above
SELECT rank FROM issue_rows WHERE group_id = ?1 AND rank > ?2 AND id <> ?3 ORDER BY rank LIMIT 1

-- name: rank_below
SELECT rank FROM issue_rows WHERE group_id = ?1 AND rank < ?2 AND id <> ?3 ORDER BY rank DESC LIMIT 1

-- name: repo_columns
SELECT r.id, r.name, r.provider, r.owner, r.default_branch, r.url, r.created_at, r.group_id, r.maintainers, v.wire
FROM repos AS r JOIN events AS v ON v.seq = r.seq

-- name: repos
WHERE (?2 IS NULL OR (r.created_at, r.id) < (?2, ?3))
    AND (r.group_id IS NULL OR r.group_id IN ({mine}) OR EXISTS (
        SELECT 1 FROM groups AS h WHERE h.id = r.group_id AND h.private = 0 AND h.hidden = 0 AND h.ended = 0 AND h.apart = 0
    ))
    AND (?5 IS NULL OR r.id IN (SELECT l.repo_id FROM project_repos AS l WHERE l.project_id = ?5))
    AND (v.expires_at IS NULL OR v.expires_at > ?6)
ORDER BY r.created_at DESC, r.id DESC LIMIT ?4

-- name: repo
WHERE r.id = ?1 AND (v.expires_at IS NULL OR v.expires_at > ?2)

-- name: agent_columns
SELECT
    a.slug, a.organization_id, a.name, a.description, a.system_prompt, a.model_id, a.sort_order, a.is_default, a.created_at,
    a.updated_at, a.requires_github, a.requires_repo, a.supports_tools, a.agent_type, v.wire
FROM agents AS a JOIN events AS v ON v.seq = a.seq

-- name: agents
WHERE a.organization_id = ?1 AND (?2 IS NULL OR (a.sort_order, a.slug) > (?2, ?3)) AND (v.expires_at IS NULL OR v.expires_at > ?5)
ORDER BY a.sort_order, a.slug LIMIT ?4

-- name: agent
WHERE a.slug = ?1 AND a.organization_id = ?2 AND (v.expires_at IS NULL OR v.expires_at > ?3)
