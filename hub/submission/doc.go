// Package submission knows the way of an uploaded trainer package: its states, who
// may move it, what is to be done next, and what was seen on the way.
//
// It promises that every change of state is one transaction (state, event, task
// and a line of the audit log), so that a hub that is killed at any moment finds
// each submission in exactly one state with exactly one thing to do; that a name
// and a version belong to one package for ever; and that whoever lost a lease
// changes nothing. It leaves the work of each state to the hub, and the bytes to
// hub/blob.
package submission

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/vision-platform/trainer-agent/hub/store"
)

// Submissions are all submissions of a hub.
type Submissions struct {
	db   *store.DB
	now  func() time.Time
	bell *bell
	out  output
}

// New returns the submissions of a database.
func New(db *store.DB, now func() time.Time) *Submissions {
	return &Submissions{db: db, now: now, bell: newBell(), out: output{of: map[string]*live{}}}
}

// Submission is one uploaded package on its way.
type Submission struct {
	ID      string
	Name    string
	Version string
	SHA256  string
	Size    int64
	Owner   string // a user's id
	Author  string // the owner's name
	Holder  string // whom the trainer belongs to: the owner, or an organisation
	DryRun  bool
	State   State
	Reason  string // why it ended
	Step    string // that is being taken
	Attempt int64  // from 1
	Created int64  // milliseconds since 1970, as is Updated
	Updated int64
}

// What a caller may have done wrong.
var (
	ErrNotFound   = errors.New("there is no such submission")
	ErrLost       = errors.New("the lease of the submission was lost")
	ErrEnded      = errors.New("the submission has ended")
	ErrOpen       = errors.New("the submission is still on its way")
	ErrSucceeded  = errors.New("the submission has succeeded: there is nothing to try again")
	ErrPublishing = errors.New("the submission is being published, which takes moments and cannot be cancelled")
)

const columns = `id, name, version, sha256, size, owner, (SELECT users.name FROM users WHERE users.id = submissions.owner), holder,
	dry_run, state, reason, step, attempt, created, updated`

type scanner interface{ Scan(...any) error }

func scan(row scanner) (s Submission, err error) {
	var dry int64
	err = row.Scan(&s.ID, &s.Name, &s.Version, &s.SHA256, &s.Size, &s.Owner, &s.Author, &s.Holder, &dry, &s.State, &s.Reason, &s.Step, &s.Attempt, &s.Created, &s.Updated)
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

// Get returns one submission, or ErrNotFound.
func (s *Submissions) Get(ctx context.Context, id string) (Submission, error) {
	return get(ctx, s.db, id)
}

// Sees says whether a submission is a user's own, or of an organisation of theirs.
func (s *Submissions) Sees(ctx context.Context, user string, at Submission) (bool, error) {
	if at.Owner == user {
		return true, nil
	}
	var member int64
	err := s.db.QueryRowContext(ctx, `SELECT COUNT(*) FROM members WHERE organisation = $1 AND user_id = $2`, at.Holder, user).Scan(&member)
	if err != nil {
		return false, fmt.Errorf("looking for a member: %w", err)
	}
	return member > 0, nil
}

// List returns the newest submissions that a user sees, or everybody's for "".
func (s *Submissions) List(ctx context.Context, user string, limit int) (list []Submission, err error) {
	rows, err := s.db.QueryContext(ctx, `SELECT `+columns+` FROM submissions
		WHERE CAST($1 AS TEXT) = '' OR owner = CAST($1 AS TEXT) OR holder IN (SELECT organisation FROM members WHERE user_id = CAST($1 AS TEXT))
		ORDER BY created DESC, id DESC LIMIT $2`, user, limit)
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

// event writes the next event of a submission, which the update locks.
func (s *Submissions) event(ctx context.Context, tx *sql.Tx, id, kind string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	var seq int64
	row := tx.QueryRowContext(ctx, `UPDATE submissions SET events = events + 1, updated = $1 WHERE id = $2 RETURNING events`, store.Millis(s.now()), id)
	if err := row.Scan(&seq); err != nil {
		return fmt.Errorf("numbering an event: %w", err)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO submission_events (submission_id, seq, at, kind, data) VALUES ($1, $2, $3, $4, $5)`,
		id, seq, store.Millis(s.now()), kind, string(text))
	if err != nil {
		return fmt.Errorf("writing an event: %w", err)
	}
	return nil
}

// tx runs fn in a transaction and, when it was committed, wakes who waits.
func (s *Submissions) tx(ctx context.Context, fn func(*sql.Tx) error) error {
	if err := s.db.Tx(ctx, fn); err != nil {
		return err
	}
	s.bell.ring()
	return nil
}
