package checkpoints

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// result is what a worker brings back to the loop: of an upload, of the first
// reading of the manifest, or of a writing of it.
type result struct {
	task    *task
	files   []contract.ManifestFile
	err     error
	loaded  *loadedManifest
	written *writtenManifest
}

// startDue starts what may start now: the manifest of an earlier run first, then
// uploads by priority, and the manifest whenever the ledger has moved on.
func (w *Watcher) startDue(now time.Time) {
	if !w.loaded {
		w.startLoading(now)
	}
	if !w.loaded {
		return
	}
	for _, want := range w.wants {
		if len(w.busy) >= w.opt.Concurrency {
			break
		}
		if w.due(want, now) {
			w.start(want)
		}
	}
	w.startWriting(now)
}

func (w *Watcher) satisfied(want want) bool {
	e := w.ledger.entries[want.name]
	return e != nil && e.stamp == want.stamp && (e.staged == want.staged || want.staged)
}

func (w *Watcher) due(want want, now time.Time) bool {
	if w.satisfied(want) || w.busy[want.name] != nil {
		return false
	}
	if t := w.tries[want.name]; t != nil && now.Before(t.notBefore) {
		return false
	}
	if first := w.ledger.entries[want.after]; want.after != "" && (first == nil || first.stamp != want.stamp) {
		return false
	}
	return !w.conflicts(want)
}

// twinBytes is the size from which it pays to wait whether an upload under way
// turns out to have the same content.
const twinBytes = 1 << 20

// conflicts reports whether an upload under way stands in the way: one of the
// same size may be this content already (last and best of one epoch), and one
// that may copy from this name must not see it change.
func (w *Watcher) conflicts(want want) bool {
	for _, t := range w.busy {
		if t.want.source.size == want.source.size && want.source.size >= twinBytes {
			return true
		}
		for _, twin := range t.twins {
			if name, _ := entryOf(w.ledger, twin.Name); name == want.name {
				return true
			}
		}
	}
	return false
}

// entryOf finds which entry of the ledger a manifest's name belongs to.
func entryOf(l *ledger, file string) (string, bool) {
	for name, e := range l.entries {
		if file == name || e.folder && path.Dir(file) != "." && len(file) > len(name) && file[:len(name)+1] == name+"/" {
			return name, true
		}
	}
	return "", false
}

func (w *Watcher) start(want want) {
	t := &task{want: want, held: map[string]heldObject{}, partial: map[string]partial{}}
	if tried := w.tries[want.name]; tried != nil {
		t.private = tried.changes >= changesCopy
		maps.Copy(t.partial, tried.partial)
	}
	sizes := map[int64]bool{}
	for _, f := range want.source.files {
		sizes[f.version.size] = true
	}
	for name, e := range w.ledger.entries {
		for _, f := range e.files {
			if name == want.name {
				t.held[f.Name] = heldObject{f.SizeBytes, f.SHA256}
			} else if sizes[f.SizeBytes] && w.busy[name] == nil {
				t.twins = append(t.twins, f)
			}
		}
	}
	t.meter = &meter{all: w.totals, name: want.name, total: want.source.size}
	ctx, cancel := context.WithCancelCause(w.workers)
	t.cancel = cancel
	w.busy[want.name] = t
	go func() {
		files, err := w.uploader.upload(ctx, t)
		if cause := context.Cause(ctx); err != nil && cause != nil {
			err = errors.Join(cause, err)
		}
		cancel(nil)
		w.results <- result{task: t, files: files, err: err}
	}()
}

// takeUpload books what an upload came to.
func (w *Watcher) takeUpload(r result) {
	t, name := r.task, r.task.want.name
	delete(w.busy, name)
	if r.err != nil {
		w.takeFailure(t, r.err)
		return
	}
	delete(w.tries, name)
	w.uploaded(t.want.source)
	before := w.ledger.gather(name, t.want.source.folder)
	e := &entry{
		name: name, stamp: t.want.stamp, role: roleOfWant(t.want), folder: t.want.source.folder,
		staged: t.want.staged, files: w.attach(t.want, r.files, before),
	}
	w.ledger.entries[name] = e
	w.dirty = true
	w.dropObsolete(before, e)
	w.prune()
	if e.role != roleResult && !e.staged {
		w.announce(e)
	}
}

// uploaded counts what is up.
func (w *Watcher) uploaded(s source) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state.doneBytes += s.size
	w.state.doneFiles++
	var written int64
	for _, f := range s.files {
		written = max(written, f.version.mtime)
	}
	w.state.last = w.opt.Now()
	w.state.lag = max(0, w.state.last.Sub(time.Unix(0, written)))
}

// roleOfWant is what the name means, which is not what the file's own name says
// where last is made from the newest epoch.
func roleOfWant(want want) role {
	if want.source.role == roleResult {
		return roleResult
	}
	return roleOfName(want.name)
}

func (w *Watcher) takeFailure(t *task, err error) {
	name := t.want.name
	tried := w.tries[name]
	if tried == nil {
		tried = &try{}
		w.tries[name] = tried
	}
	tried.err, tried.partial = err, t.partial
	if changed(err) {
		tried.changes++
		w.opt.Log.Debug("a checkpoint changed while it was uploaded; starting over", "name", name, "error", err)
		return
	}
	w.mu.Lock()
	w.state.failures++
	w.mu.Unlock()
	tried.failures++
	tried.notBefore = retryAt(w.opt.Now(), tried.failures)
	w.opt.Log.Warn("a checkpoint could not be uploaded; trying again", "name", name, "try", tried.failures, "error", err)
	w.reportFailure(tried, name)
}

// reportFailure raises the event once until the name is up.
func (w *Watcher) reportFailure(t *try, name string) {
	if t.reported {
		return
	}
	t.reported = true
	w.event(contract.EventCheckpointUploadFailed,
		fmt.Sprintf("Uploading %s failed; it is tried again until the job ends: %v", name, t.err),
		contract.ManifestFailed{Name: name, Reason: t.err.Error()})
}

// dropPartial gives up the folders that are not wanted any more, such as one
// that the Trainer rotated away while it was uploaded: what is up of them goes.
func (w *Watcher) dropPartial() {
	for name, t := range w.tries {
		if len(t.partial) == 0 || w.busy[name] != nil || w.wanted(name) {
			continue
		}
		held := map[string]bool{}
		if e := w.ledger.entries[name]; e != nil {
			for _, f := range e.files {
				held[f.Name] = true
			}
		}
		for file := range t.partial {
			if !held[file] {
				w.obsolete = append(w.obsolete, w.key(file))
			}
		}
		w.dirty = true
		delete(w.tries, name)
	}
}

// dropObsolete marks the files of a folder that its new version does not have.
func (w *Watcher) dropObsolete(before, now *entry) {
	if before == nil {
		return
	}
	kept := map[string]bool{}
	for _, f := range now.files {
		kept[f.Name] = true
	}
	for _, f := range before.files {
		if !kept[f.Name] {
			w.obsolete = append(w.obsolete, w.key(f.Name))
		}
	}
}
