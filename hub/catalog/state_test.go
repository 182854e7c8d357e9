package catalog_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/hub/catalog"
	"github.com/vision-platform/trainer-agent/hub/store"
	"github.com/vision-platform/trainer-agent/hub/store/storetest"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// shelf is a catalog with versions of ann's, beside bob and the operator op.
type shelf struct {
	*catalog.Catalog
	db *store.DB
}

func each(t *testing.T, test func(t *testing.T, s shelf)) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		for _, name := range []string{"ann", "bob", "op"} {
			if _, err := db.ExecContext(t.Context(), `INSERT INTO users (id, name, role, created) VALUES ($1, $1, 'author', 0)`, name); err != nil {
				t.Fatal(err)
			}
		}
		desk := submission.New(db, time.Now)
		for _, version := range []string{"1.0.0", "1.1.0", "2.0.0-rc.1"} {
			up := submission.Upload{Name: "cell-counter", Version: version, SHA256: "sum of " + version, Size: 1, Owner: "ann", Metadata: "{}"}
			if _, err := desk.Intake.Create(t.Context(), up); err != nil {
				t.Fatal(err)
			}
			task, err := desk.Queue.Claim(t.Context())
			for err == nil && task.State.Open() {
				err = task.Advance(t.Context(), json.RawMessage(`{"image":"sha256:image-`+version+`"}`))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		test(t, shelf{catalog.New(db, time.Now, func() {}), db})
		if _, err := db.VerifyAudit(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
}

func (s shelf) change(t *testing.T, actor, version string, to catalog.State) error {
	t.Helper()
	return s.Change(t.Context(), catalog.Change{Name: "cell-counter", Version: version, To: to, Reason: "a reason", Actor: actor, Operator: actor == "op"})
}

func TestWhoMayWithdrawAVersion(t *testing.T) {
	each(t, func(t *testing.T, s shelf) {
		for _, c := range []struct {
			actor, version string
			to             catalog.State
			want           string
		}{
			{"bob", "1.0.0", catalog.Yanked, "belongs to somebody else"},
			{"ann", "1.0.0", "hidden", "is no state of a version"},
			{"ann", "1.0.0", catalog.Active, "is active, and cannot become active"},
			{"ann", "1.0.0", catalog.Quarantined, "the operator's"},
			{"ann", "1.0.0", catalog.Deprecated, ""},
			{"ann", "1.0.0", catalog.Yanked, ""},
			{"ann", "1.0.0", catalog.Active, ""},
			{"op", "1.0.0", catalog.Quarantined, ""},
			{"ann", "1.0.0", catalog.Active, "the operator's"},
			{"op", "1.0.0", catalog.Active, ""},
			{"op", "1.0.0", catalog.Removed, ""},
			{"op", "1.0.0", catalog.Active, "is removed, and cannot become active"},
			{"op", "3.0.0", catalog.Yanked, "no such version"},
			{"op", "x", catalog.Yanked, "no such version"},
		} {
			err := s.change(t, c.actor, c.version, c.to)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%s makes %s %s: %v, want %q", c.actor, c.version, c.to, err, c.want)
			}
		}
		err := s.Change(t.Context(), catalog.Change{Name: "cell-counter", Version: "1.1.0", To: catalog.Yanked, Reason: " \n", Actor: "ann"})
		if err == nil || !strings.Contains(err.Error(), "say why") {
			t.Errorf("without a reason: %v", err)
		}
		// The owner is told what the operator did, and not what they did themselves.
		var told int
		if err := s.db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM notifications WHERE user_id = 'ann' AND state LIKE 'version.%'`).Scan(&told); err != nil || told != 3 {
			t.Errorf("told %d times, %v", told, err)
		}
	})
}

// A version that was asked for is that version or an error; the newest is one that is offered.
func TestGoneIsAnErrorAndNeverAnotherVersion(t *testing.T) {
	each(t, func(t *testing.T, s shelf) {
		newest := func(want string) {
			t.Helper()
			if at, err := s.Installable(t.Context(), "cell-counter", ""); at.Version != want || (want == "") != errors.Is(err, catalog.ErrWithdrawn) {
				t.Errorf("the newest is %q, %v; want %q", at.Version, err, want)
			}
		}
		do := func(version string, to catalog.State) {
			t.Helper()
			if err := s.change(t, "op", version, to); err != nil {
				t.Fatal(err)
			}
		}
		newest("1.1.0")
		do("1.1.0", catalog.Deprecated)
		newest("1.1.0")
		do("1.1.0", catalog.Yanked)
		newest("1.0.0")
		if at, err := s.Installable(t.Context(), "cell-counter", "1.1.0"); at.Version != "1.1.0" || at.State != catalog.Yanked || at.Reason != "a reason" || err != nil {
			t.Errorf("%+v, %v", at, err)
		}
		if is, err := s.Newest(t.Context(), "cell-counter", "1.0.1"); !is || err != nil {
			t.Errorf("1.0.1 is not newer than what is offered: %v", err)
		}
		do("1.0.0", catalog.Quarantined)
		newest("2.0.0-rc.1")
		do("2.0.0-rc.1", catalog.Removed)
		newest("")
		for version, want := range map[string]string{"1.0.0": "is quarantined", "2.0.0-rc.1": "was removed"} {
			if _, err := s.Installable(t.Context(), "cell-counter", version); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", version, err)
			}
			for _, reference := range []string{version, "sha256:image-" + version, "sha256:sum of " + version} {
				if err := s.Readable(t.Context(), "cell-counter", reference); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s of %s is read: %v", reference, version, err)
				}
			}
			// A registry that keeps blobs for all has them under every trainer's name.
			if err := s.Readable(t.Context(), "another", "sha256:sum of "+version); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s is read by another name: %v", version, err)
			}
			if err := s.Readable(t.Context(), "another", version); err != nil {
				t.Errorf("the tag %s of another: %v", version, err)
			}
		}
		if err := s.Readable(t.Context(), "cell-counter", "sha256:image-1.1.0"); err != nil {
			t.Error(err)
		}
	})
}

// Whoever looks at a pointer ends only what was asked for before.
func TestPointerThatIsAskedForAgainStays(t *testing.T) {
	each(t, func(t *testing.T, s shelf) {
		p := s.Pointers()
		at, err := p.Next(t.Context())
		if err != nil || at == nil || at.Name != "cell-counter" {
			t.Fatalf("%+v, %v", at, err)
		}
		if err := s.change(t, "ann", "1.1.0", catalog.Yanked); err != nil {
			t.Fatal(err)
		}
		if err := p.Done(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		if at, err = p.Next(t.Context()); at == nil || err != nil {
			t.Fatalf("it was forgotten: %v", err)
		}
		if err := p.Done(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		if at, err = p.Next(t.Context()); at != nil || err != nil {
			t.Errorf("%+v, %v", at, err)
		}
	})
}
