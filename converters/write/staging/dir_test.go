package staging

import (
	"os"
	"path/filepath"
	"testing"
)

func make1(t *testing.T) (*Dir, string) {
	t.Helper()
	d, err := New(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Abort)
	src := filepath.Join(t.TempDir(), "src.jpg")
	if err := os.WriteFile(src, []byte("pixels"), 0o644); err != nil {
		t.Fatal(err)
	}
	return d, src
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestLinkFallsBack: a hard link, else a symbolic link, else a copy.
func TestLinkFallsBack(t *testing.T) {
	d, src := make1(t)
	a, err := d.Open("a")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := a.Link(src, "hard.jpg"); err != nil {
		t.Fatal(err)
	}
	d.noHardLinks.Store(true)
	if err := a.Link(src, "soft.jpg"); err != nil {
		t.Fatal(err)
	}
	d.noSymlinks.Store(true)
	if err := a.Link(src, "copy.jpg"); err != nil {
		t.Fatal(err)
	}
	if err := d.Commit(); err != nil {
		t.Fatal(err)
	}
	original, err := os.Stat(src)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct{ symlink, same bool }{"hard": {false, true}, "soft": {true, true}, "copy": {false, false}} {
		path := filepath.Join(d.Final, "a", name+".jpg")
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		behind, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if (info.Mode()&os.ModeSymlink != 0) != want.symlink || os.SameFile(behind, original) != want.same || read(t, path) != "pixels" {
			t.Errorf("%s is %v", name, info.Mode())
		}
	}
}

func TestCommitReplacesOnlyOurOwn(t *testing.T) {
	d, _ := make1(t)
	const ours = `{"task_type": "object_detection", "format": "yolo"}`
	for _, name := range []string{Marker, "labels/a.txt", "empty.txt"} {
		content := map[string][]byte{Marker: []byte(ours), "labels/a.txt": []byte("labels/a.txt")}[name]
		if err := d.Write(name, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Write("labels/a.txt", nil); err == nil {
		t.Error("a file was written twice")
	}
	if err := d.Commit(); err != nil {
		t.Fatal(err)
	}
	again, err := New(d.Final)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Write(Marker, []byte(ours+"\n")); err != nil {
		t.Fatal(err)
	}
	if read(t, filepath.Join(d.Final, "labels", "a.txt")) != "labels/a.txt" {
		t.Error("the old folder changed before the commit")
	}
	if err := again.Commit(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Dir(d.Final))
	if err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
	if read(t, filepath.Join(d.Final, Marker)) != ours+"\n" {
		t.Error("the new folder is not there")
	}
	for _, classes := range []string{`["cat", "dog"]`, `{"0": "cat"}`} { // as datasets have it
		if err := os.WriteFile(filepath.Join(d.Final, Marker), []byte(classes), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := New(d.Final); err == nil {
			t.Errorf("a folder with a classes.json of its own would be replaced: %s", classes)
		}
	}
	if err := os.Rename(filepath.Join(d.Final, Marker), filepath.Join(d.Final, "mine")); err != nil {
		t.Fatal(err)
	}
	if _, err := New(d.Final); err == nil {
		t.Error("a folder that is not ours would be replaced")
	}
}
