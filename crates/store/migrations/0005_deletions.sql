-- What was deleted because its time was over. Written before the first row goes, with all that is to
-- go (pending); proven when all of that was looked for and not found. So a crash in between loses
-- nothing but time.
CREATE TABLE deletion (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organization (id),
    project_id TEXT NOT NULL REFERENCES project (id),
    kind TEXT NOT NULL,
    cutoff BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    proven_at BIGINT,
    row_count BIGINT NOT NULL,
    blob_count BIGINT NOT NULL,
    byte_count BIGINT NOT NULL,
    digest TEXT NOT NULL,
    pending TEXT
);
CREATE INDEX deletion_by_organization ON deletion (organization_id, id);
CREATE INDEX deletion_pending ON deletion (id) WHERE pending IS NOT NULL;
