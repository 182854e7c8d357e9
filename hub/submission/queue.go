package submission

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/vision-platform/trainer-agent/hub/store"
)

// Lease is how long a worker has a task without renewing it.
const Lease = 30 * time.Second

const (
	// maxFaults is how often the hub may fail at one state by its own fault. What was proven
	// waits longer, some twenty minutes, for a registry or a bucket that is away.
	maxFaults, maxPublishFaults = 3, 8
	// maxClaims is how often a state may be begun: a package at which the hub
	// itself dies must not be begun for ever.
	maxClaims = 20
	faultWait = 10 * time.Second // before the second try; doubled before each that follows
	awayWait  = 30 * time.Second // before what is away is looked for again
)

// Queue is what waits for a worker.
type Queue struct {
	journal
	output *Output
}

// Claim takes a task; nil means that there is none now. Users take turns, and a user's own
// come in their order: nobody waits behind twenty of another's.
func (q *Queue) Claim(ctx context.Context) (task *Task, err error) {
	err = q.db.Tx(ctx, func(tx *sql.Tx) error {
		now, lease := q.now(), store.ID()
		var id string
		var claims int64
		err := tx.QueryRowContext(ctx, `UPDATE tasks SET lease = $1, lease_until = $2, claims = claims + 1 WHERE submission_id =
			(SELECT submission_id FROM tasks WHERE run_at <= $3 AND lease_until <= $3
			ORDER BY (SELECT served FROM users JOIN submissions ON owner = users.id WHERE submissions.id = submission_id), run_at, submission_id LIMIT 1 `+q.db.ForUpdate+`)
			RETURNING submission_id, claims`, lease, store.Millis(now.Add(Lease)), store.Millis(now)).Scan(&id, &claims)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("claiming a task: %w", err)
		}
		at, err := get(ctx, tx, id)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE users SET served = $1 WHERE id = $2`, store.Millis(now), at.Owner); err != nil {
			return fmt.Errorf("noting whose turn it was: %w", err)
		}
		if claims > maxClaims {
			return q.move(ctx, tx, at, Failed, "hub", fmt.Sprintf("%s was begun %d times and never ended: the hub was stopped or killed each time", at.State, maxClaims))
		}
		task = &Task{Submission: at, journal: q.journal, output: q.output, lease: lease}
		return nil
	})
	return task, err
}

// Forget takes back every lease. The one hub of a folder calls it at its start:
// who had a lease is gone.
func (q *Queue) Forget(ctx context.Context) error {
	return q.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE tasks SET lease = '', lease_until = 0`)
		return err
	})
}
