-- What is kept between calls: responses, conversations, chats, traces; and for how long. Columns of
-- {bytes} are sealed under their project's key. Ids that clients choose are unique in their project.

-- The key that a project's content is sealed under, wrapped by the master key.
CREATE TABLE project_key (
    project_id TEXT PRIMARY KEY REFERENCES project (id),
    wrapped {bytes} NOT NULL,
    created_at BIGINT NOT NULL
);

-- A queued response waits for a node; one in progress has a node that renews its lease.
CREATE TABLE response (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organization (id),
    project_id TEXT NOT NULL REFERENCES project (id),
    api_key_id TEXT NOT NULL,
    service_account_id TEXT,
    call_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    completed_at BIGINT,
    model TEXT NOT NULL,
    status TEXT NOT NULL,
    background BIGINT NOT NULL,
    streamed BIGINT NOT NULL,
    previous_id TEXT,
    conversation_id TEXT,
    node TEXT,
    lease_until BIGINT,
    input {bytes} NOT NULL,
    body {bytes} NOT NULL,
    request {bytes}
);
CREATE INDEX response_by_project ON response (project_id, created_at);
CREATE INDEX response_queued ON response (created_at) WHERE status = 'queued';
CREATE INDEX response_in_progress ON response (lease_until) WHERE status = 'in_progress';

-- The event log of a response, in runs of events as they were written.
CREATE TABLE response_event (
    response_id TEXT NOT NULL REFERENCES response (id),
    first_number BIGINT NOT NULL,
    last_number BIGINT NOT NULL,
    events {bytes} NOT NULL,
    PRIMARY KEY (response_id, first_number)
);

CREATE TABLE conversation (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organization (id),
    project_id TEXT NOT NULL REFERENCES project (id),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    next_place BIGINT NOT NULL,
    metadata {bytes} NOT NULL
);
CREATE INDEX conversation_by_project ON conversation (project_id, updated_at);

CREATE TABLE conversation_item (
    conversation_id TEXT NOT NULL REFERENCES conversation (id),
    id TEXT NOT NULL,
    place BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    body {bytes} NOT NULL,
    PRIMARY KEY (conversation_id, id)
);
CREATE UNIQUE INDEX conversation_item_by_place ON conversation_item (conversation_id, place);

CREATE TABLE chat_completion (
    project_id TEXT NOT NULL REFERENCES project (id),
    id TEXT NOT NULL,
    organization_id TEXT NOT NULL REFERENCES organization (id),
    api_key_id TEXT NOT NULL,
    service_account_id TEXT,
    call_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    model TEXT NOT NULL,
    metadata {bytes} NOT NULL,
    messages {bytes} NOT NULL,
    body {bytes} NOT NULL,
    PRIMARY KEY (project_id, id)
);
CREATE INDEX chat_completion_by_time ON chat_completion (project_id, created_at, id);

CREATE TABLE trace (
    project_id TEXT NOT NULL REFERENCES project (id),
    id TEXT NOT NULL,
    organization_id TEXT NOT NULL REFERENCES organization (id),
    created_at BIGINT NOT NULL,
    workflow {bytes} NOT NULL,
    group_name {bytes},
    metadata {bytes} NOT NULL,
    body {bytes} NOT NULL,
    PRIMARY KEY (project_id, id)
);
CREATE INDEX trace_by_time ON trace (project_id, created_at, id);

CREATE TABLE trace_span (
    project_id TEXT NOT NULL,
    id TEXT NOT NULL,
    trace_id TEXT NOT NULL,
    parent_id TEXT,
    started_at BIGINT,
    ended_at BIGINT,
    kind TEXT NOT NULL,
    response_id TEXT,
    body {bytes} NOT NULL,
    PRIMARY KEY (project_id, id),
    FOREIGN KEY (project_id, trace_id) REFERENCES trace (project_id, id)
);
CREATE INDEX trace_span_by_trace ON trace_span (project_id, trace_id);

-- Which response or batch a call was made for. Apart from the ledger, whose rows most often have
-- neither; like it, it refers to no other table.
CREATE TABLE call_origin (
    call_id TEXT PRIMARY KEY,
    response_id TEXT,
    batch_id TEXT
){clustered};
CREATE INDEX call_origin_by_response ON call_origin (response_id) WHERE response_id IS NOT NULL;

-- For how long content is kept. The id is the project's, or the organisation's where there is none.
CREATE TABLE retention (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organization (id),
    project_id TEXT REFERENCES project (id),
    kind TEXT NOT NULL,
    days BIGINT,
    updated_at BIGINT NOT NULL
);
