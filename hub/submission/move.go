package submission

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/vision-platform/trainer-agent/hub/store"
)

// move changes the state of a submission from what it was read as, in one
// transaction with everything that follows from it.
func (j journal) move(ctx context.Context, tx *sql.Tx, from Submission, to State, actor, reason string) error {
	// A name is locked before the submission, as an upload does it: two who lock in another order
	// wait for each other.
	ends := to.Ended() && to != Active
	if ends {
		if err := lockName(ctx, tx, from.Name); err != nil {
			return err
		}
	}
	holds := 0
	if !from.DryRun && (!to.Ended() || to == Active) {
		holds = 1
	}
	attempt := from.Attempt
	if !from.State.Open() && to.Open() { // a retry, or an appeal that was granted
		attempt++
	}
	result, err := tx.ExecContext(ctx, `UPDATE submissions SET state = $1, reason = $2, step = '', attempt = $3, holds = $4 WHERE id = $5 AND state = $6 AND expired = 0`,
		string(to), reason, attempt, holds, from.ID, string(from.State))
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("moving from %s to %s: %w", from.State, to, ErrLost)
	}
	if err := j.entered(ctx, tx, from.ID, to, actor, map[string]string{"state": string(to), "from": string(from.State), "reason": reason}); err != nil {
		return err
	}
	if err := j.notify(ctx, tx, from, to, actor, reason); err != nil || !ends {
		return err
	}
	if from.State == Publishing {
		if err := j.givenUp(ctx, tx, from); err != nil {
			return err
		}
	}
	return releaseName(ctx, tx, from.Name)
}

// givenUp asks to look at what the platform reads of a trainer: it may be documents of the version
// that is not published after all, in place of an earlier one's or of none. The name stays held until
// that was done, so that it is nobody else's meanwhile.
func (j journal) givenUp(ctx context.Context, tx *sql.Tx, from Submission) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO pointers (name, asked, tries, run_at, given_up) VALUES ($1, 1, 0, $2, $3)
		ON CONFLICT (name) DO UPDATE SET asked = pointers.asked + 1, tries = 0, run_at = excluded.run_at, given_up = pointers.given_up || excluded.given_up`,
		from.Name, store.Millis(j.now()), " "+from.Version)
	if err != nil {
		return fmt.Errorf("asking to look at what was given up: %w", err)
	}
	return nil
}

// entered writes what entering a state brings: an event, the task of the state or
// the end of tasks, and a line of the audit log.
func (j journal) entered(ctx context.Context, tx *sql.Tx, id string, state State, actor string, detail map[string]string) error {
	if err := j.event(ctx, tx, id, "state", detail); err != nil {
		return err
	}
	task := `DELETE FROM tasks WHERE submission_id = $1`
	args := []any{id}
	if state.Open() {
		task = `INSERT INTO tasks (submission_id, run_at, lease, lease_until, claims, faults) VALUES ($1, $2, '', 0, 0, 0)
			ON CONFLICT (submission_id) DO UPDATE SET run_at = excluded.run_at, claims = 0, faults = 0`
		args = append(args, store.Millis(j.now()))
	}
	if _, err := tx.ExecContext(ctx, task, args...); err != nil {
		return fmt.Errorf("writing the task: %w", err)
	}
	return store.Audit(ctx, tx, j.now(), store.Act{Actor: actor, Action: "submission." + string(state), Subject: id, Detail: detail})
}
