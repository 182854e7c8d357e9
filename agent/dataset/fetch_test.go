package dataset

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/vision-platform/trainer-agent/agent/storage"
	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/store"
	"github.com/vision-platform/trainer-agent/contract"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(beAnAgent(os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

// files is a dataset's content by path.
type files map[string]string

// shapes is a small dataset with names that have broken somebody's code.
func shapes() files {
	f := files{
		"annotations.json":     `{"format_version":"1.0","images":[{"id":1,"file_name":"000.jpg"},{"id":2,"file_name":"한글 사진 +&%.jpg"},{"id":3,"file_name":"gone.jpg"}]}`,
		"images/한글 사진 +&%.jpg": "hangul",
		"images/empty.jpg":     "",
	}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 50 {
		b := make([]byte, r.IntN(30_000))
		for j := range b {
			b[j] = byte(r.IntN(7))
		}
		f[fmt.Sprintf("images/%03d.jpg", i)] = string(b)
	}
	f["images/deep/er/big.jpg"] = string(bytes.Repeat([]byte("0123456789abcdef"), 50_000))
	return f
}

// zipOf packs files; every second one deflated.
func zipOf(t testing.TB, f files) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i, name := range slices.Sorted(maps.Keys(f)) {
		h := &zip.FileHeader{Name: name, Method: uint16(8 * (i % 2))}
		out, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write([]byte(f[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// readTree reads a folder back, and refuses links and writable files.
func readTree(t *testing.T, dir string) files {
	t.Helper()
	out := files{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		if fi.Mode() != 0o444 {
			t.Errorf("%s has mode %v", path, fi.Mode())
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		out[rel] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func wantTree(t *testing.T, dir string, want files) {
	t.Helper()
	got := readTree(t, dir)
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s: %d bytes with CRC %08x, want %d with %08x", name,
				len(got[name]), crc32.ChecksumIEEE([]byte(got[name])), len(want[name]), crc32.ChecksumIEEE([]byte(want[name])))
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s should not be there", name)
		}
	}
}

func openStore(t *testing.T) storage.Store {
	t.Helper()
	server, err := store.Start(t.Context(), store.Config{Dir: t.TempDir(), Buckets: []string{"vision-platform"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := storage.Open(t.Context(), storage.Config{
		Type: contract.StorageMinIO, Endpoint: server.URL, Bucket: "vision-platform",
		AccessKeyID: server.AccessKey, SecretAccessKey: server.SecretKey,
		Getenv: func(string) string { return "" },
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t testing.TB, s storage.Store, key string, body []byte) {
	t.Helper()
	if _, err := s.Put(context.Background(), key, bytes.NewReader(body), int64(len(body)), nil); err != nil {
		t.Fatal(err)
	}
}

func fetch(t *testing.T, s objects, req Request) Dataset {
	t.Helper()
	if req.ID == "" {
		req.ID = "d1"
	}
	if req.Dir == "" {
		req.Dir = t.TempDir()
	}
	d, err := Fetch(t.Context(), s, req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		unseal(t, req.CacheDir)
	})
	return d
}

// unseal lets t.TempDir remove a shared cache.
func unseal(t *testing.T, dir string) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chmod(path, 0o755)
		}
		return err
	})
}

func TestDatasetFromAFullServer(t *testing.T) {
	s := openStore(t)
	want := shapes()
	put(t, s, "datasets/zipped.zip", zipOf(t, want))
	for name, body := range want {
		put(t, s, "datasets/loose/"+name, []byte(body))
	}
	put(t, s, "datasets/loose/images/", nil)
	put(t, s, "datasets/loose/images/Thumbs.db", []byte("x"))
	put(t, s, "datasets/loose/snapshots/s1.json", []byte(want["annotations.json"]))
	put(t, s, "datasets/zipped/snapshots/s1.json", []byte(want["annotations.json"]))

	for _, id := range []string{"zipped", "loose"} {
		t.Run(id, func(t *testing.T) {
			dir := t.TempDir()
			d := fetch(t, s, Request{ID: id, Dir: dir, SnapshotID: "s1"})
			wantTree(t, d.Dir, want)
			if d.Files != int64(len(want)) || d.Cached {
				t.Errorf("fetched %+v", d)
			}
			if d.MissingCount != 1 || !slices.Equal(d.Missing, []string{"gone.jpg"}) {
				t.Errorf("missing against the snapshot: %d %q", d.MissingCount, d.Missing)
			}
			if b, err := os.ReadFile(d.AnnotationsPath); err != nil || string(b) != want["annotations.json"] {
				t.Errorf("snapshot: %q %v", b, err)
			}
			if len(d.AnnotationsSHA256) != 64 {
				t.Errorf("hash %q", d.AnnotationsSHA256)
			}
			again := fetch(t, s, Request{ID: id, Dir: dir})
			if !again.Cached || again.Dir != d.Dir {
				t.Errorf("the second fetch: %+v", again)
			}
		})
	}
	t.Run("only annotated", func(t *testing.T) {
		d := fetch(t, s, Request{ID: "loose", AnnotatedOnly: true})
		wantTree(t, d.Dir, files{
			"annotations.json": want["annotations.json"], "images/000.jpg": want["images/000.jpg"],
			"images/한글 사진 +&%.jpg": want["images/한글 사진 +&%.jpg"],
		})
	})
	t.Run("missing", func(t *testing.T) {
		_, err := Fetch(t.Context(), s, Request{ID: "nobody", Dir: t.TempDir()})
		f, ok := errors.AsType[*contract.Failure](err)
		if !ok || f.Code != contract.CodeDatasetNotFound || f.Hint == "" {
			t.Errorf("error %v", err)
		}
	})
}

func TestDatasetOnDisk(t *testing.T) {
	want := shapes()
	dir := t.TempDir()
	path := filepath.Join(dir, "set.zip")
	if err := os.WriteFile(path, zipOf(t, want), 0o644); err != nil {
		t.Fatal(err)
	}
	d := fetch(t, nil, Request{LocalPath: path})
	wantTree(t, d.Dir, want)

	folder := fetch(t, nil, Request{LocalPath: d.Dir})
	if folder.Dir != d.Dir || !folder.Local {
		t.Errorf("a folder is used in place: %+v", folder)
	}
	if _, err := Fetch(t.Context(), nil, Request{LocalPath: filepath.Join(dir, "no"), Dir: dir}); err == nil {
		t.Error("a missing path was accepted")
	}
}

// What the converter would find is fetched, by whatever spelling; where names say
// nothing, everything is.
func TestOnlyAnnotatedNeverLeavesOutWhatTheConverterFinds(t *testing.T) {
	all := files{"images/a.jpg": "a", "images/Caf\u00e9.jpg": "c", "images/unused.jpg": "u", "images/labels.csv": "l"}
	image := func(names ...string) string {
		var list []string
		for i, n := range names {
			list = append(list, fmt.Sprintf(`{"id":%d,"file_name":%s}`, i, n))
		}
		return `{"score":NaN,"images":[` + strings.Join(list, ",") + `]}`
	}
	for name, c := range map[string]struct {
		annotations string
		left        []string
	}{
		"other spellings":       {"\ufeff" + image(`"images\\A.jpg"`, `"Cafe\u0301.jpg"`), []string{"images/a.jpg", "images/Caf\u00e9.jpg"}},
		"wrapped":               {`{"annotations":` + image(`"a.jpg"`) + `}`, []string{"images/a.jpg"}},
		"an image without name": {image(`"a.jpg"`, `null`), nil},
		"names of another set":  {image(`"x.jpg"`), nil},
		"no JSON":               {`<html>`, nil},
	} {
		s := openStore(t)
		want := files{"annotations.json": c.annotations}
		put(t, s, "datasets/loose/annotations.json", []byte(c.annotations))
		for file, body := range all {
			put(t, s, "datasets/loose/"+file, []byte(body))
			if c.left == nil || slices.Contains(c.left, file) || file == "images/labels.csv" {
				want[file] = body
			}
		}
		put(t, s, "datasets/loose/images/a.jpg:Zone.Identifier", []byte("junk"))
		t.Run(name, func(t *testing.T) {
			wantTree(t, fetch(t, s, Request{ID: "loose", AnnotatedOnly: true}).Dir, want)
		})
	}
}
