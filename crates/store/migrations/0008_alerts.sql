-- Service levels, thresholds that people are told of, and the outbox.

-- What is promised for a tier of an organisation's calls, in parts of a million. A tier without a
-- row has the defaults.
CREATE TABLE service_objective (
    organization_id TEXT NOT NULL REFERENCES organization (id),
    tier TEXT NOT NULL,
    availability_ppm BIGINT,
    latency_ms BIGINT,
    latency_ppm BIGINT,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (organization_id, tier)
);

-- How calls went, in five minutes each: by the moment at which they ended, which is when the trouble
-- was seen.
CREATE TABLE service_level (
    organization_id TEXT NOT NULL,
    tier TEXT NOT NULL,
    bucket BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    slow BIGINT NOT NULL,
    PRIMARY KEY (organization_id, tier, bucket)
){clustered};
CREATE INDEX service_level_by_bucket ON service_level (bucket);

-- Which tiers a project's calls may ask for. A project without a row has the defaults.
CREATE TABLE project_service (
    project_id TEXT PRIMARY KEY REFERENCES project (id),
    organization_id TEXT NOT NULL REFERENCES organization (id),
    default_tier TEXT NOT NULL,
    tiers TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- Thresholds of a month's spending, of an organisation or of one project. The channel is sealed,
-- since it names people.
CREATE TABLE spend_alert (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organization (id),
    project_id TEXT REFERENCES project (id),
    threshold BIGINT NOT NULL,
    channel {bytes} NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX spend_alert_by_organization ON spend_alert (organization_id, id);

-- What was told already: once for each source, subject and period.
CREATE TABLE alert_fired (
    source TEXT NOT NULL,
    subject TEXT NOT NULL,
    period_start BIGINT NOT NULL,
    fired_at BIGINT NOT NULL,
    PRIMARY KEY (source, subject, period_start)
);

-- Addresses that events are posted to. The URL is sealed like the secret: some carry a token.
CREATE TABLE webhook (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organization (id),
    name TEXT NOT NULL,
    url {bytes} NOT NULL,
    secret {bytes} NOT NULL,
    events TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    disabled_at BIGINT
);
CREATE INDEX webhook_by_organization ON webhook (organization_id, id);

-- The outbox. A notice waits for next_at; while a node delivers it, for the end of that lease.
CREATE TABLE notice (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organization (id),
    channel TEXT NOT NULL,
    webhook_id TEXT,
    recipient {bytes},
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    lease_until BIGINT,
    delivered_at BIGINT,
    failed_at BIGINT,
    last_error TEXT
);
CREATE INDEX notice_by_organization ON notice (organization_id, id);
CREATE INDEX notice_waiting ON notice (next_at) WHERE delivered_at IS NULL AND failed_at IS NULL;
