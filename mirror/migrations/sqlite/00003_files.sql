-- +goose Up
CREATE TABLE files (
    home_id   INTEGER NOT NULL,
    task_id   TEXT NOT NULL,
    started   TEXT NOT NULL,
    host      TEXT NOT NULL,
    direction TEXT NOT NULL,
    number    INTEGER NOT NULL,
    run       INTEGER NOT NULL,
    path      TEXT NOT NULL,
    size      INTEGER NOT NULL,
    sha256    TEXT,
    partial   BOOLEAN NOT NULL,
    listed_by TEXT NOT NULL,
    PRIMARY KEY (home_id, task_id, started, host, direction, number)
) WITHOUT ROWID;

CREATE INDEX files_sha256 ON files (sha256);

UPDATE homes SET commit_id = '';

-- +goose Down
DROP TABLE files;
