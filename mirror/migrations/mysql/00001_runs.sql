-- +goose Up
-- MySQL commits each of these by itself: what a cut-off migration has left is no
-- error for the next one.
CREATE TABLE IF NOT EXISTS homes (
    id         BIGINT AUTO_INCREMENT PRIMARY KEY,
    uid        VARCHAR(64) NOT NULL UNIQUE,
    name       VARCHAR(255) NOT NULL,
    commit_id  VARCHAR(64) NOT NULL,
    unreadable BIGINT NOT NULL,
    updated    DATETIME(6) NOT NULL
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ENGINE InnoDB;

CREATE TABLE IF NOT EXISTS tasks (
    home_id    BIGINT NOT NULL REFERENCES homes (id),
    id         VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    executor   VARCHAR(64) NOT NULL,
    command    MEDIUMTEXT NOT NULL,
    created    DATETIME(6) NOT NULL,
    started    DATETIME(6) NOT NULL,
    host       VARCHAR(255) NOT NULL,
    PRIMARY KEY (home_id, id)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ENGINE InnoDB;

CREATE TABLE IF NOT EXISTS runs (
    home_id         BIGINT NOT NULL,
    task_id         VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    started         DATETIME(6) NOT NULL,
    host            VARCHAR(255) NOT NULL,
    executor        VARCHAR(64) NOT NULL,
    command         MEDIUMTEXT NOT NULL,
    run             BIGINT NOT NULL,
    username        VARCHAR(255) NOT NULL,
    pwd             VARCHAR(1024) NOT NULL,
    message         MEDIUMTEXT NOT NULL,
    status          VARCHAR(64),
    returncode      BIGINT,
    signal_name     VARCHAR(64),
    pid             BIGINT NOT NULL,
    finished        DATETIME(6),
    utc_offset      BIGINT NOT NULL,
    duration        DOUBLE NOT NULL,
    cpu_user        DOUBLE,
    cpu_system      DOUBLE,
    max_rss         BIGINT,
    git_commit      VARCHAR(64),
    git_branch      VARCHAR(255),
    git_dirty       BOOLEAN,
    output          MEDIUMTEXT NOT NULL,
    output_bytes    BIGINT NOT NULL,
    output_whole    BOOLEAN NOT NULL,
    error           MEDIUMTEXT NOT NULL,
    error_bytes     BIGINT NOT NULL,
    error_whole     BOOLEAN NOT NULL,
    previous_commit VARCHAR(64),
    job_id          VARCHAR(64),
    job_state       VARCHAR(64),
    job_returncode  BIGINT,
    cmd             LONGTEXT,
    env             LONGTEXT,
    job             LONGTEXT,
    more            LONGTEXT,
    PRIMARY KEY (home_id, task_id, started, host),
    INDEX runs_started (started),
    INDEX runs_executor (executor, started),
    INDEX runs_returncode (returncode, started),
    INDEX runs_host (host, started),
    INDEX runs_username (username, started),
    INDEX runs_pwd (pwd (255), started)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ENGINE InnoDB;

CREATE OR REPLACE VIEW latest_runs AS
SELECT runs.*, tasks.created
FROM tasks
JOIN runs ON runs.home_id = tasks.home_id AND runs.task_id = tasks.id AND runs.started = tasks.started AND runs.host = tasks.host;

-- +goose Down
DROP VIEW latest_runs;
DROP TABLE runs;
DROP TABLE tasks;
DROP TABLE homes;
