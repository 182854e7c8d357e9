package hub_test

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"modernc.org/sqlite"

	"github.com/vision-platform/trainer-agent/hub"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

// deadly lets a trigger of the database kill the hub: in the middle of a transaction.
func deadly() {
	sqlite.MustRegisterScalarFunction("die", 0, func(*sqlite.FunctionContext, []driver.Value) (driver.Value, error) {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	})
}

// scanning is the hub's own look at a package, between the two places where the test may kill it.
func scanning(dir string) hub.Stage {
	proof := hub.Proof{AllowUnscanned: []string{"malware", "dependencies"}}
	look := proof.Stages()[submission.Scanning]
	return func(ctx context.Context, w *hub.Work) error {
		die(dir, "scanning-begin")
		err := look(ctx, w)
		die(dir, "scanning-end")
		return err
	}
}

// appealed is a submission whose author appeals, in a hub that is killed and started again.
type appealed struct {
	dir     string
	ann, op client
	id      string
}

// act is what somebody does about an appeal: one transaction, from a state to another, that writes
// what is named.
type act struct {
	name     string
	from, to submission.State
	writes   []string
	do       func(context.Context, *appealed) (reply, error)
}

// own is an act of the author.
func own(verb, body string) func(context.Context, *appealed) (reply, error) {
	return func(ctx context.Context, a *appealed) (reply, error) {
		return a.ann.do(ctx, http.MethodPost, "/api/v1/trainers/validation/"+a.id+"/"+verb, "application/json", strings.NewReader(body))
	}
}

// decide is the operator's, about the appeal that waits.
func decide(grant bool) func(context.Context, *appealed) (reply, error) {
	return func(ctx context.Context, a *appealed) (reply, error) {
		got, err := a.op.do(ctx, http.MethodGet, "/api/v1/admin/appeals", "", nil)
		if err != nil {
			return got, err
		}
		var waiting []submission.Appeal
		if err := json.Unmarshal([]byte(got.body), &waiting); err != nil {
			return got, err
		}
		if len(waiting) != 1 {
			return got, fmt.Errorf("%d appeals wait: %s", len(waiting), got.body)
		}
		return a.op.do(ctx, http.MethodPost, "/api/v1/admin/appeals/"+waiting[0].ID, "application/json", strings.NewReader(fmt.Sprintf(`{"grant": %t, "reason": "it is so"}`, grant)))
	}
}

// launch starts the hub again.
func (a *appealed) launch(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd, url := launch(t, a.dir)
	a.ann.url, a.op.url = url, url
	return cmd
}

func (a *appealed) statement(t *testing.T, statement string) {
	t.Helper()
	db, err := hub.OpenDatabase(t.Context(), filepath.Join(a.dir, "data"), "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// in sees the submission in a state, and how many appeals wait.
func (a *appealed) in(t *testing.T, at submission.State) {
	t.Helper()
	if got := a.ann.get(t, a.id); got.State != at {
		t.Fatalf("it is %s, want %s", got.State, at)
	}
	waiting := a.op.ask(t, http.MethodGet, "/api/v1/admin/appeals").body
	if has := waiting != "[]\n"; has != (at == submission.Review) {
		t.Fatalf("in %s, of the appeals wait %s", at, waiting)
	}
}

// killed has the hub killed in the middle of an act, after each of its writes: nothing of it has
// happened then. The act itself is the same afterwards as without.
func (a *appealed) killed(t *testing.T, act act) {
	t.Helper()
	for _, write := range act.writes {
		a.statement(t, "CREATE TRIGGER deadly AFTER "+write+" BEGIN SELECT die(); END")
		cmd := a.launch(t)
		a.in(t, act.from)
		if got, err := act.do(t.Context(), a); err == nil {
			t.Fatalf("%s answered, which writes nothing by %s: %d %s", act.name, write, got.status, got.body)
		} else if ended := cmd.Wait(); ended == nil || !strings.Contains(ended.Error(), "killed") {
			t.Fatalf("%s, %s: %v, the hub ended with %v", act.name, write, err, ended)
		}
		a.statement(t, "DROP TRIGGER deadly")
	}
}

// done does an act whole, and kills the hub when it has answered.
func (a *appealed) done(t *testing.T, act act) {
	t.Helper()
	cmd := a.launch(t)
	a.in(t, act.from)
	if got, err := act.do(t.Context(), a); err != nil || got.status/100 != 2 {
		t.Fatalf("%s: %d %s %v", act.name, got.status, got.body, err)
	}
	kill(cmd)
	cmd = a.launch(t)
	if act.to.Open() {
		a.ann.follow(t, a.id)
	} else {
		a.in(t, act.to)
	}
	kill(cmd)
}

// An appeal is killed on both sides of every arrow: after each write of its transaction, and when the
// transaction is over. One is refused, one withdrawn, one granted; what is granted is proven again,
// whose arrows are killed too.
func TestKilledAtEveryArrowOfAnAppeal(t *testing.T) {
	dir, token := folder(t)
	a := &appealed{dir: dir, ann: client{"", token, http.DefaultClient}}
	a.op = client{"", running{config: hub.Config{DataDir: filepath.Join(dir, "data")}}.token(t, "op", login.Operator, login.Scopes...), http.DefaultClient}
	if err := os.WriteFile(filepath.Join(dir, "scans"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := a.launch(t)
	files := capabilities("custom-yolo", "1.0.0")
	files["weights.pkl"] = calling("getpid")
	a.id = a.ann.submitFiles(t, files, "")
	a.ann.follow(t, a.id)
	kill(cmd)

	moves := []string{"UPDATE ON submissions", "INSERT ON submission_events", "INSERT ON audit"}
	appeal := act{"appeal", submission.Rejected, submission.Review, append([]string{"INSERT ON trainers", "INSERT ON appeals"}, moves...), own("appeal", `{"reason": "it is harmless"}`)}
	refuse := act{"refuse", submission.Review, submission.Rejected, append([]string{"UPDATE ON appeals", "INSERT ON notifications"}, moves...), decide(false)}
	withdraw := act{"cancel", submission.Review, submission.Cancelled, append([]string{"UPDATE ON appeals"}, moves...), own("cancel", "")}
	retry := act{"retry", submission.Cancelled, submission.Received, append([]string{"INSERT ON tasks"}, moves...), own("retry", "")}
	for _, act := range []act{appeal, refuse} {
		a.killed(t, act)
		a.done(t, act)
	}
	a.done(t, appeal)
	for _, act := range []act{withdraw, retry} {
		a.killed(t, act)
		a.done(t, act)
	}
	a.done(t, appeal)
	grant := act{"grant", submission.Review, submission.Received, append([]string{"UPDATE ON appeals", "INSERT ON waivers", "INSERT ON notifications", "INSERT ON tasks"}, moves...), decide(true)}
	a.killed(t, grant)
	a.proven(t, grant)
	a.whole(t)
}

// proven grants, and kills the hub on both sides of every arrow of what follows.
func (a *appealed) proven(t *testing.T, grant act) {
	t.Helper()
	for i, state := range worked {
		for j, place := range []string{"begin", "end"} {
			if err := os.WriteFile(filepath.Join(a.dir, string(state)+"-"+place), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := a.launch(t)
			if i+j == 0 {
				_, _ = grant.do(t.Context(), a) // the answer may come too late
			}
			if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
				t.Fatalf("%s-%s: %v", state, place, err)
			}
		}
	}
	cmd := a.launch(t)
	defer kill(cmd)
	way := wayOf(t, a.ann, a.id)
	want := strings.Fields("received scanning rejected review rejected review cancelled received scanning rejected review received scanning building testing publishing active")
	if !slices.Equal(way, want) {
		t.Errorf("it went %v", way)
	}
	if got := a.ann.ask(t, http.MethodGet, "/api/v1/trainers/validation/"+a.id); !strings.Contains(got.body, "waived by the operator for a file of these bytes: it is so") {
		t.Errorf("the waiver is not told: %s", got.body)
	}
}

// whole checks the database after all: everything once, nothing half.
func (a *appealed) whole(t *testing.T) {
	t.Helper()
	db, err := hub.OpenDatabase(t.Context(), filepath.Join(a.dir, "data"), "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for question, want := range map[string]string{
		`SELECT group_concat(state) FROM (SELECT state FROM appeals ORDER BY created, id)`:                      "refused,withdrawn,granted",
		`SELECT group_concat(rule) FROM waivers`:                                                                "pickle.code",
		`SELECT group_concat(state) FROM (SELECT state FROM notifications ORDER BY created, id)`:                "rejected,rejected,rejected,appeal.granted,active",
		`SELECT group_concat(name || ' ' || version) FROM versions`:                                             "custom-yolo 1.0.0",
		`SELECT COUNT(*) FROM tasks`:                                                                            "0",
		`SELECT group_concat(action) FROM (SELECT action FROM audit WHERE action LIKE 'appeal.%' ORDER BY seq)`: "appeal.refused,appeal.granted",
	} {
		var got string
		if err := db.QueryRowContext(t.Context(), question).Scan(&got); got != want || err != nil {
			t.Errorf("%s: %q, want %q, %v", question, got, want, err)
		}
	}
	if _, err := db.VerifyAudit(t.Context()); err != nil {
		t.Error(err)
	}
}
