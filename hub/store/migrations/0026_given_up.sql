-- A name stays held until the platform reads nothing of a version that was given up.

-- +goose Up
ALTER TABLE pointers ADD COLUMN given_up TEXT NOT NULL DEFAULT '';  -- versions, with a space before each

-- +goose Down
ALTER TABLE pointers DROP COLUMN given_up;
