-- What nodes share of limits where there is no Valkey. On PostgreSQL only; a crash may empty these
-- tables, because nodes put back what they last heard.
CREATE{unlogged} TABLE shared_counter (
    key TEXT PRIMARY KEY,
    amount BIGINT NOT NULL,
    debt_ns BIGINT NOT NULL,
    counted_at BIGINT NOT NULL,
    born BIGINT NOT NULL
);

CREATE{unlogged} TABLE shared_place (
    key TEXT NOT NULL,
    node TEXT NOT NULL,
    held BIGINT NOT NULL,
    held_until BIGINT NOT NULL,
    PRIMARY KEY (key, node)
);
