-- Which master keys the running nodes have, as JSON, and with which of them each seals. It is how a
-- new key waits until all of them can open what is sealed with it.
CREATE TABLE node_key (
    node TEXT PRIMARY KEY,
    has TEXT NOT NULL,
    sealing TEXT NOT NULL,
    seen_at BIGINT NOT NULL
);
