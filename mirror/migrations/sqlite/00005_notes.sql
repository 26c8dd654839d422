-- +goose Up
CREATE TABLE tags (
    home_id INTEGER NOT NULL,
    task_id TEXT NOT NULL,
    tag     TEXT NOT NULL,
    PRIMARY KEY (home_id, task_id, tag)
) WITHOUT ROWID;

CREATE TABLE notes (
    home_id  INTEGER NOT NULL,
    task_id  TEXT NOT NULL,
    id       TEXT NOT NULL,
    written  TEXT NOT NULL,
    username TEXT NOT NULL,
    text     TEXT NOT NULL,
    edited   TEXT,
    PRIMARY KEY (home_id, task_id, id)
);

CREATE INDEX tags_tag ON tags (tag);
CREATE INDEX notes_written ON notes (written);

UPDATE homes SET commit_id = '';

-- +goose Down
DROP TABLE notes;
DROP TABLE tags;
