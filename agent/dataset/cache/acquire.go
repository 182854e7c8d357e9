package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vision-platform/trainer-agent/agent/dataset/tree"
	"github.com/vision-platform/trainer-agent/agent/internal/backoff"
)

const (
	defaultPoll   = 200 * time.Millisecond
	damagedRounds = 5 // looks at a damaged entry in use before giving up on it
)

// Fill fetches a dataset into the folder data, which may hold files of an
// interrupted fill.
type Fill func(ctx context.Context, data string) (Contents, error)

// Acquire returns the entry id, filled by this call if nobody has done it.
// waiting, which may be nil, is called now and then while another process fills.
func (c *Cache) Acquire(ctx context.Context, id string, fill Fill, waiting func()) (*Entry, error) {
	if err := c.makeDir(); err != nil {
		return nil, err
	}
	for damaged := 0; ; {
		lock, err := os.OpenFile(c.lockFile(id), os.O_RDWR|os.O_CREATE, 0o666)
		if err != nil {
			return nil, tree.Explain(c.lockFile(id), err)
		}
		entry, state, err := c.try(ctx, id, lock, fill)
		if entry != nil && err == nil {
			return entry, nil
		}
		_ = lock.Close()
		if err != nil {
			return nil, err
		}
		if damaged++; state != isDamaged {
			damaged = 0
		}
		if damaged >= damagedRounds {
			return nil, ErrDamagedInUse
		}
		if waiting != nil {
			waiting()
		}
		if err := c.pause(ctx); err != nil {
			return nil, err
		}
	}
}

func (c *Cache) pause(ctx context.Context) error {
	poll := c.Poll
	if poll <= 0 {
		poll = defaultPoll
	}
	return backoff.Wait(ctx, poll/2+rand.N(poll))
}

// try takes the lock without waiting: shared for a complete entry, exclusive to
// fill. Neither is there to be had while another process fills; then it returns
// nothing.
func (c *Cache) try(ctx context.Context, id string, lock *os.File, fill Fill) (*Entry, state, error) {
	if !flock(lock, unix.LOCK_SH) {
		return nil, isBusy, nil
	}
	entry, state, err := c.use(ctx, id, lock)
	if entry != nil || err != nil {
		return entry, state, err
	}
	// A conversion gives the shared lock up first, so what was seen is looked at
	// again.
	if !flock(lock, unix.LOCK_EX) {
		return nil, state, nil
	}
	entry, state, err = c.inspect(ctx, id)
	if err != nil {
		return nil, state, err
	}
	fresh := false
	if entry == nil {
		if err := c.fill(ctx, id, state, fill); err != nil {
			return nil, state, err
		}
		fresh = true
	}
	if !flock(lock, unix.LOCK_SH) {
		return nil, isBusy, nil
	}
	entry, state, err = c.use(ctx, id, lock)
	if entry != nil {
		entry.Fresh = fresh
	}
	return entry, state, err
}

// use inspects under the shared lock and marks the entry as used now.
func (c *Cache) use(ctx context.Context, id string, lock *os.File) (*Entry, state, error) {
	entry, state, err := c.inspect(ctx, id)
	if entry != nil {
		entry.lock = lock
		now := time.Now()
		_ = os.Chtimes(lock.Name(), now, now) // the order of eviction only
	}
	return entry, state, err
}

func flock(f *os.File, how int) bool {
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}

// fill runs under the exclusive lock. What is damaged becomes a partial entry,
// in which a fill finds and replaces what is wrong.
func (c *Cache) fill(ctx context.Context, id string, was state, fill Fill) error {
	partial := c.partial(id)
	if was == isDamaged {
		c.log().Warn("a cached dataset is damaged and is fetched again where it is", "entry", c.path(id))
		if err := errors.Join(removeAll(partial), os.Rename(c.path(id), partial)); err != nil {
			return tree.Explain(partial, err)
		}
	}
	data := filepath.Join(partial, "data")
	if err := unseal(data); err != nil {
		return tree.Explain(data, err)
	}
	contents, err := fill(ctx, data)
	if err != nil {
		return err
	}
	times, files, err := folders(data)
	if err == nil && files != contents.Files {
		// Files of something else lie between ours: start from nothing.
		if err := removeAll(data); err != nil {
			return tree.Explain(data, err)
		}
		if contents, err = fill(ctx, data); err != nil {
			return err
		}
		times, files, err = folders(data)
	}
	if err == nil && files != contents.Files {
		err = fmt.Errorf("%d files were written and %d are there", contents.Files, files)
	}
	if err != nil {
		return tree.Explain(data, err)
	}
	return tree.Explain(partial, c.promote(id, contents, times))
}

// promote writes the records and makes the partial entry the entry.
func (c *Cache) promote(id string, contents Contents, times map[string]int64) error {
	partial := c.partial(id)
	if err := writeIndex(filepath.Join(partial, "index"), contents.Each); err != nil {
		return err
	}
	b, err := json.Marshal(record{
		Source: contents.Source, Bytes: contents.Bytes, Files: contents.Files,
		Created: time.Now().UTC(), Folders: times,
	})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(partial, "entry.json"), b, 0o644); err != nil {
		return err
	}
	if err := c.markChecked(partial); err != nil {
		return err
	}
	if err := os.Remove(c.ProgressFile(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if c.Sealed {
		if err := seal(filepath.Join(partial, "data"), times); err != nil {
			return err
		}
	}
	return os.Rename(partial, c.path(id))
}

// seal makes folders read-only; files are from the start.
func seal(data string, dirs map[string]int64) error {
	for dir := range dirs {
		if err := os.Chmod(filepath.Join(data, dir), 0o555); err != nil {
			return err
		}
	}
	return nil
}

func unseal(data string) error {
	err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return os.Chmod(path, 0o755)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// removeAll removes a folder whose own folders may be read-only.
func removeAll(dir string) error {
	if err := unseal(dir); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}
