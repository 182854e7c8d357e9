package storage

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

func openFolder(t *testing.T) (Store, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := Open(t.Context(), Config{Type: contract.StorageLocal, LocalDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return s, dir
}

func TestLocalFolderKeepsKeysAsPaths(t *testing.T) {
	s, dir := openFolder(t)
	checkRoundTrip(t, s, 100)
	b, err := os.ReadFile(filepath.Join(dir, "checkpoints/job-1/한글 +&%.pt"))
	if err != nil || len(b) != 100 {
		t.Fatalf("file below the folder: %d bytes, %v", len(b), err)
	}
}

func TestLocalFolderNeverLeadsOutside(t *testing.T) {
	s, dir := openFolder(t)
	_, err := s.Put(t.Context(), "../escape", bytes.NewReader([]byte("x")), 1, nil)
	if err == nil {
		t.Error("a key with .. was written")
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(dir), "escape")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("outside the folder: %v", err)
	}
	if err := os.Symlink("/etc", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Stat(t.Context(), "link/hostname"); err == nil {
		t.Error("a symlink led outside")
	}
}

func TestLocalPutLeavesNothingWhenTheBodyShrinks(t *testing.T) {
	s, _ := openFolder(t)
	if _, err := s.Put(t.Context(), "a", bytes.NewReader(make([]byte, 10)), 20, nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v", err)
	}
	wantKeys(t, s, "")
}

func TestLocalDeleteLeavesNoEmptyFolders(t *testing.T) {
	s, dir := openFolder(t)
	put := func(key string) {
		if _, err := s.Put(t.Context(), key, bytes.NewReader([]byte("x")), 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	put("checkpoints/job/epoch-1/model.pt")
	put("checkpoints/job/best.pt")
	for key, gone := range map[string]string{"checkpoints/job/epoch-1/model.pt": "checkpoints/job/epoch-1", "checkpoints/job/none.pt": "none"} {
		if err := s.Delete(t.Context(), key); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(dir, gone)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", gone, err)
		}
	}
	wantKeys(t, s, "", "checkpoints/job/best.pt")

	// A folder may be taken away by a Delete while an object is put into it.
	const times = 50
	done := make(chan error, 1)
	go func() {
		var err error
		for range times {
			err = errors.Join(err, s.Delete(t.Context(), "a/b/other"))
		}
		done <- err
	}()
	for range times {
		put("a/b/one")
		if err := s.Delete(t.Context(), "a/b/one"); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
