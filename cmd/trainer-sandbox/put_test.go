package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/jobtest"
	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/platform"
	"github.com/vision-platform/trainer-agent/contract"
)

func startPlatform(t *testing.T) *platform.Platform {
	t.Helper()
	p, err := platform.Start(t.Context(), platform.Config{DataDir: t.TempDir(), Bucket: "datasets-of-others", Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (c putCmd) to(p *platform.Platform) *putCmd {
	c.Endpoint, c.Bucket, c.AccessKey, c.SecretKey = p.Store.URL, "datasets-of-others", p.Store.AccessKey, p.Store.SecretKey
	return &c
}

// A person's folder and zip become what a job looks for.
func TestPutStoresWhatAJobLooksFor(t *testing.T) {
	p := startPlatform(t)
	folder := filepath.Join(t.TempDir(), "cells")
	for name, text := range map[string]string{
		"images/a.png": "a", "images/deep/b.png": "bb", "annotations.json": "{}", ".DS_Store": "x", "__MACOSX/._a.png": "x", "images/._a.png": "x",
	} {
		file := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	archive := filepath.Join(t.TempDir(), "packed.zip")
	packed := jobtest.Dataset(contract.TaskObjectDetection, 3)
	if err := os.WriteFile(archive, packed, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []putCmd{{Dataset: folder}, {Dataset: archive, ID: "cells-2"}} {
		if err := c.to(p).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	objects, err := p.Objects(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, o := range objects {
		keys = append(keys, o.Key)
	}
	want := []string{"datasets/cells-2.zip", "datasets/cells/annotations.json", "datasets/cells/images/a.png", "datasets/cells/images/deep/b.png"}
	if slices.Sort(keys); !slices.Equal(keys, want) {
		t.Errorf("stored %q, want %q", keys, want)
	}
	if got, err := p.Read(t.Context(), "datasets/cells-2.zip"); err != nil || !bytes.Equal(got, packed) {
		t.Errorf("the zip came as %d bytes of %d: %v", len(got), len(packed), err)
	}
}

// What describes the dataset comes last: half an upload is no dataset.
func TestPutSendsAnnotationsLast(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"annotations.json", "data.yaml", "zz.png"} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filesOf(folder, "d")
	if err != nil || len(files) != 3 || files[0].key != "datasets/d/zz.png" {
		t.Errorf("%v %v", files, err)
	}
}

func TestPutRefusesClearly(t *testing.T) {
	empty := t.TempDir()
	text := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(text, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cmd  putCmd
		want string
	}{
		"an id that no job can have": {putCmd{Dataset: empty, ID: "my cells"}, "--id"},
		"an empty folder":            {putCmd{Dataset: empty, ID: "d"}, "no file"},
		"a file that is no zip":      {putCmd{Dataset: text, ID: "d"}, "neither a folder nor a .zip"},
	} {
		if err := c.cmd.Run(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
