package hub

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub/build"
	"github.com/vision-platform/trainer-agent/hub/catalog"
	"github.com/vision-platform/trainer-agent/hub/objects"
	"github.com/vision-platform/trainer-agent/hub/publish"
	"github.com/vision-platform/trainer-agent/hub/registry"
	"github.com/vision-platform/trainer-agent/hub/submission"
	"github.com/vision-platform/trainer-agent/hub/usage"
	"github.com/vision-platform/trainer-agent/trainers/kit/archive"
)

// Release is how proven packages are published.
type Release struct {
	Build    build.Tools
	Python   string      // version of Build's, such as 3.11
	Base     *build.Base // nil means that no images are made
	Agent    string      // path of the trainer-agent that is put into images
	Registry registry.Registry
	Objects  publish.Objects

	publisher *publish.Publisher
	catalog   *catalog.Catalog
}

// What lies in the data folder where nothing else is set.
const (
	registryDir = "registry"
	schemasDir  = "config-schemas"
	keyFile     = "signing-key.pem"
)

// openRelease opens what publishing needs in the data folder.
func (h *Hub) openRelease() (err error) {
	h.stages = maps.Clone(h.config.Stages)
	r := h.config.Release
	if r == nil {
		return nil
	}
	if r.Registry == nil {
		at, err := url.Parse(h.config.URL)
		if err != nil {
			return fmt.Errorf("reading the hub's address: %w", err)
		}
		if r.Registry, err = registry.OpenFolder(filepath.Join(h.config.DataDir, registryDir), at.Host); err != nil {
			return err
		}
	}
	if r.Objects == nil {
		r.Objects = objects.Folder{Dir: filepath.Join(h.config.DataDir, schemasDir)}
	}
	key, err := publish.OpenKey(filepath.Join(h.config.DataDir, keyFile))
	r.catalog, r.publisher = h.catalog, &publish.Publisher{Registry: r.Registry, Objects: r.Objects, Key: key}
	h.stages[submission.Publishing] = r.publish
	return err
}

// released is a published version, for those who count what is trained with it.
func (h *Hub) released(ctx context.Context, name, version string) (found contract.Release, err error) {
	v, err := h.catalog.Version(ctx, name, version)
	if errors.Is(err, catalog.ErrNotFound) || version == "" { // the newest is no answer to which one it was
		return found, &usage.Uncounted{Text: fmt.Sprintf("%s %s is not published here", name, version)}
	}
	if err == nil {
		err = json.Unmarshal(v.Receipt, &found)
	}
	return found, err
}

func (r *Release) registry() registry.Registry {
	if r == nil {
		return nil
	}
	return r.Registry
}

func (r *Release) key() ed25519.PublicKey {
	if r == nil {
		return nil
	}
	return r.publisher.Key.Public()
}

// publish publishes what was tested.
func (r *Release) publish(ctx context.Context, w *Work) error {
	e, err := w.Environment(ctx, r.Build)
	if err != nil {
		return err
	}
	in := publish.Input{
		Package: w.Package, File: w.File, Lock: e.Lock(), Python: r.Python, Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	for _, wheel := range e.Wheels {
		in.Wheels = append(in.Wheels, publish.Wheel(wheel))
	}
	if in.Schema, in.Isolation, err = w.tested(ctx); err != nil {
		return err
	}
	if in.Capabilities, err = w.capabilities(); err != nil {
		return err
	}
	var document contract.Capabilities
	if err := json.Unmarshal(in.Capabilities, &document); err != nil {
		return fmt.Errorf("reading capabilities.json: %w", err) // it was proven
	}
	in.Requires = document.Requires
	if in.Newest, err = r.catalog.Newest(ctx, w.Package.Name, w.Package.Version); err != nil {
		return err
	}
	if r.Base != nil {
		in.Base = &publish.Base{Name: r.Base.Name, Digest: r.Base.Digest}
		if in.Image, err = r.image(w, e); err != nil {
			return err
		}
	}
	release, err := r.publisher.Publish(ctx, in)
	if err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	told := receipt{Release: release}
	if told.Card, err = w.card(ctx, in.Capabilities); err != nil {
		return err
	}
	w.Receipt, err = json.Marshal(told)
	return err
}

func (r *Release) image(w *Work, e *build.Environment) (v1.Image, error) {
	layers := filepath.Join(w.Dir, "layers")
	if err := os.MkdirAll(layers, 0o700); err != nil {
		return nil, err
	}
	return build.Image{
		Base: r.Base, Agent: r.Agent, Environment: e, Source: w.source, Name: w.Package.Name, Version: w.Package.Version,
	}.Assemble(layers)
}

// Environment is what the package runs in: it is made again, of the same wheels, where a
// kill took it.
func (w *Work) Environment(ctx context.Context, tools build.Tools) (*build.Environment, error) {
	if w.environment != nil {
		return w.environment, nil
	}
	tools.Locked = true // what is tested and published is what was scanned
	e, found, err := w.make(ctx, tools)
	if err == nil && len(found) > 0 {
		err = errors.New(found[0].Text) // it was made before, of the same bytes
	}
	return e, err
}

// make unpacks the package and makes its environment.
func (w *Work) make(ctx context.Context, tools build.Tools) (_ *build.Environment, found []contract.Finding, err error) {
	w.source, found, err = archive.Unpack(w.File, filepath.Join(w.Dir, "source"), archive.Default)
	if err != nil || len(found) > 0 {
		return nil, found, err
	}
	dir := filepath.Join(w.Dir, "built")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, nil, err
	}
	w.environment, found, err = tools.Make(ctx, w.source, dir, w.Lock)
	return w.environment, found, err
}

// tested is what the tests of the package told: what config_schema.py printed, and how its
// code was isolated, whatever isolation the hub has by now.
func (w *Work) tested(ctx context.Context) (schema []byte, isolation string, err error) {
	at, err := w.records.Get(ctx, w.task.ID)
	if err != nil {
		return nil, "", err
	}
	steps, err := w.records.Steps(ctx, at)
	if err != nil {
		return nil, "", err
	}
	for _, step := range steps {
		switch step.Name {
		case "config_schema":
			if told, ok := step.Facts["schema"]; ok {
				schema, err = json.Marshal(told)
			}
		case training:
			isolation, _ = step.Facts["isolation"].(string)
		}
	}
	if err == nil && (schema == nil || isolation == "") {
		err = errors.New("the reports of the steps config_schema and " + training + " have no schema, or no isolation")
	}
	return schema, isolation, err
}

const maxCapabilities = 1 << 20

func (w *Work) capabilities() ([]byte, error) {
	root, err := os.OpenRoot(w.source)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	file, err := root.Open("capabilities.json")
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return io.ReadAll(io.LimitReader(file, maxCapabilities))
}
