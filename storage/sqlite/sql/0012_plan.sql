-- The plan's tables of the control plane, derived rows but for numbers. A group's rows are found by its id; what belongs to a
-- group names it, and the views say which thread, project and organization that is.

-- What is given out once: the next issue of a project, under its id, or of a repository, under its address.
CREATE TABLE numbers (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What an issue was called when it came; kept when it goes, so that no other is called so.
CREATE TABLE issue_identifiers (
    id BLOB PRIMARY KEY,
    identifier TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Who defines agents for everybody, JSON; set from the settings, a change makes the agents again.
INSERT INTO meta (name, value) VALUES ('operators', '[]');

CREATE TABLE organizations (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    logo TEXT,
    plan TEXT NOT NULL,
    credits INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    owner_id TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX organizations_by_owner ON organizations (owner_id);

-- roles: all of the member's in the group, JSON.
CREATE TABLE organization_members (
    organization_id TEXT NOT NULL,
    pubkey TEXT NOT NULL,
    user_id TEXT NOT NULL,
    role TEXT NOT NULL,
    roles TEXT NOT NULL,
    joined_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, pubkey)
) STRICT, WITHOUT ROWID;

CREATE INDEX organization_members_by_user ON organization_members (user_id);
CREATE INDEX organization_members_by_organization_and_user ON organization_members (organization_id, user_id);

CREATE TABLE projects (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT,
    user_id TEXT,
    organization_id TEXT,
    system_prompt TEXT,
    default_model TEXT,
    default_tools TEXT,
    autopilot_spec TEXT,
    autopilot_plan TEXT,
    autopilot_plan_updated_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    is_archived INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX projects_by_user ON projects (user_id);
CREATE INDEX projects_by_organization ON projects (organization_id);
CREATE INDEX projects_by_updated ON projects (updated_at);
CREATE INDEX projects_by_archived ON projects (is_archived);

CREATE TABLE threads (
    chat_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    organization_id TEXT,
    project_id TEXT,
    agent_slug TEXT,
    metadata TEXT,
    is_archived INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    is_shared INTEGER,
    title TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX threads_by_user_id ON threads (user_id);
CREATE INDEX threads_by_user_and_updated ON threads (user_id, updated_at);
CREATE INDEX threads_by_organization_id ON threads (organization_id);
CREATE INDEX threads_by_project_id ON threads (project_id);

-- id: the address of the announcement (30617); seq: its newest version. maintainers: JSON.
CREATE TABLE repos (
    id TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    name TEXT NOT NULL,
    provider TEXT NOT NULL,
    owner TEXT NOT NULL,
    default_branch TEXT,
    url TEXT,
    created_at INTEGER NOT NULL,
    group_id TEXT,
    maintainers TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX repos_by_provider_and_owner_and_name ON repos (provider, owner, name);
CREATE INDEX repos_by_created_at ON repos (created_at);

CREATE TABLE project_repos (
    project_id TEXT NOT NULL,
    repo_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, repo_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX project_repos_by_repo_id ON project_repos (repo_id);

CREATE TABLE issue_threads (
    thread_id TEXT NOT NULL,
    issue_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (thread_id, issue_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX issue_threads_by_issue_id_and_thread_id ON issue_threads (issue_id, thread_id);

-- organization_id: '' for those of the operator.
CREATE TABLE agents (
    slug TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    system_prompt TEXT NOT NULL,
    model_id TEXT,
    sort_order INTEGER NOT NULL,
    is_default INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    requires_github INTEGER,
    requires_repo INTEGER,
    supports_tools INTEGER,
    agent_type TEXT,
    PRIMARY KEY (slug, organization_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX agents_by_organization_id ON agents (organization_id, sort_order);

CREATE TABLE message_rows (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    group_id TEXT NOT NULL,
    pubkey TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    role TEXT NOT NULL,
    finish_reason TEXT,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    cost REAL,
    tool_invocations TEXT,
    parts_json TEXT,
    annotations_json TEXT,
    content TEXT NOT NULL
) STRICT;

-- Ends in the row's number, seq: a page goes on from (created_at, seq), however deep it is.
CREATE INDEX message_rows_by_group_and_created_at ON message_rows (group_id, created_at);

CREATE TABLE issue_rows (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    group_id TEXT,
    repo_id TEXT,
    pubkey TEXT NOT NULL,
    user_id TEXT NOT NULL,
    identifier TEXT NOT NULL,
    title TEXT NOT NULL,
    status_id TEXT NOT NULL,
    priority_id TEXT NOT NULL,
    assignee_id TEXT,
    label_ids TEXT NOT NULL,
    rank TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    due_date INTEGER,
    description TEXT
) STRICT;

CREATE INDEX issue_rows_by_group ON issue_rows (group_id, rank);
CREATE INDEX issue_rows_by_repo_id ON issue_rows (repo_id, rank) WHERE repo_id IS NOT NULL;
CREATE INDEX issue_rows_by_user_id ON issue_rows (user_id);
CREATE INDEX issue_rows_by_status_id ON issue_rows (status_id);
CREATE INDEX issue_rows_by_updated_at ON issue_rows (updated_at);

CREATE VIEW messages AS
SELECT
    t.chat_id AS thread_id,
    coalesce((SELECT k.user_id FROM user_keys AS k WHERE k.pubkey = m.pubkey), 'nostr:' || m.pubkey) AS user_id,
    coalesce(t.organization_id, p.organization_id, o.id) AS organization_id, coalesce(t.project_id, p.id) AS project_id,
    m.id, m.role, m.content, m.created_at, m.tool_invocations, m.parts_json, m.annotations_json, m.finish_reason,
    m.prompt_tokens, m.completion_tokens, m.cost,
    (
        SELECT q.id FROM passages AS q JOIN spaces AS s ON s.state = 'serving'
        JOIN vectors AS v ON v.key = s.slot * 1099511627776 + q.id WHERE q.seq = m.seq AND q.chunk = 0
    ) AS embedding_id,
    m.seq, m.pubkey, m.group_id, m.expires_at
FROM message_rows AS m
LEFT JOIN threads AS t ON t.chat_id = m.group_id
LEFT JOIN projects AS p ON p.id = m.group_id
LEFT JOIN organizations AS o ON o.id = m.group_id
WHERE t.chat_id IS NOT NULL OR p.id IS NOT NULL OR o.id IS NOT NULL;

CREATE VIEW issues AS
SELECT
    i.user_id, coalesce(t.organization_id, p.organization_id, o.id) AS organization_id,
    coalesce(t.project_id, p.id) AS project_id, i.identifier, i.title, i.description, i.status_id, i.priority_id,
    i.assignee_id, i.label_ids, i.rank, i.created_at, i.updated_at, i.due_date,
    i.seq, i.id, i.pubkey, i.group_id, i.repo_id
FROM issue_rows AS i
LEFT JOIN threads AS t ON t.chat_id = i.group_id
LEFT JOIN projects AS p ON p.id = i.group_id
LEFT JOIN organizations AS o ON o.id = i.group_id
WHERE i.group_id IS NULL OR t.chat_id IS NOT NULL OR p.id IS NOT NULL OR o.id IS NOT NULL;

-- Vectors of messages that serve; those of tools are none of their own.
CREATE VIEW message_embeddings AS
SELECT
    q.event_id AS message_id, v.embedding AS content_embedding, NULL AS tool_embedding, m.thread_id, m.organization_id,
    m.project_id, m.user_id, m.created_at, q.id, q.chunk, s.name AS model, q.audience, m.seq
FROM passages AS q
JOIN spaces AS s ON s.state = 'serving'
JOIN vectors AS v ON v.key = s.slot * 1099511627776 + q.id
JOIN messages AS m ON m.seq = q.seq
WHERE q.kind_of = 'messages';

-- The tables that may have rows already are made at the next start.
INSERT INTO meta (name, value) VALUES ('rebuild', '["repos","issue_rows"]') ON CONFLICT DO UPDATE SET value = iif(
    value = '[]', excluded.value, substr(value, 1, length(value) - 1) || ',' || substr(excluded.value, 2)
);
