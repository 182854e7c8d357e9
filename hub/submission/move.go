package submission

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/vision-platform/trainer-agent/hub/store"
)

// move changes the state of a submission from what it was read as, in one
// transaction with everything that follows from it.
func (s *Submissions) move(ctx context.Context, tx *sql.Tx, from Submission, to State, actor, reason string) error {
	// A name is locked before the submission, as an upload does it: two who lock in another order
	// wait for each other.
	ends := !to.Open() && to != Active
	if ends {
		if err := lockName(ctx, tx, from.Name); err != nil {
			return err
		}
	}
	holds := 0
	if !from.DryRun && (to.Open() || to == Active) {
		holds = 1
	}
	attempt := from.Attempt
	if !from.State.Open() { // a retry
		attempt++
	}
	result, err := tx.ExecContext(ctx, `UPDATE submissions SET state = $1, reason = $2, step = '', attempt = $3, holds = $4 WHERE id = $5 AND state = $6`,
		string(to), reason, attempt, holds, from.ID, string(from.State))
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("moving from %s to %s: %w", from.State, to, ErrLost)
	}
	if err := s.entered(ctx, tx, from.ID, to, actor, map[string]string{"state": string(to), "from": string(from.State), "reason": reason}); err != nil {
		return err
	}
	if err := s.notify(ctx, tx, from, to, actor, reason); err != nil || !ends {
		return err
	}
	return releaseName(ctx, tx, from.Name)
}

// entered writes what entering a state brings: an event, the task of the state or
// the end of tasks, and a line of the audit log.
func (s *Submissions) entered(ctx context.Context, tx *sql.Tx, id string, state State, actor string, detail map[string]string) error {
	if err := s.event(ctx, tx, id, "state", detail); err != nil {
		return err
	}
	task := `DELETE FROM tasks WHERE submission_id = $1`
	args := []any{id}
	if state.Open() {
		task = `INSERT INTO tasks (submission_id, run_at, lease, lease_until, claims, faults) VALUES ($1, $2, '', 0, 0, 0)
			ON CONFLICT (submission_id) DO UPDATE SET run_at = excluded.run_at, claims = 0, faults = 0`
		args = append(args, store.Millis(s.now()))
	}
	if _, err := tx.ExecContext(ctx, task, args...); err != nil {
		return fmt.Errorf("writing the task: %w", err)
	}
	return store.Audit(ctx, tx, s.now(), store.Act{Actor: actor, Action: "submission." + string(state), Subject: id, Detail: detail})
}

// lockName holds a name, if somebody has it, until the transaction ends: who gives it back
// and who uploads a version of it come one after the other.
func lockName(ctx context.Context, tx *sql.Tx, name string) error {
	if _, err := tx.ExecContext(ctx, `UPDATE trainers SET created = created WHERE name = $1`, name); err != nil {
		return fmt.Errorf("locking the name: %w", err)
	}
	return nil
}

// releaseName gives a name back that has no version and nothing on its way.
func releaseName(ctx context.Context, tx *sql.Tx, name string) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM trainers WHERE name = $1
		AND NOT EXISTS (SELECT 1 FROM versions WHERE versions.name = trainers.name)
		AND NOT EXISTS (SELECT 1 FROM submissions WHERE submissions.name = trainers.name AND holds = 1)`, name)
	if err != nil {
		return fmt.Errorf("giving the name back: %w", err)
	}
	return nil
}

// Cancel ends a submission that is on its way; who works on it loses the lease.
// What is being published may be there already, so it is not cancelled.
func (s *Submissions) Cancel(ctx context.Context, id, actor string) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		// The task first, as a worker does: two who lock in another order wait for each other.
		if _, err := tx.ExecContext(ctx, `UPDATE tasks SET run_at = run_at WHERE submission_id = $1`, id); err != nil {
			return fmt.Errorf("locking the task: %w", err)
		}
		at, err := get(ctx, tx, id)
		switch {
		case err != nil:
			return err
		case at.State == Publishing:
			return ErrPublishing
		case !at.State.Open():
			return ErrEnded
		}
		by, err := canceller(ctx, tx, at, actor)
		if err != nil {
			return err
		}
		return s.move(ctx, tx, at, Cancelled, actor, "cancelled by "+by)
	})
}

// canceller is who cancels, as the author reads it.
func canceller(ctx context.Context, tx *sql.Tx, at Submission, actor string) (name string, err error) {
	if actor == at.Owner {
		return "its author", nil
	}
	if err := tx.QueryRowContext(ctx, `SELECT name FROM users WHERE id = $1`, actor).Scan(&name); err != nil {
		return "", fmt.Errorf("looking up who cancels: %w", err)
	}
	return name, nil
}

// Retry sends a submission that ended without a version on its way once more,
// from the beginning and with the same bytes.
func (s *Submissions) Retry(ctx context.Context, id, actor string, operator bool) error {
	var up Upload
	err := s.tx(ctx, func(tx *sql.Tx) error {
		at, err := get(ctx, tx, id)
		switch {
		case err != nil:
			return err
		case at.State.Open():
			return ErrOpen
		case !at.State.Retryable():
			return ErrSucceeded
		}
		up = Upload{Name: at.Name, Version: at.Version, SHA256: at.SHA256, Owner: at.Owner, DryRun: at.DryRun, Operator: operator}
		if up.Organisation, err = organisation(ctx, tx, at); err != nil {
			return err
		}
		if _, err := s.claimName(ctx, tx, up); err != nil {
			return err
		}
		if err := quota(ctx, tx, up); err != nil {
			return err
		}
		return s.move(ctx, tx, at, Received, actor, "")
	})
	if store.Duplicate(err) {
		return s.taken(ctx, up)
	}
	return err
}

// organisation is the name of the one that the trainer of a submission belongs to, "" for none.
func organisation(ctx context.Context, tx *sql.Tx, at Submission) (name string, err error) {
	if at.Holder == at.Owner {
		return "", nil
	}
	if err := tx.QueryRowContext(ctx, `SELECT name FROM users WHERE id = $1`, at.Holder).Scan(&name); err != nil {
		return "", fmt.Errorf("looking up the organisation: %w", err)
	}
	return name, nil
}
