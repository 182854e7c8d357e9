package submission_test

import (
	"errors"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

func TestRetryBeginsAgain(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		made := d.create(t, upload("custom-yolo", "1.0.0"))
		task := d.claim(t)
		if err := d.Acts.Retry(t.Context(), made.ID, "ann", false); !errors.Is(err, submission.ErrOpen) {
			t.Errorf("got %v", err)
		}
		if err := task.Report(t.Context(), contract.StepReport{Name: "secrets"}); err != nil {
			t.Fatal(err)
		}
		if err := task.Reject(t.Context(), "no"); err != nil {
			t.Fatal(err)
		}
		if err := d.Acts.Retry(t.Context(), made.ID, "ann", false); err != nil {
			t.Fatal(err)
		}
		at := d.state(t, made.ID)
		if steps, err := d.Records.Steps(t.Context(), at); at.Attempt != 2 || at.State != submission.Received || len(steps) != 0 || err != nil {
			t.Errorf("%+v, steps %v, %v", at, steps, err)
		}
		d.finish(t, d.claim(t))
		if err := d.Acts.Retry(t.Context(), made.ID, "ann", false); !errors.Is(err, submission.ErrSucceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// An author who did not cancel it is told who did.
func TestAuthorIsToldWhoElseCancelled(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		for actor, want := range map[string]string{"ann": "cancelled by its author", "bob": "cancelled by bob"} {
			made := d.create(t, upload("custom-yolo", "1.0.0"))
			if err := d.Acts.Cancel(t.Context(), made.ID, actor); err != nil {
				t.Fatal(err)
			}
			var told int
			row := d.db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM notifications WHERE submission_id = $1 AND user_id = 'ann' AND state = 'cancelled'`, made.ID)
			if err := row.Scan(&told); err != nil || (told == 1) != (actor != "ann") {
				t.Errorf("by %s: told %d times, %v", actor, told, err)
			}
			if at := d.state(t, made.ID); at.Reason != want {
				t.Errorf("by %s: %q", actor, at.Reason)
			}
		}
	})
}

func TestCancelTakesTheLeaseAway(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		made := d.create(t, upload("custom-yolo", "1.0.0"))
		task := d.claim(t)
		if err := d.Acts.Cancel(t.Context(), made.ID, "ann"); err != nil {
			t.Fatal(err)
		}
		for name, write := range map[string]func() error{
			"renew":    func() error { return task.Renew(t.Context()) },
			"report":   func() error { return task.Report(t.Context(), contract.StepReport{Name: "x"}) },
			"advance":  func() error { return task.Advance(t.Context(), nil) },
			"reject":   func() error { return task.Reject(t.Context(), "") },
			"fault":    func() error { return task.Fault(t.Context(), errors.New("x")) },
			"postpone": func() error { return task.Postpone(t.Context(), errors.New("x")) },
		} {
			if err := write(); !errors.Is(err, submission.ErrLost) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		if err := d.Acts.Cancel(t.Context(), made.ID, "ann"); !errors.Is(err, submission.ErrEnded) {
			t.Errorf("got %v", err)
		}
		if at := d.state(t, made.ID); at.State != submission.Cancelled {
			t.Errorf("%+v", at)
		}
	})
}
