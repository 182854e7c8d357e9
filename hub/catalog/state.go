package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/hub/naming"
	"github.com/vision-platform/trainer-agent/hub/store"
)

// State is how a version is offered.
type State string

// The first three are the owner's, and the operator's too; the last two are the operator's.
const (
	Active      State = "active"
	Deprecated  State = "deprecated"  // offered, with a warning
	Yanked      State = "yanked"      // for who names it, with a warning
	Quarantined State = "quarantined" // for nobody, for now
	Removed     State = "removed"     // for nobody, ever
)

// states says from which states a state is entered.
var states = map[State][]State{
	Active:      {Deprecated, Yanked, Quarantined},
	Deprecated:  {Active, Yanked},
	Yanked:      {Active, Deprecated},
	Quarantined: {Active, Deprecated, Yanked},
	Removed:     {Active, Deprecated, Yanked, Quarantined},
}

// Offered says whether a version may be the newest of its trainer.
func (s State) Offered() bool { return s == Active || s == Deprecated }

// Barred says whether nobody gets a version, whatever its state was for.
func (s State) Barred() bool { return s == Quarantined || s == Removed }

// Refusal is why a version is not had, or does not change.
type Refusal struct {
	Text    string
	Gone    bool // for ever
	Foreign bool // who asks may not
}

func (r *Refusal) Error() string { return r.Text }

// Change is a change of a version's state that somebody asks for.
type Change struct {
	Name, Version string
	To            State
	Reason        string
	Actor         string // a user's id
	Operator      bool
}

// maxReason bounds why a version changed, in bytes.
const maxReason = 2000

// Change changes how a version is offered, in one transaction with its line of the audit log,
// with what its owner is told where somebody else did it, and with the task to look which
// version the platform reads.
func (c *Catalog) Change(ctx context.Context, to Change) error {
	if naming.Check(to.Name) != nil || naming.CheckVersion(to.Version) != nil {
		return ErrNotFound
	}
	if to.Reason = strings.TrimSpace(to.Reason); to.Reason == "" || len(to.Reason) > maxReason || strings.ContainsRune(to.Reason, 0) {
		return &Refusal{Text: fmt.Sprintf("say why, in at most %d bytes: whoever trains with the version reads it", maxReason)}
	}
	err := c.db.Tx(ctx, func(tx *sql.Tx) error {
		if err := lockName(ctx, tx, to.Name); err != nil {
			return err
		}
		at, err := find(ctx, tx, to)
		if err != nil {
			return err
		}
		if err := at.may(to); err != nil {
			return err
		}
		return c.change(ctx, tx, at, to)
	})
	if err == nil {
		c.changed()
	}
	return err
}

// lockName is done first, as an upload and a publication do it: two who lock in another order wait
// for each other.
func lockName(ctx context.Context, tx *sql.Tx, name string) error {
	if _, err := tx.ExecContext(ctx, `UPDATE trainers SET created = created WHERE name = $1`, name); err != nil {
		return fmt.Errorf("locking the name: %w", err)
	}
	return nil
}

// standing is a version before a change of it.
type standing struct {
	state             State
	owner, submission string
	mine              bool
}

func find(ctx context.Context, tx *sql.Tx, to Change) (at standing, err error) {
	err = tx.QueryRowContext(ctx, `SELECT versions.state, submission_id, submissions.owner,
		trainers.owner = CAST($1 AS TEXT) OR trainers.owner IN (SELECT organisation FROM members WHERE user_id = CAST($1 AS TEXT))
		FROM versions JOIN trainers ON trainers.name = versions.name JOIN submissions ON submissions.id = submission_id
		WHERE versions.name = $2 AND versions.version = $3`, to.Actor, to.Name, to.Version).Scan(&at.state, &at.submission, &at.owner, &at.mine)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	return at, err
}

// may says why a change is not made, nil when it is.
func (at standing) may(to Change) error {
	from, known := states[to.To]
	switch operators := at.state.Barred() || to.To.Barred(); {
	case !known:
		return &Refusal{Text: fmt.Sprintf("%q is no state of a version: active, deprecated and yanked are, and quarantined and removed for the operator", naming.Clip(string(to.To)))}
	case !to.Operator && !at.mine:
		return &Refusal{Foreign: true, Text: to.Name + " belongs to somebody else"}
	case !to.Operator && operators:
		return &Refusal{Foreign: true, Text: "quarantine and removal are the operator's, and so is what ends a quarantine"}
	case !slices.Contains(from, at.state):
		return &Refusal{Text: fmt.Sprintf("%s %s is %s, and cannot become %s", to.Name, to.Version, at.state, to.To)}
	}
	return nil
}

func (c *Catalog) change(ctx context.Context, tx *sql.Tx, at standing, to Change) error {
	if _, err := tx.ExecContext(ctx, `UPDATE versions SET state = $1, reason = $2 WHERE name = $3 AND version = $4`, string(to.To), to.Reason, to.Name, to.Version); err != nil {
		return fmt.Errorf("changing the version: %w", err)
	}
	now := store.Millis(c.now())
	if err := point(ctx, tx, to.Name, now); err != nil {
		return err
	}
	if at.owner != to.Actor {
		text := fmt.Sprintf("%s %s is %s now: %s", to.Name, to.Version, to.To, to.Reason)
		_, err := tx.ExecContext(ctx, `INSERT INTO notifications (id, user_id, submission_id, state, text, created, seen, webhook, tries, run_at)
			VALUES ($1, $2, $3, $4, $5, $6, 0, 'waiting', 0, $6)`, store.ID(), at.owner, at.submission, "version."+string(to.To), text, now)
		if err != nil {
			return fmt.Errorf("writing a notification: %w", err)
		}
	}
	return store.Audit(ctx, tx, c.now(), store.Act{
		Actor: to.Actor, Action: "version." + string(to.To), Subject: to.Name + "@" + to.Version,
		Detail: map[string]string{"from": string(at.state), "reason": to.Reason},
	})
}
