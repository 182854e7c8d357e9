package checkpoints

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

// ResumeOptions say which job starts again and where its checkpoint goes.
type ResumeOptions struct {
	JobID string
	Store store
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

// Resume fetches the newest checkpoint that the job's manifest names and whose
// SHA-256 is right. It returns nil without an error when the job has none: then
// it starts from the beginning. An error means that the store could not be read,
// which is not the same: starting over would throw epochs away.
func Resume(ctx context.Context, opt ResumeOptions) (*Resumed, error) {
	if opt.JobID == "" || opt.Store == nil || opt.Dir == "" {
		return nil, errors.New("checkpoints: JobID, Store and Dir are required to resume")
	}
	m, err := readManifest(ctx, opt.Store, opt.JobID)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil && unreadable(err) {
		return &Resumed{Skipped: []string{err.Error()}}, nil
	}
	if err != nil {
		return nil, err
	}
	found := &Resumed{Manifest: m}
	for _, e := range candidates(ledgerOf(m)) {
		err := fetchEntry(ctx, opt, e)
		if err == nil {
			found.take(opt, e)
			return found, nil
		}
		if !unusable(err) {
			return nil, fmt.Errorf("fetching the checkpoint %s to resume from: %w", e.name, err)
		}
		found.Skipped = append(found.Skipped, fmt.Sprintf("%s: %v", e.name, err))
	}
	return found, nil
}

// Found reports whether there is a checkpoint to go on from.
func (r *Resumed) Found() bool { return r != nil && r.Path != "" }

func (r *Resumed) take(opt ResumeOptions, e *entry) {
	r.Path = filepath.Join(opt.Dir, filepath.FromSlash(e.name))
	r.Name, r.URI = e.name, e.uri(opt.Store, contract.CheckpointPrefix(opt.JobID))
	r.Epoch, r.Bytes = e.epoch(), e.size()
	for _, h := range r.Manifest.History {
		if r.Epoch == 0 || h.Epoch <= r.Epoch {
			r.History = append(r.History, h)
		}
	}
}

// candidates are the checkpoints from which training can go on: of the highest
// epoch first, and of one epoch `last` before `epoch-n` before `best`, which may
// be a model without its optimiser. A `last` of unknown epoch is taken as newest.
func candidates(l *ledger) []*entry {
	var found []*entry
	for _, e := range l.entries {
		if e.role != roleOther && e.role != roleResult && resumable(e.name) {
			found = append(found, e)
		}
	}
	age := func(e *entry) int {
		if e.role == roleLast && e.epoch() == 0 {
			return math.MaxInt
		}
		return e.epoch()
	}
	rank := map[role]int{roleLast: 0, roleEpoch: 1, roleBest: 2}
	slices.SortFunc(found, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(age(b), age(a)), cmp.Compare(rank[a.role], rank[b.role]),
			b.time().Compare(a.time()), cmp.Compare(a.name, b.name))
	})
	return found
}

// errDamaged: the object is not what the manifest says.
var errDamaged = errors.New("the object is not what the manifest says")

// unusable reports whether another checkpoint may serve where this one does not.
func unusable(err error) bool {
	return errors.Is(err, errDamaged) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, contract.ErrObjectChanged)
}

func fetchEntry(ctx context.Context, opt ResumeOptions, e *entry) error {
	if err := os.MkdirAll(opt.Dir, 0o755); err != nil {
		return fmt.Errorf("making the folder for the checkpoint: %w", err)
	}
	root, err := os.OpenRoot(opt.Dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if e.folder { // nothing of an older version may stay in it
		if err := root.RemoveAll(e.name); err != nil {
			return err
		}
	}
	for _, f := range e.files {
		if !strings.HasPrefix(f.Name, e.name) {
			return fmt.Errorf("%w: %s is not part of %s", errDamaged, f.Name, e.name)
		}
		if err := fetchFile(ctx, opt, root, f); err != nil {
			return err
		}
	}
	return nil
}
