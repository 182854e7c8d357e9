package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Folder is a registry in a folder:
//
//	blobs/HEX                            of all repositories
//	repositories/NAME/manifests/HEX      a manifest's bytes
//	repositories/NAME/tags/TAG           a digest
type Folder struct {
	dir  string
	host string // by which runtimes reach the hub
}

// OpenFolder opens the folder, and removes what a kill left half written.
func OpenFolder(dir, host string) (*Folder, error) {
	f := &Folder{dir, host}
	if err := os.RemoveAll(f.path("incoming")); err != nil {
		return nil, fmt.Errorf("opening the registry: %w", err)
	}
	for _, name := range []string{"incoming", "blobs", "repositories"} {
		if err := os.MkdirAll(f.path(name), 0o700); err != nil {
			return nil, fmt.Errorf("opening the registry: %w", err)
		}
	}
	return f, nil
}

func (f *Folder) path(parts ...string) string {
	return filepath.Join(append([]string{f.dir}, parts...)...)
}

func (f *Folder) blob(digest string) string {
	return f.path("blobs", strings.TrimPrefix(digest, "sha256:"))
}

func (f *Folder) manifest(repository, digest string) string {
	return f.path("repositories", filepath.FromSlash(repository), "manifests", strings.TrimPrefix(digest, "sha256:"))
}

func (f *Folder) tag(repository, tag string) string {
	return f.path("repositories", filepath.FromSlash(repository), "tags", tag)
}

// Name implements Registry.
func (f *Folder) Name(repository string) string { return f.host + "/" + repository }

// Push implements Registry: layers, the configuration, the manifest, the tag.
func (f *Folder) Push(ctx context.Context, repository, tag string, image v1.Image) error {
	if !repositoryForm.MatchString(repository) || tag != "" && !tagForm.MatchString(tag) {
		return fmt.Errorf("%q with the tag %q is no repository", repository, tag)
	}
	layers, err := image.Layers()
	if err != nil {
		return fmt.Errorf("reading the image's layers: %w", err)
	}
	for _, layer := range layers {
		if err := f.pushLayer(ctx, layer); err != nil {
			return err
		}
	}
	config, err := image.RawConfigFile()
	if err != nil {
		return fmt.Errorf("reading the image's configuration: %w", err)
	}
	manifest, err := image.RawManifest()
	if err != nil {
		return fmt.Errorf("reading the image's manifest: %w", err)
	}
	digest := digestOf(manifest)
	if err := f.keep(f.blob(digestOf(config)), strings.NewReader(string(config)), digestOf(config)); err != nil {
		return err
	}
	if err := f.keep(f.manifest(repository, digest), strings.NewReader(string(manifest)), digest); err != nil || tag == "" {
		return err
	}
	return f.keep(f.tag(repository, tag), strings.NewReader(digest), "")
}

func (f *Folder) pushLayer(ctx context.Context, layer v1.Layer) error {
	digest, err := layer.Digest()
	if err != nil {
		return fmt.Errorf("reading a layer: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := os.Stat(f.blob(digest.String())); err == nil { // it was whole when it was renamed into place
		return nil
	}
	from, err := layer.Compressed()
	if err != nil {
		return fmt.Errorf("reading layer %s: %w", digest, err)
	}
	return errors.Join(f.keep(f.blob(digest.String()), from, digest.String()), from.Close())
}

// keep puts bytes under a path, whole or not at all; with a digest they must have it.
func (f *Folder) keep(path string, from io.Reader, digest string) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("keeping %s: %w", digest, err)
	}
	file, err := os.CreateTemp(f.path("incoming"), "*")
	if err != nil {
		return fmt.Errorf("keeping %s: %w", digest, err)
	}
	defer func() { _ = os.Remove(file.Name()) }() // after the rename there is none
	hash := sha256.New()
	_, err = io.Copy(io.MultiWriter(file, hash), from)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("keeping %s: %w", digest, err)
	}
	if has := "sha256:" + hex.EncodeToString(hash.Sum(nil)); digest != "" && has != digest {
		return fmt.Errorf("keeping %s: its bytes are %s", digest, has)
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return fmt.Errorf("keeping %s: %w", digest, err)
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Open implements Registry.
func (f *Folder) Open(_ context.Context, repository, digest string) (*Content, error) {
	if !repositoryForm.MatchString(repository) || !digestForm.MatchString(digest) {
		return nil, ErrNotFound
	}
	content, err := f.openManifest(repository, digest)
	if !errors.Is(err, ErrNotFound) {
		return content, err
	}
	return open(f.blob(digest))
}

func (f *Folder) openManifest(repository, digest string) (*Content, error) {
	content, err := open(f.manifest(repository, digest))
	if err != nil {
		return nil, err
	}
	content.MediaType = mediaType(f.manifest(repository, digest))
	return content, nil
}

func open(path string) (*Content, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &Content{ReadCloser: file, Size: info.Size()}, nil
}

// mediaType is what a manifest says that it is. One that was damaged is sent as it is: who
// asked by its digest sees it.
func mediaType(path string) string {
	m, err := readManifest(path)
	if err != nil || m.MediaType == "" {
		return string(types.OCIManifestSchema1)
	}
	return string(m.MediaType)
}

func readManifest(path string) (m v1.Manifest, err error) {
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		err = fmt.Errorf("reading a manifest of the registry: %w", err)
	}
	return m, err
}
