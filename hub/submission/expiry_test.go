package submission_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/hub/submission"
)

const month = 30 * 24 * time.Hour

// expire gives up all that ended a month ago.
func (d *desk) expire(t *testing.T) (ids []string) {
	t.Helper()
	for {
		id, err := d.Expiry.Expire(t.Context(), d.now.Add(-month))
		if err != nil {
			t.Fatal(err)
		}
		if id == "" {
			return ids
		}
		ids = append(ids, id)
	}
}

// leaving are the packages that may be removed. They are.
func (d *desk) leaving(t *testing.T) (packages string) {
	t.Helper()
	for {
		at, err := d.Expiry.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if at == nil {
			return strings.TrimSpace(packages)
		}
		if err := d.Expiry.Removed(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		packages += at.SHA256 + " "
	}
}

// uploaded is a submission with bytes of its own.
func (d *desk) uploaded(t *testing.T, name, version, sha256 string, dry bool) submission.Submission {
	t.Helper()
	up := upload(name, version)
	up.SHA256, up.Size, up.DryRun = sha256, submission.MaxBytes/8, dry
	return d.create(t, up)
}

// What ended without a version loses its package after a month, and nothing else does; it no longer
// counts, and cannot be tried again.
func TestPackagesOfWhatEndedGo(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		active := d.uploaded(t, "active", "1.0.0", "a1", false)
		d.finish(t, d.claim(t))
		proven := d.uploaded(t, "proven", "1.0.0", "b1", true)
		d.finish(t, d.claim(t))
		rejected := d.uploaded(t, "rejected", "1.0.0", "c1", false)
		if err := d.claim(t).Reject(t.Context(), "no"); err != nil {
			t.Fatal(err)
		}
		cancelled := d.uploaded(t, "cancelled", "1.0.0", "d1", false)
		if err := d.Acts.Cancel(t.Context(), cancelled.ID, "ann"); err != nil {
			t.Fatal(err)
		}
		review := d.uploaded(t, "review", "1.0.0", "e1", false)
		if _, err := d.db.ExecContext(t.Context(), `UPDATE submissions SET state = 'review' WHERE id = $1`, review.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := d.db.ExecContext(t.Context(), `DELETE FROM tasks WHERE submission_id = $1`, review.ID); err != nil {
			t.Fatal(err)
		}
		open := d.uploaded(t, "open", "1.0.0", "f1", false)

		d.now = d.now.Add(month)
		if got := d.expire(t); len(got) != 0 {
			t.Errorf("a moment before their time went %v", got)
		}
		late := d.uploaded(t, "late", "1.0.0", "91", false)
		if err := d.Acts.Cancel(t.Context(), late.ID, "ann"); err != nil {
			t.Fatal(err)
		}
		d.now = d.now.Add(time.Millisecond)
		if got := d.expire(t); len(got) != 3 {
			t.Errorf("%d went", len(got))
		}
		for _, at := range []submission.Submission{proven, rejected, cancelled, active, review, open, late} {
			after := d.state(t, at.ID)
			if gone := at.Name == "proven" || at.Name == "rejected" || at.Name == "cancelled"; gone != (after.Expired == d.now.UnixMilli()) || !gone && after.Expired != 0 {
				t.Errorf("%s: expired %d", at.Name, after.Expired)
			}
		}
		if got := d.leaving(t); got != "b1 c1 d1" {
			t.Errorf("may be removed: %q", got)
		}
		if got := d.expire(t); len(got) != 0 {
			t.Errorf("went twice: %v", got)
		}
		if err := d.Acts.Retry(t.Context(), rejected.ID, "ann", false); !errors.Is(err, submission.ErrExpired) {
			t.Errorf("it is tried again: %v", err)
		}
		if err := d.Appeals.Make(t.Context(), rejected.ID, "ann", "no danger", false); !errors.Is(err, submission.ErrExpired) {
			t.Errorf("it is appealed: %v", err)
		}
		var acts int
		if err := d.db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM audit WHERE action = 'submission.expired'`).Scan(&acts); err != nil || acts != 3 {
			t.Errorf("%d acts, %v", acts, err)
		}
	})
}

// An owner who is full has room again when packages went.
func TestPackagesThatWentDoNotCount(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.Intake.Keep = month
		for i := range 8 {
			at := d.uploaded(t, "custom-yolo", "1.0.0", string(rune('a'+i))+"1", false)
			if err := d.Acts.Cancel(t.Context(), at.ID, "ann"); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Intake.MayUpload(t.Context(), "ann", ""); err == nil || !strings.Contains(err.Error(), "no longer count 30 days after their end") {
			t.Errorf("%v", err)
		}
		d.now = d.now.Add(month + time.Second)
		if got := d.expire(t); len(got) != 8 {
			t.Errorf("%d went", len(got))
		}
		if err := d.Intake.MayUpload(t.Context(), "ann", ""); err != nil {
			t.Error(err)
		}
	})
}

// A package stays while anything has the same bytes: another submission, of whomever, a version, or
// an upload that brings them.
func TestPackageThatAnotherNeedsStays(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		cancel := func(at submission.Submission) {
			if err := d.Acts.Cancel(t.Context(), at.ID, "ann"); err != nil {
				t.Fatal(err)
			}
		}
		cancel(d.uploaded(t, "first", "1.0.0", "a1", false))
		cancel(d.uploaded(t, "second", "1.0.0", "b1", false))
		cancel(d.uploaded(t, "third", "1.0.0", "c1", false))
		d.now = d.now.Add(month)
		other := d.uploaded(t, "first", "1.0.1", "a1", false)
		d.uploaded(t, "second", "1.0.1", "b1", false)
		arrival, _, err := d.Intake.Announce(t.Context(), submission.Upload{Name: "third", Version: "2.0.0", SHA256: "c1", Size: 1, Owner: "ann", Metadata: "{}"})
		if err != nil {
			t.Fatal(err)
		}
		cancel(other)
		d.finish(t, d.claim(t))
		d.now = d.now.Add(time.Second)
		if went := d.expire(t); len(went) != 3 {
			t.Errorf("%d went", len(went))
		}
		if got := d.leaving(t); got != "" {
			t.Errorf("of what is needed would go %s", got)
		}
		if err := d.Intake.Abandon(t.Context(), arrival); err != nil {
			t.Fatal(err)
		}
		if got := d.leaving(t); got != "c1" {
			t.Errorf("after the upload broke off: %q", got)
		}
		d.now = d.now.Add(month)
		if went := d.expire(t); len(went) != 1 || went[0] != other.ID {
			t.Errorf("went %v", went)
		}
		if got := d.leaving(t); got != "a1" {
			t.Errorf("at the end: %q", got)
		}
	})
}

// Who brings bytes that are to go keeps them, unless they are being removed at that moment.
func TestBytesThatComeBack(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		up := upload("custom-yolo", "1.0.0")
		lost := func() { // an upload that made no submission
			arrival, _, err := d.Intake.Announce(t.Context(), up)
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Intake.Abandon(t.Context(), arrival); err != nil {
				t.Fatal(err)
			}
		}
		lost()
		arrival, _, err := d.Intake.Announce(t.Context(), up)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.leaving(t); got != "" {
			t.Errorf("what came back would go: %s", got)
		}
		up.Arrival = arrival
		at := d.create(t, up)
		if err := d.Intake.Abandon(t.Context(), arrival); err != nil { // too late
			t.Fatal(err)
		}
		if got := d.leaving(t); got != "" {
			t.Errorf("what became a submission would go: %s", got)
		}
		if _, err := d.Intake.Create(t.Context(), up); err == nil {
			t.Error("an arrival made two submissions")
		}

		up.SHA256, up.Arrival, up.Version = "b1", "", "2.0.0"
		lost()
		next, err := d.Expiry.Next(t.Context())
		if err != nil || next == nil || next.SHA256 != "b1" {
			t.Fatalf("%+v, %v", next, err)
		}
		brought := make(chan error)
		go func() {
			_, _, err := d.Intake.Announce(t.Context(), up)
			brought <- err
		}()
		select {
		case err := <-brought:
			t.Fatalf("it was taken while it is removed: %v", err)
		default:
		}
		if err := d.Expiry.Removed(t.Context(), next); err != nil {
			t.Fatal(err)
		}
		if err := <-brought; err != nil {
			t.Error(err)
		}
		if at := d.state(t, at.ID); at.Expired != 0 {
			t.Errorf("%+v", at)
		}
	})
}

// What a kill left is given up by the next start, and by another hub when it is an hour old. Who was
// to remove it is followed by another after a while.
func TestWhatAKillLeft(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		up := upload("custom-yolo", "1.0.0")
		for _, all := range []bool{true, false} {
			arrival, _, err := d.Intake.Announce(t.Context(), up)
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Expiry.Abandoned(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			if got := d.leaving(t); got != "" {
				t.Errorf("a young one would go: %s", got)
			}
			if !all {
				d.now = d.now.Add(time.Hour + time.Second)
			}
			if err := d.Expiry.Abandoned(t.Context(), all); err != nil {
				t.Fatal(err)
			}
			if at, err := d.Expiry.Next(t.Context()); at == nil || err != nil {
				t.Fatalf("it is kept: %v", err)
			}
			up.Arrival = arrival
			if _, err := d.Intake.Create(t.Context(), up); err == nil {
				t.Error("what was given up became a submission")
			}
			up.Arrival = ""
			if got := d.leaving(t); got != "" {
				t.Errorf("two remove it: %s", got)
			}
			d.now = d.now.Add(time.Hour)
			if got := d.leaving(t); got != up.SHA256 {
				t.Errorf("nobody followed: %q", got)
			}
		}
	})
}
