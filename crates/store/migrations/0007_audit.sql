-- The audit log: a chain of entries for each organisation, and one for the installation.

-- The key that entries are sealed with.
CREATE TABLE audit_key (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    sealed {bytes} NOT NULL
);

-- The end of each chain. Its row is locked before a new entry takes its place.
CREATE TABLE audit_head (
    chain TEXT PRIMARY KEY,
    sequence BIGINT NOT NULL,
    hash {bytes} NOT NULL
);

-- Refers to no other table: an entry outlives what it names. resources and details are JSON, kept
-- as the text that was hashed.
CREATE TABLE audit_event (
    chain TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    id TEXT NOT NULL UNIQUE,
    at BIGINT NOT NULL,
    event TEXT NOT NULL,
    actor_type TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    actor_organization_id TEXT,
    address TEXT,
    user_agent TEXT,
    request_id TEXT,
    project_id TEXT,
    resources TEXT NOT NULL,
    details TEXT NOT NULL,
    previous {bytes} NOT NULL,
    hash {bytes} NOT NULL,
    seal {bytes} NOT NULL,
    PRIMARY KEY (chain, sequence)
);
CREATE INDEX audit_event_by_time ON audit_event (chain, at, sequence);
CREATE INDEX audit_event_by_event ON audit_event (chain, event, at, sequence);
CREATE INDEX audit_event_by_project ON audit_event (chain, project_id, at, sequence);
CREATE INDEX audit_event_by_actor ON audit_event (chain, actor_id, at, sequence);
