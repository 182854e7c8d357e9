package tree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newTree(t *testing.T, dirs ...string) (*Tree, *Writer) {
	t.Helper()
	tr, resumed, err := Create(filepath.Join(t.TempDir(), "data"))
	if err != nil || resumed {
		t.Fatal(resumed, err)
	}
	if err := tr.MakeDirs(dirs); err != nil {
		t.Fatal(err)
	}
	w := tr.NewWriter(t.Context())
	t.Cleanup(func() {
		w.Close()
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
	return tr, w
}

func TestFilesHaveTheirDeclaredSize(t *testing.T) {
	tr, w := newTree(t, "images/deep")
	body := bytes.Repeat([]byte("x"), 3*chunkSize+17)
	crc, err := w.Write(1, "a", int64(len(body)), bytes.NewReader(body))
	if err != nil || crc != crc32.ChecksumIEEE(body) {
		t.Fatal(crc, err)
	}
	if !w.Has(1, "a", int64(len(body)), crc) || w.Has(1, "a", int64(len(body)), crc+1) || w.Has(1, "a", 5, crc) || w.Has(0, "a", 5, crc) {
		t.Error("what is there is not recognised")
	}
	if _, err := w.Write(1, "long", 5, strings.NewReader("123456")); !errors.Is(err, ErrTooLong) {
		t.Errorf("a longer source: %v", err)
	}
	if _, err := w.Write(1, "short", 5, strings.NewReader("1234")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a shorter source: %v", err)
	}
	names, err := os.ReadDir(filepath.Join(tr.Path, "images/deep"))
	if err != nil || len(names) != 1 {
		t.Errorf("left behind: %v %v", names, err)
	}
}

func TestManyFoldersNeedFewDescriptors(t *testing.T) {
	var dirs []string
	for i := range 5 * openDirs {
		dirs = append(dirs, fmt.Sprintf("class-%02d", i))
	}
	tr, w := newTree(t, dirs...)
	for round := range 2 {
		for i := range dirs {
			if _, err := w.Write(int32(i+1), fmt.Sprint(round), 1, strings.NewReader("x")); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, dir := range dirs {
		if names, _ := os.ReadDir(filepath.Join(tr.Path, dir)); len(names) != 2 {
			t.Errorf("%s holds %d files", dir, len(names))
		}
	}
	if w.used != openDirs {
		t.Errorf("%d folders are open", w.used)
	}
}

func TestNothingIsWrittenThroughALink(t *testing.T) {
	tr, w := newTree(t, "images")
	outside := filepath.Join(t.TempDir(), "outside")
	link := filepath.Join(tr.Path, "images/link")
	if err := errors.Join(os.WriteFile(outside, []byte("theirs"), 0o600), os.Symlink(outside, link)); err != nil {
		t.Fatal(err)
	}
	if w.Has(1, "link", 6, crc32.ChecksumIEEE([]byte("theirs"))) {
		t.Error("a link counts as the file")
	}
	if _, err := w.Write(1, "link", 4, strings.NewReader("ours")); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(outside); string(b) != "theirs" {
		t.Errorf("outside: %q", b)
	}
	if fi, err := os.Lstat(link); err != nil || !fi.Mode().IsRegular() {
		t.Errorf("the link was not replaced: %v %v", fi, err)
	}
}

func TestWritingStopsWithTheContext(t *testing.T) {
	tr, _ := newTree(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := tr.NewWriter(ctx)
	defer w.Close()
	if _, err := w.Write(0, "a", 1, strings.NewReader("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestErrorsOfTheDiskHaveTheirCode(t *testing.T) {
	for err, code := range map[error]contract.Code{
		syscall.ENOSPC: contract.CodeDiskFull, syscall.EDQUOT: contract.CodeDiskFull,
		syscall.EROFS: contract.CodeConfigInvalid, os.ErrPermission: contract.CodeConfigInvalid,
	} {
		f, ok := errors.AsType[*contract.Failure](Explain("/x", &os.PathError{Op: "write", Path: "/x", Err: err}))
		if !ok || f.Code != code || f.Hint == "" {
			t.Errorf("%v: %v", err, f)
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"a": "a", "./a//b/./c": "a/b/c", `a\b`: "a/b", "...": "...", "a..b/..c": "a..b/..c", " ": " ", "한글/사진.jpg": "한글/사진.jpg",
		"..": "", "a/../b": "", "/a": "", "": "", ".": "", "./": "", "C:/a": "", `\\host\share`: "", "a\x00": "", "\xff": "",
	} {
		got, err := Clean(name)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q %v", name, got, err)
		}
	}
	for name, want := range map[string]bool{
		"__MACOSX/a": true, "a/.DS_Store": true, "a/THUMBS.DB": true, "a/._b.jpg": true, "$RECYCLE.BIN/x": true,
		"thumbs/a.jpg": false, ".hidden": false, "a/__init__.py": false,
	} {
		if Junk(name) != want {
			t.Errorf("junk %q: %v", name, !want)
		}
	}
}

// FuzzClean promises that a cleaned name stays inside and is its own clean form.
func FuzzClean(f *testing.F) {
	for _, name := range []string{"a/b", `..\x`, "./a/./b", "/etc", "C:x", "a/../../b"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		clean, err := Clean(name)
		if err != nil {
			return
		}
		if !filepath.IsLocal(clean) || strings.Contains(clean, `\`) {
			t.Errorf("%q became %q", name, clean)
		}
		if again, err := Clean(clean); err != nil || again != clean {
			t.Errorf("%q is not stable: %q %v", clean, again, err)
		}
	})
}

func TestDeepFoldersShareTheirHandles(t *testing.T) {
	below := strings.Repeat("d/", 60)
	tr, w := newTree(t, below+"a", below+"b", "x", below+"a/c", "x/y")
	for dir := range 5 {
		if _, err := w.Write(int32(dir+1), "f", 1, strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{below + "a/f", below + "b/f", "x/f", below + "a/c/f", "x/y/f"} {
		if _, err := os.Stat(filepath.Join(tr.Path, file)); err != nil {
			t.Error(err)
		}
	}
}
