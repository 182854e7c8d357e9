// Package cache keeps unpacked datasets and pretrained weights in a folder that
// the jobs of one node share at the same time.
//
// It promises that an entry is complete or absent but never half, that one
// process fills it while the others wait, that an entry in use is never removed
// or changed, that what a crash of the machine or a careless hand damaged is
// found and mended before anyone gets it, and that a whole entry costs a few
// system calls. It leaves what is in an entry, and how to fetch it, to the
// caller.
//
// Layout, for an entry named id:
//
//	id/data/…        the dataset, files 0444
//	id/entry.json    what it is and the modification times of its folders
//	id/index         CRC-32, size and path of every file
//	id/boot-…        checked since the machine with this boot id started
//	id.partial/      the same, being filled; renamed when complete
//	id.lock          flock: exclusive to fill or remove, shared while in use;
//	                 its modification time is the last use
//	id.trash-…       being removed
//
// A kernel that keeps running keeps its page cache, so a killed process leaves
// whole files and no sync is needed. After a power failure the boot id differs,
// and every byte is checked once.
package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/vision-platform/trainer-agent/agent/dataset/tree"
	"github.com/vision-platform/trainer-agent/agent/internal/filelock"
)

// ErrDamagedInUse means that an entry is damaged, and cannot be mended because
// other jobs are using it. The caller fetches into a folder of its own.
var ErrDamagedInUse = errors.New("the cached dataset is damaged and in use by another job")

// Cache is a folder of entries.
type Cache struct {
	Dir      string
	MaxBytes int64         // of all entries; 0 = no limit
	Sealed   bool          // folders are made read-only too, for a cache that others use
	BootID   string        // of this machine's kernel; empty means: check every time
	Poll     time.Duration // between two looks at a lock, default 200 ms
	Log      *slog.Logger
}

// Contents is what a fill put into an entry.
type Contents struct {
	Source string // the address, for people
	Bytes  int64
	Files  int64
	// Each calls its argument for every file.
	Each func(func(path string, size int64, crc uint32) error) error
}

// Entry is a complete dataset in use. Close it when the job ends.
type Entry struct {
	Dir   string // the data folder
	Bytes int64
	Files int64
	Fresh bool // filled by this call

	lock *filelock.Lock
}

// Close ends the use. The entry may be removed from then on.
func (e *Entry) Close() error {
	if e == nil || e.lock == nil {
		return nil
	}
	lock := e.lock
	e.lock = nil
	return lock.Unlock()
}

// record is entry.json.
type record struct {
	Source  string           `json:"source"`
	Bytes   int64            `json:"bytes"`
	Files   int64            `json:"files"`
	Created time.Time        `json:"created"`
	Folders map[string]int64 `json:"folders"` // path → mtime in nanoseconds
}

const idLen = 32

const maxRecord = 1 << 30 // bytes of entry.json, which names every folder

// openRegular opens a file of the cache. A training process that could write here may
// have left a pipe in its place, which would hold whoever opens it.
func openRegular(path string) (*os.File, error) {
	in, err := os.OpenFile(filepath.Clean(path), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := in.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("%s is no regular file", path), err, in.Close())
	}
	return in, nil
}

// ID makes an entry's name of what identifies its content: address and version.
func ID(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:idLen/2])
}

func (c *Cache) path(id string) string    { return filepath.Join(c.Dir, id) }
func (c *Cache) partial(id string) string { return filepath.Join(c.Dir, id+".partial") }
func (c *Cache) lockFile(id string) string {
	return filepath.Join(c.Dir, id+".lock")
}

// ProgressFile is where the process that fills an entry may leave its progress
// for those who wait. It vanishes when the entry is complete.
func (c *Cache) ProgressFile(id string) string { return filepath.Join(c.partial(id), "progress.json") }

func readRecord(dir string) (record, error) {
	var r record
	in, err := openRegular(filepath.Join(dir, "entry.json"))
	if err != nil {
		return r, err
	}
	b, err := io.ReadAll(io.LimitReader(in, maxRecord))
	if err := errors.Join(err, in.Close()); err != nil {
		return r, err
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("reading %s: %w", dir, err)
	}
	return r, nil
}

func (c *Cache) log() *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log
}

func (c *Cache) makeDir() error {
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return tree.Explain(c.Dir, err)
	}
	return nil
}

// folders reads the modification times of all folders below data.
func folders(data string) (map[string]int64, int64, error) {
	times, files := map[string]int64{}, int64(0)
	err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() {
			files++
			return nil
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(data, path)
		times[rel] = fi.ModTime().UnixNano()
		return err
	})
	return times, files, err
}
