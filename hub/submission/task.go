package submission

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub/store"
)

// Task is a submission that a worker has a lease of: whatever it writes is written only
// while it has it.
type Task struct {
	Submission
	journal
	output *Output
	lease  string
}

// Renew extends the lease, or returns ErrLost.
func (t *Task) Renew(ctx context.Context) error {
	return t.db.Tx(ctx, func(tx *sql.Tx) error { return t.hold(ctx, tx) })
}

// hold extends the lease in a transaction; nothing is written without it.
func (t *Task) hold(ctx context.Context, tx *sql.Tx) error {
	result, err := tx.ExecContext(ctx, `UPDATE tasks SET lease_until = $1 WHERE submission_id = $2 AND lease = $3`,
		store.Millis(t.now().Add(Lease)), t.ID, t.lease)
	if err != nil {
		return fmt.Errorf("renewing a lease: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return ErrLost
	}
	return nil
}

// Begin says which step is being taken.
func (t *Task) Begin(ctx context.Context, step string) error {
	if l := t.output.find(t.ID); l != nil {
		l.clear()
	}
	return t.tx(ctx, func(tx *sql.Tx) error {
		if err := t.hold(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE submissions SET step = $1 WHERE id = $2`, step, t.ID); err != nil {
			return err
		}
		return t.event(ctx, tx, t.ID, "step_started", map[string]string{"step": step})
	})
}

// Report keeps a step's report. A step that is taken again after a kill replaces
// its report.
func (t *Task) Report(ctx context.Context, report contract.StepReport) error {
	text, err := json.Marshal(report)
	if err != nil {
		return err
	}
	log := report.Log
	report.Log = "" // has an address of its own
	return t.tx(ctx, func(tx *sql.Tx) error {
		if err := t.hold(ctx, tx); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO steps (submission_id, attempt, name, position, report)
			VALUES ($1, $2, $3, (SELECT COUNT(*) FROM steps WHERE submission_id = $1 AND attempt = $2), $4)
			ON CONFLICT (submission_id, attempt, name) DO UPDATE SET report = excluded.report`, t.ID, t.Attempt, report.Name, string(text))
		if err != nil {
			return fmt.Errorf("keeping a step's report: %w", err)
		}
		return t.event(ctx, tx, t.ID, "step", struct {
			contract.StepReport
			LogBytes int `json:"log_bytes"`
		}{report, len(log)})
	})
}

// Advance ends the work of a state: on to the next one, whose work is then t's,
// or to the end.
func (t *Task) Advance(ctx context.Context, receipt json.RawMessage) error {
	next := t.State.Next(t.DryRun)
	return t.end(ctx, next, "", func(tx *sql.Tx) error {
		if next != Active {
			return nil
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO versions (name, version, submission_id, sha256, receipt, published) VALUES ($1, $2, $3, $4, $5, $6)`,
			t.Name, t.Version, t.ID, t.SHA256, string(receipt), store.Millis(t.now()))
		if err != nil {
			return err
		}
		return pointed(ctx, tx, t.Name, store.Millis(t.now()))
	})
}

// pointed asks the catalog to look which version is the newest by now: one may have been withdrawn
// since this one was published.
func pointed(ctx context.Context, tx *sql.Tx, name string, now int64) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO pointers (name, asked, tries, run_at) VALUES ($1, 1, 0, $2)
		ON CONFLICT (name) DO UPDATE SET asked = pointers.asked + 1, tries = 0, run_at = excluded.run_at`, name, now)
	if err != nil {
		return fmt.Errorf("asking to look at the newest version: %w", err)
	}
	return nil
}

// Reject ends a submission by its author's fault; the findings say why.
func (t *Task) Reject(ctx context.Context, reason string) error {
	return t.end(ctx, Rejected, reason, nil)
}

func (t *Task) end(ctx context.Context, to State, reason string, also func(*sql.Tx) error) error {
	err := t.tx(ctx, func(tx *sql.Tx) error {
		if err := t.hold(ctx, tx); err != nil {
			return err
		}
		if also != nil {
			if err := also(tx); err != nil {
				return err
			}
		}
		return t.move(ctx, tx, t.Submission, to, "hub", reason)
	})
	if err == nil {
		t.State, t.Step, t.Reason = to, "", reason
	}
	return err
}

// Fault is the hub's own failure: the state is tried again after a while, three
// times in all, and then the operator has to look.
func (t *Task) Fault(ctx context.Context, fault error) error {
	return t.tx(ctx, func(tx *sql.Tx) error {
		if err := t.hold(ctx, tx); err != nil {
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
			return t.move(ctx, tx, t.Submission, Failed, "hub", fault.Error())
		}
		wait := faultWait << (faults - 1)
		if _, err := tx.ExecContext(ctx, `UPDATE tasks SET lease = '', lease_until = 0, run_at = $1 WHERE submission_id = $2`, store.Millis(t.now().Add(wait)), t.ID); err != nil {
			return err
		}
		return t.event(ctx, tx, t.ID, "fault", map[string]any{"state": t.State, "text": fault.Error(), "try": faults, "of": most, "again_in_seconds": wait.Seconds()})
	})
}

// Postpone leaves a task for later: what it needs is away. It is not counted, and the task waits
// as long as that takes; that it waits is told once, not every time that it was looked.
func (t *Task) Postpone(ctx context.Context, why error) error {
	return t.tx(ctx, func(tx *sql.Tx) error {
		if err := t.hold(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE tasks SET lease = '', lease_until = 0, claims = claims - 1, run_at = $1 WHERE submission_id = $2`, store.Millis(t.now().Add(awayWait)), t.ID); err != nil {
			return fmt.Errorf("postponing a task: %w", err)
		}
		return t.eventOnce(ctx, tx, t.ID, "fault", map[string]any{"state": t.State, "text": why.Error(), "again_in_seconds": awayWait.Seconds()})
	})
}

// Release gives a task back undone, for a hub that stops.
func (t *Task) Release(ctx context.Context) error {
	return t.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE tasks SET lease = '', lease_until = 0, claims = claims - 1 WHERE submission_id = $1 AND lease = $2`, t.ID, t.lease)
		return err
	})
}
