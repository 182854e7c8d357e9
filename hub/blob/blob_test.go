package blob_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/vision-platform/trainer-agent/hub/blob"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

const hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

func open(t *testing.T) (*blob.Folder, string) {
	t.Helper()
	dir := t.TempDir()
	f, err := blob.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return f, dir
}

func files(t *testing.T, dir string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestPackageIsKeptByItsDigest(t *testing.T) {
	f, dir := open(t)
	for range 2 { // twice is once
		in, err := f.Receive(t.Context(), strings.NewReader("hello"), 5)
		if err != nil || in.SHA256 != hello || in.Size != 5 {
			t.Fatalf("%+v, %v", in, err)
		}
		if err := f.Keep(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		in.Discard()
	}
	path, _, err := f.Take(t.Context(), hello)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); string(b) != "hello" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if got := files(t, dir); len(got) != 1 {
		t.Errorf("left behind: %v", got)
	}
}

func TestWhatIsNotKeptLeavesNothing(t *testing.T) {
	f, dir := open(t)
	for name, c := range map[string]struct {
		from io.Reader
		want error
	}{
		"too large":  {strings.NewReader("hello!"), blob.ErrTooLarge},
		"broken off": {io.MultiReader(strings.NewReader("he"), iotest.ErrReader(io.ErrUnexpectedEOF)), io.ErrUnexpectedEOF},
	} {
		if _, err := f.Receive(t.Context(), c.from, 5); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	in, err := f.Receive(t.Context(), strings.NewReader("hello"), 5)
	if err != nil {
		t.Fatal(err)
	}
	in.Discard()
	if got := files(t, dir); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
	if _, _, err := f.Take(t.Context(), hello); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, _, err := f.Take(t.Context(), "../../etc/passwd"); err == nil {
		t.Error("a path was taken for a digest")
	}
}

// A hub that is killed while it receives finds its folder clean at the next start.
func TestStartClearsBrokenUploads(t *testing.T) {
	f, dir := open(t)
	if _, err := f.Receive(t.Context(), strings.NewReader("hello"), 5); err != nil {
		t.Fatal(err)
	}
	if _, err := blob.Open(dir); err != nil {
		t.Fatal(err)
	}
	if got := files(t, dir); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}

func TestFullDiskSaysSo(t *testing.T) {
	f, _ := open(t)
	dev, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		need.Missing(t, "/dev/full: %v", err)
	}
	_, full := dev.Write([]byte("x"))
	if _, err := f.Receive(t.Context(), iotest.ErrReader(full), 5); !errors.Is(err, blob.ErrFull) {
		t.Errorf("got %v", err)
	}
}

func TestRemovedPackageIsGone(t *testing.T) {
	f, dir := open(t)
	in, err := f.Receive(t.Context(), strings.NewReader("hello"), 5)
	if err == nil {
		err = f.Keep(t.Context(), in)
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is none
		if err := f.Remove(t.Context(), hello); err != nil {
			t.Error(err)
		}
	}
	if got := files(t, dir); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
	if err := f.Remove(t.Context(), "../../etc/passwd"); err == nil {
		t.Error("a path was taken for a digest")
	}
}
