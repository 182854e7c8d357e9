package submission

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/vision-platform/trainer-agent/hub/store"
)

// Appeal is one appeal.
type Appeal struct {
	ID           string `json:"id"`
	SubmissionID string `json:"validation_job_id"`
	Name         string `json:"name"`
	Version      string `json:"version"`
	Author       string `json:"author"`
	Reason       string `json:"reason"`
	State        string `json:"state" enum:"waiting,granted,refused,withdrawn"`
	Answer       string `json:"answer" doc:"Of who decided."`
	Created      int64  `json:"created" doc:"Milliseconds since 1970."`
	Decided      int64  `json:"decided" doc:"Milliseconds since 1970; 0 while it waits."`
}

// Place is where the appeal is in a list.
func (a Appeal) Place() store.Place { return store.Place{Created: a.Created, ID: a.ID} }

// Appeals are the appeals after a place: of one submission, or of all for "". Of those, only waiting
// ones where only they are wanted.
func (r *Records) Appeals(ctx context.Context, submission string, waiting bool, from store.Place, limit int) ([]Appeal, error) {
	rows, err := r.db.QueryContext(ctx, `SELECT appeals.id, submission_id, submissions.name, submissions.version, users.name, appeals.reason, appeals.state, answer, appeals.created, decided
		FROM appeals JOIN submissions ON submissions.id = submission_id JOIN users ON users.id = author
		WHERE (CAST($1 AS TEXT) = '' OR submission_id = CAST($1 AS TEXT)) AND (CAST($2 AS BIGINT) = 0 OR appeals.state = 'waiting')
			AND (appeals.created, appeals.id) < (CAST($3 AS BIGINT), CAST($4 AS TEXT))
		ORDER BY appeals.created DESC, appeals.id DESC LIMIT $5`, submission, map[bool]int64{true: 1}[waiting], from.Created, from.ID, limit)
	if err != nil {
		return nil, fmt.Errorf("listing appeals: %w", err)
	}
	defer func() { _ = rows.Close() }()
	list := []Appeal{}
	for rows.Next() {
		var a Appeal
		if err := rows.Scan(&a.ID, &a.SubmissionID, &a.Name, &a.Version, &a.Author, &a.Reason, &a.State, &a.Answer, &a.Created, &a.Decided); err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, rows.Err()
}

// Waived returns why a rule is let pass in a file, by the SHA-256 of its bytes; "" means that it is
// not.
func (r *Records) Waived(ctx context.Context, rule, sum string) (reason string, err error) {
	err = r.db.QueryRowContext(ctx, `SELECT reason FROM waivers WHERE rule = $1 AND sha256 = $2`, rule, sum).Scan(&reason)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("looking for a waiver: %w", err)
	}
	return reason, nil
}
