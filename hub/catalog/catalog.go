// Package catalog is what a hub has published: the versions of trainers. It promises that a
// version that is asked for is that version or an error, never another. It leaves the way to a
// version to hub/submission, which writes it when it was published, and the bytes to the registry.
package catalog

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/hub/naming"
	"github.com/vision-platform/trainer-agent/hub/store"
)

// Catalog is that of one hub.
type Catalog struct {
	db      *store.DB
	now     func() time.Time
	changed func()
}

// New returns the catalog of a database; changed is called after each change of a version.
func New(db *store.DB, now func() time.Time, changed func()) *Catalog {
	return &Catalog{db, now, changed}
}

// Version is a published version of a trainer.
type Version struct {
	Name      string
	Version   string
	SHA256    string
	Receipt   json.RawMessage // what publishing left
	Published int64           // milliseconds since 1970
	State     State
	Reason    string // of its state
}

// ErrNotFound is a trainer, or a version of it, that is not published.
var ErrNotFound = errors.New("there is no such trainer, or no such version of it")

// ErrWithdrawn is a trainer that has no version left for who names none.
var ErrWithdrawn = errors.New("all versions of this trainer were withdrawn; one that is only yanked can still be had by its number")

// Versions returns the versions of a trainer, or of all for "", newest first by their
// number.
func (c *Catalog) Versions(ctx context.Context, name string) (list []Version, err error) {
	if none := name != "" && naming.Check(name) != nil; none {
		return nil, nil
	}
	rows, err := c.db.QueryContext(ctx, `SELECT `+columns+` FROM versions
		WHERE CAST($1 AS TEXT) = '' OR name = CAST($1 AS TEXT)`, name)
	list, err = collect(rows, err)
	slices.SortFunc(list, func(a, b Version) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), naming.Number(b.Version).Compare(naming.Number(a.Version)))
	})
	return list, err
}

// Version returns one version, whatever its state; "" is the newest that is offered, before all
// pre-releases. What is no name or no version is not there, also for a database that does not take
// it as text.
func (c *Catalog) Version(ctx context.Context, name, version string) (Version, error) {
	if naming.Check(name) != nil || version != "" && naming.CheckVersion(version) != nil {
		return Version{}, ErrNotFound
	}
	if version == "" {
		return c.newest(ctx, name)
	}
	return scan(c.db.QueryRowContext(ctx, `SELECT `+columns+` FROM versions WHERE name = $1 AND version = $2`, name, version))
}

func (c *Catalog) newest(ctx context.Context, name string) (Version, error) {
	list, err := c.Versions(ctx, name)
	if err != nil || len(list) == 0 {
		return Version{}, errors.Join(err, ErrNotFound)
	}
	offered := slices.DeleteFunc(list, func(v Version) bool { return !v.State.Offered() })
	if len(offered) == 0 {
		return Version{}, ErrWithdrawn
	}
	if i := slices.IndexFunc(offered, func(v Version) bool { return len(naming.Number(v.Version).Pre) == 0 }); i > 0 {
		return offered[i], nil
	}
	return offered[0], nil
}

// Installable is Version for who trains with it: what is quarantined or was removed is an error
// that says so.
func (c *Catalog) Installable(ctx context.Context, name, version string) (Version, error) {
	at, err := c.Version(ctx, name, version)
	if err == nil {
		err = refusal(at)
	}
	return at, err
}

// Newest says whether no published version would be taken before this one.
func (c *Catalog) Newest(ctx context.Context, name, version string) (bool, error) {
	at, err := c.Version(ctx, name, "")
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrWithdrawn) {
		return true, nil
	}
	mine, other := naming.Number(version), naming.Number(at.Version)
	if preview := len(mine.Pre) > 0; preview != (len(other.Pre) > 0) {
		return !preview, err
	}
	return mine.GE(other), err
}

const columns = `name, version, sha256, receipt, published, state, reason`

// collect reads what a query of versions found.
func collect(rows *sql.Rows, err error) (list []Version, _ error) {
	if err != nil {
		return nil, fmt.Errorf("listing versions: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

type scanner interface{ Scan(...any) error }

func scan(row scanner) (v Version, err error) {
	var receipt string
	err = row.Scan(&v.Name, &v.Version, &v.SHA256, &receipt, &v.Published, &v.State, &v.Reason)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	v.Receipt = json.RawMessage(receipt)
	return v, err
}
