package submission_test

import (
	"errors"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub/store"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

// rejected is a submission of ann's that was rejected for a finding which can be waived.
func (d *desk) rejected(t *testing.T, name string) submission.Submission {
	t.Helper()
	return d.rejectedUpload(t, upload(name, "1.0.0"))
}

func (d *desk) rejectedUpload(t *testing.T, up submission.Upload) submission.Submission {
	t.Helper()
	made := d.create(t, up)
	task := d.claim(t)
	finding := contract.Finding{Rule: "pickle.code", Severity: contract.SeverityError, File: "weights.pkl", SHA256: "sum", Text: "it calls something"}
	report := contract.StepReport{Name: "security", Status: contract.StepFailed, Findings: []contract.Finding{finding}}
	if err := errors.Join(task.Report(t.Context(), report), task.Reject(t.Context(), "not passed: security")); err != nil {
		t.Fatal(err)
	}
	return made
}

// While an appeal waits, nobody takes the name or works on the submission; a retry has to wait, and
// to cancel withdraws it.
func TestAppealHoldsTheNameAndWaits(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		made := d.rejected(t, "custom-yolo")
		if err := d.Appeals.Make(t.Context(), made.ID, "ann", "it is harmless", false); err != nil {
			t.Fatal(err)
		}
		if at := d.state(t, made.ID); at.State != submission.Review || at.State.Open() || at.State.Ended() || at.State.Status() != "validating" {
			t.Errorf("%+v", at)
		}
		other := upload("custom-yolo", "1.0.0")
		other.Owner = "bob"
		refused(t, d, other, "belongs to somebody else")
		if task := d.claim(t); task != nil {
			t.Errorf("a worker got %+v", task)
		}
		if err := d.Acts.Retry(t.Context(), made.ID, "ann", false); !errors.Is(err, submission.ErrOpen) {
			t.Errorf("a retry: %v", err)
		}
		if err := d.Acts.Cancel(t.Context(), made.ID, "ann"); err != nil {
			t.Fatal(err)
		}
		if list, err := d.Records.Appeals(t.Context(), made.ID, false, store.Newest(), 9); len(list) != 1 || list[0].State != "withdrawn" || err != nil {
			t.Errorf("%+v, %v", list, err)
		}
		if _, err := d.Intake.Create(t.Context(), other); err != nil {
			t.Errorf("the name was not given back: %v", err)
		}
	})
}

// What takes the name while a submission is rejected keeps it: the appeal says so.
func TestAppealAfterTheNameWasTaken(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		made := d.rejected(t, "custom-yolo")
		other := upload("custom-yolo", "1.0.0")
		other.Owner = "bob"
		d.create(t, other)
		if err := d.Appeals.Make(t.Context(), made.ID, "ann", "it is harmless", false); err == nil {
			t.Error("two own the name")
		}
		if at := d.state(t, made.ID); at.State != submission.Rejected {
			t.Errorf("%+v", at)
		}
	})
}

// The platform's own names are the operator's in an appeal too.
func TestAppealForANameOfThePlatform(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		up := upload("timm", "1.0.0")
		up.Operator = true
		made := d.rejectedUpload(t, up)
		if err := d.Appeals.Make(t.Context(), made.ID, "ann", "it is harmless", false); err == nil {
			t.Error("an author holds it")
		}
		if err := d.Appeals.Make(t.Context(), made.ID, "ann", "it is harmless", true); err != nil {
			t.Error(err)
		}
	})
}

// A decision is one transaction: the state, the waiver, the task, what the author is told, and the
// audit log, which each of these tests checks at its end.
func TestGrantedAppealIsProvenAgain(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		made := d.rejected(t, "custom-yolo")
		if err := d.Appeals.Make(t.Context(), made.ID, "ann", "it is harmless", false); err != nil {
			t.Fatal(err)
		}
		list, err := d.Records.Appeals(t.Context(), "", true, store.Newest(), 9)
		if err != nil || len(list) != 1 {
			t.Fatalf("%+v, %v", list, err)
		}
		yes := submission.Decision{Grant: true, Answer: "so it is", Actor: "bob"}
		if err := d.Appeals.Decide(t.Context(), list[0].ID, yes); err != nil {
			t.Fatal(err)
		}
		if err := d.Appeals.Decide(t.Context(), list[0].ID, yes); !errors.Is(err, submission.ErrNoAppeal) {
			t.Errorf("a second time: %v", err)
		}
		if reason, err := d.Records.Waived(t.Context(), "pickle.code", "sum"); reason != "so it is" || err != nil {
			t.Errorf("%q, %v", reason, err)
		}
		for _, other := range [][2]string{{"pickle.code", "other"}, {"code.shell", "sum"}} {
			if reason, err := d.Records.Waived(t.Context(), other[0], other[1]); reason != "" || err != nil {
				t.Errorf("%v is waived: %q, %v", other, reason, err)
			}
		}
		task := d.claim(t)
		if task == nil || task.ID != made.ID || task.Attempt != 2 {
			t.Fatalf("%+v", task)
		}
		d.finish(t, task)
	})
}
