package submission

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/hub/naming"
)

// Limits of one owner.
const (
	MaxOpen  = 10       // submissions on their way
	MaxBytes = 20 << 30 // of packages that are kept
)

// Refusal is why an upload cannot be a submission: Field of the metadata that is
// to blame ("" for none), and what to do.
type Refusal struct {
	Field string
	Text  string
	Quota bool // there is too much of it, not something wrong with it
}

func (r *Refusal) Error() string { return r.Text }

func refuse(field, format string, args ...any) error {
	return &Refusal{Field: field, Text: fmt.Sprintf(format, args...)}
}

func check(up Upload) error {
	if err := naming.Check(up.Name); err != nil {
		return refuse("framework_name", "%v", err)
	}
	if err := naming.CheckVersion(up.Version); err != nil {
		return refuse("version", "%v", err)
	}
	if strings.ContainsRune(up.Organisation, 0) {
		return refuse("organisation", "an organisation's name has no NUL: there is none of this name")
	}
	return nil
}

// quota says what an owner has too much of; keep is how long packages stay that became no version.
func quota(ctx context.Context, tx queryer, up Upload, keep time.Duration) error {
	var open, bytes int64
	err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM tasks JOIN submissions ON id = submission_id WHERE owner = $1`, up.Owner).Scan(&open)
	if err != nil {
		return fmt.Errorf("counting submissions: %w", err)
	}
	if open >= MaxOpen {
		return &Refusal{Quota: true, Text: fmt.Sprintf("%d of your submissions are on their way, which is the limit: wait for one to end, or cancel one", open)}
	}
	err = tx.QueryRowContext(ctx, `SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM
		(SELECT DISTINCT sha256, size FROM submissions WHERE owner = $1 AND expired = 0) AS packages`, up.Owner).Scan(&bytes)
	if err != nil {
		return fmt.Errorf("adding up packages: %w", err)
	}
	if bytes+up.Size > MaxBytes {
		text := fmt.Sprintf("your packages would take %d MiB of the %d MiB that each user has", (bytes+up.Size)>>20, MaxBytes>>20)
		if keep > 0 {
			text += fmt.Sprintf("; those of submissions that ended without a version no longer count %.0f days after their end", keep.Hours()/24)
		}
		return &Refusal{Quota: true, Text: text}
	}
	return nil
}

// published refuses a dry run of a version that is there already: the upload
// itself would be refused.
func published(ctx context.Context, q queryer, up Upload) error {
	var sum, state string
	err := q.QueryRowContext(ctx, `SELECT sha256, state FROM versions WHERE name = $1 AND version = $2`, up.Name, up.Version).Scan(&sum, &state)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	case state != "active":
		return refuse("version", "%s %s was published and is %s now; its number stays taken: raise the version in capabilities.json", up.Name, up.Version, state)
	case sum == up.SHA256:
		return refuse("version", "%s %s is published already, with these very bytes", up.Name, up.Version)
	default:
		return refuse("version", "%s %s is published already and a version never changes: raise the version in capabilities.json", up.Name, up.Version)
	}
}

// taken says why a unique index refused an upload.
func taken(ctx context.Context, q queryer, up Upload) error {
	if err := published(ctx, q, up); err != nil {
		return err
	}
	var id string
	err := q.QueryRowContext(ctx, `SELECT id FROM submissions WHERE name = $1 AND version = $2 AND holds = 1`, up.Name, up.Version).Scan(&id)
	if err == nil {
		return refuse("version", "%s %s is on its way already, as submission %s: wait for it, or cancel it", up.Name, up.Version, id)
	}
	return refuse("framework_name", "the name %q, or one that looks like it, was taken at this moment: choose another", up.Name)
}
