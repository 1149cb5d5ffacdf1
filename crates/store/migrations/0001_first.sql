-- The first schema. Times are microseconds since 1970 (UTC), money is nano-dollars, truth is 0 or 1.
-- {bytes} and {clustered} stand for each database's own words; see src/migrate.rs.

-- Goes up with every change to what running nodes keep in memory.
CREATE TABLE generation (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    value BIGINT NOT NULL
);
INSERT INTO generation (id, value) VALUES (1, 0);

-- A sealed value that only the right master key opens.
CREATE TABLE vault_canary (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    sealed {bytes} NOT NULL
);

CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE organization (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE project (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organization (id),
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    archived_at BIGINT,
    model_mode TEXT NOT NULL,
    models TEXT NOT NULL
);
CREATE INDEX project_by_organization ON project (organization_id, id);

CREATE TABLE service_account (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organization (id),
    project_id TEXT NOT NULL REFERENCES project (id),
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE INDEX service_account_by_project ON service_account (project_id, id);

CREATE TABLE api_key (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organization (id),
    project_id TEXT NOT NULL REFERENCES project (id),
    service_account_id TEXT REFERENCES service_account (id),
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX api_key_by_project ON api_key (project_id, id);

-- A key keeps its id while its secret rotates; the secret that is not replaced is the current one.
CREATE TABLE api_key_secret (
    hash {bytes} PRIMARY KEY,
    key_id TEXT NOT NULL REFERENCES api_key (id),
    redacted TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    replaced_at BIGINT
);
CREATE UNIQUE INDEX api_key_secret_current ON api_key_secret (key_id) WHERE replaced_at IS NULL;
CREATE INDEX api_key_secret_by_key ON api_key_secret (key_id);

CREATE TABLE admin_key (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organization (id),
    hash {bytes} NOT NULL UNIQUE,
    name TEXT NOT NULL,
    redacted TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    expires_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX admin_key_by_organization ON admin_key (organization_id, id);

-- api_key and headers are sealed: headers carry credentials too.
CREATE TABLE provider (
    name TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    base_url TEXT,
    api_key {bytes},
    quirks TEXT,
    api_version TEXT,
    headers {bytes},
    timeouts TEXT NOT NULL,
    max_concurrent BIGINT,
    discover BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE model (
    name TEXT PRIMARY KEY,
    targets TEXT NOT NULL,
    fallbacks TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE usage_limit (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organization (id),
    scope TEXT NOT NULL,
    subject TEXT,
    model TEXT,
    measure TEXT NOT NULL,
    amount BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX usage_limit_by_organization ON usage_limit (organization_id, id);

-- Only ever added to, so that what a call cost on its day can always be shown.
CREATE TABLE price (
    id TEXT PRIMARY KEY,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    effective_from BIGINT NOT NULL,
    rates TEXT NOT NULL,
    source TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- The ledger. It takes thousands of rows a second, so it has one index beside its key and refers to
-- no other table: a record is never refused, and outlives what it names.
CREATE TABLE call (
    id TEXT PRIMARY KEY,
    started_at BIGINT NOT NULL,
    duration_us BIGINT NOT NULL,
    first_byte_us BIGINT,
    organization_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    api_key_id TEXT NOT NULL,
    service_account_id TEXT,
    end_user TEXT,
    operation TEXT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    upstream_model TEXT NOT NULL,
    stream BIGINT NOT NULL,
    status BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    input_cached_tokens BIGINT NOT NULL,
    input_cache_write_tokens BIGINT NOT NULL,
    input_audio_tokens BIGINT NOT NULL,
    input_image_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    output_reasoning_tokens BIGINT NOT NULL,
    output_audio_tokens BIGINT NOT NULL,
    estimated BIGINT NOT NULL,
    cost BIGINT
){clustered};
CREATE INDEX call_by_time ON call (organization_id, started_at);
