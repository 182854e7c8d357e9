package submission

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/vision-platform/trainer-agent/hub/store"
)

// Records are the submissions, as who looks reads them.
type Records struct{ db *store.DB }

// Get returns one submission, or ErrNotFound.
func (r *Records) Get(ctx context.Context, id string) (Submission, error) {
	return get(ctx, r.db, id)
}

// Sees says whether a submission is a user's own, or of an organisation of theirs.
func (r *Records) Sees(ctx context.Context, user string, at Submission) (bool, error) {
	if at.Owner == user {
		return true, nil
	}
	var member int64
	err := r.db.QueryRowContext(ctx, `SELECT COUNT(*) FROM members WHERE organisation = $1 AND user_id = $2`, at.Holder, user).Scan(&member)
	if err != nil {
		return false, fmt.Errorf("looking for a member: %w", err)
	}
	return member > 0, nil
}

// List returns the submissions after a place that a user sees, or everybody's for "".
func (r *Records) List(ctx context.Context, user string, from store.Place, limit int) (list []Submission, err error) {
	rows, err := r.db.QueryContext(ctx, `SELECT `+columns+` FROM submissions
		WHERE (CAST($1 AS TEXT) = '' OR owner = CAST($1 AS TEXT) OR holder IN (SELECT organisation FROM members WHERE user_id = CAST($1 AS TEXT)))
			AND (created, id) < (CAST($2 AS BIGINT), CAST($3 AS TEXT))
		ORDER BY created DESC, id DESC LIMIT $4`, user, from.Created, from.ID, limit)
	if err != nil {
		return nil, fmt.Errorf("listing submissions: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, rows.Err()
}

const columns = `id, name, version, sha256, size, owner, (SELECT users.name FROM users WHERE users.id = submissions.owner), holder,
	dry_run, state, reason, step, attempt, created, updated, expired`

type scanner interface{ Scan(...any) error }

func scan(row scanner) (s Submission, err error) {
	var dry int64
	err = row.Scan(&s.ID, &s.Name, &s.Version, &s.SHA256, &s.Size, &s.Owner, &s.Author, &s.Holder, &dry, &s.State, &s.Reason, &s.Step, &s.Attempt, &s.Created, &s.Updated, &s.Expired)
	s.DryRun = dry != 0
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	return s, err
}

// queryer is a transaction or the database itself.
type queryer interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}

func get(ctx context.Context, q queryer, id string) (Submission, error) {
	return scan(q.QueryRowContext(ctx, `SELECT `+columns+` FROM submissions WHERE id = $1`, id))
}
