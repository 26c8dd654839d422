-- +goose Up
CREATE TABLE IF NOT EXISTS tags (
    home_id BIGINT NOT NULL,
    task_id VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    tag     VARCHAR(255) NOT NULL,
    PRIMARY KEY (home_id, task_id, tag),
    INDEX tags_tag (tag)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ENGINE InnoDB;

CREATE TABLE IF NOT EXISTS notes (
    home_id  BIGINT NOT NULL,
    task_id  VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    id       VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    written  DATETIME(6) NOT NULL,
    username VARCHAR(255) NOT NULL,
    text     MEDIUMTEXT NOT NULL,
    edited   DATETIME(6),
    PRIMARY KEY (home_id, task_id, id),
    INDEX notes_written (written)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ENGINE InnoDB;

UPDATE homes SET commit_id = '';

-- +goose Down
DROP TABLE notes;
DROP TABLE tags;
