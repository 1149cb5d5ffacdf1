-- Batches: durable jobs of many calls. Columns of {bytes} are sealed under their project's key.

-- A batch that is validated, finalised or cancelled is one node's at a time, which renews its lease.
CREATE TABLE batch (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organization (id),
    project_id TEXT NOT NULL REFERENCES project (id),
    api_key_id TEXT NOT NULL,
    service_account_id TEXT,
    endpoint TEXT NOT NULL,
    completion_window TEXT NOT NULL,
    input_file_id TEXT NOT NULL,
    output_file_id TEXT,
    error_file_id TEXT,
    output_lifetime_secs BIGINT,
    model TEXT,
    status TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    in_progress_at BIGINT,
    finalizing_at BIGINT,
    written_at BIGINT,
    completed_at BIGINT,
    failed_at BIGINT,
    expired_at BIGINT,
    cancelling_at BIGINT,
    cancelled_at BIGINT,
    total BIGINT NOT NULL,
    completed BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    input_cached_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    output_reasoning_tokens BIGINT NOT NULL,
    node TEXT,
    lease_until BIGINT,
    metadata {bytes},
    errors {bytes}
);
CREATE INDEX batch_by_project ON batch (project_id, id);
CREATE INDEX batch_unfinished ON batch (created_at)
    WHERE status IN ('validating', 'in_progress', 'finalizing', 'cancelling');

-- What is left to do of a batch, in pieces that nodes lease. A piece that is done is gone.
CREATE TABLE batch_slice (
    batch_id TEXT NOT NULL REFERENCES batch (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    first_line BIGINT NOT NULL,
    line_count BIGINT NOT NULL,
    byte_offset BIGINT NOT NULL,
    byte_length BIGINT NOT NULL,
    node TEXT,
    lease_until BIGINT,
    PRIMARY KEY (batch_id, number)
);

-- The answer to a line, until it is in the output or the error file. The key is what makes a line
-- answered once, however often it was asked.
CREATE TABLE batch_result (
    batch_id TEXT NOT NULL REFERENCES batch (id) ON DELETE CASCADE,
    line BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    body {bytes} NOT NULL,
    PRIMARY KEY (batch_id, line)
);
