package submission

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/vision-platform/trainer-agent/hub/store"
)

// journal writes what happens to submissions: whoever changes one writes through it.
type journal struct {
	db   *store.DB
	now  func() time.Time
	bell *Bell
}

// event writes the next event of a submission, which the update locks.
func (j journal) event(ctx context.Context, tx *sql.Tx, id, kind string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	var seq int64
	row := tx.QueryRowContext(ctx, `UPDATE submissions SET events = events + 1, updated = $1 WHERE id = $2 RETURNING events`, store.Millis(j.now()), id)
	if err := row.Scan(&seq); err != nil {
		return fmt.Errorf("numbering an event: %w", err)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO submission_events (submission_id, seq, at, kind, data) VALUES ($1, $2, $3, $4, $5)`,
		id, seq, store.Millis(j.now()), kind, string(text))
	if err != nil {
		return fmt.Errorf("writing an event: %w", err)
	}
	return nil
}

// eventOnce writes an event, unless it is the last one already.
func (j journal) eventOnce(ctx context.Context, tx *sql.Tx, id, kind string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	var same int
	err = tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM submission_events JOIN submissions ON submissions.id = submission_id AND seq = events
		WHERE submission_id = $1 AND kind = $2 AND data = $3`, id, kind, string(text)).Scan(&same)
	if err != nil {
		return fmt.Errorf("reading the last event: %w", err)
	}
	if same > 0 {
		return nil
	}
	return j.event(ctx, tx, id, kind, data)
}

// tx runs fn in a transaction and, when it was committed, wakes who waits.
func (j journal) tx(ctx context.Context, fn func(*sql.Tx) error) error {
	if err := j.db.Tx(ctx, fn); err != nil {
		return err
	}
	j.bell.Ring()
	return nil
}
