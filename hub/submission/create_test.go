package submission_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/hub/submission"
)

func TestIdempotencyKeyMakesOneSubmission(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		up := upload("custom-yolo", "1.0.0")
		up.Key = "k"
		first := d.create(t, up)
		if again := d.create(t, up); again.ID != first.ID {
			t.Error("the same upload made a second submission")
		}
		up.SHA256 = "bb"
		refused(t, d, up, "use a new key")
	})
}

// A proxy that sends an upload twice at once makes one submission, and both hear of it.
func TestIdempotencyKeyTwiceAtOnce(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		up := upload("custom-yolo", "1.0.0")
		up.Key = "k"
		const clients = 8
		ids, failed := make(chan string, clients), make(chan error, clients)
		for range clients {
			go func() {
				made, err := d.Intake.Create(t.Context(), up)
				ids <- made.ID
				failed <- err
			}()
		}
		first := <-ids
		for range clients - 1 {
			if id := <-ids; id != first {
				t.Errorf("submissions %q and %q", first, id)
			}
		}
		for range clients {
			if err := <-failed; err != nil {
				t.Error(err)
			}
		}
	})
}

func refused(t *testing.T, d *desk, up submission.Upload, text string) {
	t.Helper()
	_, err := d.Intake.Create(t.Context(), up)
	if refusal, ok := errors.AsType[*submission.Refusal](err); !ok || !strings.Contains(refusal.Text, text) {
		t.Errorf("%s %s: got %v, want %q", up.Name, up.Version, err, text)
	}
}

func TestVersionBelongsToOnePackage(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		up := upload("custom-yolo", "1.0.0")
		first := d.create(t, up)
		refused(t, d, up, "on its way already, as submission "+first.ID)
		d.finish(t, d.claim(t))
		refused(t, d, up, "published already, with these very bytes")
		up.SHA256 = "bb"
		refused(t, d, up, "raise the version")
		up.DryRun = true
		refused(t, d, up, "raise the version")
		d.create(t, upload("custom-yolo", "1.0.1"))
	})
}

func TestTwoUploadsOfOneVersionAtOnce(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		const uploads = 8
		failed := make(chan error, uploads)
		for i := range uploads {
			go func() {
				up := upload("custom-yolo", "1.0.0")
				up.Owner = []string{"ann", "bob"}[i%2]
				_, err := d.Intake.Create(t.Context(), up)
				failed <- err
			}()
		}
		made := 0
		for range uploads {
			err := <-failed
			if _, ok := errors.AsType[*submission.Refusal](err); err != nil && !ok {
				t.Error(err)
			}
			if err == nil {
				made++
			}
		}
		if made != 1 {
			t.Errorf("%d of them were taken", made)
		}
	})
}

func TestQuotaOfBytes(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		up := upload("custom-yolo", "1.0.0")
		up.Size = submission.MaxBytes
		d.create(t, up)
		refused(t, d, func() submission.Upload { up := upload("another-one", "1.0.0"); up.SHA256 = "bb"; return up }(), "MiB that each user has")
	})
}
