package submission_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub/store"
	"github.com/vision-platform/trainer-agent/hub/store/storetest"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// desk is a database with the users ann, bob and op, and a clock that the test moves.
type desk struct {
	*submission.Submissions
	db  *store.DB
	now time.Time
}

func each(t *testing.T, test func(t *testing.T, d *desk)) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		d := &desk{db: db, now: time.UnixMilli(1_800_000_000_000)}
		d.Submissions = submission.New(db, func() time.Time { return d.now })
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
	made, err := d.Create(t.Context(), up)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func (d *desk) claim(t *testing.T) *submission.Task {
	t.Helper()
	task, err := d.Claim(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return task
}

// finish takes a claimed task to its end.
func (d *desk) finish(t *testing.T, task *submission.Task) {
	t.Helper()
	for task.State.Open() {
		if err := d.Advance(t.Context(), task, json.RawMessage(`{"digest":"sha256:1"}`)); err != nil {
			t.Fatal(err)
		}
	}
}

func (d *desk) state(t *testing.T, id string) submission.Submission {
	t.Helper()
	at, err := d.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestWayOfASubmission(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		for _, dry := range []bool{true, false} {
			up := upload("custom-yolo-turbo", "1.0.0")
			up.DryRun = dry
			made := d.create(t, up)
			task := d.claim(t)
			if err := d.Begin(t.Context(), task, "secrets"); err != nil {
				t.Fatal(err)
			}
			if at := d.state(t, made.ID); at.Step != "secrets" {
				t.Errorf("step %q", at.Step)
			}
			report := contract.StepReport{Name: "secrets", Status: contract.StepPassed, Log: "quiet"}
			for range 2 { // taken twice, as after a kill
				if err := d.Report(t.Context(), task, report); err != nil {
					t.Fatal(err)
				}
			}
			d.finish(t, task)
			var way []string
			events, err := d.Events(t.Context(), made.ID, 0)
			for _, e := range events {
				var data struct{ State string }
				if _ = json.Unmarshal(e.Data, &data); e.Kind == "state" {
					way = append(way, data.State)
				}
			}
			want := "received scanning building testing publishing active"
			if dry {
				want = "received scanning building testing proven"
			}
			if got := strings.Join(way, " "); got != want || err != nil {
				t.Errorf("dry run %v: %s, %v", dry, got, err)
			}
			if last := events[len(events)-1].Seq; last != int64(len(events)) {
				t.Errorf("%d events, the last has the number %d", len(events), last)
			}
			if steps, err := d.Steps(t.Context(), d.state(t, made.ID)); len(steps) != 1 || steps[0].Log != "quiet" || err != nil {
				t.Errorf("steps %v, %v", steps, err)
			}
			if d.claim(t) != nil {
				t.Error("there is still something to do")
			}
		}
	})
}

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
				made, err := d.Create(t.Context(), up)
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
	_, err := d.Create(t.Context(), up)
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

func TestNames(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.create(t, upload("custom-yolo", "1.0.0"))
		for name, text := range map[string]string{
			"Custom":          "no trainer name",
			"a":               "no trainer name",
			"a--b":            "no trainer name",
			"../../etc":       "no trainer name",
			"naïve":           "no trainer name",
			"ultralytics":     "kept for the platform",
			"u1tra-lytics":    "kept for the platform",
			"custom_yolo":     `looks like "custom-yolo"`,
			"cust0m-yolo":     `looks like "custom-yolo"`,
			"custorn-yolo":    `looks like "custom-yolo"`,
			"custom-yolos":    "one letter away",
			"custom-yol":      "one letter away",
			"custon-yolo":     "one letter away",
			"cutsom-yolo":     "one letter away",
			"custom-yolo-two": "",
			"custom-yolo9":    "",
		} {
			up := upload(name, "1.0.0")
			up.Owner, up.DryRun = "bob", true
			if _, err := d.Create(t.Context(), up); text == "" && err != nil {
				t.Errorf("%s: %v", name, err)
			} else if text != "" {
				refused(t, d, up, text)
			}
		}
		up := upload("custom-yolo", "2.0.0")
		up.Owner = "bob"
		refused(t, d, up, "belongs to somebody else")
		up = upload("timm", "1.0.0")
		up.Operator = true
		d.create(t, up)
		for _, version := range []string{"1", "v1.0.0", "1.0.0+build", "01.0.0", "1.0.0/x", strings.Repeat("1", 70) + ".0.0"} {
			refused(t, d, upload("custom-yolo", version), "no semantic version")
		}
	})
}

// What was rejected holds neither its version nor its name.
func TestRejectedGivesNameAndVersionBack(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		made := d.create(t, upload("custom-yolo", "1.0.0"))
		if err := d.Reject(t.Context(), d.claim(t), "a secret in train.py"); err != nil {
			t.Fatal(err)
		}
		if at := d.state(t, made.ID); at.State != submission.Rejected || at.Reason != "a secret in train.py" {
			t.Errorf("%+v", at)
		}
		up := upload("custom-yolo", "1.0.0")
		up.Owner = "bob"
		d.create(t, up)
		if err := d.Retry(t.Context(), made.ID, "ann", false); err == nil || !strings.Contains(err.Error(), "belongs to somebody else") {
			t.Errorf("a retry took the name back: %v", err)
		}
	})
}

func TestRetryBeginsAgain(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		made := d.create(t, upload("custom-yolo", "1.0.0"))
		task := d.claim(t)
		if err := d.Retry(t.Context(), made.ID, "ann", false); !errors.Is(err, submission.ErrOpen) {
			t.Errorf("got %v", err)
		}
		if err := d.Report(t.Context(), task, contract.StepReport{Name: "secrets"}); err != nil {
			t.Fatal(err)
		}
		if err := d.Reject(t.Context(), task, "no"); err != nil {
			t.Fatal(err)
		}
		if err := d.Retry(t.Context(), made.ID, "ann", false); err != nil {
			t.Fatal(err)
		}
		at := d.state(t, made.ID)
		if steps, err := d.Steps(t.Context(), at); at.Attempt != 2 || at.State != submission.Received || len(steps) != 0 || err != nil {
			t.Errorf("%+v, steps %v, %v", at, steps, err)
		}
		d.finish(t, d.claim(t))
		if err := d.Retry(t.Context(), made.ID, "ann", false); !errors.Is(err, submission.ErrSucceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// What was uploaded for an organisation is the organisation's after a retry too, and its members see it.
func TestOrganisationKeepsWhatWasRejected(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		for _, query := range []string{
			`INSERT INTO users (id, name, role, created) VALUES ('lab', 'cell-lab', 'organisation', 0), ('eve', 'eve', 'author', 0)`,
			`INSERT INTO members (organisation, user_id) VALUES ('lab', 'ann'), ('lab', 'bob')`,
		} {
			if _, err := d.db.ExecContext(t.Context(), query); err != nil {
				t.Fatal(err)
			}
		}
		before := upload("cell-counter", "1.0.0") // a stranger's, from before the name was the organisation's
		before.Owner, before.DryRun = "eve", true
		strangers := d.create(t, before)
		d.finish(t, d.claim(t))
		up := upload("cell-counter", "1.0.0")
		up.Organisation = "cell-lab"
		made := d.create(t, up)
		if err := d.Reject(t.Context(), d.claim(t), "no"); err != nil {
			t.Fatal(err)
		}
		if err := d.Retry(t.Context(), made.ID, "ann", false); err != nil {
			t.Fatal(err)
		}
		var owner string
		if err := d.db.QueryRowContext(t.Context(), `SELECT owner FROM trainers WHERE name = 'cell-counter'`).Scan(&owner); owner != "lab" || err != nil {
			t.Errorf("after a retry the name is %q's, %v", owner, err)
		}
		d.now = d.now.Add(time.Minute)
		next := upload("cell-counter", "1.1.0") // names no organisation: the name has one
		next.Owner = "bob"
		bobs := d.create(t, next)
		for user, want := range map[string][]string{"ann": {bobs.ID, made.ID}, "bob": {bobs.ID, made.ID}, "eve": {strangers.ID}} {
			list, err := d.List(t.Context(), user, 10)
			var ids []string
			for _, at := range list {
				ids = append(ids, at.ID)
			}
			if !slices.Equal(ids, want) || err != nil {
				t.Errorf("%s sees %v, %v, want %v", user, ids, err, want)
			}
			for _, at := range []submission.Submission{strangers, made, bobs} {
				if sees, err := d.Sees(t.Context(), user, at); sees != slices.Contains(want, at.ID) || err != nil {
					t.Errorf("%s sees %s of %s: %v, %v", user, at.ID, at.Author, sees, err)
				}
			}
		}
	})
}

// An author who did not cancel it is told who did.
func TestAuthorIsToldWhoElseCancelled(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		for actor, want := range map[string]string{"ann": "cancelled by its author", "bob": "cancelled by bob"} {
			made := d.create(t, upload("custom-yolo", "1.0.0"))
			if err := d.Cancel(t.Context(), made.ID, actor); err != nil {
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
		if err := d.Cancel(t.Context(), made.ID, "ann"); err != nil {
			t.Fatal(err)
		}
		for name, write := range map[string]func() error{
			"renew":   func() error { return d.Renew(t.Context(), task) },
			"report":  func() error { return d.Report(t.Context(), task, contract.StepReport{Name: "x"}) },
			"advance": func() error { return d.Advance(t.Context(), task, nil) },
			"reject":  func() error { return d.Reject(t.Context(), task, "") },
			"fault":   func() error { return d.Fault(t.Context(), task, errors.New("x")) },
		} {
			if err := write(); !errors.Is(err, submission.ErrLost) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		if err := d.Cancel(t.Context(), made.ID, "ann"); !errors.Is(err, submission.ErrEnded) {
			t.Errorf("got %v", err)
		}
		if at := d.state(t, made.ID); at.State != submission.Cancelled {
			t.Errorf("%+v", at)
		}
	})
}

func TestLeaseEndsByTime(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.create(t, upload("custom-yolo", "1.0.0"))
		first := d.claim(t)
		if d.claim(t) != nil {
			t.Fatal("two have one task")
		}
		d.now = d.now.Add(submission.Lease / 2)
		if err := d.Renew(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		d.now = d.now.Add(submission.Lease)
		second := d.claim(t)
		if second == nil {
			t.Fatal("the lease did not end")
		}
		if err := d.Advance(t.Context(), first, nil); !errors.Is(err, submission.ErrLost) {
			t.Errorf("who lost the lease moved on: %v", err)
		}
		if err := d.Advance(t.Context(), second, nil); err != nil {
			t.Error(err)
		}
		if err := d.Release(t.Context(), second); err != nil {
			t.Fatal(err)
		}
		if third := d.claim(t); third == nil || third.State != submission.Scanning {
			t.Errorf("after a release: %+v", third)
		}
	})
}

func TestFaultIsTriedThreeTimes(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		made := d.create(t, upload("custom-yolo", "1.0.0"))
		for try := range 3 {
			task := d.claim(t)
			if task == nil {
				t.Fatalf("try %d: nothing to do", try)
			}
			if err := d.Fault(t.Context(), task, errors.New("clamd is away")); err != nil {
				t.Fatal(err)
			}
			if d.claim(t) != nil {
				t.Fatalf("try %d: tried again at once", try)
			}
			d.now = d.now.Add(time.Minute)
		}
		if at := d.state(t, made.ID); at.State != submission.Failed || at.Reason != "clamd is away" {
			t.Errorf("%+v", at)
		}
	})
}

// What was proven is not thrown away for a bucket that is away a quarter of an hour.
func TestPublishingWaitsForWhatIsAway(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		made, began := d.create(t, upload("custom-yolo", "1.0.0")), d.now
		for at := d.state(t, made.ID); at.State.Open(); at = d.state(t, made.ID) {
			task := d.claim(t)
			for err := error(nil); task != nil && err == nil && task.State != submission.Publishing; {
				err = d.Advance(t.Context(), task, nil)
			}
			if task != nil {
				if err := d.Fault(t.Context(), task, errors.New("the bucket is away")); err != nil {
					t.Fatal(err)
				}
			}
			d.now = d.now.Add(5 * time.Second)
		}
		if waited := d.now.Sub(began); waited < 15*time.Minute || waited > 30*time.Minute {
			t.Errorf("given up after %s", waited)
		}
	})
}

// A package that takes the hub down with it is not begun for ever.
func TestStateThatNeverEndsIsGivenUp(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		made := d.create(t, upload("custom-yolo", "1.0.0"))
		for range 21 {
			d.claim(t)
			if err := d.Forget(t.Context()); err != nil { // as at the start after a kill
				t.Fatal(err)
			}
		}
		if at := d.state(t, made.ID); at.State != submission.Failed || !strings.Contains(at.Reason, "begun 20 times") {
			t.Errorf("%+v", at)
		}
	})
}

func TestManyWorkersTakeEachTaskOnce(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		var made []string
		for i := range submission.MaxOpen {
			made = append(made, d.create(t, upload(fmt.Sprintf("trainer-%c", 'a'+i), "1.0.0")).ID)
		}
		refused(t, d, upload("one-more", "1.0.0"), "on their way, which is the limit")
		taken := make(chan string, 2*len(made))
		for range 2 * len(made) {
			go func() {
				task, err := d.Claim(t.Context())
				if err != nil {
					t.Error(err)
				}
				if task == nil {
					taken <- ""
					return
				}
				taken <- task.ID
			}()
		}
		var got []string
		for range 2 * len(made) {
			if id := <-taken; id != "" {
				got = append(got, id)
			}
		}
		// With many at once PostgreSQL skips what another one looks at: nobody waits, and the rest comes with the next look.
		for task := d.claim(t); task != nil; task = d.claim(t) {
			got = append(got, task.ID)
		}
		slices.Sort(got)
		slices.Sort(made)
		if !slices.Equal(got, made) {
			t.Errorf("made %v, taken %v", made, got)
		}
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
				_, err := d.Create(t.Context(), up)
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

// A user's second upload does not wait behind all of another's; nor does anybody overtake
// his own.
func TestUsersTakeTurns(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		for i := range 5 {
			d.create(t, upload(fmt.Sprintf("segmenter-%c", 'a'+i), "1.0.0"))
			d.now = d.now.Add(time.Second)
		}
		for _, name := range []string{"cells", "leaves"} {
			up := upload(name, "1.0.0")
			up.Owner = "bob"
			d.create(t, up)
			d.now = d.now.Add(time.Second)
		}
		var order []string
		for task := d.claim(t); task != nil; task = d.claim(t) {
			order = append(order, task.Name)
			d.finish(t, task)
			d.now = d.now.Add(time.Second)
		}
		if want := []string{"segmenter-a", "cells", "segmenter-b", "leaves", "segmenter-c", "segmenter-d", "segmenter-e"}; !slices.Equal(order, want) {
			t.Errorf("%q", order)
		}
	})
}

func TestChangesWakeWhoWaits(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		changed := d.Changed()
		d.create(t, upload("custom-yolo", "1.0.0"))
		<-changed
		d.claim(t) // nobody needs to know
		select {
		case <-d.Changed():
			t.Error("woken for nothing")
		default:
		}
	})
}

// What a step writes is seen while it is taken, its end only, and without what is private.
func TestOutputOfAStepIsSeenWhileItIsTaken(t *testing.T) {
	s, task := submission.New(nil, time.Now), &submission.Task{Submission: submission.Submission{ID: "1"}}
	out, done := s.Output(task, strings.NewReplacer("/srv/hub", "…"))
	for _, text := range []string{"reading /srv", "/hub/train.py\n", strings.Repeat("é", 10<<10), "the end"} {
		if n, err := io.WriteString(out, text); n != len(text) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if strings.Contains(s.Live("1"), "/srv/hub") || !utf8.ValidString(s.Live("1")) {
			t.Errorf("%q", s.Live("1")[:100])
		}
	}
	if got := s.Live("1"); len(got) > 16<<10 || !strings.HasSuffix(got, "éthe end") {
		t.Errorf("%d bytes", len(got))
	}
	if got := s.Live("2"); got != "" {
		t.Errorf("another's: %q", got)
	}
	if done(); s.Live("1") != "" {
		t.Errorf("after it: %q", s.Live("1"))
	}
}

// A submission ends, and gives its name back, at the moment in which a new version of it
// comes in: the name stays its owner's. SQLite has one writer, so there is no such moment.
func TestNameIsNotGivenBackBeneathAnUpload(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		if d.db.ForUpdate == "" {
			return
		}
		d.create(t, upload("custom-yolo", "1.0.0"))
		task := d.claim(t)
		held, err := d.db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = held.Rollback() }()
		if _, err := held.ExecContext(t.Context(), `UPDATE audit_head SET seq = seq`); err != nil { // who writes waits here
			t.Fatal(err)
		}
		ends := make(chan error, 2)
		go func() { ends <- d.Reject(t.Context(), task, "no") }()
		d.wait(t, 1)
		go func() {
			_, err := d.Create(t.Context(), upload("custom-yolo", "1.1.0"))
			ends <- err
		}()
		d.wait(t, 2)
		if err := held.Rollback(); err != nil {
			t.Fatal(err)
		}
		for range cap(ends) {
			if err := <-ends; err != nil {
				t.Error(err)
			}
		}
		var owner string
		if err := d.db.QueryRowContext(t.Context(), `SELECT owner FROM trainers WHERE name = 'custom-yolo'`).Scan(&owner); owner != "ann" || err != nil {
			t.Errorf("the name belongs to %q, %v", owner, err)
		}
	})
}

// wait returns when so many transactions wait for another one.
func (d *desk) wait(t *testing.T, count int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for waiting := -1; waiting != count; {
		row := d.db.QueryRowContext(ctx, `SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)
		if err := row.Scan(&waiting); err != nil {
			t.Fatalf("%d of %d wait: %v", waiting, count, err)
		}
	}
}
