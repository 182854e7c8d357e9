-- What users are told, and the webhook with them.

-- +goose Up
CREATE TABLE notifications (
    id            TEXT PRIMARY KEY,
    user_id       TEXT NOT NULL REFERENCES users (id),
    submission_id TEXT NOT NULL REFERENCES submissions (id),
    state         TEXT NOT NULL,            -- in which the submission ended
    text          TEXT NOT NULL,
    created       BIGINT NOT NULL,
    seen          BIGINT NOT NULL,          -- 1 once its user said so
    webhook       TEXT NOT NULL,            -- waiting, delivered, given up
    tries         BIGINT NOT NULL,
    run_at        BIGINT NOT NULL           -- of the next try
);
CREATE INDEX notifications_user ON notifications (user_id, created);
CREATE INDEX notifications_waiting ON notifications (run_at) WHERE webhook = 'waiting';

-- +goose Down
DROP TABLE notifications;
