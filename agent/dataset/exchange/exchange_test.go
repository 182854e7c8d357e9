package exchange

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vision-platform/trainer-agent/agent/dataset/cache"
)

const secret = "a secret key of a bucket"

var body = map[string]string{"annotations.json": "{}", "images/a.jpg": "aaa", "images/deep/한 \"b\"\n.jpg": "bb", "empty": ""}

// fetched is a folder of a job's own.
func fetched(t *testing.T) (dir string, contents cache.Contents) {
	t.Helper()
	dir = t.TempDir()
	l := list{}
	for name, text := range body {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o444)); err != nil {
			t.Fatal(err)
		}
		l = append(l, file{path: name, size: int64(len(text)), crc: crc32.ChecksumIEEE([]byte(text))})
	}
	return dir, l.contents("test")
}

func exchangeIn(dir, secret string) *Exchange {
	return New(&cache.Cache{Dir: dir, Sealed: true, BootID: "boot"}, secret)
}

// given is an exchange with one entry, and that entry's folder.
func given(t *testing.T) (x *Exchange, shared, entry string) {
	t.Helper()
	from, contents := fetched(t)
	shared = filepath.Join(t.TempDir(), "shared")
	t.Cleanup(func() { // entries are read-only
		_ = filepath.WalkDir(shared, func(path string, d fs.DirEntry, _ error) error {
			if d != nil && d.IsDir() {
				return os.Chmod(path, 0o755)
			}
			return nil
		})
	})
	x = exchangeIn(shared, secret)
	if err := x.Give(t.Context(), "id", from, contents); err != nil {
		t.Fatal(err)
	}
	return x, shared, filepath.Join(shared, x.entry("id"))
}

func TestAJobTakesOverWhatAnotherOneGave(t *testing.T) {
	_, shared, entry := given(t)
	into := t.TempDir()
	contents, err := exchangeIn(shared, secret).Take(t.Context(), "id", into)
	if err != nil || contents.Files != int64(len(body)) || contents.Bytes != 7 {
		t.Fatalf("%+v, %v", contents, err)
	}
	for name, text := range body {
		mine, err := os.Stat(filepath.Join(into, name))
		theirs, err2 := os.Stat(filepath.Join(entry, "data", name))
		if b, err3 := os.ReadFile(filepath.Join(into, name)); errors.Join(err, err2, err3) != nil || string(b) != text || os.SameFile(mine, theirs) {
			t.Errorf("%q: %q, %v", name, b, errors.Join(err, err2, err3))
		}
	}
}

func TestAnotherSecretFindsNothing(t *testing.T) {
	_, shared, _ := given(t)
	if _, err := exchangeIn(shared, secret+"2").Take(t.Context(), "id", t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if exchangeIn(shared, "minioadmin") != nil {
		t.Error("a secret that can be guessed is used")
	}
}

// What a training process of the same user could do to an entry.
func TestWhatWasChangedIsNotTakenOverAndIsRemoved(t *testing.T) {
	for name, change := range map[string]func(entry string) error{
		"a file's bytes": func(entry string) error { return rewrite(filepath.Join(entry, "data/images/a.jpg"), "xxx") },
		"a longer file":  func(entry string) error { return rewrite(filepath.Join(entry, "data/images/a.jpg"), "aaaa") },
		"a link to another file": func(entry string) error {
			path := filepath.Join(entry, "data/images/a.jpg")
			return errors.Join(os.Remove(path), os.Symlink("/etc/passwd", path))
		},
		"a pipe": func(entry string) error {
			path := filepath.Join(entry, "data/images/a.jpg")
			return errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600))
		},
		"the list": func(entry string) error { return rewrite(filepath.Join(entry, listName), "0\n") },
		"no list":  func(entry string) error { return os.Remove(filepath.Join(entry, listName)) },
		"a pipe's list": func(entry string) error {
			return errors.Join(os.Remove(filepath.Join(entry, listName)), syscall.Mkfifo(filepath.Join(entry, listName), 0o600))
		},
		"the list and the file": func(entry string) error {
			path := filepath.Join(entry, listName)
			text, err := os.ReadFile(path)
			return errors.Join(err, rewrite(path, strings.Replace(string(text), "images/a.jpg", "../../a.jpg", 1)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			x, _, entry := given(t)
			folder, err := os.Stat(filepath.Join(entry, "data/images"))
			if err := errors.Join(err, os.Chmod(filepath.Join(entry, "data/images"), 0o755), change(entry)); err != nil {
				t.Fatal(err)
			}
			// The folder's time is put back, as an attacker would: the cache's quick look is content.
			if err := os.Chtimes(filepath.Join(entry, "data/images"), folder.ModTime(), folder.ModTime()); err != nil {
				t.Fatal(err)
			}
			partial := t.TempDir() // what lies there, a fill goes on with
			if _, err := x.Take(t.Context(), "id", filepath.Join(partial, "data")); !errors.Is(err, errChanged) {
				t.Errorf("taken over: %v", err)
			}
			if left, err := os.ReadDir(partial); err != nil || len(left) > 0 {
				t.Errorf("it has left %v, %v", left, err)
			}
			if _, err := os.Lstat(entry); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("it is still there: %v", err)
			}
		})
	}
}

func rewrite(path, text string) error {
	return errors.Join(os.Chmod(path, 0o644), os.WriteFile(path, []byte(text), 0o644))
}

func TestTakingOverEndsWithTheContext(t *testing.T) {
	x, _, _ := given(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := x.Take(ctx, "id", t.TempDir()); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Otherwise a list as large as the disk would be held in memory until its last line.
func TestAFalseListCostsNoMemory(t *testing.T) {
	x := exchangeIn("x", secret)
	line := strings.Repeat("0", 64) + " 00000000 1 \"a\"\n"
	text := bytes.NewReader([]byte(strings.Repeat(line, 10_000) + strings.Repeat("0", 64) + "\n"))
	each := testing.AllocsPerRun(1, func() {
		if _, err := x.parse(text, "id"); !errors.Is(err, errChanged) {
			t.Error(err)
		}
		text.Reset([]byte(strings.Repeat(line, 10_000)))
	})
	if each > 1000 {
		t.Errorf("%v allocations for a list that is not ours", each)
	}
}

// unended is a text with one kind of line ending, and none at its end.
func unended(text []byte) []byte {
	return bytes.TrimSuffix(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), []byte("\n"))
}

// FuzzList promises that no list is read but one that an agent with the secret wrote.
func FuzzList(f *testing.F) {
	x := exchangeIn("x", secret)
	path := filepath.Join(f.TempDir(), "list")
	if err := x.write(path, "id", list{{path: "a", size: 3}, {path: "b/c\n", size: 0}}); err != nil {
		f.Fatal(err)
	}
	ours, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(ours)
	f.Add(bytes.Replace(ours, []byte(`"a"`), []byte(`"/a"`), 1))
	f.Add([]byte("00 0 -1 \"x\"\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := x.parse(bytes.NewReader(text), "id")
		if (err == nil) != bytes.Equal(unended(text), unended(ours)) {
			t.Errorf("%q: %v, %v", text, l, err)
		}
		if _, err := x.parse(bytes.NewReader(text), "another"); err == nil {
			t.Error("the list of another entry is taken")
		}
	})
}
