package submission

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/vision-platform/trainer-agent/hub/store"
)

// notify tells the owner how a submission ended, in the transaction that ends it: once,
// whatever happens to the hub. An author who cancelled it knows already.
func (j journal) notify(ctx context.Context, tx *sql.Tx, at Submission, state State, actor, reason string) error {
	if !state.Ended() || state == Cancelled && actor == at.Owner {
		return nil
	}
	text := map[State]string{
		Active:    "%s %s is published: everybody may train with it",
		Proven:    "%s %s passed; nothing was published, for it was a dry run",
		Rejected:  "%s %s did not pass",
		Failed:    "the hub itself could not prove %s %s; its operator has to look",
		Cancelled: "%s %s was stopped before its end",
	}[state]
	text = fmt.Sprintf(text, at.Name, at.Version)
	if reason != "" {
		text += ": " + reason
	}
	return j.tell(ctx, tx, at, string(state), text)
}

// tell writes a notification of a submission's owner.
func (j journal) tell(ctx context.Context, tx *sql.Tx, at Submission, kind, text string) error {
	now := store.Millis(j.now())
	_, err := tx.ExecContext(ctx, `INSERT INTO notifications (id, user_id, submission_id, state, text, created, seen, webhook, tries, run_at)
		VALUES ($1, $2, $3, $4, $5, $6, 0, 'waiting', 0, $6)`, store.ID(), at.Owner, at.ID, kind, text, now)
	if err != nil {
		return fmt.Errorf("writing a notification: %w", err)
	}
	return nil
}
