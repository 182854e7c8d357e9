package cache

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	idA = ID("a", "1")
	idB = ID("b", "1")
)

func open(t *testing.T) *Cache {
	t.Helper()
	c := &Cache{Dir: filepath.Join(t.TempDir(), "cache"), Sealed: true, BootID: "boot1", Poll: time.Millisecond}
	t.Cleanup(func() { _ = unseal(c.Dir) })
	return c
}

// content is a fill that writes the given files and keeps what is right already.
type content map[string]string

func (f content) fill(_ context.Context, data string) (Contents, error) {
	size := int64(0)
	for name, body := range f {
		path := filepath.Join(data, name)
		size += int64(len(body))
		if b, err := os.ReadFile(path); err == nil && string(b) == body {
			continue
		}
		_ = os.Remove(path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(body), 0o444)); err != nil {
			return Contents{}, err
		}
	}
	return Contents{Source: "test", Bytes: size, Files: int64(len(f)), Each: func(g func(string, int64, uint32) error) error {
		for name, body := range f {
			if err := g(name, int64(len(body)), crc32.ChecksumIEEE([]byte(body))); err != nil {
				return err
			}
		}
		return nil
	}}, nil
}

var small = content{"annotations.json": "{}", "images/a.jpg": "aaa", "images/한 \"b\"\n.jpg": "bb"}

func noFill(context.Context, string) (Contents, error) {
	return Contents{}, errors.New("filled though it should be there")
}

// filler fetches into the folder data.
type filler func(ctx context.Context, data string) (Contents, error)

// get takes the entry out of the cache or fills it, as every user of it does.
func get(ctx context.Context, c *Cache, id string, fetch filler, waiting func()) (*Entry, error) {
	for damaged := 0; damaged < 5; {
		entry, fill, err := c.Begin(ctx, id)
		for fill != nil {
			contents, failed := fetch(ctx, fill.Data)
			if failed != nil {
				return nil, errors.Join(failed, fill.Abort())
			}
			if entry, err = fill.Commit(ctx, contents); !errors.Is(err, ErrForeign) {
				fill = nil
			}
		}
		switch {
		case errors.Is(err, ErrDamagedInUse):
			damaged++
		case !errors.Is(err, ErrBusy):
			return entry, err
		}
		if waiting != nil {
			waiting()
		}
		if err := c.Wait(ctx); err != nil {
			return nil, err
		}
	}
	return nil, ErrDamagedInUse
}

func acquire(t *testing.T, c *Cache, id string, fill filler) *Entry {
	t.Helper()
	e, err := get(t.Context(), c, id, fill, nil)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func release(t *testing.T, e *Entry) {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

func want(t *testing.T, e *Entry, f content) {
	t.Helper()
	for name, body := range f {
		if b, err := os.ReadFile(filepath.Join(e.Dir, name)); err != nil || string(b) != body {
			t.Errorf("%s: %q %v", name, b, err)
		}
	}
}

func TestEntryIsFilledOnceAndUsedAgain(t *testing.T) {
	c := open(t)
	e := acquire(t, c, idA, small.fill)
	want(t, e, small)
	if !e.Fresh || e.Files != 3 || e.Bytes != 7 {
		t.Errorf("entry %+v", e)
	}
	again := acquire(t, c, idA, noFill)
	if again.Fresh || again.Dir != e.Dir {
		t.Errorf("again %+v", again)
	}
	for _, dir := range []string{"", "images"} {
		if fi, err := os.Stat(filepath.Join(e.Dir, dir)); err != nil || fi.Mode().Perm() != 0o555 {
			t.Errorf("folder %q: %v %v", dir, fi.Mode(), err)
		}
	}
	release(t, e)
	release(t, again)
}

func TestOneFillsWhileTheOthersWait(t *testing.T) {
	c := open(t)
	var fills, waits atomic.Int64
	waited := make(chan struct{})
	var once sync.Once
	fill := func(ctx context.Context, data string) (Contents, error) {
		fills.Add(1)
		<-waited // until another has seen that it must wait
		return small.fill(ctx, data)
	}
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			e, err := get(t.Context(), c, idA, fill, func() { waits.Add(1); once.Do(func() { close(waited) }) })
			if err != nil {
				t.Error(err)
				return
			}
			want(t, e, small)
			release(t, e)
		})
	}
	wg.Wait()
	if fills.Load() != 1 || waits.Load() == 0 {
		t.Errorf("%d fills, %d waits", fills.Load(), waits.Load())
	}
}

func TestFailedFillLeavesNoEntry(t *testing.T) {
	c := open(t)
	broken := errors.New("broken")
	_, err := get(t.Context(), c, idA, func(_ context.Context, data string) (Contents, error) {
		return Contents{}, errors.Join(os.MkdirAll(data, 0o755), os.WriteFile(filepath.Join(data, "annotations.json"), []byte("{}"), 0o444), broken)
	}, nil)
	if !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.path(idA)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an entry: %v", err)
	}
	e := acquire(t, c, idA, func(ctx context.Context, data string) (Contents, error) {
		if _, err := os.Stat(filepath.Join(data, "annotations.json")); err != nil {
			t.Errorf("what was fetched is not there any more: %v", err)
		}
		return small.fill(ctx, data)
	})
	release(t, e)
}

// damage changes an entry as a crash or a careless hand would.
var damage = map[string]func(dir string) error{
	"file removed":        func(d string) error { return os.Remove(filepath.Join(d, "data/images/a.jpg")) },
	"file added":          func(d string) error { return os.WriteFile(filepath.Join(d, "data/images/new"), nil, 0o600) },
	"folder removed":      func(d string) error { return os.RemoveAll(filepath.Join(d, "data/images")) },
	"record cut off":      func(d string) error { return os.Truncate(filepath.Join(d, "entry.json"), 10) },
	"record lost":         func(d string) error { return os.Remove(filepath.Join(d, "entry.json")) },
	"file replaced":       func(d string) error { return replace(filepath.Join(d, "data/images/a.jpg"), "zzz") },
	"file emptied, crash": func(d string) error { return crash(d, filepath.Join(d, "data/images/a.jpg"), 0) },
	"file zeroed, crash":  func(d string) error { return crash(d, filepath.Join(d, "data/images/a.jpg"), 3) },
	"index lost, crash": func(d string) error {
		return errors.Join(os.Remove(filepath.Join(d, "index")), os.Remove(filepath.Join(d, "boot-boot1")))
	},
}

func replace(path, body string) error {
	return errors.Join(os.Remove(path), os.WriteFile(path, []byte(body), 0o444))
}

// crash is a file whose blocks never reached the disk, and a new boot id.
func crash(entry, path string, zeros int64) error {
	return errors.Join(os.Chmod(path, 0o644), os.Truncate(path, 0), os.Truncate(path, zeros), os.Remove(filepath.Join(entry, "boot-boot1")))
}

func TestDamageIsMended(t *testing.T) {
	for name, spoil := range damage {
		t.Run(name, func(t *testing.T) {
			c := open(t)
			release(t, acquire(t, c, idA, small.fill))
			if err := errors.Join(unseal(c.Dir), spoil(c.path(idA))); err != nil {
				t.Fatal(err)
			}
			e := acquire(t, c, idA, small.fill)
			want(t, e, small)
			if !e.Fresh {
				t.Error("taken as it was")
			}
			if _, err := os.Stat(filepath.Join(e.Dir, "images/new")); err == nil {
				t.Error("the foreign file is still there")
			}
			release(t, e)
			release(t, acquire(t, c, idA, noFill))
		})
	}
}

func TestDamagedEntryInUseIsLeftAlone(t *testing.T) {
	c := open(t)
	e := acquire(t, c, idA, small.fill)
	if err := errors.Join(unseal(c.Dir), os.Remove(filepath.Join(e.Dir, "images/a.jpg"))); err != nil {
		t.Fatal(err)
	}
	if _, err := get(t.Context(), c, idA, noFill, nil); !errors.Is(err, ErrDamagedInUse) {
		t.Errorf("error %v", err)
	}
	release(t, e)
	release(t, acquire(t, c, idA, small.fill))
}

func TestRestartOfTheMachineChecksEveryByteOnce(t *testing.T) {
	c := open(t)
	release(t, acquire(t, c, idA, small.fill))
	c.BootID = "boot2"
	release(t, acquire(t, c, idA, noFill))
	if _, err := os.Stat(filepath.Join(c.path(idA), "boot-boot2")); err != nil {
		t.Errorf("the check is not remembered: %v", err)
	}
}

func TestLeastRecentlyUsedGoesFirstAndNeverOneInUse(t *testing.T) {
	c := open(t)
	fill := func(n int) content { return content{"a": string(make([]byte, n))} }
	ids := make([]string, 4)
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var used *Entry
	for i := range ids {
		ids[i] = ID(fmt.Sprint(i))
		e := acquire(t, c, ids[i], fill(100).fill)
		if i == 0 {
			used = e // the oldest, but in use
		} else {
			release(t, e)
		}
		at := begin.Add(time.Duration(i) * time.Hour)
		if err := os.Chtimes(c.lockFile(ids[i]), at, at); err != nil {
			t.Fatal(err)
		}
	}
	c.MaxBytes = 350
	if err := c.MakeRoom(idA, 100); err != nil {
		t.Fatal(err)
	}
	for i, there := range []bool{true, false, false, true} {
		if _, err := os.Stat(c.path(ids[i])); (err == nil) != there {
			t.Errorf("entry %d: %v", i, err)
		}
	}
	if freed := c.Free(idA, 1000); freed != 100 {
		t.Errorf("freed %d", freed)
	}
	want(t, used, fill(100))
	release(t, used)
	if left, _ := filepath.Glob(filepath.Join(c.Dir, "*.trash-*")); len(left) > 0 {
		t.Errorf("trash stays: %v", left)
	}
}

func TestFolderOfOneJobHoldsOneDataset(t *testing.T) {
	c := open(t)
	release(t, acquire(t, c, idA, small.fill))
	if err := os.MkdirAll(filepath.Join(c.partial(ID("old")), "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(c.Dir, "snapshots"), 0o755); err != nil {
		t.Fatal(err)
	}
	e := acquire(t, c, idB, small.fill)
	defer release(t, e)
	if err := c.Only(idB); err != nil {
		t.Fatal(err)
	}
	for path, there := range map[string]bool{c.path(idA): false, c.partial(ID("old")): false, c.path(idB): true, filepath.Join(c.Dir, "snapshots"): true} {
		if _, err := os.Stat(path); (err == nil) != there {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	c := open(t)
	filling, stopped := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		e, err := get(t.Context(), c, idA, func(ctx context.Context, data string) (Contents, error) {
			close(filling)
			<-stopped
			return small.fill(ctx, data)
		}, nil)
		if err != nil {
			t.Error(err)
			return
		}
		release(t, e)
	})
	<-filling
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := get(ctx, c, idA, noFill, cancel); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	close(stopped)
	wg.Wait()
}
