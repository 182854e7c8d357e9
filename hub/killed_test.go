package hub_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/hub"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/objects"
	"github.com/vision-platform/trainer-agent/hub/store/storetest"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

// A test binary with this variable is a hub on that folder.
const childEnv = "TRAINER_HUB_TEST_CHILD"

var worked = []submission.State{submission.Received, submission.Scanning, submission.Building, submission.Testing, submission.Publishing}

// child is a hub whose stages kill it where the test wants it, once: the test
// leaves a file that names the place.
func child(dir string) {
	stages := hub.Stages{}
	for _, state := range worked {
		stages[state] = func(ctx context.Context, w *hub.Work) error {
			die(dir, string(state)+"-begin")
			if state == submission.Publishing {
				w.Receipt = json.RawMessage(`{"digest":"sha256:` + w.Package.SHA256 + `"}`)
			}
			if err := os.WriteFile(filepath.Join(w.Dir, string(state)), nil, 0o600); err != nil {
				return err
			}
			die(dir, string(state)+"-end")
			return ctx.Err()
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "scans")); err == nil {
		stages[submission.Scanning] = scanning(dir)
	}
	deadly()
	h, err := open(dir, stages)
	if err == nil {
		fmt.Println(h.URL())
		err = h.Serve(context.Background())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// open opens the hub; where the folder has a base image it publishes.
func open(dir string, stages hub.Stages) (*hub.Hub, error) {
	config := hub.Config{Addr: "127.0.0.1:0", DataDir: filepath.Join(dir, "data"), Database: databaseOf(dir), MaxPackage: maxPackage, KeepEnded: month, Stages: stages, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	if _, err := os.Stat(filepath.Join(dir, "base")); err == nil {
		if config.Release, err = dying(dir); err != nil {
			return nil, err
		}
		stages[submission.Testing] = reporting(proven()...)
	}
	if _, err := os.Stat(filepath.Join(dir, "bucket")); err == nil {
		at, err := objects.OpenBucket(context.Background(), packagesBucket)
		if err != nil {
			return nil, err
		}
		config.Packages = killingBucket{at, dir}
	}
	return hub.Open(context.Background(), config)
}

// databaseOf is the address of a folder's database, where it is not SQLite: a child of the test reads it.
func databaseOf(dir string) string {
	address, _ := os.ReadFile(filepath.Join(dir, "database"))
	return string(address)
}

func die(dir, place string) {
	if os.Remove(filepath.Join(dir, place)) == nil {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

// launch starts a child and returns it with its address.
func launch(t *testing.T, dir string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	cmd.Stderr = t.Output()
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	url, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the hub did not start: %v", err)
	}
	return cmd, strings.TrimSpace(url)
}

func kill(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// folder makes a data folder and a token for it.
func folder(t *testing.T) (dir, token string) {
	t.Helper()
	return folderOn(t, "")
}

// folderOn makes a folder whose hub has another database than SQLite's.
func folderOn(t *testing.T, database string) (dir, token string) {
	t.Helper()
	dir = t.TempDir()
	err := os.Mkdir(filepath.Join(dir, "data"), 0o700)
	if err == nil && database != "" {
		err = os.WriteFile(filepath.Join(dir, "database"), []byte(database), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir, running{config: hub.Config{DataDir: filepath.Join(dir, "data"), Database: database}}.token(t, "ann", login.Author, login.Scopes...)
}

// wayOf is the states of a submission in their order; no event is told twice or left out.
func wayOf(t *testing.T, c client, id string) (way []string) {
	t.Helper()
	for i, e := range c.follow(t, id) {
		if e.id != fmt.Sprint(i+1) {
			t.Errorf("event %d has the number %s", i+1, e.id)
		}
		var data struct{ Data struct{ State string } }
		if err := json.Unmarshal([]byte(e.data), &data); err != nil {
			t.Fatal(err)
		}
		if e.kind == "state" {
			way = append(way, data.Data.State)
		}
	}
	return way
}

// once checks that a submission went its way exactly once, whatever happened to the hub.
func once(t *testing.T, c client, id string) {
	t.Helper()
	way := wayOf(t, c, id)
	if want := []string{"received", "scanning", "building", "testing", "publishing", "active"}; !slices.Equal(way, want) {
		t.Errorf("submission %s went %v", id, way)
	}
}

// whole checks the folder after all: every version there once with its receipt, the audit log unchanged, no work left.
func whole(t *testing.T, dir string, versions int) {
	t.Helper()
	db, err := hub.OpenDatabase(t.Context(), filepath.Join(dir, "data"), databaseOf(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var published, tasks, told int
	row := db.QueryRowContext(t.Context(), `SELECT (SELECT COUNT(*) FROM versions WHERE receipt LIKE '{"digest":"sha256:%'), (SELECT COUNT(*) FROM tasks), (SELECT COUNT(*) FROM notifications)`)
	if err := row.Scan(&published, &tasks, &told); err != nil || published != versions || tasks != 0 || told != versions {
		t.Errorf("%d of %d versions are published, %d tasks are left, %d notifications, %v", published, versions, tasks, told, err)
	}
	if _, err := db.VerifyAudit(t.Context()); err != nil {
		t.Error(err)
	}
}

// The hub is killed on both sides of every arrow: before a state's work, and after
// it but before the next state is written.
func TestKilledAtEveryArrow(t *testing.T) {
	dir, token := folder(t)
	var ids []string
	for i, state := range worked {
		for j, place := range []string{"begin", "end"} {
			file := filepath.Join(dir, string(state)+"-"+place)
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			cmd, url := launch(t, dir)
			ann := client{url, token, http.DefaultClient}
			name := fmt.Sprintf("trainer-%c%c", 'a'+i, 'p'+j)
			kind, form := body(t, part{"file", pack(t, capabilities(name, "1.0.0"))})
			_, _ = ann.do(t.Context(), http.MethodPost, "/api/v1/trainers/upload", kind, form, "Idempotency-Key", name) // the answer may come too late
			if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
				t.Fatalf("%s: %v", file, err)
			}
			cmd, url = launch(t, dir)
			ann.url = url
			ids = append(ids, ann.submit(t, name, "1.0.0", "", "Idempotency-Key", name)) // who got no answer sends it again
			once(t, ann, ids[len(ids)-1])
			kill(cmd)
		}
	}
	whole(t, dir, len(ids))
}

func TestKilledAHundredTimes(t *testing.T) {
	dir, token := folder(t)
	killedAtRandom(t, dir, token, 100)
}

// With PostgreSQL a killed hub leaves its connections and the leases of its tasks behind. Ten kills;
// as many as HUB_KILLS says by make hub-kills.
func TestKilledAtRandomOnPostgres(t *testing.T) {
	lives := 10
	if asked := os.Getenv("HUB_KILLS"); asked != "" {
		var err error
		if lives, err = strconv.Atoi(asked); err != nil {
			t.Fatal(err)
		}
	}
	dir, token := folderOn(t, storetest.Postgres(t))
	killedAtRandom(t, dir, token, lives)
}

// killedAtRandom kills hubs at random moments, while packages come in: each upload that was broken
// off is sent again with its Idempotency-Key, as a client does.
func killedAtRandom(t *testing.T, dir, token string, lives int) {
	t.Helper()
	random := rand.New(rand.NewPCG(22, 0)) // seeded, so that a failure comes back
	ids := map[string]string{}
	for life := range lives {
		cmd, url := launch(t, dir)
		moment := time.AfterFunc(time.Duration(random.IntN(60))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		name := fmt.Sprintf("trainer-%d", life/2) // every second one is a try again
		if id := tryUpload(t, client{url, token, http.DefaultClient}, name); id != "" {
			if known := ids[name]; known != "" && known != id {
				t.Errorf("%s has two submissions, %s and %s", name, known, id)
			}
			ids[name] = id
		}
		_ = cmd.Wait()
		moment.Stop()
		leasesOver(t, dir)
	}
	cmd, url := launch(t, dir)
	ann := client{url, token, http.DefaultClient}
	for _, id := range ids {
		once(t, ann, id)
	}
	for i := range lives / 2 {
		name := fmt.Sprintf("trainer-%d", i)
		if ids[name] != "" {
			continue
		}
		id := tryUpload(t, ann, name)
		if id == "" { // too many uploads from one address: a new hub counts anew
			kill(cmd)
			cmd, ann.url = launch(t, dir)
			id = tryUpload(t, ann, name)
		}
		once(t, ann, id)
	}
	kill(cmd)
	whole(t, dir, lives/2)
}

// leasesOver is half a minute later: the leases that a killed hub had of its tasks are over. The one
// hub of a folder's own database ends them itself.
func leasesOver(t *testing.T, dir string) {
	t.Helper()
	if databaseOf(dir) == "" {
		return
	}
	db, err := hub.OpenDatabase(t.Context(), dir, databaseOf(dir))
	if err == nil {
		_, err = db.ExecContext(t.Context(), `UPDATE tasks SET lease_until = 0`)
		_ = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// tryUpload returns the id of a submission, "" when the hub did not answer.
func tryUpload(t *testing.T, c client, name string) string {
	t.Helper()
	kind, form := body(t, part{"file", pack(t, capabilities(name, "1.0.0"))})
	r, err := c.do(t.Context(), http.MethodPost, "/api/v1/trainers/upload", kind, form, "Idempotency-Key", name)
	if err != nil || r.status == http.StatusForbidden || r.status == http.StatusTooManyRequests {
		return ""
	}
	if r.status != http.StatusAccepted {
		t.Fatalf("%s: %d %s", name, r.status, r.body)
	}
	var answer struct {
		ID string `json:"validation_job_id"`
	}
	r.into(t, &answer)
	return answer.ID
}
