package submission

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/vision-platform/trainer-agent/hub/store"
)

// Acts are what authors and the operator do to submissions.
type Acts struct{ journal }

// Cancel ends a submission that is on its way; who works on it loses the lease.
// What is being published may be there already, so it is not cancelled.
func (a *Acts) Cancel(ctx context.Context, id, actor string) error {
	return a.tx(ctx, func(tx *sql.Tx) error {
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
		case at.State.Ended():
			return ErrEnded
		}
		if err := withdraw(ctx, tx, id, store.Millis(a.now())); err != nil {
			return err
		}
		by, err := canceller(ctx, tx, at, actor)
		if err != nil {
			return err
		}
		return a.move(ctx, tx, at, Cancelled, actor, "cancelled by "+by)
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
func (a *Acts) Retry(ctx context.Context, id, actor string, operator bool) error {
	var up Upload
	err := a.tx(ctx, func(tx *sql.Tx) error {
		at, err := get(ctx, tx, id)
		switch {
		case err != nil:
			return err
		case !at.State.Ended():
			return ErrOpen
		case !at.State.Retryable():
			return ErrSucceeded
		case at.Expired > 0:
			return ErrExpired
		}
		up = Upload{Name: at.Name, Version: at.Version, SHA256: at.SHA256, Owner: at.Owner, DryRun: at.DryRun, Operator: operator}
		if up.Organisation, err = organisation(ctx, tx, at); err != nil {
			return err
		}
		if _, err := claimName(ctx, tx, up, a.now()); err != nil {
			return err
		}
		if err := quota(ctx, tx, up, 0); err != nil {
			return err
		}
		return a.move(ctx, tx, at, Received, actor, "")
	})
	if store.Duplicate(err) {
		return taken(ctx, a.db, up)
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
