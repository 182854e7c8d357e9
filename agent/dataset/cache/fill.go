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

	"github.com/vision-platform/trainer-agent/agent/dataset/tree"
	"github.com/vision-platform/trainer-agent/agent/internal/backoff"
	"github.com/vision-platform/trainer-agent/agent/internal/filelock"
)

const (
	defaultPoll = 200 * time.Millisecond
	looks       = 8 // at an entry that others complete and remove while we look
)

// ErrBusy means that another process fills or removes the entry: Wait, and begin
// again.
var ErrBusy = errors.New("the cached dataset is being written by another job")

// ErrForeign means that files of something else lay between those of a fill. They
// are removed with all others, the fill goes on and has to be made again.
var ErrForeign = errors.New("files of something else lie in the cached dataset")

// Fill is the right to fill an entry, which no other process has. End it with
// Commit or Abort; what was written stays for the next one who fills.
type Fill struct {
	Data string // the folder to fill; it may hold files of an interrupted fill

	cache   *Cache
	id      string
	lock    *filelock.Lock
	cleared bool // once already
}

// Begin returns the entry id if it is complete, else the right to fill it. It
// waits for nobody: ErrBusy and ErrDamagedInUse may pass.
func (c *Cache) Begin(ctx context.Context, id string) (*Entry, *Fill, error) {
	if err := c.makeDir(); err != nil {
		return nil, nil, err
	}
	for range looks {
		entry, state, err := c.share(ctx, id)
		if entry != nil || err != nil {
			return entry, nil, err
		}
		fill, err := c.claim(ctx, id, state)
		if fill != nil || err != nil {
			return nil, fill, err
		}
	}
	return nil, nil, ErrBusy
}

// Wait lets others work for a moment.
func (c *Cache) Wait(ctx context.Context) error {
	poll := c.Poll
	if poll <= 0 {
		poll = defaultPoll
	}
	return backoff.Wait(ctx, poll/2+rand.N(poll))
}

// share takes a complete entry under the shared lock and marks it as used now.
func (c *Cache) share(ctx context.Context, id string) (*Entry, state, error) {
	lock, err := filelock.TryShared(c.lockFile(id))
	if err != nil {
		return nil, isBusy, c.explainLock(id, err)
	}
	entry, state, err := c.inspect(ctx, id)
	if entry == nil || err != nil {
		return nil, state, errors.Join(err, lock.Unlock())
	}
	entry.lock = lock
	_ = lock.Touch(time.Now()) // the order of eviction only
	return entry, state, nil
}

// claim takes the exclusive lock to fill. Between the two locks somebody else may
// have filled the entry; then it returns nothing.
func (c *Cache) claim(ctx context.Context, id string, seen state) (*Fill, error) {
	lock, err := filelock.Try(c.lockFile(id))
	if errors.Is(err, filelock.ErrHeld) && seen == isDamaged {
		return nil, ErrDamagedInUse
	}
	if err != nil {
		return nil, c.explainLock(id, err)
	}
	entry, state, err := c.inspect(ctx, id)
	if entry == nil && err == nil {
		if err = c.prepare(id, state); err == nil {
			return &Fill{Data: filepath.Join(c.partial(id), "data"), cache: c, id: id, lock: lock}, nil
		}
	}
	return nil, errors.Join(err, lock.Unlock())
}

func (c *Cache) explainLock(id string, err error) error {
	if errors.Is(err, filelock.ErrHeld) {
		return ErrBusy
	}
	return tree.Explain(c.lockFile(id), err)
}

// prepare makes a partial entry of what is damaged: a fill finds and replaces what
// is wrong.
func (c *Cache) prepare(id string, was state) error {
	partial := c.partial(id)
	if info, err := os.Lstat(partial); err == nil && !info.IsDir() { // a link would lead the fill elsewhere
		if err := os.Remove(partial); err != nil {
			return tree.Explain(partial, err)
		}
	}
	if was == isDamaged {
		c.log().Warn("a cached dataset is damaged and is fetched again where it is", "entry", c.path(id))
		if err := errors.Join(removeAll(partial), os.Rename(c.path(id), partial)); err != nil {
			return tree.Explain(partial, err)
		}
	}
	return tree.Explain(partial, unseal(filepath.Join(partial, "data")))
}

// Commit makes what was filled the entry and takes it into use. After ErrForeign
// the Fill goes on, after every other error it has ended; ErrBusy means that the
// entry was made and somebody was quicker to take it away.
func (f *Fill) Commit(ctx context.Context, contents Contents) (*Entry, error) {
	times, files, err := folders(f.Data)
	if err == nil && files != contents.Files {
		if !f.cleared {
			f.cleared = true
			if err = removeAll(f.Data); err == nil {
				return nil, ErrForeign
			}
		} else {
			err = fmt.Errorf("%d files were written and %d are there", contents.Files, files)
		}
	}
	if err == nil {
		err = f.cache.promote(f.id, contents, times)
	}
	if err := errors.Join(err, f.lock.Unlock()); err != nil {
		return nil, tree.Explain(f.Data, err)
	}
	entry, _, err := f.cache.share(ctx, f.id)
	if entry == nil && err == nil {
		err = ErrBusy
	}
	if err != nil {
		return nil, err
	}
	entry.Fresh = true
	return entry, nil
}

// Abort gives the right to fill up.
func (f *Fill) Abort() error { return f.lock.Unlock() }

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
