-- Usage summed by hours and days, budgets, and what is spent of them.

-- Usage. A call is of a batch or not, and of a tier; both are asked for in usage.
ALTER TABLE call ADD COLUMN batch BIGINT NOT NULL DEFAULT 0;
ALTER TABLE call ADD COLUMN service_tier TEXT NOT NULL DEFAULT 'default';
UPDATE call SET batch = 1
    WHERE id IN (SELECT call_id FROM call_origin WHERE batch_id IS NOT NULL);

-- The ledger, summed by minutes, hours and days; bucket is when they begin. A table by keys knows
-- more of a call than one by models, and so has more rows; one by users knows most. The columns of a
-- key are in the order in which usage is mostly grouped, so that it need not be sorted. user_id is
-- the end user that the client named, else the service account whose key it was, else nothing.
CREATE TABLE usage_by_model_hour (
    organization_id TEXT NOT NULL,
    bucket BIGINT NOT NULL,
    model TEXT NOT NULL,
    operation TEXT NOT NULL,
    project_id TEXT NOT NULL,
    batch BIGINT NOT NULL,
    service_tier TEXT NOT NULL,
    requests BIGINT NOT NULL,
    estimated BIGINT NOT NULL,
    unpriced BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    input_cached_tokens BIGINT NOT NULL,
    input_cache_write_tokens BIGINT NOT NULL,
    input_audio_tokens BIGINT NOT NULL,
    input_image_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    output_reasoning_tokens BIGINT NOT NULL,
    output_audio_tokens BIGINT NOT NULL,
    PRIMARY KEY (organization_id, bucket, model, operation, project_id, batch, service_tier)
){clustered};

CREATE TABLE usage_by_model_day (
    organization_id TEXT NOT NULL,
    bucket BIGINT NOT NULL,
    model TEXT NOT NULL,
    operation TEXT NOT NULL,
    project_id TEXT NOT NULL,
    batch BIGINT NOT NULL,
    service_tier TEXT NOT NULL,
    requests BIGINT NOT NULL,
    estimated BIGINT NOT NULL,
    unpriced BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    input_cached_tokens BIGINT NOT NULL,
    input_cache_write_tokens BIGINT NOT NULL,
    input_audio_tokens BIGINT NOT NULL,
    input_image_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    output_reasoning_tokens BIGINT NOT NULL,
    output_audio_tokens BIGINT NOT NULL,
    PRIMARY KEY (organization_id, bucket, model, operation, project_id, batch, service_tier)
){clustered};

-- Minutes are kept for a few days only.
CREATE TABLE usage_by_key_minute (
    organization_id TEXT NOT NULL,
    bucket BIGINT NOT NULL,
    api_key_id TEXT NOT NULL,
    model TEXT NOT NULL,
    operation TEXT NOT NULL,
    project_id TEXT NOT NULL,
    batch BIGINT NOT NULL,
    service_tier TEXT NOT NULL,
    requests BIGINT NOT NULL,
    estimated BIGINT NOT NULL,
    unpriced BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    input_cached_tokens BIGINT NOT NULL,
    input_cache_write_tokens BIGINT NOT NULL,
    input_audio_tokens BIGINT NOT NULL,
    input_image_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    output_reasoning_tokens BIGINT NOT NULL,
    output_audio_tokens BIGINT NOT NULL,
    PRIMARY KEY (organization_id, bucket, api_key_id, model, operation, project_id, batch, service_tier)
){clustered};
CREATE INDEX usage_by_key_minute_by_time ON usage_by_key_minute (bucket);

CREATE TABLE usage_by_key_hour (
    organization_id TEXT NOT NULL,
    bucket BIGINT NOT NULL,
    api_key_id TEXT NOT NULL,
    model TEXT NOT NULL,
    operation TEXT NOT NULL,
    project_id TEXT NOT NULL,
    batch BIGINT NOT NULL,
    service_tier TEXT NOT NULL,
    requests BIGINT NOT NULL,
    estimated BIGINT NOT NULL,
    unpriced BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    input_cached_tokens BIGINT NOT NULL,
    input_cache_write_tokens BIGINT NOT NULL,
    input_audio_tokens BIGINT NOT NULL,
    input_image_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    output_reasoning_tokens BIGINT NOT NULL,
    output_audio_tokens BIGINT NOT NULL,
    PRIMARY KEY (organization_id, bucket, api_key_id, model, operation, project_id, batch, service_tier)
){clustered};

CREATE TABLE usage_by_key_day (
    organization_id TEXT NOT NULL,
    bucket BIGINT NOT NULL,
    api_key_id TEXT NOT NULL,
    model TEXT NOT NULL,
    operation TEXT NOT NULL,
    project_id TEXT NOT NULL,
    batch BIGINT NOT NULL,
    service_tier TEXT NOT NULL,
    requests BIGINT NOT NULL,
    estimated BIGINT NOT NULL,
    unpriced BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    input_cached_tokens BIGINT NOT NULL,
    input_cache_write_tokens BIGINT NOT NULL,
    input_audio_tokens BIGINT NOT NULL,
    input_image_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    output_reasoning_tokens BIGINT NOT NULL,
    output_audio_tokens BIGINT NOT NULL,
    PRIMARY KEY (organization_id, bucket, api_key_id, model, operation, project_id, batch, service_tier)
){clustered};

CREATE TABLE usage_by_user_hour (
    organization_id TEXT NOT NULL,
    bucket BIGINT NOT NULL,
    user_id TEXT NOT NULL,
    api_key_id TEXT NOT NULL,
    model TEXT NOT NULL,
    operation TEXT NOT NULL,
    project_id TEXT NOT NULL,
    batch BIGINT NOT NULL,
    service_tier TEXT NOT NULL,
    requests BIGINT NOT NULL,
    estimated BIGINT NOT NULL,
    unpriced BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    input_cached_tokens BIGINT NOT NULL,
    input_cache_write_tokens BIGINT NOT NULL,
    input_audio_tokens BIGINT NOT NULL,
    input_image_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    output_reasoning_tokens BIGINT NOT NULL,
    output_audio_tokens BIGINT NOT NULL,
    PRIMARY KEY (organization_id, bucket, user_id, api_key_id, model, operation, project_id, batch, service_tier)
){clustered};

CREATE TABLE usage_by_user_day (
    organization_id TEXT NOT NULL,
    bucket BIGINT NOT NULL,
    user_id TEXT NOT NULL,
    api_key_id TEXT NOT NULL,
    model TEXT NOT NULL,
    operation TEXT NOT NULL,
    project_id TEXT NOT NULL,
    batch BIGINT NOT NULL,
    service_tier TEXT NOT NULL,
    requests BIGINT NOT NULL,
    estimated BIGINT NOT NULL,
    unpriced BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    input_cached_tokens BIGINT NOT NULL,
    input_cache_write_tokens BIGINT NOT NULL,
    input_audio_tokens BIGINT NOT NULL,
    input_image_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    output_reasoning_tokens BIGINT NOT NULL,
    output_audio_tokens BIGINT NOT NULL,
    PRIMARY KEY (organization_id, bucket, user_id, api_key_id, model, operation, project_id, batch, service_tier)
){clustered};

-- What is in the ledger already, each from the next finer one.
INSERT INTO usage_by_user_hour
    SELECT organization_id, started_at - started_at % 3600000000, COALESCE(end_user, service_account_id, ''), api_key_id, model, operation, project_id, batch, service_tier,
        COUNT(*), CAST(SUM(estimated) AS BIGINT), COUNT(*) - COUNT(cost),
        CAST(COALESCE(SUM(cost), 0) AS BIGINT),
        CAST(SUM(input_tokens) AS BIGINT), CAST(SUM(input_cached_tokens) AS BIGINT),
        CAST(SUM(input_cache_write_tokens) AS BIGINT), CAST(SUM(input_audio_tokens) AS BIGINT),
        CAST(SUM(input_image_tokens) AS BIGINT), CAST(SUM(output_tokens) AS BIGINT),
        CAST(SUM(output_reasoning_tokens) AS BIGINT), CAST(SUM(output_audio_tokens) AS BIGINT)
    FROM call GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9;
INSERT INTO usage_by_user_day
    SELECT organization_id, bucket - bucket % 86400000000, user_id, api_key_id, model, operation, project_id, batch, service_tier,
        CAST(SUM(requests) AS BIGINT), CAST(SUM(estimated) AS BIGINT),
        CAST(SUM(unpriced) AS BIGINT), CAST(SUM(cost) AS BIGINT),
        CAST(SUM(input_tokens) AS BIGINT), CAST(SUM(input_cached_tokens) AS BIGINT),
        CAST(SUM(input_cache_write_tokens) AS BIGINT), CAST(SUM(input_audio_tokens) AS BIGINT),
        CAST(SUM(input_image_tokens) AS BIGINT), CAST(SUM(output_tokens) AS BIGINT),
        CAST(SUM(output_reasoning_tokens) AS BIGINT), CAST(SUM(output_audio_tokens) AS BIGINT)
    FROM usage_by_user_hour GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9;
INSERT INTO usage_by_key_minute
    SELECT organization_id, started_at - started_at % 60000000, api_key_id, model, operation, project_id, batch, service_tier,
        COUNT(*), CAST(SUM(estimated) AS BIGINT), COUNT(*) - COUNT(cost),
        CAST(COALESCE(SUM(cost), 0) AS BIGINT),
        CAST(SUM(input_tokens) AS BIGINT), CAST(SUM(input_cached_tokens) AS BIGINT),
        CAST(SUM(input_cache_write_tokens) AS BIGINT), CAST(SUM(input_audio_tokens) AS BIGINT),
        CAST(SUM(input_image_tokens) AS BIGINT), CAST(SUM(output_tokens) AS BIGINT),
        CAST(SUM(output_reasoning_tokens) AS BIGINT), CAST(SUM(output_audio_tokens) AS BIGINT)
    FROM call
    WHERE started_at >= (SELECT MAX(started_at) FROM call) - 777600000000
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
INSERT INTO usage_by_key_hour
    SELECT organization_id, bucket, api_key_id, model, operation, project_id, batch, service_tier,
        CAST(SUM(requests) AS BIGINT), CAST(SUM(estimated) AS BIGINT),
        CAST(SUM(unpriced) AS BIGINT), CAST(SUM(cost) AS BIGINT),
        CAST(SUM(input_tokens) AS BIGINT), CAST(SUM(input_cached_tokens) AS BIGINT),
        CAST(SUM(input_cache_write_tokens) AS BIGINT), CAST(SUM(input_audio_tokens) AS BIGINT),
        CAST(SUM(input_image_tokens) AS BIGINT), CAST(SUM(output_tokens) AS BIGINT),
        CAST(SUM(output_reasoning_tokens) AS BIGINT), CAST(SUM(output_audio_tokens) AS BIGINT)
    FROM usage_by_user_hour GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
INSERT INTO usage_by_key_day
    SELECT organization_id, bucket, api_key_id, model, operation, project_id, batch, service_tier,
        CAST(SUM(requests) AS BIGINT), CAST(SUM(estimated) AS BIGINT),
        CAST(SUM(unpriced) AS BIGINT), CAST(SUM(cost) AS BIGINT),
        CAST(SUM(input_tokens) AS BIGINT), CAST(SUM(input_cached_tokens) AS BIGINT),
        CAST(SUM(input_cache_write_tokens) AS BIGINT), CAST(SUM(input_audio_tokens) AS BIGINT),
        CAST(SUM(input_image_tokens) AS BIGINT), CAST(SUM(output_tokens) AS BIGINT),
        CAST(SUM(output_reasoning_tokens) AS BIGINT), CAST(SUM(output_audio_tokens) AS BIGINT)
    FROM usage_by_user_day GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
INSERT INTO usage_by_model_hour
    SELECT organization_id, bucket, model, operation, project_id, batch, service_tier,
        CAST(SUM(requests) AS BIGINT), CAST(SUM(estimated) AS BIGINT),
        CAST(SUM(unpriced) AS BIGINT), CAST(SUM(cost) AS BIGINT),
        CAST(SUM(input_tokens) AS BIGINT), CAST(SUM(input_cached_tokens) AS BIGINT),
        CAST(SUM(input_cache_write_tokens) AS BIGINT), CAST(SUM(input_audio_tokens) AS BIGINT),
        CAST(SUM(input_image_tokens) AS BIGINT), CAST(SUM(output_tokens) AS BIGINT),
        CAST(SUM(output_reasoning_tokens) AS BIGINT), CAST(SUM(output_audio_tokens) AS BIGINT)
    FROM usage_by_key_hour GROUP BY 1, 2, 3, 4, 5, 6, 7;
INSERT INTO usage_by_model_day
    SELECT organization_id, bucket, model, operation, project_id, batch, service_tier,
        CAST(SUM(requests) AS BIGINT), CAST(SUM(estimated) AS BIGINT),
        CAST(SUM(unpriced) AS BIGINT), CAST(SUM(cost) AS BIGINT),
        CAST(SUM(input_tokens) AS BIGINT), CAST(SUM(input_cached_tokens) AS BIGINT),
        CAST(SUM(input_cache_write_tokens) AS BIGINT), CAST(SUM(input_audio_tokens) AS BIGINT),
        CAST(SUM(input_image_tokens) AS BIGINT), CAST(SUM(output_tokens) AS BIGINT),
        CAST(SUM(output_reasoning_tokens) AS BIGINT), CAST(SUM(output_audio_tokens) AS BIGINT)
    FROM usage_by_key_day GROUP BY 1, 2, 3, 4, 5, 6, 7;

-- Budgets. One without a subject holds each one of its scope apart. alerts is sealed, since it names
-- people.
CREATE TABLE budget (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organization (id),
    scope TEXT NOT NULL,
    subject TEXT,
    model TEXT,
    period TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    amount BIGINT NOT NULL,
    enforcement TEXT NOT NULL,
    alerts {bytes} NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX budget_once ON budget
    (organization_id, scope, COALESCE(subject, ''), COALESCE(model, ''), period, enforcement);

-- What the records in the ledger have spent of a budget in each of its periods. subject is empty
-- where a budget counts all its calls together. refused is the least that a call needed and there was
-- not left; NULL: none was refused.
CREATE TABLE spend (
    budget_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    period_start BIGINT NOT NULL,
    spent BIGINT NOT NULL,
    refused BIGINT,
    PRIMARY KEY (budget_id, subject, period_start)
){clustered};
CREATE INDEX spend_by_period ON spend (period_start);

-- The processes that lease parts of budgets, each under a name of its own, and when each was last
-- heard of.
CREATE TABLE spend_holder (
    holder TEXT PRIMARY KEY,
    node TEXT NOT NULL,
    renewed_at BIGINT NOT NULL
);

-- What a process may spend of a budget without asking again.
CREATE TABLE spend_lease (
    budget_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    period_start BIGINT NOT NULL,
    holder TEXT NOT NULL,
    amount BIGINT NOT NULL,
    PRIMARY KEY (budget_id, subject, period_start, holder)
){clustered};
CREATE INDEX spend_lease_by_holder ON spend_lease (holder);
