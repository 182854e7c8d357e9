-- Whether a published version is offered, and whose keys in the platform's bucket have to be looked at.

-- +goose Up
ALTER TABLE versions ADD COLUMN state TEXT NOT NULL DEFAULT 'active';  -- deprecated, yanked, quarantined, removed
ALTER TABLE versions ADD COLUMN reason TEXT NOT NULL DEFAULT '';

-- Written in the transaction that may change which version of a trainer is the newest.
CREATE TABLE pointers (
    name   TEXT PRIMARY KEY REFERENCES trainers (name),
    asked  BIGINT NOT NULL,             -- how often; who looks ends only what was asked before
    tries  BIGINT NOT NULL,
    run_at BIGINT NOT NULL              -- of the next try
);

-- +goose Down
DROP TABLE pointers;
ALTER TABLE versions DROP COLUMN reason;
ALTER TABLE versions DROP COLUMN state;
