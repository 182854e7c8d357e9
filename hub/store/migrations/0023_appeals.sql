-- What authors say against a rejection, and what the operator let pass.

-- +goose Up
CREATE TABLE appeals (
    id            TEXT PRIMARY KEY,
    submission_id TEXT NOT NULL REFERENCES submissions (id),
    author        TEXT NOT NULL REFERENCES users (id),
    reason        TEXT NOT NULL,
    state         TEXT NOT NULL,        -- waiting, granted, refused, withdrawn
    answer        TEXT NOT NULL,        -- of who decided
    decided_by    TEXT NOT NULL,
    created       BIGINT NOT NULL,
    decided       BIGINT NOT NULL
);
CREATE UNIQUE INDEX appeals_waiting ON appeals (submission_id) WHERE state = 'waiting';
CREATE INDEX appeals_submission ON appeals (submission_id, created);

-- A finding of a rule in a file of these very bytes is let pass.
CREATE TABLE waivers (
    rule      TEXT NOT NULL,
    sha256    TEXT NOT NULL,            -- of the file
    appeal_id TEXT NOT NULL REFERENCES appeals (id),
    reason    TEXT NOT NULL,
    created   BIGINT NOT NULL,
    PRIMARY KEY (rule, sha256)
);

-- +goose Down
DROP TABLE waivers;
DROP TABLE appeals;
