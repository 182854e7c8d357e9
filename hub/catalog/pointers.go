package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/hub/store"
)

// Pointer is a trainer whose newest version may have changed: what the platform reads of it has
// to be looked at.
type Pointer struct {
	Name    string
	GivenUp []string // versions that were given up while they were published
	asked   int64
	tries   int64
}

const (
	pointWait    = 2 * time.Second // before the second try; doubled before each that follows
	maxPointWait = 10 * time.Minute
)

// point asks to look at a trainer, in the transaction that may have changed which version is its
// newest.
func point(ctx context.Context, tx *sql.Tx, name string, now int64) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO pointers (name, asked, tries, run_at) VALUES ($1, 1, 0, $2)
		ON CONFLICT (name) DO UPDATE SET asked = pointers.asked + 1, tries = 0, run_at = excluded.run_at`, name, now)
	if err != nil {
		return fmt.Errorf("asking to look at the newest version: %w", err)
	}
	return nil
}

// Pointers are what was asked for.
type Pointers struct {
	db  *store.DB
	now func() time.Time
}

// Pointers returns those of the catalog.
func (c *Catalog) Pointers() *Pointers { return &Pointers{c.db, c.now} }

// Next returns the pointer that has waited longest, nil when none waits.
func (p *Pointers) Next(ctx context.Context) (*Pointer, error) {
	var next Pointer
	var versions string
	err := p.db.QueryRowContext(ctx, `SELECT name, given_up, asked, tries FROM pointers WHERE run_at <= $1 ORDER BY run_at, name LIMIT 1`, store.Millis(p.now())).Scan(&next.Name, &versions, &next.asked, &next.tries)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for newest versions: %w", err)
	}
	next.GivenUp = strings.Fields(versions)
	return &next, nil
}

// Done ends a pointer, unless it was asked for again meanwhile, and with it the hold of a name that
// has nothing else: hub/submission left that to whoever takes the documents away.
func (p *Pointers) Done(ctx context.Context, at *Pointer) error {
	return p.db.Tx(ctx, func(tx *sql.Tx) error {
		if err := lockName(ctx, tx, at.Name); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM pointers WHERE name = $1 AND asked = $2`, at.Name, at.asked); err != nil {
			return fmt.Errorf("ending a look at the newest version: %w", err)
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM trainers WHERE name = $1
			AND NOT EXISTS (SELECT 1 FROM versions WHERE versions.name = trainers.name)
			AND NOT EXISTS (SELECT 1 FROM pointers WHERE pointers.name = trainers.name)
			AND NOT EXISTS (SELECT 1 FROM submissions WHERE submissions.name = trainers.name AND holds = 1)`, at.Name)
		return err
	})
}

// Later puts a pointer off.
func (p *Pointers) Later(ctx context.Context, at *Pointer) error {
	wait := min(pointWait<<min(at.tries, 16), maxPointWait)
	return p.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE pointers SET tries = tries + 1, run_at = $1 WHERE name = $2 AND asked = $3`, store.Millis(p.now().Add(wait)), at.Name, at.asked)
		return err
	})
}
