-- +goose Up

-- Whom a login provider knows, and which user that is.
CREATE TABLE identities (
    issuer  TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id),
    created BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject)
);

-- An organisation is a user of that role, whom nobody logs in as.
CREATE TABLE members (
    organisation TEXT NOT NULL REFERENCES users (id),
    user_id      TEXT NOT NULL REFERENCES users (id),
    PRIMARY KEY (organisation, user_id)
);

-- +goose Down
DROP TABLE members;
DROP TABLE identities;
