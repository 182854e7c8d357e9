// Package notify lets users read what they were told, and tells the operator's webhook the
// same. It promises that the webhook hears of every end at least once, signed, also after a
// kill or while it was away for a day; an id tells a repetition. It leaves what is told to
// hub/submission, which writes it with the end itself.
package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vision-platform/trainer-agent/hub/store"
)

// Notifications are those of a hub.
type Notifications struct {
	db  *store.DB
	now func() time.Time
}

// New returns the notifications of a database.
func New(db *store.DB, now func() time.Time) *Notifications { return &Notifications{db, now} }

// Notification is one thing that a user was told.
type Notification struct {
	ID           string `json:"id"`
	SubmissionID string `json:"validation_job_id"`
	Name         string `json:"name"`
	Version      string `json:"version"`
	State        string `json:"state" doc:"In which the submission ended: active, proven, rejected, error, cancelled; or version. and the state that its version has now."`
	Text         string `json:"text"`
	Created      int64  `json:"created" doc:"Milliseconds since 1970."`
	Seen         bool   `json:"seen"`
}

// Place is where the notification is in a list.
func (n Notification) Place() store.Place { return store.Place{Created: n.Created, ID: n.ID} }

const columns = `notifications.id, submission_id, name, version, notifications.state, text, notifications.created, seen`

type scanner interface{ Scan(...any) error }

func scan(row scanner) (n Notification, err error) {
	var seen int64
	err = row.Scan(&n.ID, &n.SubmissionID, &n.Name, &n.Version, &n.State, &n.Text, &n.Created, &seen)
	n.Seen = seen != 0
	return n, err
}

// List returns a user's notifications after a place.
func (n *Notifications) List(ctx context.Context, user string, from store.Place, limit int) (list []Notification, err error) {
	rows, err := n.db.QueryContext(ctx, `SELECT `+columns+` FROM notifications JOIN submissions ON submissions.id = submission_id
		WHERE user_id = $1 AND (notifications.created, notifications.id) < (CAST($2 AS BIGINT), CAST($3 AS TEXT))
		ORDER BY notifications.created DESC, notifications.id DESC LIMIT $4`, user, from.Created, from.ID, limit)
	if err != nil {
		return nil, fmt.Errorf("listing notifications: %w", err)
	}
	defer func() { _ = rows.Close() }()
	list = []Notification{}
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, rows.Err()
}

// ErrNotFound is a notification that the user was not told.
var ErrNotFound = errors.New("there is no such notification of yours")

// See marks a user's notifications as seen, up to one of them.
func (n *Notifications) See(ctx context.Context, user, upTo string) error {
	result, err := n.db.ExecContext(ctx, `UPDATE notifications SET seen = 1
		WHERE user_id = $1 AND id <= (SELECT id FROM notifications WHERE id = $2 AND user_id = $1)`, user, upTo)
	if err != nil {
		return fmt.Errorf("marking notifications as seen: %w", err)
	}
	seen, err := result.RowsAffected()
	if err == nil && seen == 0 {
		err = ErrNotFound
	}
	return err
}
