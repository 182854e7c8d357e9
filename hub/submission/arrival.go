package submission

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/vision-platform/trainer-agent/hub/store"
)

// arriving is how long bytes may take from their announcement to their submission. A bucket is
// given ten minutes.
const arriving = time.Hour

// ErrLeaving is a package whose bytes are being removed at this moment.
var ErrLeaving = errors.New("the same bytes are being removed at this moment")

// Announce says that the bytes of an upload are about to be kept, so that they are found if they
// never become a submission, and refuses what Create would refuse. Nobody removes them meanwhile.
// An upload that was sent before, under its Idempotency-Key, needs no bytes: it returns what that made.
func (i *Intake) Announce(ctx context.Context, up Upload) (arrival string, earlier *Submission, err error) {
	if made, err := i.create(ctx, up, errCheck); !errors.Is(err, errCheck) {
		return "", &made, err
	}
	arrival = store.ID()
	for {
		changed := i.bell.Changed()
		if err = i.announce(ctx, arrival, up.SHA256); !errors.Is(err, ErrLeaving) {
			return arrival, nil, err
		}
		select { // it takes moments
		case <-changed:
		case <-time.After(time.Second):
		case <-ctx.Done():
			return "", nil, err
		}
	}
}

func (i *Intake) announce(ctx context.Context, arrival, sha256 string) error {
	return i.db.Tx(ctx, func(tx *sql.Tx) error {
		if err := lockPackages(ctx, tx); err != nil {
			return err
		}
		now := store.Millis(i.now())
		// What only waits to be removed stays.
		if _, err := tx.ExecContext(ctx, `DELETE FROM departures WHERE sha256 = $1 AND until <= $2`, sha256, now); err != nil {
			return fmt.Errorf("keeping a package that was to go: %w", err)
		}
		var leaving int64
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM departures WHERE sha256 = $1`, sha256).Scan(&leaving); err != nil || leaving > 0 {
			return errors.Join(err, ErrLeaving)
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO arrivals (id, sha256, at) VALUES ($1, $2, $3)`, arrival, sha256, now)
		return err
	})
}

// arrived ends an arrival in the transaction that makes its submission, or finds an earlier one.
func arrived(ctx context.Context, tx *sql.Tx, up Upload) error {
	if up.Arrival == "" {
		return nil
	}
	result, err := tx.ExecContext(ctx, `DELETE FROM arrivals WHERE id = $1`, up.Arrival)
	if err != nil {
		return fmt.Errorf("ending an arrival: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, errors.New("the upload took so long that its bytes may be gone"))
	}
	return nil
}

// Abandon gives up the bytes of an upload that made no submission. It does nothing for one that did.
func (i *Intake) Abandon(ctx context.Context, arrival string) error {
	return i.db.Tx(ctx, func(tx *sql.Tx) error { return abandon(ctx, tx, `id = $1`, arrival) })
}

// abandon ends the arrivals of a condition.
func abandon(ctx context.Context, tx *sql.Tx, where string, of any) error {
	if err := lockPackages(ctx, tx); err != nil {
		return err
	}
	left, err := texts(ctx, tx, `DELETE FROM arrivals WHERE `+where+` RETURNING sha256`, of)
	if err != nil {
		return fmt.Errorf("giving up arrivals: %w", err)
	}
	for _, sha256 := range left {
		if err := leave(ctx, tx, sha256); err != nil {
			return err
		}
	}
	return nil
}

// texts reads a column.
func texts(ctx context.Context, tx *sql.Tx, query string, args ...any) (list []string, err error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		list = append(list, text)
	}
	return list, rows.Err()
}
