-- One text for SQLite and PostgreSQL. Identifiers are UUIDv7 or names, times
-- milliseconds since 1970, booleans 0 or 1, JSON is TEXT.

-- +goose Up
CREATE TABLE users (
    id      TEXT PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    role    TEXT NOT NULL,              -- author, operator
    created BIGINT NOT NULL
);

CREATE TABLE sessions (
    hash    TEXT PRIMARY KEY,           -- SHA-256 of the cookie
    user_id TEXT NOT NULL REFERENCES users (id),
    expires BIGINT NOT NULL
);

CREATE TABLE links (
    hash    TEXT PRIMARY KEY,           -- SHA-256 of the one-time code
    user_id TEXT NOT NULL REFERENCES users (id),
    expires BIGINT NOT NULL
);

CREATE TABLE tokens (
    id      TEXT PRIMARY KEY,
    hash    TEXT NOT NULL UNIQUE,       -- SHA-256 of the token
    user_id TEXT NOT NULL REFERENCES users (id),
    name    TEXT NOT NULL,
    scopes  TEXT NOT NULL,              -- separated by spaces
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL
);

-- A name is held from the upload on; a submission that ends without a version gives it back.
CREATE TABLE trainers (
    name     TEXT PRIMARY KEY,
    skeleton TEXT NOT NULL UNIQUE,      -- what the name looks like: no two may look alike
    owner    TEXT NOT NULL REFERENCES users (id),
    created  BIGINT NOT NULL
);

CREATE TABLE submissions (
    id              TEXT PRIMARY KEY,
    name            TEXT NOT NULL,
    version         TEXT NOT NULL,
    sha256          TEXT NOT NULL,
    size            BIGINT NOT NULL,
    owner           TEXT NOT NULL REFERENCES users (id),
    metadata        TEXT NOT NULL,
    dry_run         BIGINT NOT NULL,
    idempotency_key TEXT NOT NULL,
    state           TEXT NOT NULL,
    reason          TEXT NOT NULL,      -- why it ended, for the author
    step            TEXT NOT NULL,      -- that is being taken
    attempt         BIGINT NOT NULL,    -- from 1; each retry is one more
    holds           BIGINT NOT NULL,    -- 1 while it is, or may become, this version
    events          BIGINT NOT NULL,    -- seq of the newest event
    created         BIGINT NOT NULL,
    updated         BIGINT NOT NULL
);
CREATE UNIQUE INDEX submissions_version ON submissions (name, version) WHERE holds = 1;
CREATE UNIQUE INDEX submissions_key ON submissions (owner, idempotency_key) WHERE idempotency_key <> '';
CREATE INDEX submissions_owner ON submissions (owner, created);

CREATE TABLE submission_events (
    submission_id TEXT NOT NULL REFERENCES submissions (id),
    seq           BIGINT NOT NULL,
    at            BIGINT NOT NULL,
    kind          TEXT NOT NULL,        -- state, step_started, step, fault
    data          TEXT NOT NULL,
    PRIMARY KEY (submission_id, seq)
);

CREATE TABLE steps (
    submission_id TEXT NOT NULL REFERENCES submissions (id),
    attempt       BIGINT NOT NULL,
    name          TEXT NOT NULL,
    position      BIGINT NOT NULL,
    report        TEXT NOT NULL,
    PRIMARY KEY (submission_id, attempt, name)
);

-- What is to be done, written in the transaction that makes it necessary.
CREATE TABLE tasks (
    submission_id TEXT PRIMARY KEY REFERENCES submissions (id),
    run_at        BIGINT NOT NULL,
    lease         TEXT NOT NULL,        -- who works on it; '' for nobody
    lease_until   BIGINT NOT NULL,
    claims        BIGINT NOT NULL,      -- in this state
    faults        BIGINT NOT NULL       -- of ours, in this state
);
CREATE INDEX tasks_run_at ON tasks (run_at);

CREATE TABLE versions (
    name          TEXT NOT NULL REFERENCES trainers (name),
    version       TEXT NOT NULL,
    submission_id TEXT NOT NULL REFERENCES submissions (id),
    sha256        TEXT NOT NULL,
    receipt       TEXT NOT NULL,        -- what publishing left: image, digest, …
    published     BIGINT NOT NULL,
    PRIMARY KEY (name, version)
);

-- Each row has the hash of the row before it: what was written cannot be changed unseen.
CREATE TABLE audit (
    seq     BIGINT PRIMARY KEY,
    at      BIGINT NOT NULL,
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail  TEXT NOT NULL,
    hash    TEXT NOT NULL
);
CREATE TABLE audit_head (
    one  BIGINT PRIMARY KEY,
    seq  BIGINT NOT NULL,
    hash TEXT NOT NULL
);
INSERT INTO audit_head (one, seq, hash) VALUES (1, 0, '');

-- +goose Down
DROP TABLE audit_head;
DROP TABLE audit;
DROP TABLE versions;
DROP TABLE tasks;
DROP TABLE steps;
DROP TABLE submission_events;
DROP TABLE submissions;
DROP TABLE trainers;
DROP TABLE tokens;
DROP TABLE links;
DROP TABLE sessions;
DROP TABLE users;
