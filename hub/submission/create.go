package submission

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/vision-platform/trainer-agent/hub/store"
)

// Upload is a package before it is a submission.
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
	Arrival       string // of Announce; empty for bytes that nobody announced

	holder string // whom the name belongs to, once it is claimed
}

// Intake makes uploads submissions.
type Intake struct {
	journal
	// Keep is how long a package is kept whose submission ended without a version; 0 is for ever.
	Keep time.Duration
}

// Create makes an upload a submission that waits to be scanned. The same
// Idempotency-Key with the same upload returns the submission that it made before.
func (i *Intake) Create(ctx context.Context, up Upload) (Submission, error) {
	return i.create(ctx, up, nil)
}

// errCheck takes a transaction back.
var errCheck = errors.New("only a check")

// create ends its transaction with an error, unless that is nil.
func (i *Intake) create(ctx context.Context, up Upload, end error) (made Submission, err error) {
	if err := check(up); err != nil {
		return made, err
	}
	id := store.ID()
	err = i.tx(ctx, func(tx *sql.Tx) error {
		if err := arrived(ctx, tx, up); err != nil {
			return err
		}
		if made, err = before(ctx, tx, up); err == nil || !errors.Is(err, ErrNotFound) {
			return err
		}
		if up.holder, err = claimName(ctx, tx, up, i.now()); err != nil {
			return err
		}
		if err := quota(ctx, tx, up, i.Keep); err != nil {
			return err
		}
		if err := i.insert(ctx, tx, id, up); err != nil {
			return err
		}
		if made, err = get(ctx, tx, id); err != nil {
			return err
		}
		return end
	})
	if _, refused := errors.AsType[*Refusal](err); !refused && !store.Duplicate(err) {
		return made, err
	}
	// Somebody else was faster: the same upload, sent twice at once, or another.
	earlier, wrong := before(ctx, i.db, up)
	switch {
	case !errors.Is(wrong, ErrNotFound):
		return earlier, wrong
	case store.Duplicate(err):
		return made, taken(ctx, i.db, up)
	}
	return made, err
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

// MayUpload refuses an upload before its bytes are read, where they would be refused then.
// One that was sent before, under the same Idempotency-Key, is never refused here.
func (i *Intake) MayUpload(ctx context.Context, owner, key string) error {
	var known int64
	err := i.db.QueryRowContext(ctx, `SELECT COUNT(*) FROM submissions WHERE owner = $1 AND idempotency_key = $2 AND idempotency_key <> ''`, owner, key).Scan(&known)
	if err != nil || known > 0 {
		return err
	}
	return quota(ctx, i.db, Upload{Owner: owner, Size: 1}, i.Keep)
}

func (i *Intake) insert(ctx context.Context, tx *sql.Tx, id string, up Upload) error {
	now, holds, dry := store.Millis(i.now()), 1, 0
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
	return i.entered(ctx, tx, id, Received, up.Owner, map[string]string{"state": string(Received), "name": up.Name, "version": up.Version, "sha256": up.SHA256})
}
