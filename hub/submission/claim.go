package submission

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/hub/naming"
	"github.com/vision-platform/trainer-agent/hub/store"
)

// mine is whether the owner of a name is user $1, or an organisation with that user.
const mine = `(owner = $1 OR owner IN (SELECT organisation FROM members WHERE user_id = $1))`

// claimName holds the name for the owner, or for the organisation that is named; a
// name that is theirs stays so. A dry run only asks. It returns whom the name belongs to.
func claimName(ctx context.Context, tx *sql.Tx, up Upload, now time.Time) (owner string, err error) {
	wanted, err := wantedHolder(ctx, tx, up)
	if err != nil {
		return "", err
	}
	if err := lockName(ctx, tx, up.Name); err != nil {
		return "", err
	}
	var ours bool
	err = tx.QueryRowContext(ctx, `SELECT owner, `+mine+` FROM trainers WHERE name = $2`, up.Owner, up.Name).Scan(&owner, &ours)
	switch {
	case err == nil && ours && up.Organisation != "" && owner != wanted:
		return "", refuse("organisation", "the name %q does not belong to %s: leave the organisation out, or choose another name", up.Name, up.Organisation)
	case err == nil && ours:
		return owner, nil
	case err == nil:
		return "", refuse("framework_name", "the name %q belongs to somebody else: choose another", up.Name)
	case !errors.Is(err, sql.ErrNoRows):
		return "", fmt.Errorf("looking up the name: %w", err)
	}
	if err := lookAlike(ctx, tx, up); err != nil || up.DryRun {
		return wanted, err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO trainers (name, skeleton, owner, created) VALUES ($1, $2, $3, $4)`,
		up.Name, naming.Skeleton(up.Name), wanted, store.Millis(now))
	return wanted, err
}

// wantedHolder is who a new name shall belong to.
func wantedHolder(ctx context.Context, tx *sql.Tx, up Upload) (id string, err error) {
	if up.Organisation == "" {
		return up.Owner, nil
	}
	err = sql.ErrNoRows
	if !strings.ContainsRune(up.Organisation, 0) { // PostgreSQL takes no such text
		err = tx.QueryRowContext(ctx, `SELECT id FROM users JOIN members ON organisation = id WHERE name = $1 AND user_id = $2`, up.Organisation, up.Owner).Scan(&id)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return "", refuse("organisation", "you are no member of an organisation %q: its operator adds you by trainer-hub org", naming.Clip(up.Organisation))
	}
	return id, err
}

// lookAlike refuses a name that people would take for another.
func lookAlike(ctx context.Context, tx *sql.Tx, up Upload) error {
	looks := naming.Skeleton(up.Name)
	if naming.Reserved(up.Name) && !up.Operator {
		return refuse("framework_name", "the name %q is kept for the platform: choose another", up.Name)
	}
	rows, err := tx.QueryContext(ctx, `SELECT name, skeleton, `+mine+` FROM trainers`, up.Owner)
	if err != nil {
		return fmt.Errorf("reading the names: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name, other string
		var ours bool
		if err := rows.Scan(&name, &other, &ours); err != nil {
			return err
		}
		if other == looks && name != up.Name { // the name itself was taken a moment ago
			return refuse("framework_name", "the name %q looks like %q: choose another", up.Name, name)
		}
		if !ours && naming.Typo(other, looks) {
			return refuse("framework_name", "the name %q is one letter away from %q, which belongs to somebody else: choose another", up.Name, name)
		}
	}
	return rows.Err()
}

// lockName holds a name, if somebody has it, until the transaction ends: who gives it back
// and who uploads a version of it come one after the other.
func lockName(ctx context.Context, tx *sql.Tx, name string) error {
	if _, err := tx.ExecContext(ctx, `UPDATE trainers SET created = created WHERE name = $1`, name); err != nil {
		return fmt.Errorf("locking the name: %w", err)
	}
	return nil
}

// releaseName gives a name back that has no version, nothing on its way, and nothing that the
// platform still reads.
func releaseName(ctx context.Context, tx *sql.Tx, name string) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM trainers WHERE name = $1
		AND NOT EXISTS (SELECT 1 FROM versions WHERE versions.name = trainers.name)
		AND NOT EXISTS (SELECT 1 FROM pointers WHERE pointers.name = trainers.name)
		AND NOT EXISTS (SELECT 1 FROM submissions WHERE submissions.name = trainers.name AND holds = 1)`, name)
	if err != nil {
		return fmt.Errorf("giving the name back: %w", err)
	}
	return nil
}
