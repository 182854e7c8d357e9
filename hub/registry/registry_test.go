package registry_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/vision-platform/trainer-agent/hub/registry"
)

func image(t *testing.T, subject v1.Image) v1.Image {
	t.Helper()
	made, err := random.Image(1000, 3)
	if err != nil {
		t.Fatal(err)
	}
	if subject == nil {
		return made
	}
	digest, err := subject.Digest()
	if err != nil {
		t.Fatal(err)
	}
	made = mutate.ConfigMediaType(mutate.MediaType(made, types.OCIManifestSchema1), "application/vnd.test+json")
	return mutate.Subject(made, v1.Descriptor{MediaType: types.DockerManifestSchema2, Digest: digest, Size: 1}).(v1.Image)
}

// folder is a registry that serves, with the host by which it is reached.
func folder(t *testing.T) (*registry.Folder, string) {
	t.Helper()
	dir := t.TempDir()
	f, err := registry.OpenFolder(dir, "hub")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return f, strings.TrimPrefix(server.URL, "http://")
}

// What was pushed is what a container runtime's client gets, by tag, by digest and as a
// referrer, whole.
func TestPushedImageIsPulled(t *testing.T) {
	f, host := folder(t)
	main := image(t, nil)
	referrer := image(t, main)
	for range 2 { // the second time changes nothing
		if err := errors.Join(f.Push(t.Context(), "trainers/a", "1.0.0", main), f.Push(t.Context(), "trainers/a", "", referrer)); err != nil {
			t.Fatal(err)
		}
	}
	repository, err := name.NewRepository(host + "/trainers/a")
	if err != nil {
		t.Fatal(err)
	}
	pulled, err := remote.Image(repository.Tag("1.0.0"))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(pulled); err != nil {
		t.Error(err)
	}
	want, _ := main.Digest()
	if got, err := pulled.Digest(); got != want || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	index, err := remote.Referrers(repository.Digest(want.String()))
	if err != nil {
		t.Fatal(err)
	}
	list, err := index.IndexManifest()
	attached, _ := referrer.Digest()
	if err != nil || len(list.Manifests) != 1 || list.Manifests[0].Digest != attached || list.Manifests[0].ArtifactType != "application/vnd.test+json" {
		t.Errorf("%+v, %v", list, err)
	}
	if tags, err := remote.List(repository); len(tags) != 1 || tags[0] != "1.0.0" || err != nil {
		t.Errorf("%v, %v", tags, err)
	}
	if err := remote.Write(repository.Tag("2"), main); err == nil {
		t.Error("anybody may push")
	}
}

// A kill leaves no manifest whose blobs are not there, and nothing half written.
func TestLayerThatBreaksOffLeavesNoManifest(t *testing.T) {
	dir := t.TempDir()
	f, err := registry.OpenFolder(dir, "hub")
	if err != nil {
		t.Fatal(err)
	}
	broken, err := mutate.AppendLayers(image(t, nil), brokenLayer{})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Push(t.Context(), "trainers/a", "1.0.0", broken); err == nil || !strings.Contains(err.Error(), "its bytes are") {
		t.Errorf("got %v", err)
	}
	for _, pattern := range []string{"repositories/*", "incoming/*"} {
		if left, _ := filepath.Glob(filepath.Join(dir, pattern)); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "incoming", "half"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := registry.OpenFolder(dir, "hub"); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "incoming", "*")); len(left) > 0 {
		t.Errorf("left after a start: %v", left)
	}
}

// brokenLayer has other bytes than its digest says.
type brokenLayer struct{}

var brokenHash = v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("a", 64)}

func (brokenLayer) Digest() (v1.Hash, error)            { return brokenHash, nil }
func (brokenLayer) DiffID() (v1.Hash, error)            { return brokenHash, nil }
func (brokenLayer) Size() (int64, error)                { return 4, nil }
func (brokenLayer) MediaType() (types.MediaType, error) { return types.OCILayer, nil }
func (brokenLayer) Compressed() (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("half")), nil
}
func (brokenLayer) Uncompressed() (io.ReadCloser, error) { return brokenLayer{}.Compressed() }

// Both kinds keep and give the same.
func TestBothKindsKeepTheSame(t *testing.T) {
	other := httptest.NewServer(ggcr.New())
	defer other.Close()
	far, err := registry.OpenRemote(strings.TrimPrefix(other.URL, "http://")+"/vision/", registry.Patience)
	if err != nil {
		t.Fatal(err)
	}
	near, _ := folder(t)
	pushed := image(t, nil)
	digest, _ := pushed.Digest()
	manifest, _ := pushed.RawManifest()
	layers, _ := pushed.Layers()
	blob, _ := layers[0].Digest()
	for _, r := range []registry.Registry{far, near} {
		if err := r.Push(t.Context(), "trainers/a", "1.0.0", pushed); err != nil {
			t.Fatal(err)
		}
		if got := content(t, r, digest.String()); got != string(manifest) {
			t.Errorf("the manifest is %q", got)
		}
		if got := content(t, r, blob.String()); len(got) == 0 {
			t.Error("the blob is empty")
		}
		for _, none := range []string{brokenHash.String(), "1.0.0", "sha256:..", ""} {
			if _, err := r.Open(context.Background(), "trainers/a", none); !errors.Is(err, registry.ErrNotFound) {
				t.Errorf("%q: %v", none, err)
			}
		}
		if _, err := r.Open(t.Context(), "../trainers", digest.String()); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("outside: %v", err)
		}
	}
	if got := far.Name("trainers/a"); got != strings.TrimPrefix(other.URL, "http://")+"/vision/trainers/a" {
		t.Errorf("name %s", got)
	}
}

// A registry that takes what is sent and never answers is away after a while: whoever
// publishes next does not wait for it for ever.
func TestRegistryThatNeverAnswersIsAway(t *testing.T) {
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer silent.Close()
	far, err := registry.OpenRemote(strings.TrimPrefix(silent.URL, "http://"), 10*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if err := far.Push(t.Context(), "trainers/a", "1.0.0", image(t, nil)); err == nil || !strings.Contains(err.Error(), "timeout awaiting response headers") {
		t.Errorf("got %v", err)
	}
}

func content(t *testing.T, r registry.Registry, digest string) string {
	t.Helper()
	c, err := r.Open(t.Context(), "trainers/a", digest)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	text, err := io.ReadAll(c)
	if err != nil || int64(len(text)) != c.Size {
		t.Fatalf("%d bytes of %d, %v", len(text), c.Size, err)
	}
	return string(text)
}

// What is asked for is a path on the disk in the end: nothing outside is read.
func FuzzServe(f *testing.F) {
	dir := f.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("a secret of the hub"), 0o600); err != nil {
		f.Fatal(err)
	}
	r, err := registry.OpenFolder(filepath.Join(dir, "registry"), "hub")
	if err != nil {
		f.Fatal(err)
	}
	made, err := random.Image(10, 1)
	if err != nil {
		f.Fatal(err)
	}
	if err := r.Push(context.Background(), "trainers/a", "1", made); err != nil {
		f.Fatal(err)
	}
	for _, path := range []string{"trainers/a/manifests/1", "../../secret/blobs/x", "trainers/a/tags/list", "trainers/a/referrers/sha256:0", "a/b/manifests/../../../../secret", "trainers/a/blobs/sha256:" + strings.Repeat("0", 64)} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		w := httptest.NewRecorder()
		req := httptest.NewRequest(http.MethodGet, "/v2/", nil)
		req.URL.Path = "/v2/" + path
		r.ServeHTTP(w, req)
		if strings.Contains(w.Body.String(), "a secret") || w.Code >= 500 {
			t.Errorf("%q: %d %s", path, w.Code, w.Body)
		}
	})
}
