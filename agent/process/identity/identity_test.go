package identity

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

func TestOwnLeavesSharedFilesAlone(t *testing.T) {
	need.Root(t)
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "outside")
	cached := filepath.Join(t.TempDir(), "cached")
	for _, path := range []string{outside, cached, filepath.Join(dir, "own")} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		os.Symlink(outside, filepath.Join(dir, "symlink")),
		os.Link(cached, filepath.Join(dir, "hardlink")),
		os.MkdirAll(filepath.Join(dir, "deep", "deeper"), 0o700),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := Own(dir, Identity{UID: 12345, GID: 12345}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]uint32{
		dir: 12345, dir + "/own": 12345, dir + "/symlink": 12345, dir + "/deep/deeper": 12345, outside: 0, cached: 0, dir + "/hardlink": 0,
	} {
		var st syscall.Stat_t
		if err := syscall.Lstat(path, &st); err != nil || st.Uid != want {
			t.Errorf("%s belongs to %d (%v), want %d", path, st.Uid, err, want)
		}
	}
}

// The child owns OUTPUT_DIR of an earlier run and may have left a link there.
func TestAFolderThatIsALinkIsNotHandedOver(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	link := filepath.Join(dir, "runs")
	if err := os.Symlink(other, link); err != nil {
		t.Fatal(err)
	}
	self := Identity{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	if err := Own(link, self); err == nil {
		t.Error("handed over")
	}
	if err := Readable(link); err == nil {
		t.Error("opened")
	}
}

func TestWhatIsGivenCanBeReadButWhatOthersShareKeepsItsMode(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dataset")
	shared := filepath.Join(t.TempDir(), "shared")
	for _, err := range []error{
		os.MkdirAll(filepath.Join(dir, "images"), 0o700), os.WriteFile(filepath.Join(dir, "images", "a.jpg"), nil, 0o600),
		os.WriteFile(shared, nil, 0o600), os.Link(shared, filepath.Join(dir, "b.jpg")), os.Symlink(shared, filepath.Join(dir, "c.jpg")), Readable(dir),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]os.FileMode{dir: 0o755, dir + "/images": 0o755, dir + "/images/a.jpg": 0o644, dir + "/b.jpg": 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v, want %v", path, info.Mode(), err, want)
		}
	}
	if err := Readable(filepath.Join(dir, "none")); err != nil {
		t.Errorf("a folder that is not there: %v", err)
	}
}

func TestAFolderThatTheOtherUserCouldChangeIsTakenBack(t *testing.T) {
	id := Identity{UID: uint32(os.Getuid()) + 2000, GID: uint32(os.Getgid()) + 2000}
	for mode, taken := range map[os.FileMode]bool{0o777: true, 0o755: false, 0o775: false, 0o777 | os.ModeSticky: false} {
		dir := filepath.Join(t.TempDir(), "state")
		if err := errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, mode)); err != nil {
			t.Fatal(err)
		}
		if above := Above(filepath.Join(dir, "x"), id); (above == dir) != taken {
			t.Errorf("%v: above %q", mode, above)
		}
		if err := Keep(dir, id); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(dir)
		if err != nil || (info.Mode() != os.ModeDir|mode) != taken || taken && info.Mode().Perm() != 0o755 {
			t.Errorf("%v became %v, %v", mode, info.Mode(), err)
		}
	}
}

func TestAFolderIsTheOneThatALinkLeadsTo(t *testing.T) {
	id := Identity{UID: uint32(os.Getuid()) + 2000, GID: uint32(os.Getgid()) + 2000}
	theirs, link := filepath.Join(t.TempDir(), "theirs"), filepath.Join(t.TempDir(), "link")
	dir := filepath.Join(theirs, "ws")
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.Symlink(dir, link)); err != nil {
		t.Fatal(err)
	}
	if err := Keep(link, id); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("a folder that was closed became %v, %v", info.Mode(), err)
	}
	if above := Above(link, id); above != "" {
		t.Errorf("in its place from %q", above)
	}
	if err := os.Chmod(theirs, 0o777); err != nil {
		t.Fatal(err)
	}
	if above := Above(link, id); above != theirs {
		t.Errorf("in its place from %q, want %q", above, theirs)
	}
	const forAll = 0o777 | os.ModeSticky
	if err := errors.Join(os.Chmod(dir, forAll), Close(link)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode() != os.ModeDir|forAll {
		t.Errorf("a folder that is made for everybody became %v, %v", info.Mode(), err)
	}
}
