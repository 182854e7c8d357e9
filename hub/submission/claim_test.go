package submission_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/hub/store"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

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
			if _, err := d.Intake.Create(t.Context(), up); text == "" && err != nil {
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
		if err := d.claim(t).Reject(t.Context(), "a secret in train.py"); err != nil {
			t.Fatal(err)
		}
		if at := d.state(t, made.ID); at.State != submission.Rejected || at.Reason != "a secret in train.py" {
			t.Errorf("%+v", at)
		}
		up := upload("custom-yolo", "1.0.0")
		up.Owner = "bob"
		d.create(t, up)
		if err := d.Acts.Retry(t.Context(), made.ID, "ann", false); err == nil || !strings.Contains(err.Error(), "belongs to somebody else") {
			t.Errorf("a retry took the name back: %v", err)
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
		if err := d.claim(t).Reject(t.Context(), "no"); err != nil {
			t.Fatal(err)
		}
		if err := d.Acts.Retry(t.Context(), made.ID, "ann", false); err != nil {
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
			list, err := d.Records.List(t.Context(), user, store.Newest(), 10)
			var ids []string
			for _, at := range list {
				ids = append(ids, at.ID)
			}
			if !slices.Equal(ids, want) || err != nil {
				t.Errorf("%s sees %v, %v, want %v", user, ids, err, want)
			}
			for _, at := range []submission.Submission{strangers, made, bobs} {
				if sees, err := d.Records.Sees(t.Context(), user, at); sees != slices.Contains(want, at.ID) || err != nil {
					t.Errorf("%s sees %s of %s: %v, %v", user, at.ID, at.Author, sees, err)
				}
			}
		}
	})
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
		go func() { ends <- task.Reject(t.Context(), "no") }()
		d.wait(t, 1)
		go func() {
			_, err := d.Intake.Create(t.Context(), upload("custom-yolo", "1.1.0"))
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

// A place tells rows apart that were made in the same millisecond.
func TestListGoesOnBehindAPlace(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		var want, got []string
		for _, name := range []string{"cell-counter", "leaf-finder", "road-reader"} {
			want = append(want, d.create(t, upload(name, "1.0.0")).ID)
		}
		slices.Sort(want)
		slices.Reverse(want)
		from := store.Newest()
		for range len(want) {
			list, err := d.Records.List(t.Context(), "ann", from, 1)
			if err != nil || len(list) != 1 {
				t.Fatalf("%v, %v", list, err)
			}
			got, from = append(got, list[0].ID), store.Place{Created: list[0].Created, ID: list[0].ID}
		}
		if rest, err := d.Records.List(t.Context(), "ann", from, 1); !slices.Equal(got, want) || len(rest) > 0 || err != nil {
			t.Errorf("%v and %v, want %v, %v", got, rest, want, err)
		}
	})
}
