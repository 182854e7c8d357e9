package submission

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/vision-platform/trainer-agent/hub/store"
)

// Expiry lets packages go that nobody can need: those of submissions that ended without a version
// some time ago, and those of uploads that never became submissions. A package is told apart by
// its SHA-256, and goes only if no submission and no version has it, and no upload brings it.
type Expiry struct{ journal }

// ErrExpired is a submission whose package was given up.
var ErrExpired = errors.New("the package of this submission was deleted a while after it ended: upload it again, as a new submission")

// removal is how long who removes a package has for it. It is far more than one try takes, for
// nobody may bring the same bytes meanwhile.
const removal = 10 * time.Minute

// expirable are the states in which a package is kept for a while only.
const expirable = `state IN ('` + string(Proven) + `', '` + string(Rejected) + `', '` + string(Failed) + `', '` + string(Cancelled) + `')`

// Expire gives up the package of one submission that ended before a time; "" means that there is
// none. The submission stays as it is, with all that was found.
func (e *Expiry) Expire(ctx context.Context, before time.Time) (id string, err error) {
	err = e.tx(ctx, func(tx *sql.Tx) error {
		var sha256, state string
		var size int64
		err := tx.QueryRowContext(ctx, `UPDATE submissions SET expired = $1 WHERE expired = 0 AND `+expirable+` AND id =
			(SELECT id FROM submissions WHERE expired = 0 AND `+expirable+` AND updated < $2
				AND NOT EXISTS (SELECT 1 FROM versions WHERE submission_id = submissions.id) ORDER BY updated, id LIMIT 1 `+e.db.ForUpdate+`)
			RETURNING id, sha256, size, state`, store.Millis(e.now()), store.Millis(before)).Scan(&id, &sha256, &size, &state)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("looking for packages that may go: %w", err)
		}
		if err := lockPackages(ctx, tx); err != nil {
			return err
		}
		if err := leave(ctx, tx, sha256); err != nil {
			return err
		}
		return store.Audit(ctx, tx, e.now(), store.Act{Actor: "hub", Action: "submission.expired", Subject: id, Detail: map[string]any{"state": state, "sha256": sha256, "size": size}})
	})
	return id, err
}

// Abandoned gives up what uploads brought that a kill broke off. The one hub of a folder, at its
// start, knows that all did.
func (e *Expiry) Abandoned(ctx context.Context, all bool) error {
	before := store.Millis(e.now().Add(-arriving))
	if all {
		before = store.Millis(e.now()) + 1
	}
	return e.db.Tx(ctx, func(tx *sql.Tx) error {
		if err := abandon(ctx, tx, `at < $1`, before); err != nil || !all {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE departures SET until = 0`)
		return err
	})
}

// Departure is a package that is to be removed.
type Departure struct {
	SHA256 string
	until  int64
}

// Next takes a package that may be removed; nil means that there is none. Whoever got it removes it
// within a minute, and then says so.
func (e *Expiry) Next(ctx context.Context) (next *Departure, err error) {
	err = e.db.Tx(ctx, func(tx *sql.Tx) error {
		if err := lockPackages(ctx, tx); err != nil {
			return err
		}
		// There should be none; a package that something refers to is never removed.
		if _, err := tx.ExecContext(ctx, `DELETE FROM departures WHERE `+needed(`departures.sha256`)); err != nil {
			return fmt.Errorf("looking whether packages are needed: %w", err)
		}
		at := Departure{until: store.Millis(e.now().Add(removal))}
		err := tx.QueryRowContext(ctx, `UPDATE departures SET until = $1 WHERE sha256 = (SELECT MIN(sha256) FROM departures WHERE until <= $2) RETURNING sha256`,
			at.until, store.Millis(e.now())).Scan(&at.SHA256)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("looking for packages to remove: %w", err)
		}
		next = &at
		return nil
	})
	return next, err
}

// Removed says that the bytes are gone.
func (e *Expiry) Removed(ctx context.Context, at *Departure) error {
	return e.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM departures WHERE sha256 = $1 AND until = $2`, at.SHA256, at.until)
		return err
	})
}

// Hub names this database, for ever.
func (e *Expiry) Hub(ctx context.Context) (id string, err error) {
	err = e.db.Tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE hub SET id = $1 WHERE id = ''`, store.ID()); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT id FROM hub`).Scan(&id)
	})
	if err != nil {
		return "", fmt.Errorf("naming the database: %w", err)
	}
	return id, nil
}

// lockPackages lets one transaction at a time decide what is kept and what goes: two would each
// not see yet what the other writes. Who also locks a submission does that first.
func lockPackages(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, `UPDATE hub SET one = one`); err != nil {
		return fmt.Errorf("locking the packages: %w", err)
	}
	return nil
}

// needed is whether something refers to the package of a SHA-256.
func needed(sha256 string) string {
	return `(EXISTS (SELECT 1 FROM submissions WHERE submissions.sha256 = ` + sha256 + ` AND expired = 0)
		OR EXISTS (SELECT 1 FROM versions WHERE versions.sha256 = ` + sha256 + `)
		OR EXISTS (SELECT 1 FROM arrivals WHERE arrivals.sha256 = ` + sha256 + `))`
}

// leave has a package removed, unless something refers to it.
func leave(ctx context.Context, tx *sql.Tx, sha256 string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO departures (sha256, until) SELECT CAST($1 AS TEXT), 0
		WHERE NOT `+needed(`CAST($1 AS TEXT)`)+` ON CONFLICT (sha256) DO NOTHING`, sha256)
	if err != nil {
		return fmt.Errorf("giving up a package: %w", err)
	}
	return nil
}
