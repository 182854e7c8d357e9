-- Users take turns: whose package was taken up last waits longest.

-- +goose Up
ALTER TABLE users ADD COLUMN served BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE users DROP COLUMN served;
