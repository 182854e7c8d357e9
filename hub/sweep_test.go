package hub_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/hub"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

const month = 30 * 24 * time.Hour

// onlyGood rejects every package but that of the trainer good.
var onlyGood = hub.Stages{
	submission.Scanning: func(_ context.Context, w *hub.Work) error {
		if w.Package.Name != "good" {
			return &hub.Rejection{Reason: "it is not good"}
		}
		return nil
	},
	submission.Publishing: func(_ context.Context, w *hub.Work) error {
		w.Receipt = []byte(`{}`)
		return nil
	},
}

// aged makes every submission a year old.
func aged(t *testing.T, dir string) {
	t.Helper()
	statement(t, dir, `UPDATE submissions SET updated = updated - 31536000000`)
}

// statement changes the database of a hub that does not run.
func statement(t *testing.T, dir, statement string) {
	t.Helper()
	db, err := hub.OpenDatabase(t.Context(), dir, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// swept opens a hub and has it sweep.
func swept(t *testing.T, config hub.Config) {
	t.Helper()
	config.Addr, config.Log = "127.0.0.1:0", slog.New(slog.NewTextHandler(t.Output(), nil))
	h, err := hub.Open(t.Context(), config)
	if err == nil {
		err = h.Sweep(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
}

// places has a test keep packages in the folder and in a bucket; packages are those that are kept.
func places(t *testing.T, test func(t *testing.T, config hub.Config, packages func() []string)) {
	t.Run("folder", func(t *testing.T) {
		config := hub.Config{DataDir: filepath.Join(t.TempDir(), "data"), KeepEnded: month, Stages: onlyGood}
		test(t, config, func() []string { return glob(config.DataDir, "packages", "??", "*.zip") })
	})
	t.Run("bucket", func(t *testing.T) {
		server, _ := bucket(t)
		config := hub.Config{DataDir: filepath.Join(t.TempDir(), "data"), KeepEnded: month, Stages: onlyGood, Packages: inBucket(t)}
		test(t, config, func() []string { return kept(t, server) })
	})
}

// names reads the SHA-256 of packages out of their names.
func names(packages []string) (list []string) {
	for _, name := range packages {
		list = append(list, strings.TrimSuffix(filepath.Base(name), ".zip"))
	}
	slices.Sort(list)
	return list
}

// What was published stays for ever, what ended otherwise for a while; its author hears what to do.
func TestPackagesOfWhatEndedAreRemoved(t *testing.T) {
	places(t, func(t *testing.T, config hub.Config, packages func() []string) {
		var good, bad, sum string
		t.Run("before", func(t *testing.T) {
			r := start(t, config)
			ann := r.client(t, "ann")
			good, bad = ann.submit(t, "good", "1.0.0", ""), ann.submit(t, "bad", "1.0.0", "")
			ann.follow(t, good)
			ann.follow(t, bad)
			var v struct{ SHA256 string }
			ann.ask(t, http.MethodGet, "/api/v1/trainers/validation/"+good).into(t, &v)
			sum = v.SHA256
		})
		pinned := filepath.Join(config.DataDir, "locks", bad+"-1.txt") // as of one that was cancelled
		if err := errors.Join(os.MkdirAll(filepath.Dir(pinned), 0o700), os.WriteFile(pinned, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		swept(t, config)
		if got := packages(); len(got) != 2 {
			t.Fatalf("of what ended just now are left %v", got)
		}
		aged(t, config.DataDir)
		for _, keep := range []time.Duration{0, month} {
			config.KeepEnded = keep
			swept(t, config)
			if got := names(packages()); keep == 0 && len(got) != 2 || keep > 0 && !slices.Equal(got, []string{sum}) {
				t.Errorf("kept for %s: %v", keep, got)
			}
		}
		if left := glob(config.DataDir, "copies", "??", "*.zip"); len(left) > 1 {
			t.Errorf("copies: %v", left)
		}
		if _, err := os.Stat(pinned); !os.IsNotExist(err) {
			t.Errorf("left: %v", err)
		}
		r := start(t, config)
		ann := r.client(t, "ann")
		if got := ann.ask(t, http.MethodGet, "/api/v1/trainers/validation/"+good); strings.Contains(got.body, "expired_at") || got.status != 200 {
			t.Errorf("%+v", got)
		}
		if got := ann.ask(t, http.MethodGet, "/api/v1/trainers/validation/"+bad); !strings.Contains(got.body, `"expired_at":`) || !strings.Contains(got.body, "it is not good") {
			t.Errorf("%+v", got)
		}
		if got := ann.ask(t, http.MethodPost, "/api/v1/trainers/validation/"+bad+"/retry"); got.status != http.StatusGone || !strings.Contains(got.body, "upload it again") {
			t.Errorf("%+v", got)
		}
		again := ann.submit(t, "bad", "1.0.0", "")
		ann.follow(t, again)
		if got := packages(); len(got) != 2 {
			t.Errorf("uploaded again: %v", got)
		}
	})
}

// Where another hub keeps its packages nothing is removed: what it needs is in its own database.
func TestNothingIsRemovedBesideAnotherHub(t *testing.T) {
	places(t, func(t *testing.T, config hub.Config, packages func() []string) {
		t.Run("before", func(t *testing.T) {
			r := start(t, config)
			ann := r.client(t, "ann")
			ann.follow(t, ann.submit(t, "bad", "1.0.0", ""))
		})
		aged(t, config.DataDir)
		mine := config
		if config.Packages != nil {
			config.DataDir = filepath.Join(t.TempDir(), "data")
		} else { // the same folder, with another database
			if err := os.Rename(filepath.Join(config.DataDir, "hub.db"), filepath.Join(config.DataDir, "mine.db")); err != nil {
				t.Fatal(err)
			}
		}
		swept(t, config)
		if config.Packages == nil {
			if err := os.Rename(filepath.Join(config.DataDir, "mine.db"), filepath.Join(config.DataDir, "hub.db")); err != nil {
				t.Fatal(err)
			}
		}
		swept(t, mine)
		if got := packages(); len(got) != 1 {
			t.Errorf("left: %v", got)
		}
	})
}

// The hub is killed in each transaction of a sweep, and on both sides of a removal: nothing that is
// needed goes, and what is not needed goes in the end, once.
func TestKilledInASweep(t *testing.T) {
	server, _ := bucket(t)
	dir, token := folder(t)
	data := filepath.Join(dir, "data")
	if err := os.WriteFile(filepath.Join(dir, "bucket"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd, url := launch(t, dir)
	ann := client{url, token, http.DefaultClient}
	once(t, ann, ann.submit(t, "good", "1.0.0", ""))
	kill(cmd)
	needed := kept(t, server)
	for i, place := range []string{"UPDATE OF expired ON submissions", "INSERT ON departures", "UPDATE OF until ON departures", "delete-begin", "delete-end", "DELETE ON departures"} {
		cmd, ann.url = launch(t, dir)
		ann.follow(t, ann.submit(t, "trainer-"+string(rune('a'+i)), "1.0.0", "?dry_run=true"))
		kill(cmd)
		aged(t, data)
		if strings.Contains(place, " ") {
			when := ""
			if strings.HasPrefix(place, "UPDATE OF until") {
				when = " WHEN NEW.until > 0"
			}
			statement(t, data, "CREATE TRIGGER deadly AFTER "+place+when+" BEGIN SELECT die(); END")
		} else if err := os.WriteFile(filepath.Join(dir, place), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd, _ = launch(t, dir)
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("%s: %v", place, err)
		}
		statement(t, data, "DROP TRIGGER IF EXISTS deadly")
		swept(t, hub.Config{DataDir: data, KeepEnded: month, Packages: inBucket(t)})
		if got := kept(t, server); !slices.Equal(got, needed) {
			t.Errorf("%s: kept are %v, want %v", place, got, needed)
		}
		db, err := hub.OpenDatabase(t.Context(), data, "")
		if err != nil {
			t.Fatal(err)
		}
		var acts, left int
		row := db.QueryRowContext(t.Context(), `SELECT (SELECT COUNT(*) FROM audit WHERE action = 'submission.expired'), (SELECT COUNT(*) FROM departures)`)
		if err := row.Scan(&acts, &left); err != nil || acts != i+1 || left != 0 {
			t.Errorf("%s: %d acts, %d departures are left, %v", place, acts, left, err)
		}
		if _, err := db.VerifyAudit(t.Context()); err != nil {
			t.Error(err)
		}
		_ = db.Close()
	}
}

// An upload that a kill broke off between the store and the database leaves nothing there.
func TestBytesOfAKilledUploadAreRemoved(t *testing.T) {
	server, _ := bucket(t)
	dir, token := folder(t)
	for _, name := range []string{"bucket", "put-end"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd, url := launch(t, dir)
	kind, form := body(t, part{"file", pack(t, capabilities("custom-yolo", "1.0.0"))})
	_, _ = client{url, token, http.DefaultClient}.do(t.Context(), http.MethodPost, "/api/v1/trainers/upload", kind, form)
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatal(err)
	}
	if got := kept(t, server); len(got) != 1 {
		t.Fatalf("before: %v", got)
	}
	swept(t, hub.Config{DataDir: filepath.Join(dir, "data"), Packages: inBucket(t)})
	if got := kept(t, server); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}
