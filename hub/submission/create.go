package submission

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/vision-platform/trainer-agent/hub/store"
)

// Upload is a package whose bytes are stored, before it is a submission.
type Upload struct {
	Name, Version string
	SHA256        string
	Size          int64
	Owner         string // a user's id
	Organisation  string // whose a new name shall be; "" is the owner's own
	Operator      bool   // whether the owner may use reserved names
	Metadata      string // JSON, as it came
	DryRun        bool
	Key           string // Idempotency-Key; may be empty
	// Keep puts the bytes where they stay. It is called once nothing refuses the
	// upload; nil means that they are there.
	Keep func() error

	holder string // whom the name belongs to, once it is claimed
}

// Limits of one owner.
const (
	MaxOpen  = 10       // submissions on their way
	MaxBytes = 20 << 30 // of packages, all submissions together
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

// Create makes an upload a submission that waits to be scanned. The same
// Idempotency-Key with the same upload returns the submission that it made before.
func (s *Submissions) Create(ctx context.Context, up Upload) (made Submission, err error) {
	if err := check(up); err != nil {
		return made, err
	}
	id := store.ID()
	err = s.tx(ctx, func(tx *sql.Tx) error {
		if made, err = before(ctx, tx, up); err == nil || !errors.Is(err, ErrNotFound) {
			return err
		}
		if up.holder, err = s.claimName(ctx, tx, up); err != nil {
			return err
		}
		if err := quota(ctx, tx, up); err != nil {
			return err
		}
		if err := s.insert(ctx, tx, id, up); err != nil {
			return err
		}
		if made, err = get(ctx, tx, id); err != nil || up.Keep == nil {
			return err
		}
		return up.Keep() // before the commit: a submission without its package would be a lie
	})
	if _, refused := errors.AsType[*Refusal](err); !refused && !store.Duplicate(err) {
		return made, err
	}
	// Somebody else was faster: the same upload, sent twice at once, or another.
	earlier, wrong := before(ctx, s.db, up)
	switch {
	case !errors.Is(wrong, ErrNotFound):
		return earlier, wrong
	case store.Duplicate(err):
		return made, s.taken(ctx, up)
	}
	return made, err
}

func check(up Upload) error {
	if err := CheckName(up.Name); err != nil {
		return refuse("framework_name", "%v", err)
	}
	if err := CheckVersion(up.Version); err != nil {
		return refuse("version", "%v", err)
	}
	if strings.ContainsRune(up.Organisation, 0) {
		return refuse("organisation", "an organisation's name has no NUL: there is none of this name")
	}
	return nil
}

// fingerprint tells two uploads under one Idempotency-Key apart.
func fingerprint(up Upload) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s\n%v\n%s", up.Name, up.Version, up.SHA256, up.DryRun, up.Metadata))
	return hex.EncodeToString(sum[:])
}

// before finds the submission that an Idempotency-Key made.
func before(ctx context.Context, q queryer, up Upload) (found Submission, err error) {
	if up.Key == "" {
		return found, ErrNotFound
	}
	found, err = scan(q.QueryRowContext(ctx, `SELECT `+columns+` FROM submissions WHERE owner = $1 AND idempotency_key = $2`, up.Owner, up.Key))
	if err != nil {
		return found, err
	}
	var metadata string
	if err := q.QueryRowContext(ctx, `SELECT metadata FROM submissions WHERE id = $1`, found.ID).Scan(&metadata); err != nil {
		return found, err
	}
	earlier := Upload{Name: found.Name, Version: found.Version, SHA256: found.SHA256, DryRun: found.DryRun, Metadata: metadata}
	if fingerprint(earlier) != fingerprint(up) {
		return found, refuse("", "this Idempotency-Key was used for another upload, submission %s: use a new key for each upload", found.ID)
	}
	return found, nil
}

// mine is whether the owner of a name is user $1, or an organisation with that user.
const mine = `(owner = $1 OR owner IN (SELECT organisation FROM members WHERE user_id = $1))`

// claimName holds the name for the owner, or for the organisation that is named; a
// name that is theirs stays so. A dry run only asks. It returns whom the name belongs to.
func (s *Submissions) claimName(ctx context.Context, tx *sql.Tx, up Upload) (owner string, err error) {
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
		up.Name, skeleton(up.Name), wanted, store.Millis(s.now()))
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
		return "", refuse("organisation", "you are no member of an organisation %q: its operator adds you by trainer-hub org", clip(up.Organisation))
	}
	return id, err
}

// lookAlike refuses a name that people would take for another.
func lookAlike(ctx context.Context, tx *sql.Tx, up Upload) error {
	looks := skeleton(up.Name)
	if reserved[looks] && !up.Operator {
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
		if !ours && typo(other, looks) {
			return refuse("framework_name", "the name %q is one letter away from %q, which belongs to somebody else: choose another", up.Name, name)
		}
	}
	return rows.Err()
}

// MayUpload refuses an upload before its bytes are read, where they would be refused then.
// One that was sent before, under the same Idempotency-Key, is never refused here.
func (s *Submissions) MayUpload(ctx context.Context, owner, key string) error {
	var known int64
	err := s.db.QueryRowContext(ctx, `SELECT COUNT(*) FROM submissions WHERE owner = $1 AND idempotency_key = $2 AND idempotency_key <> ''`, owner, key).Scan(&known)
	if err != nil || known > 0 {
		return err
	}
	return quota(ctx, s.db, Upload{Owner: owner, Size: 1})
}

func quota(ctx context.Context, tx queryer, up Upload) error {
	var open, bytes int64
	err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM tasks JOIN submissions ON id = submission_id WHERE owner = $1`, up.Owner).Scan(&open)
	if err != nil {
		return fmt.Errorf("counting submissions: %w", err)
	}
	if open >= MaxOpen {
		return &Refusal{Quota: true, Text: fmt.Sprintf("%d of your submissions are on their way, which is the limit: wait for one to end, or cancel one", open)}
	}
	err = tx.QueryRowContext(ctx, `SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM
		(SELECT DISTINCT sha256, size FROM submissions WHERE owner = $1) AS packages`, up.Owner).Scan(&bytes)
	if err != nil {
		return fmt.Errorf("adding up packages: %w", err)
	}
	if bytes+up.Size > MaxBytes {
		return &Refusal{Quota: true, Text: fmt.Sprintf("your packages would take %d MiB of the %d MiB that each user has", (bytes+up.Size)>>20, MaxBytes>>20)}
	}
	return nil
}

func (s *Submissions) insert(ctx context.Context, tx *sql.Tx, id string, up Upload) error {
	now, holds, dry := store.Millis(s.now()), 1, 0
	if up.DryRun {
		holds, dry = 0, 1
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO submissions
		(id, name, version, sha256, size, owner, metadata, dry_run, idempotency_key, state, reason, step, attempt, holds, events, created, updated, holder)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, '', '', 1, $11, 0, $12, $12, $13)`,
		id, up.Name, up.Version, up.SHA256, up.Size, up.Owner, up.Metadata, dry, up.Key, string(Received), holds, now, up.holder)
	if err != nil {
		return err
	}
	if up.DryRun {
		if err := published(ctx, tx, up); err != nil {
			return err
		}
	}
	return s.entered(ctx, tx, id, Received, up.Owner, map[string]string{"state": string(Received), "name": up.Name, "version": up.Version, "sha256": up.SHA256})
}

// published refuses a dry run of a version that is there already: the upload
// itself would be refused.
func published(ctx context.Context, q queryer, up Upload) error {
	var sum string
	err := q.QueryRowContext(ctx, `SELECT sha256 FROM versions WHERE name = $1 AND version = $2`, up.Name, up.Version).Scan(&sum)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	case sum == up.SHA256:
		return refuse("version", "%s %s is published already, with these very bytes", up.Name, up.Version)
	default:
		return refuse("version", "%s %s is published already and a version never changes: raise the version in capabilities.json", up.Name, up.Version)
	}
}

// taken says why a unique index refused an upload.
func (s *Submissions) taken(ctx context.Context, up Upload) error {
	if err := published(ctx, s.db, up); err != nil {
		return err
	}
	var id string
	err := s.db.QueryRowContext(ctx, `SELECT id FROM submissions WHERE name = $1 AND version = $2 AND holds = 1`, up.Name, up.Version).Scan(&id)
	if err == nil {
		return refuse("version", "%s %s is on its way already, as submission %s: wait for it, or cancel it", up.Name, up.Version, id)
	}
	return refuse("framework_name", "the name %q, or one that looks like it, was taken at this moment: choose another", up.Name)
}
