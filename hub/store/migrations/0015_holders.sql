-- Whom a submission's trainer belongs to: its owner, or an organisation whose members see each other's submissions.

-- +goose Up
ALTER TABLE submissions ADD COLUMN holder TEXT NOT NULL DEFAULT '';
UPDATE submissions SET holder = COALESCE((SELECT trainers.owner FROM trainers WHERE trainers.name = submissions.name AND submissions.holds = 1), owner);

-- +goose Down
ALTER TABLE submissions DROP COLUMN holder;
