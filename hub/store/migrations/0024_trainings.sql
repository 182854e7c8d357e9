-- What was trained with published versions, as the platform told it.

-- +goose Up
CREATE TABLE trainings (
    source       TEXT NOT NULL,             -- who told it: a user's id, or '' for callbacks that the platform took through the hub
    job_id       TEXT NOT NULL,             -- of that source
    name         TEXT NOT NULL,
    version      TEXT NOT NULL,
    task         TEXT NOT NULL,
    device       TEXT NOT NULL,
    metric       TEXT NOT NULL,             -- the primary one's name
    value        DOUBLE PRECISION,          -- of the primary metric; NULL where none was told
    started      BIGINT NOT NULL,
    ended        BIGINT NOT NULL,           -- 0 until its end is told
    seconds      DOUBLE PRECISION NOT NULL, -- of the training process; 0 until they are told
    status       TEXT NOT NULL,             -- running, succeeded, failed, stopped
    failure_code TEXT NOT NULL,
    PRIMARY KEY (source, job_id),
    FOREIGN KEY (name, version) REFERENCES versions (name, version)
);
CREATE INDEX trainings_name ON trainings (name, started);

-- Each message counts once, however often it is sent.
CREATE TABLE usage_keys (
    source TEXT NOT NULL,
    key    TEXT NOT NULL,
    at     BIGINT NOT NULL,
    PRIMARY KEY (source, key)
);

-- +goose Down
DROP TABLE usage_keys;
DROP TABLE trainings;
