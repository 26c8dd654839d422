-- +goose Up
CREATE TABLE tags (
    home_id BIGINT NOT NULL,
    task_id TEXT NOT NULL,
    tag     TEXT NOT NULL,
    PRIMARY KEY (home_id, task_id, tag)
);

CREATE TABLE notes (
    home_id  BIGINT NOT NULL,
    task_id  TEXT NOT NULL,
    id       TEXT NOT NULL,
    written  TIMESTAMPTZ NOT NULL,
    username TEXT NOT NULL,
    text     TEXT NOT NULL,
    edited   TIMESTAMPTZ,
    PRIMARY KEY (home_id, task_id, id)
);

CREATE INDEX tags_tag ON tags (tag);
CREATE INDEX notes_written ON notes (written);

UPDATE homes SET commit_id = '';

-- +goose Down
DROP TABLE notes;
DROP TABLE tags;
