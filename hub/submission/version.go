package submission

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/blang/semver/v4"
)

// Version is a published version of a trainer.
type Version struct {
	Name      string
	Version   string
	SHA256    string
	Receipt   json.RawMessage // what publishing left
	Published int64           // milliseconds since 1970
}

// ErrNoVersion is a trainer, or a version of it, that is not published.
var ErrNoVersion = errors.New("there is no such trainer, or no such version of it")

// Versions returns the versions of a trainer, or of all for "", newest first by their
// number.
func (s *Submissions) Versions(ctx context.Context, name string) (list []Version, err error) {
	if name != "" && CheckName(name) != nil {
		return nil, nil
	}
	rows, err := s.db.QueryContext(ctx, `SELECT name, version, sha256, receipt, published FROM versions
		WHERE CAST($1 AS TEXT) = '' OR name = CAST($1 AS TEXT)`, name)
	if err != nil {
		return nil, fmt.Errorf("listing versions: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		v, err := scanVersion(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b Version) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), number(b.Version).Compare(number(a.Version)))
	})
	return list, rows.Err()
}

// Version returns one version; "" is the newest that is no pre-release. What is no name
// or no version is not there, also for a database that does not take it as text.
func (s *Submissions) Version(ctx context.Context, name, version string) (Version, error) {
	if CheckName(name) != nil || version != "" && CheckVersion(version) != nil {
		return Version{}, ErrNoVersion
	}
	if version == "" {
		list, err := s.Versions(ctx, name)
		if err != nil || len(list) == 0 {
			return Version{}, errors.Join(err, ErrNoVersion)
		}
		if i := slices.IndexFunc(list, func(v Version) bool { return len(number(v.Version).Pre) == 0 }); i > 0 {
			return list[i], nil
		}
		return list[0], nil
	}
	return scanVersion(s.db.QueryRowContext(ctx, `SELECT name, version, sha256, receipt, published FROM versions WHERE name = $1 AND version = $2`, name, version))
}

// Newest says whether no published version would be taken before this one.
func (s *Submissions) Newest(ctx context.Context, name, version string) (bool, error) {
	at, err := s.Version(ctx, name, "")
	if errors.Is(err, ErrNoVersion) {
		return true, nil
	}
	mine, other := number(version), number(at.Version)
	if preview := len(mine.Pre) > 0; preview != (len(other.Pre) > 0) {
		return !preview, err
	}
	return mine.GE(other), err
}

// number is a version that CheckVersion has let pass.
func number(version string) semver.Version {
	v, _ := semver.Parse(version)
	return v
}

func scanVersion(row scanner) (v Version, err error) {
	var receipt string
	err = row.Scan(&v.Name, &v.Version, &v.SHA256, &receipt, &v.Published)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoVersion
	}
	v.Receipt = json.RawMessage(receipt)
	return v, err
}
