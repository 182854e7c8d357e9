package scan

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/fsnotify/fsnotify"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/naming"
)

// maxWatches bounds the directories that are watched; the scan sees the others.
const maxWatches = 2000

// Hints say that something below OUTPUT_DIR may have changed. They only make the
// next look come sooner: a lost event, a full queue, a file system without
// inotify cost time and nothing else. Its zero value never hints.
type Hints struct {
	watcher *fsnotify.Watcher
	dir     string
	watched map[string]bool // by path relative to dir
}

// NewHints watches below dir. An error means that there is no inotify: the Hints
// are good then, and never hint.
func NewHints(dir string) (*Hints, error) {
	h := &Hints{dir: dir, watched: map[string]bool{}}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return h, fmt.Errorf("watching OUTPUT_DIR: %w", err)
	}
	h.watcher = watcher
	return h, nil
}

// Follow watches every directory of the latest view, and forgets those gone. It
// reports whether any is new: what was written into it between the look and the
// watch gave no event.
func (h *Hints) Follow(dirs []string) (added bool) {
	if h.watcher == nil {
		return false
	}
	there := make(map[string]bool, len(dirs))
	for _, d := range dirs {
		there[d] = true
		if h.watched[d] || len(h.watched) >= maxWatches {
			continue
		}
		if h.watcher.Add(filepath.Join(h.dir, d)) == nil {
			h.watched[d] = true
			added = true
		}
	}
	for d := range h.watched {
		if !there[d] {
			delete(h.watched, d) // the kernel dropped the watch with the directory
		}
	}
	return added
}

// Events of the watched directories; nil without inotify.
func (h *Hints) Events() <-chan fsnotify.Event {
	if h.watcher == nil {
		return nil
	}
	return h.watcher.Events
}

// Errors of the watch.
func (h *Hints) Errors() <-chan error {
	if h.watcher == nil {
		return nil
	}
	return h.watcher.Errors
}

// Matters tells the events that may be about a checkpoint from the flood of a
// script that writes ten thousand pictures.
func (h *Hints) Matters(e fsnotify.Event) bool {
	rel, err := filepath.Rel(h.dir, e.Name)
	if err != nil {
		return true
	}
	if _, model := naming.File(filepath.ToSlash(rel)); model || folderMark(filepath.Base(rel)) {
		return true
	}
	if !e.Has(fsnotify.Create) {
		return false
	}
	info, err := os.Lstat(e.Name)
	return err == nil && info.IsDir()
}

// Lost reports whether an error means that events were dropped.
func Lost(err error) bool { return errors.Is(err, fsnotify.ErrEventOverflow) }

// Close ends the watch.
func (h *Hints) Close() {
	if h.watcher != nil {
		_ = h.watcher.Close()
	}
}
