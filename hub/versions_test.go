package hub_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/vision-platform/trainer-agent/hub"
	"github.com/vision-platform/trainer-agent/hub/api/trainers"
	"github.com/vision-platform/trainer-agent/hub/catalog"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/submission"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

// published is a hub in a folder, with versions of ann's trainer custom-yolo.
func published(t *testing.T, dir string, versions ...string) (running, hub.Config) {
	t.Helper()
	bases(t, dir)
	how, err := release(t.Context(), dir, need.Python(t))
	if err != nil {
		t.Fatal(err)
	}
	config := hub.Config{DataDir: filepath.Join(dir, "data"), Release: how, Stages: hub.Stages{submission.Testing: reporting(proven()...)}}
	r := start(t, config)
	ann := r.client(t, "ann")
	for _, version := range versions {
		if id := ann.submit(t, "custom-yolo", version, ""); ann.follow(t, id) == nil || ann.get(t, id).State != submission.Active {
			t.Fatalf("%s: %+v", version, ann.get(t, id))
		}
	}
	return r, r.config
}

// patch changes a version's state.
func (c client) patch(t *testing.T, version, state string) reply {
	t.Helper()
	text := fmt.Sprintf(`{"state": %q, "reason": "it forgets a class"}`, state)
	r, err := c.do(t.Context(), http.MethodPatch, "/api/v1/trainers/custom-yolo/versions/"+version, "application/json", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// reads waits until the platform reads a version of custom-yolo, "" for none.
func reads(t *testing.T, config hub.Config, version string) {
	t.Helper()
	var text []byte
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) { // a file tells nobody that it changed
		var err error
		text, err = os.ReadFile(filepath.Join(config.DataDir, "config-schemas", "model-capabilities", "custom-yolo.json"))
		if version == "" && errors.Is(err, fs.ErrNotExist) || version != "" && strings.Contains(string(text), `"`+version+`"`) {
			return
		}
	}
	t.Errorf("the platform reads %s, want %q", text, version)
}

func TestWithdrawnVersions(t *testing.T) {
	r, config := published(t, t.TempDir(), "1.0.0", "1.1.0")
	ann, bob := r.client(t, "ann"), r.client(t, "bob")
	op := client{r.URL(), r.token(t, "op", login.Operator, login.Scopes...), http.DefaultClient}
	install := func(version string) (got trainers.Install, status int, body string) {
		t.Helper()
		answer := bob.ask(t, http.MethodPost, "/api/v1/trainers/custom-yolo/install?version="+version)
		if answer.status == http.StatusOK {
			answer.into(t, &got)
		}
		return got, answer.status, answer.body
	}
	if got := bob.patch(t, "1.1.0", "yanked"); got.status != http.StatusForbidden {
		t.Errorf("a stranger: %d %s", got.status, got.body)
	}
	if got := ann.patch(t, "1.1.0", "removed"); got.status != http.StatusForbidden {
		t.Errorf("an author: %d %s", got.status, got.body)
	}
	reads(t, config, "1.1.0")
	if got := ann.patch(t, "1.1.0", "yanked"); got.status != http.StatusOK || !strings.Contains(got.body, `"state":"yanked"`) {
		t.Fatalf("%d %s", got.status, got.body)
	}
	reads(t, config, "1.0.0")
	if got, _, body := install(""); got.Version != "1.0.0" || got.State != "active" {
		t.Errorf("the newest: %s", body)
	}
	if got, _, body := install("1.1.0"); got.Version != "1.1.0" || got.State != "yanked" || got.Reason != "it forgets a class" {
		t.Errorf("by its number: %s", body)
	}
	if got := ann.patch(t, "1.1.0", "active"); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.body)
	}
	reads(t, config, "1.1.0")

	whole, _, _ := install("1.1.0")
	if got := op.patch(t, "1.1.0", "quarantined"); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.body)
	}
	if _, status, body := install("1.1.0"); status != http.StatusForbidden || !strings.Contains(body, "quarantined by the hub's operator, and nobody can train with it: it forgets a class") {
		t.Errorf("%d %s", status, body)
	}
	if got := bob.ask(t, http.MethodGet, "/api/v1/trainers/custom-yolo/content/"+whole.Bundle); got.status != http.StatusForbidden {
		t.Errorf("its bundle: %d", got.status)
	}
	for _, repository := range []string{"trainers/custom-yolo", "trainers/another", "another"} { // one folder has the blobs of all
		if got := bob.ask(t, http.MethodGet, "/v2/"+repository+"/blobs/sha256:"+whole.PackageSHA); got.status != http.StatusForbidden {
			t.Errorf("its package by %s: %d", repository, got.status)
		}
	}
	at, err := name.NewDigest(whole.Reference)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := remote.Image(at, remote.WithAuth(&authn.Basic{Username: "token", Password: bob.token})); err == nil || !strings.Contains(err.Error(), "DENIED") {
		t.Errorf("its image is pulled: %v", err)
	}
	for _, version := range []string{"1.1.0", "1.0.0"} {
		if got := op.patch(t, version, "removed"); got.status != http.StatusOK {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	reads(t, config, "")
	if _, status, _ := install("1.0.0"); status != http.StatusGone {
		t.Errorf("a removed one: %d", status)
	}
	if _, status, body := install(""); status != http.StatusNotFound || !strings.Contains(body, "withdrawn") {
		t.Errorf("the newest of none: %d %s", status, body)
	}
	if got := ann.upload(t, "", []part{{"file", pack(t, capabilities("custom-yolo", "1.0.0"))}}); got.status != http.StatusUnprocessableEntity {
		t.Errorf("a removed version is uploaded again: %d %s", got.status, got.body)
	}
	if got := ann.ask(t, http.MethodGet, "/api/v1/notifications"); !strings.Contains(got.body, "custom-yolo 1.1.0 is quarantined now: it forgets a class") {
		t.Errorf("the author is not told: %s", got.body)
	}
}

// A hub that was killed after a version was yanked, and before the platform's documents were
// changed, changes them at its next start.
func TestKilledAfterAYank(t *testing.T) {
	dir := t.TempDir()
	t.Run("before", func(t *testing.T) { // the hub ends with it
		_, config := published(t, dir, "1.0.0", "1.1.0")
		reads(t, config, "1.1.0")
	})
	db, err := hub.OpenDatabase(t.Context(), filepath.Join(dir, "data"), "")
	if err != nil {
		t.Fatal(err)
	}
	yank := catalog.Change{Name: "custom-yolo", Version: "1.1.0", To: catalog.Yanked, Reason: "no", Actor: "ann", Operator: true}
	if err := errors.Join(catalog.New(db, time.Now, func() {}).Change(t.Context(), yank), db.Close()); err != nil {
		t.Fatal(err)
	}
	_, config := published(t, dir)
	reads(t, config, "1.0.0")
}

// givenUp has a version of custom-yolo end in the hub's own fault while it is published.
func givenUp(t *testing.T, dir, version string) {
	t.Helper()
	db, err := hub.OpenDatabase(t.Context(), filepath.Join(dir, "data"), "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), `DELETE FROM pointers`); err != nil { // that of a version before may be left
		t.Fatal(err)
	}
	ann, err := login.New(db, time.Now).Ensure(t.Context(), "ann", login.Author)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Add(-24 * time.Hour)
	desk := submission.New(db, func() time.Time { return now })
	up := submission.Upload{Name: "custom-yolo", Version: version, SHA256: strings.Repeat("0", 64), Size: 1, Owner: ann, Metadata: "{}"}
	made, err := desk.Intake.Create(t.Context(), up)
	for err == nil && made.State.Open() {
		var task *submission.Task
		for task, err = desk.Queue.Claim(t.Context()); err == nil && task.State != submission.Publishing; {
			err = task.Advance(t.Context(), nil)
		}
		if err == nil {
			err = task.Fault(t.Context(), errors.New("the bucket is away"))
		}
		now = now.Add(time.Hour)
		if err == nil {
			made, err = desk.Records.Get(t.Context(), made.ID)
		}
	}
	if err != nil || made.State != submission.Failed {
		t.Fatalf("%+v, %v", made, err)
	}
}

// A first version that is given up is read by nobody: what it left is taken away, what somebody else
// has under the name is not, and only then may others have the name.
func TestFirstVersionGivenUpWhilePublishing(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	const schema, theirs = `{"ours": 1}`, `{"somebody": "else"}`
	at := func(name string) string {
		return filepath.Join(dir, "data", "config-schemas", filepath.FromSlash(name))
	}
	for name, text := range map[string]string{
		"schemas/custom-yolo/1.0.0.json": schema, "schemas/custom-yolo.json": schema, // it got so far
		"model-capabilities/custom-yolo/1.0.0.json": `{"version": "1.0.0"}`, "model-capabilities/custom-yolo.json": theirs,
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(at(name)), 0o755), os.WriteFile(at(name), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	givenUp(t, dir, "1.0.0")
	bob := running{config: hub.Config{DataDir: filepath.Join(dir, "data")}}.token(t, "bob", login.Author, login.Scopes...)
	r, _ := published(t, dir)
	c := client{r.URL(), bob, http.DefaultClient}
	var got reply
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		got = c.upload(t, "?dry_run=true", []part{{"file", pack(t, capabilities("custom-yolo", "1.0.0"))}})
		if got.status != http.StatusUnprocessableEntity && got.status != http.StatusTooManyRequests {
			break
		}
	}
	if got.status != http.StatusAccepted {
		t.Errorf("the name is not free: %+v", got)
	}
	if _, err := os.Stat(at("schemas/custom-yolo.json")); !os.IsNotExist(err) {
		t.Errorf("the platform reads what was given up: %v", err)
	}
	if text, err := os.ReadFile(at("model-capabilities/custom-yolo.json")); string(text) != theirs || err != nil {
		t.Errorf("somebody else's document: %q, %v", text, err)
	}
}

// A version that is given up after the platform's documents became its own is published in no
// part: the platform reads the version before it again.
func TestGivenUpWhilePublishing(t *testing.T) {
	dir := t.TempDir()
	t.Run("before", func(t *testing.T) { // the hub ends with it
		_, config := published(t, dir, "1.0.0")
		reads(t, config, "1.0.0")
	})
	if err := os.WriteFile(filepath.Join(dir, "data", "config-schemas", "model-capabilities", "custom-yolo.json"), []byte(`{"version": "1.1.0"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	givenUp(t, dir, "1.1.0")
	_, config := published(t, dir)
	reads(t, config, "1.0.0")
}
