package publish_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/CycloneDX/cyclonedx-go"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub/publish"
	"github.com/vision-platform/trainer-agent/hub/registry"
	"github.com/vision-platform/trainer-agent/trainers/kit/install"
)

// place is where a test publishes: everything in its order, until what must fail.
type place struct {
	*registry.Folder
	order   []string
	objects map[string]string
	fails   string
}

func (p *place) Push(ctx context.Context, repository, tag string, image v1.Image) error {
	m, err := image.Manifest()
	if err != nil {
		return err
	}
	if err := p.did("push " + string(m.Config.MediaType)); err != nil {
		return err
	}
	return p.Folder.Push(ctx, repository, tag, image)
}

func (p *place) Put(_ context.Context, key string, text []byte) error {
	if err := p.did("put " + key); err != nil {
		return err
	}
	p.objects[key] = string(text)
	return nil
}

func (p *place) Get(_ context.Context, key string) ([]byte, error) {
	text, there := p.objects[key]
	if !there {
		return nil, fs.ErrNotExist
	}
	return []byte(text), nil
}

func (p *place) Delete(_ context.Context, key string) error {
	delete(p.objects, key)
	return nil
}

func (p *place) did(what string) error {
	p.order = append(p.order, what)
	if p.fails != "" && strings.HasPrefix(what, p.fails) {
		return errors.New("it is away")
	}
	return nil
}

// Content is how the client asks a hub.
func (p *place) Content(ctx context.Context, name, digest string) (io.ReadCloser, error) {
	return p.Open(ctx, publish.Repository(name), digest)
}

func where(t *testing.T) (*place, *publish.Publisher) {
	t.Helper()
	dir := t.TempDir()
	folder, err := registry.OpenFolder(filepath.Join(dir, "registry"), "hub")
	if err != nil {
		t.Fatal(err)
	}
	key, err := publish.OpenKey(filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	p := &place{Folder: folder, objects: map[string]string{}}
	return p, &publish.Publisher{Registry: p, Objects: p, Key: key}
}

func write(t *testing.T, name, text string) (path, sum string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	b := sha256.Sum256([]byte(text))
	return path, hex.EncodeToString(b[:])
}

func input(t *testing.T, image v1.Image) publish.Input {
	t.Helper()
	in := publish.Input{Image: image, Python: "3.11", Platform: "linux/amd64", Schema: []byte(`{"fields": []}`), Capabilities: []byte(`{"models": []}`), Lock: "cells==1\n", Newest: true}
	in.Package = contract.Package{Name: "cell-counter", Version: "1.0.0"}
	in.File, in.Package.SHA256 = write(t, "upload", "the zip")
	wheel := publish.Wheel{Name: "Cells_x", Version: "1"}
	wheel.Path, wheel.SHA256 = write(t, "cells-1-py3-none-any.whl", "the wheel")
	in.Wheels = []publish.Wheel{wheel}
	if image != nil {
		in.Base = &publish.Base{Name: "python@sha256:0", Digest: "sha256:" + strings.Repeat("0", 64)}
	}
	return in
}

// The platform's two documents come last; publishing again changes nothing; and the
// client's check holds of what is there.
func TestEverythingIsThereBeforeThePlatformReadsIt(t *testing.T) {
	made, err := random.Image(100, 2)
	if err != nil {
		t.Fatal(err)
	}
	for name, image := range map[string]v1.Image{"with an image": made, "without": nil} {
		p, publisher := where(t)
		in := input(t, image)
		release, err := publisher.Publish(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			"push " + contract.MediaBundle, "push " + contract.MediaSBOM, "push " + contract.MediaAttestation,
			"put schemas/cell-counter/1.0.0.json", "put model-capabilities/cell-counter/1.0.0.json", "put schemas/cell-counter.json", "put model-capabilities/cell-counter.json",
		}
		if image != nil {
			want = append([]string{p.order[0]}, want...)
		}
		if !slices.Equal(p.order, want) {
			t.Errorf("%s: %q", name, p.order)
		}
		again, err := publisher.Publish(t.Context(), in)
		if again != release || err != nil {
			t.Errorf("%s: %+v, then %+v, %v", name, release, again, err)
		}
		if err := install.Verify(t.Context(), p, release, publisher.Key.Public()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		billed(t, p, release)
		otherwise(t, p, publisher, release)
	}
}

// otherwise changes what the hub says of the release: what was signed is another.
func otherwise(t *testing.T, p *place, publisher *publish.Publisher, release contract.Release) {
	t.Helper()
	for name, change := range map[string]func(*contract.Release){
		"version": func(r *contract.Release) { r.Version = "2.0.0" },
		"name":    func(r *contract.Release) { r.Name = "other" },
		"package": func(r *contract.Release) { r.PackageSHA = strings.Repeat("0", 64) },
		"bundle":  func(r *contract.Release) { r.Bundle = r.SBOM },
		"image":   func(r *contract.Release) { r.Image = r.Bundle },
		"bill":    func(r *contract.Release) { r.SBOM = r.Bundle },
	} {
		changed := release
		change(&changed)
		if err := install.Verify(t.Context(), p, changed, publisher.Key.Public()); err == nil {
			t.Errorf("another %s is verified", name)
		}
	}
}

// billed reads the bill of materials.
func billed(t *testing.T, p *place, release contract.Release) {
	t.Helper()
	var m struct{ Layers []struct{ Digest string } }
	read(t, p, release.SBOM, &m)
	var bom cyclonedx.BOM
	read(t, p, m.Layers[0].Digest, &bom)
	if (*bom.Components)[0].PackageURL != "pkg:pypi/cells-x@1" || bom.Metadata.Component.Name != "cell-counter" {
		t.Errorf("%+v", bom)
	}
}

func read(t *testing.T, p *place, digest string, to any) {
	t.Helper()
	from, err := p.Content(t.Context(), "cell-counter", digest)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = from.Close() }()
	if err := json.NewDecoder(from).Decode(to); err != nil {
		t.Fatal(err)
	}
}

// Whatever is away: the platform reads nothing of the version, or all of it.
func TestWhatIsAwayLeavesThePlatformsDocumentsAlone(t *testing.T) {
	for _, away := range []string{"push " + contract.MediaBundle, "push " + contract.MediaSBOM, "push " + contract.MediaAttestation, "put schemas/cell-counter/", "put model-capabilities/cell-counter/"} {
		p, publisher := where(t)
		p.fails = away
		if _, err := publisher.Publish(t.Context(), input(t, nil)); err == nil {
			t.Errorf("%s: no error", away)
		}
		if p.objects[publish.SchemaKey("cell-counter")] != "" || p.objects[publish.CapabilitiesKey("cell-counter")] != "" {
			t.Errorf("%s: %v", away, p.objects)
		}
	}
}

// An older version that comes later is not what the platform reads.
func TestOlderVersionLeavesThePlatformsDocumentsAlone(t *testing.T) {
	p, publisher := where(t)
	in := input(t, nil)
	in.Newest = false
	if _, err := publisher.Publish(t.Context(), in); err != nil || len(p.objects) != 2 {
		t.Errorf("%v, %v", p.objects, err)
	}
}

// A wheel that was changed after the lock was written is not published.
func TestChangedWheelIsNotPublished(t *testing.T) {
	p, publisher := where(t)
	in := input(t, nil)
	if err := os.WriteFile(in.Wheels[0].Path, []byte("a wheel!!"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := publisher.Publish(t.Context(), in); err == nil || !strings.Contains(err.Error(), "its bytes are") {
		t.Errorf("got %v with %v", err, p.objects)
	}
}

// The key is made once, and only its owner reads it.
func TestKeyStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.pem")
	first, err := publish.OpenKey(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := publish.OpenKey(path)
	if err != nil || first.ID() != again.ID() {
		t.Errorf("%v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.WriteFile(path, []byte("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := publish.OpenKey(path); err == nil || !strings.Contains(err.Error(), "openssl genpkey") {
		t.Errorf("got %v", err)
	}
}
