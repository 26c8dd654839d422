-- +goose Up
CREATE TABLE homes (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uid        TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    commit_id  TEXT NOT NULL,
    unreadable BIGINT NOT NULL,
    updated    TIMESTAMPTZ NOT NULL
);

CREATE TABLE tasks (
    home_id    BIGINT NOT NULL REFERENCES homes (id),
    id         TEXT NOT NULL,
    executor   TEXT NOT NULL,
    command    TEXT NOT NULL,
    created    TIMESTAMPTZ NOT NULL,
    started    TIMESTAMPTZ NOT NULL,
    host       TEXT NOT NULL,
    PRIMARY KEY (home_id, id)
);

CREATE TABLE runs (
    home_id         BIGINT NOT NULL,
    task_id         TEXT NOT NULL,
    started         TIMESTAMPTZ NOT NULL,
    host            TEXT NOT NULL,
    executor        TEXT NOT NULL,
    command         TEXT NOT NULL,
    run             BIGINT NOT NULL,
    username        TEXT NOT NULL,
    pwd             TEXT NOT NULL,
    message         TEXT NOT NULL,
    status          TEXT,
    returncode      BIGINT,
    signal_name     TEXT,
    pid             BIGINT NOT NULL,
    finished        TIMESTAMPTZ,
    utc_offset      BIGINT NOT NULL,
    duration        DOUBLE PRECISION NOT NULL,
    cpu_user        DOUBLE PRECISION,
    cpu_system      DOUBLE PRECISION,
    max_rss         BIGINT,
    git_commit      TEXT,
    git_branch      TEXT,
    git_dirty       BOOLEAN,
    output          TEXT NOT NULL,
    output_bytes    BIGINT NOT NULL,
    output_whole    BOOLEAN NOT NULL,
    error           TEXT NOT NULL,
    error_bytes     BIGINT NOT NULL,
    error_whole     BOOLEAN NOT NULL,
    previous_commit TEXT,
    job_id          TEXT,
    job_state       TEXT,
    job_returncode  BIGINT,
    cmd             JSON,
    env             JSON,
    job             JSON,
    more            JSON,
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
