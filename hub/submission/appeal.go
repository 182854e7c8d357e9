package submission

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub/store"
)

// Appeals are what authors say against a rejection, and what comes of it. An appeal is about
// findings that name the bytes of their file: those of rules that can be waived do.
type Appeals struct{ journal }

// maxAppeals is how often a submission may be appealed.
const maxAppeals = 3

// maxReason bounds what an author and the operator write, in bytes.
const maxReason = 2000

// Make asks the operator to look at a submission that was rejected: it then is in review, and
// keeps its name and version. An operator may hold the platform's names.
func (a *Appeals) Make(ctx context.Context, id, actor, reason string, operator bool) error {
	reason, err := said(reason)
	if err != nil {
		return err
	}
	var up Upload
	err = a.tx(ctx, func(tx *sql.Tx) error {
		at, err := get(ctx, tx, id)
		if err != nil {
			return err
		}
		if at.State != Rejected {
			return refuse("", "only what was rejected can be appealed, and this is %s", at.State)
		}
		if at.Expired > 0 {
			return ErrExpired
		}
		if err := appealable(ctx, tx, at); err != nil {
			return err
		}
		if up, err = a.hold(ctx, tx, at, operator); err != nil {
			return err
		}
		now := store.Millis(a.now())
		_, err = tx.ExecContext(ctx, `INSERT INTO appeals (id, submission_id, author, reason, state, answer, decided_by, created, decided)
			VALUES ($1, $2, $3, $4, 'waiting', '', '', $5, 0)`, store.ID(), id, actor, reason, now)
		if err != nil {
			return fmt.Errorf("writing the appeal: %w", err)
		}
		return a.move(ctx, tx, at, Review, actor, reason)
	})
	if store.Duplicate(err) {
		return taken(ctx, a.db, up)
	}
	return err
}

// said is a reason that somebody wrote.
func said(reason string) (string, error) {
	if reason = strings.TrimSpace(reason); reason == "" || len(reason) > maxReason || strings.ContainsRune(reason, 0) {
		return "", refuse("", "say why, in at most %d bytes", maxReason)
	}
	return reason, nil
}

// appealable refuses an appeal that could not change anything.
func appealable(ctx context.Context, tx *sql.Tx, at Submission) error {
	var made int
	if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM appeals WHERE submission_id = $1 AND state <> 'withdrawn'`, at.ID).Scan(&made); err != nil {
		return fmt.Errorf("counting appeals: %w", err)
	}
	if made >= maxAppeals {
		return refuse("", "this submission was appealed %d times, which is the limit: mend what the findings say, and upload it as another version", made)
	}
	errs, err := grave(ctx, tx, at)
	if err != nil {
		return err
	}
	for _, f := range errs {
		if f.SHA256 == "" {
			return refuse("", "%s cannot be waived: mend it first (%s)", f.Rule, f.Text)
		}
	}
	if len(errs) == 0 {
		return refuse("", "there is no finding to appeal against: try it again")
	}
	return nil
}

// grave are the findings for which a submission was rejected.
func grave(ctx context.Context, tx *sql.Tx, at Submission) (errs []contract.Finding, err error) {
	steps, err := reports(ctx, tx, at)
	for _, step := range steps {
		errs = append(errs, slices.DeleteFunc(step.Findings, func(f contract.Finding) bool { return f.Severity != contract.SeverityError })...)
	}
	return errs, err
}

// hold takes the name again that the rejection gave back.
func (a *Appeals) hold(ctx context.Context, tx *sql.Tx, at Submission, operator bool) (up Upload, err error) {
	up = Upload{Name: at.Name, Version: at.Version, SHA256: at.SHA256, Owner: at.Owner, DryRun: at.DryRun, Operator: operator}
	if up.Organisation, err = organisation(ctx, tx, at); err != nil {
		return up, err
	}
	_, err = claimName(ctx, tx, up, a.now())
	return up, err
}

// Decision is what the operator says to an appeal.
type Decision struct {
	Grant  bool
	Answer string
	Actor  string
}

// ErrNoAppeal is an appeal that is none, or was decided.
var ErrNoAppeal = errors.New("there is no such appeal, or it was decided already")

// Decide grants an appeal or refuses it. What is granted is proven again, by all rules: a waiver
// lets the same rule pass in a file of the same bytes, here and in every other package.
func (a *Appeals) Decide(ctx context.Context, appeal string, d Decision) error {
	answer, err := said(d.Answer)
	if err != nil {
		return err
	}
	return a.tx(ctx, func(tx *sql.Tx) error {
		state, to := "refused", Rejected
		if d.Grant {
			state, to = "granted", Received
		}
		var id string
		now := store.Millis(a.now())
		err := tx.QueryRowContext(ctx, `UPDATE appeals SET state = $1, answer = $2, decided_by = $3, decided = $4 WHERE id = $5 AND state = 'waiting' RETURNING submission_id`,
			state, answer, d.Actor, now, appeal).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNoAppeal
		}
		if err != nil {
			return fmt.Errorf("deciding the appeal: %w", err)
		}
		at, err := get(ctx, tx, id)
		if err != nil {
			return err
		}
		waived := []string{}
		if d.Grant {
			if waived, err = waive(ctx, tx, at, appeal, answer, now); err != nil {
				return err
			}
		}
		act := store.Act{Actor: d.Actor, Action: "appeal." + state, Subject: appeal, Detail: map[string]any{"submission": id, "reason": answer, "waived": waived}}
		if err := store.Audit(ctx, tx, a.now(), act); err != nil {
			return err
		}
		if d.Grant {
			if err := a.tell(ctx, tx, at, "appeal.granted", fmt.Sprintf("the appeal for %s %s was granted, and it is proven again: %s", at.Name, at.Version, answer)); err != nil {
				return err
			}
		}
		return a.move(ctx, tx, at, to, d.Actor, map[bool]string{false: "the appeal was refused: " + answer}[d.Grant])
	})
}

// waive writes a waiver for each finding that a submission was rejected for.
func waive(ctx context.Context, tx *sql.Tx, at Submission, appeal, reason string, now int64) (waived []string, err error) {
	errs, err := grave(ctx, tx, at)
	if err != nil {
		return nil, err
	}
	for _, f := range errs {
		if f.SHA256 == "" {
			continue
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO waivers (rule, sha256, appeal_id, reason, created) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (rule, sha256) DO NOTHING`, f.Rule, f.SHA256, appeal, reason, now)
		if err != nil {
			return nil, fmt.Errorf("writing a waiver: %w", err)
		}
		if line := f.Rule + " in " + f.SHA256; !slices.Contains(waived, line) {
			waived = append(waived, line)
		}
	}
	return waived, nil
}

// withdraw ends the appeal of a submission that is cancelled.
func withdraw(ctx context.Context, tx *sql.Tx, id string, now int64) error {
	if _, err := tx.ExecContext(ctx, `UPDATE appeals SET state = 'withdrawn', decided = $1 WHERE submission_id = $2 AND state = 'waiting'`, now, id); err != nil {
		return fmt.Errorf("withdrawing the appeal: %w", err)
	}
	return nil
}
