package checkpoints

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
)

// maxWatches bounds the directories that are watched; the scan sees the others.
const maxWatches = 2000

// hints say that something below OUTPUT_DIR may have changed. They only make the
// next look come sooner: a lost event, a full queue, a file system without
// inotify cost time and nothing else. Its zero value never hints.
type hints struct {
	watcher *fsnotify.Watcher
	dir     string
	watched map[string]bool // by path relative to dir
}

func newHints(opt Options) *hints {
	h := &hints{dir: opt.Dir, watched: map[string]bool{}}
	if opt.ScanOnly {
		return h
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		opt.Log.Warn("no inotify: new checkpoints are found by looking every few seconds", "interval", opt.ScanInterval, "error", err)
		return h
	}
	h.watcher = watcher
	return h
}

// follow watches every directory of the latest view, and forgets those gone. It
// reports whether any is new: what was written into it between the look and the
// watch gave no event.
func (h *hints) follow(dirs []string) (added bool) {
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

func (h *hints) events() <-chan fsnotify.Event {
	if h.watcher == nil {
		return nil
	}
	return h.watcher.Events
}

func (h *hints) errors() <-chan error {
	if h.watcher == nil {
		return nil
	}
	return h.watcher.Errors
}

// matters tells the events that may be about a checkpoint from the flood of a
// script that writes ten thousand pictures.
func (h *hints) matters(e fsnotify.Event) bool {
	rel, err := filepath.Rel(h.dir, e.Name)
	if err != nil {
		return true
	}
	if _, model := identifyFile(filepath.ToSlash(rel)); model || folderMark(filepath.Base(rel)) {
		return true
	}
	if !e.Has(fsnotify.Create) {
		return false
	}
	info, err := os.Lstat(e.Name)
	return err == nil && info.IsDir()
}

// lost reports whether an error means that events were dropped.
func lost(err error) bool { return errors.Is(err, fsnotify.ErrEventOverflow) }

func (h *hints) close() {
	if h.watcher != nil {
		_ = h.watcher.Close()
	}
}
