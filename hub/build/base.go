package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/match"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Base is the image that trainers' images stand on: a Python, and nothing that a package
// requires.
type Base struct {
	Image  v1.Image
	Name   string // as the operator gave it
	Digest string
	Python string // path of its interpreter
}

// OpenBase opens a base: NAME@sha256:… of a registry, or the folder of an OCI layout. Its
// Python must be the one that packages are proven with.
func OpenBase(ctx context.Context, from, python string) (*Base, error) {
	image, err := open(ctx, from)
	if err != nil {
		return nil, fmt.Errorf("opening the base image %s: %w", from, err)
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the base image %s: %w", from, err)
	}
	if file.OS != "linux" || file.Architecture != runtime.GOARCH {
		return nil, fmt.Errorf("the base image %s is for %s/%s: packages are proven on linux/%s", from, file.OS, file.Architecture, runtime.GOARCH)
	}
	has := value(file.Config.Env, "PYTHON_VERSION")
	if has == "" {
		return nil, fmt.Errorf("the base image %s does not say which Python it has (PYTHON_VERSION, as the images python:3.x do)", from)
	}
	if has != python && !strings.HasPrefix(has, python+".") {
		return nil, fmt.Errorf("the base image %s has Python %s, and packages are proven with Python %s: take another base, or another --python", from, has, python)
	}
	digest, err := image.Digest()
	if err != nil {
		return nil, fmt.Errorf("reading the base image %s: %w", from, err)
	}
	interpreter, err := interpreter(image, file.Config.Env, python)
	if err != nil {
		return nil, fmt.Errorf("looking into the base image %s: %w", from, err)
	}
	return &Base{image, from, digest.String(), interpreter}, nil
}

func open(ctx context.Context, from string) (v1.Image, error) {
	platform := v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
	if info, err := os.Stat(from); err == nil && info.IsDir() {
		return openLayout(from, platform)
	}
	reference, err := name.NewDigest(from)
	if err != nil {
		return nil, errors.New("name it by its digest, NAME@sha256:…, or give the folder of an OCI layout: a tag may be another image tomorrow")
	}
	return remote.Image(reference, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain), remote.WithPlatform(platform))
}

func openLayout(dir string, platform v1.Platform) (v1.Image, error) {
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	fits := match.Platforms(platform)
	for _, d := range manifest.Manifests {
		if d.MediaType.IsImage() && (len(manifest.Manifests) == 1 || fits(d)) {
			return index.Image(d.Digest)
		}
	}
	return nil, fmt.Errorf("it has no image for linux/%s", platform.Architecture)
}

// PythonVersion asks an interpreter for its version, such as 3.11. It is the operator's.
func (t Tools) PythonVersion(ctx context.Context) (string, error) {
	dir, err := os.MkdirTemp("", "trainer-hub-*")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	said, err := t.run(ctx, dir, "-I", "-c", "import pip, sys; print('%d.%d' % sys.version_info[:2])")
	if err != nil {
		return "", fmt.Errorf("asking %s for its version and its pip: %w: %s", t.Python, err, last(said))
	}
	return strings.TrimSpace(said), nil
}
