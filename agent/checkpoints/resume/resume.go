// Package resume brings back the newest checkpoint that an earlier run of the same
// job left in the bucket. It promises the bytes that the manifest names, by their
// SHA-256, or the next best checkpoint; and that a store which cannot be read is never
// taken for a job without one.
package resume

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/manifest"
	"github.com/vision-platform/trainer-agent/contract"
)

// Store is the bucket as it is read here. Errors wrap fs.ErrNotExist for an object
// that is not there.
type Store interface {
	Stat(ctx context.Context, key string) (contract.ObjectInfo, error)
	Get(ctx context.Context, key string, offset, length int64, etag string) (io.ReadCloser, contract.ObjectInfo, error)
	URI(key string) string
}

// Options say which job starts again and where its checkpoint goes.
type Options struct {
	JobID string
	Store Store
	Dir   string // made when it is missing; should lie outside OUTPUT_DIR
}

// Resumed is the checkpoint that an earlier run of the same job left.
type Resumed struct {
	Path     string                  // RESUME_CHECKPOINT: a file, or a folder for Hugging Face
	Name     string                  // in the bucket: "last.pt"
	URI      string                  //
	Epoch    int                     // completed epochs that it holds; 0 when it is not known
	Bytes    int64                   //
	History  []contract.EpochMetrics // reported up to Epoch, ascending
	Manifest contract.Manifest       // as it was found
	Skipped  []string                // checkpoints that came first and were not usable, and why
}

// Find fetches the newest checkpoint that the job's manifest names and whose
// SHA-256 is right. It returns nil without an error when the job has none: then
// it starts from the beginning. An error means that the store could not be read,
// which is not the same: starting over would throw epochs away.
func Find(ctx context.Context, opt Options) (*Resumed, error) {
	if opt.JobID == "" || opt.Store == nil || opt.Dir == "" {
		return nil, errors.New("resume: JobID, Store and Dir are required")
	}
	m, err := manifest.Read(ctx, opt.Store, opt.JobID)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil && manifest.Unreadable(err) {
		return &Resumed{Skipped: []string{err.Error()}}, nil
	}
	if err != nil {
		return nil, err
	}
	found := &Resumed{Manifest: m}
	for _, e := range manifest.LedgerOf(m).Resumable() {
		err := fetchEntry(ctx, opt, e)
		if err == nil {
			found.take(opt, e)
			return found, nil
		}
		if !unusable(err) {
			return nil, fmt.Errorf("fetching the checkpoint %s to resume from: %w", e.Name, err)
		}
		found.Skipped = append(found.Skipped, fmt.Sprintf("%s: %v", e.Name, err))
	}
	return found, nil
}

// Found reports whether there is a checkpoint to go on from.
func (r *Resumed) Found() bool { return r != nil && r.Path != "" }

func (r *Resumed) take(opt Options, e *manifest.Entry) {
	r.Path = filepath.Join(opt.Dir, filepath.FromSlash(e.Name))
	r.Name, r.URI = e.Name, e.URI(opt.Store.URI, contract.CheckpointPrefix(opt.JobID))
	r.Epoch, r.Bytes = e.Epoch(), e.Size()
	for _, h := range r.Manifest.History {
		if r.Epoch == 0 || h.Epoch <= r.Epoch {
			r.History = append(r.History, h)
		}
	}
}

// errDamaged: the object is not what the manifest says.
var errDamaged = errors.New("the object is not what the manifest says")

// unusable reports whether another checkpoint may serve where this one does not.
func unusable(err error) bool {
	return errors.Is(err, errDamaged) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, contract.ErrObjectChanged)
}

func fetchEntry(ctx context.Context, opt Options, e *manifest.Entry) error {
	if err := os.MkdirAll(opt.Dir, 0o755); err != nil {
		return fmt.Errorf("making the folder for the checkpoint: %w", err)
	}
	root, err := os.OpenRoot(opt.Dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if e.Folder { // nothing of an older version may stay in it
		if err := root.RemoveAll(e.Name); err != nil {
			return err
		}
	}
	for _, f := range e.Files {
		if !strings.HasPrefix(f.Name, e.Name) {
			return fmt.Errorf("%w: %s is not part of %s", errDamaged, f.Name, e.Name)
		}
		if err := fetchFile(ctx, opt, root, f); err != nil {
			return err
		}
	}
	return nil
}
