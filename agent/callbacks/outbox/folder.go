package outbox

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	storeName    = "queue" // a folder, see package spool
	slotName     = "final.slot"
	rejectedName = "rejected.jsonl"
)

// maxAside is how many files or folders of one name stay set aside.
const maxAside = 3

// A folder is where the outbox has its files, and what was set aside of them.
type folder struct {
	path     string
	log      *slog.Logger
	now      func() time.Time
	setAside []string // damaged files that are kept
}

func (f *folder) join(name string) string { return filepath.Join(f.path, name) }

// moveAside renames a file or folder to {stamp}.{name}.damaged, or the next such name
// that is free.
func (f *folder) moveAside(name string) (string, error) {
	stamp := f.now().UTC().Format("20060102T150405")
	for i := 0; ; i++ {
		aside := f.join(stamp + strings.Repeat("+", i) + "." + name + ".damaged")
		if _, err := os.Lstat(aside); err == nil {
			continue
		}
		if err := os.Rename(f.join(name), aside); err != nil {
			return "", fmt.Errorf("setting %s of the outbox aside: %w", name, err)
		}
		return aside, nil
	}
}

// moveRestAside keeps what else another job left from being taken for this one's.
func (f *folder) moveRestAside() (aside []string, err error) {
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return nil, fmt.Errorf("setting another job's outbox aside: %w", err)
	}
	for _, e := range entries {
		if e.Name() == slotName || e.Name() == rejectedName || strings.HasPrefix(e.Name(), keptPrefix) {
			path, err := f.moveAside(e.Name())
			if err != nil {
				return nil, err
			}
			aside = append(aside, path)
		}
	}
	return aside, nil
}

// removeOlder removes what was set aside under the same name before path, all but
// the newest: a disk that damages the store again and again must not fill up with
// it. path itself stays, whatever the clock did meanwhile.
func (f *folder) removeOlder(path string) {
	entries, err := os.ReadDir(f.path)
	if err != nil {
		f.log.Warn("what was set aside of the outbox cannot be listed", "error", err)
		return
	}
	made, name, _ := strings.Cut(filepath.Base(path), ".")
	var stamps []string
	for _, e := range entries {
		if stamp, of, _ := strings.Cut(e.Name(), "."); of == name && stamp != made {
			stamps = append(stamps, stamp)
		}
	}
	slices.Sort(stamps) // without the name, "+" sorts behind its stamp
	for _, stamp := range stamps[:max(0, len(stamps)-(maxAside-1))] {
		old := f.join(stamp + "." + name)
		if err := os.RemoveAll(old); err != nil {
			f.log.Warn("an old damaged file of the outbox could not be removed", "file", old, "error", err)
			continue
		}
		f.log.Warn("an old damaged file of the outbox was removed: the newest are kept", "file", old, "kept", maxAside)
		f.setAside = slices.DeleteFunc(f.setAside, func(path string) bool { return path == old })
	}
}

// finishReplacing completes a replacement of the store that a kill interrupted:
// without a store the new one is complete, beside a store it may not be.
func (f *folder) finishReplacing() error {
	path := f.join(storeName)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		if err := os.Rename(path+".new", path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("completing the outbox store: %w", err)
		}
	}
	return nil
}
