-- +goose Up
CREATE TABLE files (
    home_id   BIGINT NOT NULL,
    task_id   TEXT NOT NULL,
    started   TIMESTAMPTZ NOT NULL,
    host      TEXT NOT NULL,
    direction TEXT NOT NULL,
    number    BIGINT NOT NULL,
    run       BIGINT NOT NULL,
    path      TEXT NOT NULL,
    size      BIGINT NOT NULL,
    sha256    TEXT,
    partial   BOOLEAN NOT NULL,
    listed_by TEXT NOT NULL,
    PRIMARY KEY (home_id, task_id, started, host, direction, number)
);

CREATE INDEX files_sha256 ON files (sha256);

UPDATE homes SET commit_id = '';

-- +goose Down
DROP TABLE files;
