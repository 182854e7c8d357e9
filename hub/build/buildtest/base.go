// Package buildtest makes base images for tests. It promises that a hub takes them for what
// they say they are; whether their Python runs is up to the files that they are given.
package buildtest

import (
	"archive/tar"
	"bytes"
	"io"
	"runtime"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Python is a layer with an interpreter of a version such as 3.11, which cannot be started.
func Python(t testing.TB, version string) v1.Layer {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "usr/bin/python" + version, Mode: 0o755})
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(out.Bytes())), nil }, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		t.Fatal(err)
	}
	return layer
}

// Write writes a base of layers as an OCI layout into a folder: a Python of a version such as
// 3.11.2, and further variables.
func Write(t testing.TB, dir, version string, env []string, layers ...v1.Layer) {
	t.Helper()
	image, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		t.Fatal(err)
	}
	file, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	file.OS, file.Architecture = "linux", runtime.GOARCH
	file.Config = v1.Config{Env: append([]string{"PYTHON_VERSION=" + version}, env...), Cmd: []string{"python3"}}
	if image, err = mutate.ConfigFile(image, file); err != nil {
		t.Fatal(err)
	}
	at, err := layout.Write(dir, empty.Index)
	if err == nil {
		err = at.AppendImage(image)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Base writes one with an interpreter that cannot be started.
func Base(t testing.TB, dir, version string) {
	t.Helper()
	parts := strings.SplitN(version, ".", 3)
	Write(t, dir, version, nil, Python(t, strings.Join(parts[:2], ".")))
}
