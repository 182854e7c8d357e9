package checkpoints

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// attach gives the files of an upload their epoch and its metrics.
func (w *Watcher) attach(t want, files []contract.ManifestFile, before *entry) []contract.ManifestFile {
	w.mu.Lock()
	defer w.mu.Unlock()
	epoch := w.epochOf(t, files, before)
	for i := range files {
		files[i].Epoch = epoch
		files[i].Metrics = w.history.metrics(epoch)
	}
	return files
}

// epochOf finds which epoch a checkpoint holds: from its name, from what is
// inside, from an equal object, and last from the report nearest in time.
func (w *Watcher) epochOf(t want, files []contract.ManifestFile, before *entry) int {
	src := t.source
	if src.role == roleEpoch || src.role == roleResult {
		return src.epoch
	}
	inside := files[0].Epoch
	if inside > 0 {
		return inside
	}
	if src.role != roleBest && src.role != roleLast {
		return 0
	}
	if inside == stripped {
		return w.epochOfStripped(src.role, before)
	}
	if epoch := w.ledger.epochOfContent(files[0].SHA256, files[0].Name); epoch > 0 {
		return epoch
	}
	return w.history.nearest(time.Unix(0, src.mtime()))
}

// epochOfStripped is the epoch of a model that was made from a file of its name
// by dropping the optimiser, and its epoch with that: of the one that is up, or
// of a later one that nobody saw in between, as the reports say.
func (w *Watcher) epochOfStripped(r role, before *entry) int {
	known := 0
	if before != nil {
		known = before.epoch()
	}
	if r == roleBest {
		return max(known, w.history.best())
	}
	known = max(known, w.history.newest())
	for _, n := range w.ledger.admitted() {
		known = max(known, n)
	}
	return known
}

// metricsMissing fills in the metrics that are known by now (some trainers save
// first and report then), and reports whether there were any.
func (w *Watcher) metricsMissing() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	missing := false
	for _, e := range w.ledger.entries {
		for i, f := range e.files {
			if f.Metrics != nil || f.Epoch == 0 {
				continue
			}
			e.files[i].Metrics = w.history.metrics(f.Epoch)
			missing = missing || e.files[i].Metrics != nil
		}
	}
	return missing
}

// announce raises checkpoint_saved.
func (w *Watcher) announce(e *entry) {
	w.mu.Lock()
	best := w.history.best()
	w.mu.Unlock()
	data := contract.CheckpointSaved{
		CheckpointPath: e.uri(w.opt.Store, contract.CheckpointPrefix(w.opt.JobID)),
		Epoch:          e.epoch(), Metrics: e.files[0].Metrics,
		IsBest:    e.role == roleBest || best > 0 && best == e.epoch(),
		SizeBytes: e.size(), SHA256: e.digest(),
	}
	message := fmt.Sprintf("Saved %s", e.name)
	if data.Epoch > 0 {
		message = fmt.Sprintf("Saved %s at epoch %d", e.name, data.Epoch)
	}
	w.opt.Log.Debug("checkpoint saved", "name", e.name, "epoch", data.Epoch, "bytes", data.SizeBytes, "path", data.CheckpointPath)
	w.event(contract.EventCheckpointSaved, message, data)
}

// digest is the SHA-256 of a file; of a folder, that of the lines
// "sha256  name" of its files, as sha256sum prints them.
func (e *entry) digest() string {
	if !e.folder {
		return e.files[0].SHA256
	}
	sum := sha256.New()
	for _, f := range e.files {
		_, _ = fmt.Fprintf(sum, "%s  %s\n", f.SHA256, f.Name)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
