package checkpoints

import (
	"fmt"
	"log/slog"
	"slices"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/manifest"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/naming"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/scan"
	"github.com/vision-platform/trainer-agent/contract"
)

// reports tells the backend and the log what became of checkpoints.
type reports struct {
	log    *slog.Logger
	event  func(eventType contract.EventType, message string, data any)
	warned map[string]bool
	faults []scan.Fault // a few
}

// saved raises checkpoint_saved.
func (r *reports) saved(e *manifest.Entry, uri string, bestEpoch int) {
	data := contract.CheckpointSaved{
		CheckpointPath: uri, Epoch: e.Epoch(), Metrics: e.Files[0].Metrics,
		IsBest:    e.Role == naming.Best || bestEpoch > 0 && bestEpoch == e.Epoch(),
		SizeBytes: e.Size(), SHA256: e.Digest(),
	}
	message := fmt.Sprintf("Saved %s", e.Name)
	if data.Epoch > 0 {
		message = fmt.Sprintf("Saved %s at epoch %d", e.Name, data.Epoch)
	}
	r.log.Debug("checkpoint saved", "name", e.Name, "epoch", data.Epoch, "bytes", data.SizeBytes, "path", data.CheckpointPath)
	r.event(contract.EventCheckpointSaved, message, data)
}

// failed raises checkpoint_upload_failed, once until the name is up.
func (r *reports) failed(name string, t *retry) {
	if t.reported {
		return
	}
	t.reported = true
	r.event(contract.EventCheckpointUploadFailed,
		fmt.Sprintf("Uploading %s failed; it is tried again until the job ends: %v", name, t.err),
		contract.ManifestFailed{Name: name, Reason: t.err.Error()})
}

// warn logs once a kind.
func (r *reports) warn(kind, message string, args ...any) {
	if !r.warned[kind] {
		r.warned[kind] = true
		r.log.Warn(message, args...)
	}
}

// fault says once of a file or folder that a bug of ours keeps it from being looked at.
func (r *reports) fault(f scan.Fault) {
	const most = 8
	if len(r.faults) == most || slices.ContainsFunc(r.faults, func(known scan.Fault) bool { return known.Rel == f.Rel }) {
		return
	}
	r.faults = append(r.faults, f)
	r.log.Error("the agent has a bug: it panicked over a file or folder and goes on without it", "path", f.Rel, "panic", f.Err, "stack", string(f.Err.Stack))
}
