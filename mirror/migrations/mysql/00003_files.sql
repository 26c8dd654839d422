-- +goose Up
CREATE TABLE IF NOT EXISTS files (
    home_id   BIGINT NOT NULL,
    task_id   VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    started   DATETIME(6) NOT NULL,
    host      VARCHAR(255) NOT NULL,
    direction VARCHAR(8) NOT NULL,
    number    BIGINT NOT NULL,
    run       BIGINT NOT NULL,
    path      MEDIUMTEXT NOT NULL,
    size      BIGINT NOT NULL,
    sha256    VARCHAR(64),
    partial   BOOLEAN NOT NULL,
    listed_by VARCHAR(64) NOT NULL,
    PRIMARY KEY (home_id, task_id, started, host, direction, number),
    INDEX files_sha256 (sha256)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ENGINE InnoDB;

UPDATE homes SET commit_id = '';

-- +goose Down
DROP TABLE files;
