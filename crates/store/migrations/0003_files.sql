-- Files and uploads. Their bytes are blobs, outside the database; filename is sealed.

CREATE TABLE file (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organization (id),
    project_id TEXT NOT NULL REFERENCES project (id),
    api_key_id TEXT NOT NULL,
    filename {bytes} NOT NULL,
    purpose TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);
CREATE INDEX file_by_project ON file (project_id, id);

-- A file's bytes are those of its blobs, one after the other.
CREATE TABLE file_blob (
    file_id TEXT NOT NULL REFERENCES file (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    blob TEXT NOT NULL UNIQUE,
    bytes BIGINT NOT NULL,
    PRIMARY KEY (file_id, position)
);

CREATE TABLE upload (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organization (id),
    project_id TEXT NOT NULL REFERENCES project (id),
    api_key_id TEXT NOT NULL,
    filename {bytes} NOT NULL,
    purpose TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    file_expires_after BIGINT,
    status TEXT NOT NULL,
    file_id TEXT
);
CREATE INDEX upload_by_project ON upload (project_id, id);

-- The parts of pending uploads. When an upload is completed, its parts' blobs become its file's.
CREATE TABLE upload_part (
    id TEXT PRIMARY KEY,
    upload_id TEXT NOT NULL REFERENCES upload (id) ON DELETE CASCADE,
    blob TEXT NOT NULL UNIQUE,
    bytes BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX upload_part_by_upload ON upload_part (upload_id);
