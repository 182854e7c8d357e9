-- Which packages may go: those of submissions that ended without a version, and of uploads that made none.

-- +goose Up
ALTER TABLE submissions ADD COLUMN expired BIGINT NOT NULL DEFAULT 0;  -- when its package was given up; 0 while it is kept
CREATE INDEX submissions_package ON submissions (sha256) WHERE expired = 0;

-- The one row has the name of this database. Whoever changes what may be removed locks it.
CREATE TABLE hub (
    one BIGINT PRIMARY KEY,
    id  TEXT NOT NULL
);
INSERT INTO hub (one, id) VALUES (1, '');

-- Packages that are being kept, and have no submission yet.
CREATE TABLE arrivals (
    id     TEXT PRIMARY KEY,
    sha256 TEXT NOT NULL,
    at     BIGINT NOT NULL
);
CREATE INDEX arrivals_package ON arrivals (sha256);

-- Packages that nothing refers to any longer, and whose bytes are to be removed.
CREATE TABLE departures (
    sha256 TEXT PRIMARY KEY,
    until  BIGINT NOT NULL              -- who removes it has until then; 0 for nobody
);

-- +goose Down
DROP TABLE departures;
DROP TABLE arrivals;
DROP TABLE hub;
DROP INDEX submissions_package;
ALTER TABLE submissions DROP COLUMN expired;
