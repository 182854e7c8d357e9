package submission_test

import (
	"context"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/hub/store"
	"github.com/vision-platform/trainer-agent/hub/store/storetest"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// desk is a database with the users ann, bob and op, and a clock that the test moves.
type desk struct {
	*submission.Desk
	db  *store.DB
	now time.Time
}

func each(t *testing.T, test func(t *testing.T, d *desk)) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		d := &desk{db: db, now: time.UnixMilli(1_800_000_000_000)}
		d.Desk = submission.New(db, func() time.Time { return d.now })
		for _, name := range []string{"ann", "bob"} {
			if _, err := db.ExecContext(t.Context(), `INSERT INTO users (id, name, role, created) VALUES ($1, $1, 'author', 0)`, name); err != nil {
				t.Fatal(err)
			}
		}
		test(t, d)
		if acts, err := db.VerifyAudit(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("the audit log after %d acts: %v", acts, err)
		}
	})
}

func upload(name, version string) submission.Upload {
	return submission.Upload{Name: name, Version: version, SHA256: "aa", Size: 1, Owner: "ann", Metadata: "{}"}
}

func (d *desk) create(t *testing.T, up submission.Upload) submission.Submission {
	t.Helper()
	made, err := d.Intake.Create(t.Context(), up)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func (d *desk) claim(t *testing.T) *submission.Task {
	t.Helper()
	task, err := d.Queue.Claim(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return task
}

// finish takes a claimed task to its end.
func (d *desk) finish(t *testing.T, task *submission.Task) {
	t.Helper()
	for task.State.Open() {
		if err := task.Advance(t.Context(), json.RawMessage(`{"digest":"sha256:1"}`)); err != nil {
			t.Fatal(err)
		}
	}
}

func (d *desk) state(t *testing.T, id string) submission.Submission {
	t.Helper()
	at, err := d.Records.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return at
}
