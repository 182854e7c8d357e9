package cache

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/filelock"
)

// abandoned is how long a partial entry may lie before it counts as left behind.
const abandoned = 24 * time.Hour

// MakeRoom removes the least recently used entries until need more bytes fit
// under the limit. Entries in use, and keep, stay; the limit gives way to them.
func (c *Cache) MakeRoom(keep string, need int64) error {
	if c.MaxBytes <= 0 {
		return c.sweep(keep)
	}
	entries, err := c.entries()
	if err != nil {
		return err
	}
	total := need
	for _, e := range entries {
		total += e.bytes
	}
	for _, e := range entries {
		if total <= c.MaxBytes {
			break
		}
		if e.id != keep && c.remove(e.id, false) {
			c.log().Info("removed an entry of the cache to make room", "entry", c.path(e.id), "bytes", e.bytes)
			total -= e.bytes
		}
	}
	return c.sweep(keep)
}

// Free removes least recently used entries until about need bytes are freed,
// whatever the limit, and returns how many were.
func (c *Cache) Free(keep string, need int64) int64 {
	entries, err := c.entries()
	if err != nil {
		return 0
	}
	freed := int64(0)
	for _, e := range entries {
		if freed >= need {
			break
		}
		if e.id != keep && c.remove(e.id, false) {
			c.log().Info("removed an entry of the cache because the disk is nearly full", "entry", c.path(e.id), "bytes", e.bytes)
			freed += e.bytes
		}
	}
	return freed
}

// Only removes every entry but keep: a folder of one job holds one dataset.
func (c *Cache) Only(keep string) error {
	names, err := c.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		id, partial := strings.CutSuffix(name, ".partial")
		if id != keep && isID(id) {
			c.remove(id, partial)
		}
	}
	return c.sweep(keep)
}

// Discard removes an entry that is not what it should be, unless a job uses it.
func (c *Cache) Discard(id string) { c.remove(id, false) }

// isID tells entries from whatever else lies in the folder.
func isID(name string) bool {
	_, err := hex.DecodeString(name)
	return err == nil && len(name) == idLen
}

type entryUse struct {
	id    string
	bytes int64
	used  time.Time
}

// entries are the complete ones, least recently used first.
func (c *Cache) entries() ([]entryUse, error) {
	names, err := c.names()
	if err != nil {
		return nil, err
	}
	var all []entryUse
	for _, name := range names {
		id, isLock := strings.CutSuffix(name, ".lock")
		if !isLock {
			continue
		}
		r, err := readRecord(c.path(id))
		fi, statErr := os.Lstat(c.lockFile(id))
		if err == nil && statErr == nil {
			all = append(all, entryUse{id, r.Bytes, fi.ModTime()})
		}
	}
	slices.SortFunc(all, func(a, b entryUse) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.id, b.id)) })
	return all, nil
}

func (c *Cache) names() ([]string, error) {
	d, err := os.Open(c.Dir)
	if err != nil {
		return nil, err
	}
	names, err := d.Readdirnames(-1)
	return names, errors.Join(err, d.Close())
}

// sweep removes trash, and partial entries that nobody has touched for a day.
func (c *Cache) sweep(keep string) error {
	names, err := c.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.Contains(name, ".trash-") {
			_ = removeAll(c.path(name))
		}
		id, ok := strings.CutSuffix(name, ".partial")
		if fi, err := os.Lstat(c.path(name)); ok && err == nil && id != keep && time.Since(fi.ModTime()) > abandoned {
			c.remove(id, true)
		}
	}
	return nil
}

// remove takes an entry away under its exclusive lock, and reports whether it
// could: an entry in use stays.
func (c *Cache) remove(id string, partial bool) bool {
	lock, err := filelock.Try(c.lockFile(id))
	if err != nil {
		return false
	}
	defer func() { _ = lock.Unlock() }()
	from, trash := c.path(id), c.path(id+".trash-"+rand.Text())
	if partial {
		from = c.partial(id)
	}
	if err := os.Rename(from, trash); err != nil {
		return false
	}
	if err := removeAll(trash); err != nil {
		c.log().Warn("removing an entry of the cache", "error", err)
	}
	return true
}
