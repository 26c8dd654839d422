-- +goose Up
CREATE TABLE homes (
    id         INTEGER PRIMARY KEY,
    uid        TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    commit_id  TEXT NOT NULL,
    unreadable INTEGER NOT NULL,
    updated    TEXT NOT NULL
);

CREATE TABLE tasks (
    home_id    INTEGER NOT NULL REFERENCES homes (id),
    id         TEXT NOT NULL,
    executor   TEXT NOT NULL,
    command    TEXT NOT NULL,
    created    TEXT NOT NULL,
    started    TEXT NOT NULL,
    host       TEXT NOT NULL,
    PRIMARY KEY (home_id, id)
) WITHOUT ROWID;

CREATE TABLE runs (
    home_id         INTEGER NOT NULL,
    task_id         TEXT NOT NULL,
    started         TEXT NOT NULL,
    host            TEXT NOT NULL,
    executor        TEXT NOT NULL,
    command         TEXT NOT NULL,
    run             INTEGER NOT NULL,
    username        TEXT NOT NULL,
    pwd             TEXT NOT NULL,
    message         TEXT NOT NULL,
    status          TEXT,
    returncode      INTEGER,
    signal_name     TEXT,
    pid             INTEGER NOT NULL,
    finished        TEXT,
    utc_offset      INTEGER NOT NULL,
    duration        REAL NOT NULL,
    cpu_user        REAL,
    cpu_system      REAL,
    max_rss         INTEGER,
    git_commit      TEXT,
    git_branch      TEXT,
    git_dirty       BOOLEAN,
    output          TEXT NOT NULL,
    output_bytes    INTEGER NOT NULL,
    output_whole    BOOLEAN NOT NULL,
    error           TEXT NOT NULL,
    error_bytes     INTEGER NOT NULL,
    error_whole     BOOLEAN NOT NULL,
    previous_commit TEXT,
    job_id          TEXT,
    job_state       TEXT,
    job_returncode  INTEGER,
    cmd             TEXT,
    env             TEXT,
    job             TEXT,
    more            TEXT,
    PRIMARY KEY (home_id, task_id, started, host)
);

CREATE INDEX runs_started ON runs (started);
CREATE INDEX runs_executor ON runs (executor, started);
CREATE INDEX runs_returncode ON runs (returncode, started);
CREATE INDEX runs_host ON runs (host, started);
CREATE INDEX runs_username ON runs (username, started);
CREATE INDEX runs_pwd ON runs (pwd, started);

CREATE VIEW latest_runs AS
SELECT runs.*, tasks.created
FROM tasks
JOIN runs ON runs.home_id = tasks.home_id AND runs.task_id = tasks.id AND runs.started = tasks.started AND runs.host = tasks.host;

-- +goose Down
DROP VIEW latest_runs;
DROP TABLE runs;
DROP TABLE tasks;
DROP TABLE homes;
