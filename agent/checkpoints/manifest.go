package checkpoints

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

const (
	manifestTries = "manifest.json" // where tries keeps the manifest's own failures
	maxManifest   = 32 << 20        // bytes read of one
)

type loadedManifest struct{ manifest contract.Manifest }

type writtenManifest struct{ deleted []string }

// readManifest fetches a job's manifest. The error wraps fs.ErrNotExist when the
// job has none.
func readManifest(ctx context.Context, s store, job string) (contract.Manifest, error) {
	var m contract.Manifest
	body, _, err := s.Get(ctx, contract.ManifestKey(job), 0, -1, "")
	if err != nil {
		return m, fmt.Errorf("reading the manifest: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(body, maxManifest))
	if err := errors.Join(err, body.Close()); err != nil {
		return m, fmt.Errorf("reading the manifest: %w", err)
	}
	return m, parseManifest(data, &m)
}

// errManifest: the bytes are no manifest; reading them again will not help.
var errManifest = errors.New("the manifest is not readable")

func parseManifest(data []byte, m *contract.Manifest) error {
	if err := json.Unmarshal(data, m); err != nil {
		return fmt.Errorf("%w: %w", errManifest, err)
	}
	return nil
}

// startLoading reads what an earlier run of the job left, so that its
// checkpoints stay in the manifest. Until that is known nothing is uploaded:
// a store that cannot be read cannot be written either.
func (w *Watcher) startLoading(now time.Time) {
	if w.opt.Fresh {
		w.loaded = true
		return
	}
	if t := w.tries[manifestTries]; w.loading || t != nil && now.Before(t.notBefore) {
		return
	}
	w.loading = true
	go func() {
		m, err := readManifest(w.manifests, w.opt.Store, w.opt.JobID)
		if errors.Is(err, fs.ErrNotExist) {
			m, err = contract.Manifest{}, nil
		}
		w.results <- result{loaded: &loadedManifest{m}, err: err}
	}()
}

func (w *Watcher) takeManifest(l loadedManifest, err error) {
	w.loading = false
	if err != nil && !unreadable(err) {
		w.manifestFailed(err)
		return
	}
	if err != nil {
		w.opt.Log.Warn("the manifest of an earlier run cannot be read and will be written anew", "error", err)
		l.manifest = contract.Manifest{}
	}
	w.loaded = true
	delete(w.tries, manifestTries)
	w.ledger = ledgerOf(l.manifest)
	w.mu.Lock()
	w.history.restore(l.manifest.History)
	w.mu.Unlock()
}

// unreadable reports whether a manifest will never be read: it is damaged, or
// the credentials may only write. S3 also answers "forbidden" to a read of an
// absent object when the listing of the bucket is not allowed.
func unreadable(err error) bool {
	failure, ok := errors.AsType[*contract.Failure](err)
	return errors.Is(err, errManifest) || ok && failure.Code == contract.CodeStorageForbidden
}

func (w *Watcher) manifestFailed(err error) {
	t := w.tries[manifestTries]
	if t == nil {
		t = &try{}
		w.tries[manifestTries] = t
	}
	t.failures++
	t.err, t.notBefore = err, retryAt(w.opt.Now(), t.failures)
	w.opt.Log.Warn("the manifest of the checkpoints cannot be reached; trying again", "try", t.failures, "error", err)
	w.reportFailure(t, manifestTries)
}

// startWriting puts the manifest when the ledger has moved on, one at a time,
// and then deletes what the new manifest no longer names: a reader who finds a
// name finds the object.
func (w *Watcher) startWriting(now time.Time) {
	t := w.tries[manifestTries]
	if !w.dirty || w.writing || t != nil && now.Before(t.notBefore) {
		return
	}
	w.mu.Lock()
	data, err := json.MarshalIndent(w.ledger.manifest(w.opt.JobID, &w.history, now), "", "  ")
	w.mu.Unlock()
	if err != nil {
		w.manifestFailed(err)
		return
	}
	w.dirty, w.writing = false, true
	obsolete := slices.Clone(w.obsolete)
	go func() {
		_, err := w.opt.Store.Put(w.manifests, contract.ManifestKey(w.opt.JobID), bytes.NewReader(data), int64(len(data)), nil)
		var deleted []string
		for _, key := range obsolete {
			if err == nil && w.opt.Store.Delete(w.manifests, key) == nil {
				deleted = append(deleted, key)
			}
		}
		w.results <- result{written: &writtenManifest{deleted}, err: err}
	}()
}

func (w *Watcher) takeWritten(m writtenManifest, err error) {
	w.writing = false
	if err != nil {
		w.dirty = true
		w.manifestFailed(err)
		return
	}
	delete(w.tries, manifestTries)
	w.obsolete = slices.DeleteFunc(w.obsolete, func(key string) bool { return slices.Contains(m.deleted, key) })
}

// prune takes the epochs out of the ledger that nobody keeps: above Keep the
// oldest, and those that went up only for last or best to be copied from. It
// touches only what this job's manifest names.
func (w *Watcher) prune() {
	oldest := oldestKept(w.opt.Keep, w.ledger.admitted())
	for _, e := range w.ledger.entries {
		if e.staged && !w.wanted(e.name) || !e.staged && e.role == roleEpoch && e.epoch() < oldest {
			w.drop(e)
		}
	}
}

func (w *Watcher) wanted(name string) bool {
	return slices.ContainsFunc(w.wants, func(want want) bool { return want.name == name })
}

func (w *Watcher) drop(e *entry) {
	delete(w.ledger.entries, e.name)
	for _, f := range e.files {
		w.obsolete = append(w.obsolete, w.key(f.Name))
	}
	w.dirty = true
}
