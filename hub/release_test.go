package hub_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub"
	"github.com/vision-platform/trainer-agent/hub/api/trainers"
	"github.com/vision-platform/trainer-agent/hub/build"
	"github.com/vision-platform/trainer-agent/hub/build/buildtest"
	"github.com/vision-platform/trainer-agent/hub/objects"
	"github.com/vision-platform/trainer-agent/hub/registry"
	"github.com/vision-platform/trainer-agent/hub/submission"
	"github.com/vision-platform/trainer-agent/testdata/need"
	"github.com/vision-platform/trainer-agent/trainers/kit/install"
)

const pythonEnv = "TRAINER_HUB_TEST_PYTHON"

// release is how a test's hub publishes: images stand on a base without a file.
func release(ctx context.Context, dir, python string) (*hub.Release, error) {
	base, err := build.OpenBase(ctx, filepath.Join(dir, "base"), "3.11")
	if err != nil {
		return nil, err
	}
	return &hub.Release{Build: build.Tools{Python: python, Environ: os.Environ()}, Python: "3.11", Base: base, Agent: filepath.Join(dir, "agent")}, nil
}

// bases writes what release needs.
func bases(t *testing.T, dir string) {
	t.Helper()
	buildtest.Base(t, filepath.Join(dir, "base"), "3.11.2")
	err := os.WriteFile(filepath.Join(dir, "agent"), []byte("ELF"), 0o700)
	if err != nil {
		t.Fatal(err)
	}
}

// proven are the reports that publishing asks for.
func proven() []contract.StepReport {
	return []contract.StepReport{
		{Name: "config_schema", Status: contract.StepPassed, Facts: map[string]any{"schema": map[string]any{"framework": "x"}}},
		{Name: "training_test", Status: contract.StepPassed, Facts: map[string]any{"isolation": "process"}},
	}
}

// dying is a release that kills the hub after each thing that it publishes, where the test
// wants it.
func dying(dir string) (*hub.Release, error) {
	r, err := release(context.Background(), dir, os.Getenv(pythonEnv))
	if err != nil {
		return nil, err
	}
	folder, err := registry.OpenFolder(filepath.Join(dir, "data", "registry"), "hub")
	d := &mortal{Folder: folder, docs: objects.Folder{Dir: filepath.Join(dir, "data", "config-schemas")}, dir: dir}
	r.Registry, r.Objects = d, d
	return r, err
}

type mortal struct {
	*registry.Folder
	docs         objects.Folder
	dir          string
	pushed, puts int
}

func (m *mortal) Push(ctx context.Context, repository, tag string, image v1.Image) error {
	err := m.Folder.Push(ctx, repository, tag, image)
	m.pushed++
	die(m.dir, fmt.Sprintf("push-%d", m.pushed))
	return err
}

func (m *mortal) Put(ctx context.Context, key string, text []byte) error {
	err := m.docs.Put(ctx, key, text)
	m.puts++
	die(m.dir, fmt.Sprintf("put-%d", m.puts))
	return err
}

func (m *mortal) Get(ctx context.Context, key string) ([]byte, error) { return m.docs.Get(ctx, key) }

func (m *mortal) Delete(ctx context.Context, key string) error { return m.docs.Delete(ctx, key) }

const pushes, puts = 4, 4 // image, bundle, bill, provenance; two documents, twice

// The hub is killed after each thing that it publishes: each version is there once and
// whole in the end, and the platform reads of none that is not whole.
func TestKilledWhilePublishing(t *testing.T) {
	t.Setenv(pythonEnv, need.Python(t))
	dir, token := folder(t)
	bases(t, dir)
	var places []string
	for i := range pushes {
		places = append(places, fmt.Sprintf("push-%d", i+1))
	}
	for i := range puts {
		places = append(places, fmt.Sprintf("put-%d", i+1))
	}
	for i, place := range places {
		trainer := fmt.Sprintf("trainer-%c", 'a'+i)
		if err := os.WriteFile(filepath.Join(dir, place), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd, url := launch(t, dir)
		ann := client{url, token, http.DefaultClient}
		id := ann.submit(t, trainer, "1.0.0", "")
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("%s: %v", place, err)
		}
		if read := documents(dir, trainer); read > 0 && manifests(dir, trainer) < pushes {
			t.Errorf("%s: the platform reads %d documents of a version with %d of %d manifests", place, read, manifests(dir, trainer), pushes)
		}
		cmd, ann.url = launch(t, dir)
		once(t, ann, id)
		if documents(dir, trainer) != 2 || manifests(dir, trainer) != pushes {
			t.Errorf("%s: %d documents, %d manifests", place, documents(dir, trainer), manifests(dir, trainer))
		}
		kill(cmd)
	}
	if locks, _ := filepath.Glob(filepath.Join(dir, "data", "locks", "*")); len(locks) > 0 {
		t.Errorf("left: %v", locks)
	}
}

func documents(dir, trainer string) (n int) {
	for _, kind := range []string{"schemas", "model-capabilities"} {
		if _, err := os.Stat(filepath.Join(dir, "data", "config-schemas", kind, trainer+".json")); err == nil {
			n++
		}
	}
	return n
}

func manifests(dir, trainer string) int {
	found, _ := filepath.Glob(filepath.Join(dir, "data", "registry", "repositories", "trainers", trainer, "manifests", "*"))
	return len(found)
}

// Wheels are chosen while a package is built. Where their list is lost later, as with a copy
// of the data folder, no others are taken in silence.
func TestNoOtherWheelsThanThoseThatWereScanned(t *testing.T) {
	tools := build.Tools{Python: need.Python(t), Environ: os.Environ()}
	r := start(t, hub.Config{Stages: hub.Stages{submission.Testing: func(ctx context.Context, w *hub.Work) error {
		_, err := w.Environment(ctx, tools)
		return &hub.Rejection{Reason: fmt.Sprint(err)}
	}}})
	ann, files := r.client(t, "ann"), capabilities("custom-yolo", "1.0.0")
	files["requirements.txt"] = "numpy\n"
	got := ann.upload(t, "?dry_run=true", []part{{"file", pack(t, files)}})
	var made struct {
		ID string `json:"validation_job_id"`
	}
	got.into(t, &made)
	ann.follow(t, made.ID)
	if v := ann.get(t, made.ID); !strings.Contains(v.Reason, "the lock of the wheels that the package was proven with is gone") {
		t.Errorf("%+v", v)
	}
}

// Content is how the client asks for what is published.
func (c client) Content(ctx context.Context, name, digest string) (io.ReadCloser, error) {
	r, err := c.do(ctx, http.MethodGet, "/api/v1/trainers/"+name+"/content/"+digest, "", nil)
	if err == nil && r.status != http.StatusOK {
		err = fmt.Errorf("%d %s", r.status, r.body)
	}
	return io.NopCloser(strings.NewReader(r.body)), err
}

// What is published is listed for everybody who may read, by version; a container runtime
// pulls the image with a token.
func TestEverybodyMayTrainWithWhatIsPublished(t *testing.T) {
	dir := t.TempDir()
	bases(t, dir)
	how, err := release(t.Context(), dir, need.Python(t))
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, hub.Config{Release: how, Stages: hub.Stages{
		submission.Testing: reporting(proven()...),
	}})
	ann, bob := r.client(t, "ann"), r.client(t, "bob")
	for _, version := range []string{"1.10.0", "1.9.0", "2.0.0-rc.1"} {
		if id := ann.submitNeeding(t, "custom-yolo", version, `{"python": ">=3.11", "device": "cuda"}`); ann.follow(t, id) == nil || ann.get(t, id).State != submission.Active {
			t.Fatalf("%s: %+v", version, ann.get(t, id))
		}
	}
	var versions []trainers.Published
	bob.ask(t, http.MethodGet, "/api/v1/trainers/custom-yolo/versions").into(t, &versions)
	if len(versions) != 3 || versions[0].Version != "2.0.0-rc.1" || versions[1].Version != "1.10.0" {
		t.Errorf("%+v", versions)
	}
	var got trainers.Install
	bob.ask(t, http.MethodPost, "/api/v1/trainers/custom-yolo/install").into(t, &got)
	if got.Requires == nil || got.Requires.Device != "cuda" || !strings.Contains(fmt.Sprint(got.PodSpec), "nvidia.com/gpu:1") {
		t.Errorf("%+v", got)
	}
	for place, want := range map[string]int{"python=3.11.2&device=cuda:0": 200, "python=3.10.1": 422, "device=cpu": 422, "agent=dev": 200} {
		if r := bob.ask(t, http.MethodPost, "/api/v1/trainers/custom-yolo/install?"+place); r.status != want || want == 422 && !strings.Contains(r.body, "cannot train there: the trainer requires") {
			t.Errorf("%s: %d %s", place, r.status, r.body)
		}
	}
	if got.Version != "1.10.0" || got.Environment["TRAINER_DIGEST"] != got.Image || got.PodSpec["containers"] == nil {
		t.Errorf("%+v", got)
	}
	if text, err := os.ReadFile(filepath.Join(r.config.DataDir, "config-schemas", "model-capabilities", "custom-yolo.json")); err != nil || !strings.Contains(string(text), `"1.10.0"`) {
		t.Errorf("the platform reads %s, %v", text, err)
	}
	var key trainers.Key
	bob.ask(t, http.MethodGet, "/api/v1/key").into(t, &key)
	if err := install.Verify(t.Context(), bob, got.Release, ed25519.PublicKey(key.Public)); err != nil {
		t.Error(err)
	}
	if text := signed(t, bob, got.Release); !strings.Contains(text, `"isolation":"process"`) {
		t.Errorf("another isolation is signed than the one that the package was proven in: %s", text)
	}
	pulls(t, got.Reference, bob.token)
	for path, want := range map[string]int{
		"/api/v1/trainers/no-such/versions": 404, "/api/v1/trainers/no-such/content/" + got.Image: 404,
		"/api/v1/trainers/custom-yolo/content/..":     200, // the trainer itself
		"/api/v1/trainers/custom-yolo/content/%2e%2e": 404, "/api/v1/trainers": 200,
	} {
		if r := bob.ask(t, http.MethodGet, path); r.status != want {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
		if r := (client{bob.url, "", http.DefaultClient}).ask(t, http.MethodGet, path); r.status != 401 && r.status != 404 {
			t.Errorf("without a login %s: %d", path, r.status)
		}
	}
}

// signed is the statement that a hub has signed for a release.
func signed(t *testing.T, c client, release contract.Release) string {
	t.Helper()
	content := "/api/v1/trainers/" + release.Name + "/content/"
	var manifest v1.Manifest
	c.ask(t, http.MethodGet, content+release.Attestation).into(t, &manifest)
	var envelope contract.Envelope
	c.ask(t, http.MethodGet, content+manifest.Layers[0].Digest.String()).into(t, &envelope)
	return string(envelope.Payload)
}

// pulls fetches an image as a container runtime does.
func pulls(t *testing.T, reference, token string) {
	t.Helper()
	at, err := name.NewDigest(reference)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := remote.Image(at); err == nil {
		t.Error("the image is pulled without a login")
	}
	image, err := remote.Image(at, remote.WithAuth(&authn.Basic{Username: "token", Password: token}))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(image, validate.Fast); err != nil {
		t.Error(err)
	}
	layers, err := image.Layers()
	if err != nil || len(layers) != 4 {
		t.Errorf("%d layers, %v", len(layers), err)
	}
}
