package submission

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/vision-platform/trainer-agent/contract"
)

// Event is one thing that happened to a submission. Seq counts from 1.
type Event struct {
	Seq  int64           `json:"seq"`
	At   int64           `json:"at"`   // milliseconds since 1970
	Kind string          `json:"kind"` // state, step_started, step, fault
	Data json.RawMessage `json:"data"`
}

// maxEvents bounds one answer; whoever wants more asks again.
const maxEvents = 500

// Events returns what happened after an event, oldest first; 0 is the beginning.
func (r *Records) Events(ctx context.Context, id string, after int64) (events []Event, err error) {
	rows, err := r.db.QueryContext(ctx, `SELECT seq, at, kind, data FROM submission_events WHERE submission_id = $1 AND seq > $2 ORDER BY seq LIMIT $3`, id, after, maxEvents)
	if err != nil {
		return nil, fmt.Errorf("reading events: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var e Event
		var data string
		if err := rows.Scan(&e.Seq, &e.At, &e.Kind, &data); err != nil {
			return nil, err
		}
		e.Data = json.RawMessage(data)
		events = append(events, e)
	}
	return events, rows.Err()
}

// Steps returns the reports of a submission's newest attempt, in order.
func (r *Records) Steps(ctx context.Context, at Submission) ([]contract.StepReport, error) {
	return reports(ctx, r.db, at)
}

// reports reads within a transaction, or without one.
func reports(ctx context.Context, db interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}, at Submission) (steps []contract.StepReport, err error) {
	rows, err := db.QueryContext(ctx, `SELECT report FROM steps WHERE submission_id = $1 AND attempt = $2 ORDER BY position`, at.ID, at.Attempt)
	if err != nil {
		return nil, fmt.Errorf("reading steps: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		var step contract.StepReport
		if err := json.Unmarshal([]byte(text), &step); err != nil {
			return nil, fmt.Errorf("reading a step's report: %w", err)
		}
		steps = append(steps, step)
	}
	return steps, rows.Err()
}
