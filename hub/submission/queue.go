package submission

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
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
)

// Task is a submission that a worker has a lease of.
type Task struct {
	Submission
	lease string
}

// Claim takes a task; nil means that there is none now. Users take turns, and a user's own
// come in their order: nobody waits behind twenty of another's.
func (s *Submissions) Claim(ctx context.Context) (*Task, error) {
	var task *Task
	err := s.db.Tx(ctx, func(tx *sql.Tx) error {
		now, lease := s.now(), store.ID()
		var id string
		var claims int64
		err := tx.QueryRowContext(ctx, `UPDATE tasks SET lease = $1, lease_until = $2, claims = claims + 1 WHERE submission_id =
			(SELECT submission_id FROM tasks WHERE run_at <= $3 AND lease_until <= $3
			ORDER BY (SELECT served FROM users JOIN submissions ON owner = users.id WHERE submissions.id = submission_id), run_at, submission_id LIMIT 1 `+s.db.ForUpdate+`)
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
			return s.move(ctx, tx, at, Failed, "hub", fmt.Sprintf("%s was begun %d times and never ended: the hub was stopped or killed each time", at.State, maxClaims))
		}
		task = &Task{Submission: at, lease: lease}
		return nil
	})
	return task, err
}

// Forget takes back every lease. The one hub of a folder calls it at its start:
// who had a lease is gone.
func (s *Submissions) Forget(ctx context.Context) error {
	return s.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE tasks SET lease = '', lease_until = 0`)
		return err
	})
}

// Renew extends the lease, or returns ErrLost.
func (s *Submissions) Renew(ctx context.Context, t *Task) error {
	return s.db.Tx(ctx, func(tx *sql.Tx) error { return s.hold(ctx, tx, t) })
}

// hold extends the lease in a transaction; nothing is written without it.
func (s *Submissions) hold(ctx context.Context, tx *sql.Tx, t *Task) error {
	result, err := tx.ExecContext(ctx, `UPDATE tasks SET lease_until = $1 WHERE submission_id = $2 AND lease = $3`,
		store.Millis(s.now().Add(Lease)), t.ID, t.lease)
	if err != nil {
		return fmt.Errorf("renewing a lease: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return ErrLost
	}
	return nil
}

// Begin says which step is being taken.
func (s *Submissions) Begin(ctx context.Context, t *Task, step string) error {
	if l := s.liveOf(t.ID); l != nil {
		l.clear()
	}
	return s.tx(ctx, func(tx *sql.Tx) error {
		if err := s.hold(ctx, tx, t); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE submissions SET step = $1 WHERE id = $2`, step, t.ID); err != nil {
			return err
		}
		return s.event(ctx, tx, t.ID, "step_started", map[string]string{"step": step})
	})
}

// Report keeps a step's report. A step that is taken again after a kill replaces
// its report.
func (s *Submissions) Report(ctx context.Context, t *Task, report contract.StepReport) error {
	text, err := json.Marshal(report)
	if err != nil {
		return err
	}
	log := report.Log
	report.Log = "" // has an address of its own
	return s.tx(ctx, func(tx *sql.Tx) error {
		if err := s.hold(ctx, tx, t); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO steps (submission_id, attempt, name, position, report)
			VALUES ($1, $2, $3, (SELECT COUNT(*) FROM steps WHERE submission_id = $1 AND attempt = $2), $4)
			ON CONFLICT (submission_id, attempt, name) DO UPDATE SET report = excluded.report`, t.ID, t.Attempt, report.Name, string(text))
		if err != nil {
			return fmt.Errorf("keeping a step's report: %w", err)
		}
		return s.event(ctx, tx, t.ID, "step", struct {
			contract.StepReport
			LogBytes int `json:"log_bytes"`
		}{report, len(log)})
	})
}

// Advance ends the work of a state: on to the next one, whose work is then t's,
// or to the end.
func (s *Submissions) Advance(ctx context.Context, t *Task, receipt json.RawMessage) error {
	next := t.State.Next(t.DryRun)
	return s.end(ctx, t, next, "", func(tx *sql.Tx) error {
		if next != Active {
			return nil
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO versions (name, version, submission_id, sha256, receipt, published) VALUES ($1, $2, $3, $4, $5, $6)`,
			t.Name, t.Version, t.ID, t.SHA256, string(receipt), store.Millis(s.now()))
		return err
	})
}

// Reject ends a submission by its author's fault; the findings say why.
func (s *Submissions) Reject(ctx context.Context, t *Task, reason string) error {
	return s.end(ctx, t, Rejected, reason, nil)
}

func (s *Submissions) end(ctx context.Context, t *Task, to State, reason string, also func(*sql.Tx) error) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		if err := s.hold(ctx, tx, t); err != nil {
			return err
		}
		if also != nil {
			if err := also(tx); err != nil {
				return err
			}
		}
		return s.move(ctx, tx, t.Submission, to, "hub", reason)
	})
	if err == nil {
		t.State, t.Step, t.Reason = to, "", reason
	}
	return err
}

// Fault is the hub's own failure: the state is tried again after a while, three
// times in all, and then the operator has to look.
func (s *Submissions) Fault(ctx context.Context, t *Task, fault error) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		if err := s.hold(ctx, tx, t); err != nil {
			return err
		}
		var faults int64
		if err := tx.QueryRowContext(ctx, `UPDATE tasks SET faults = faults + 1 WHERE submission_id = $1 RETURNING faults`, t.ID).Scan(&faults); err != nil {
			return err
		}
		most := int64(maxFaults)
		if t.State == Publishing {
			most = maxPublishFaults
		}
		if faults >= most {
			return s.move(ctx, tx, t.Submission, Failed, "hub", fault.Error())
		}
		wait := faultWait << (faults - 1)
		if _, err := tx.ExecContext(ctx, `UPDATE tasks SET lease = '', lease_until = 0, run_at = $1 WHERE submission_id = $2`, store.Millis(s.now().Add(wait)), t.ID); err != nil {
			return err
		}
		return s.event(ctx, tx, t.ID, "fault", map[string]any{"state": t.State, "text": fault.Error(), "try": faults, "of": most, "again_in_seconds": wait.Seconds()})
	})
}

// Release gives a task back undone, for a hub that stops.
func (s *Submissions) Release(ctx context.Context, t *Task) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE tasks SET lease = '', lease_until = 0, claims = claims - 1 WHERE submission_id = $1 AND lease = $2`, t.ID, t.lease)
		return err
	})
}
