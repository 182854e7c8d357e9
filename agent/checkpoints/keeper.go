package checkpoints

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/manifest"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/naming"
	"github.com/vision-platform/trainer-agent/agent/internal/redact"
	"github.com/vision-platform/trainer-agent/agent/internal/stage"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

// keeper owns the manifest: it reads what an earlier run left, and writes it again
// whenever the ledger has moved on, one at a time, behind the files that it names.
type keeper struct {
	store  Store
	job    string
	ctx    context.Context // outlives the uploads' by a moment
	ledger *manifest.Ledger
	redact *redact.Redactor
	retry  retry

	loaded, loading bool
	dirty, writing  bool              // the manifest is behind the ledger; it is on its way
	unnamed         []*manifest.Entry // up, but no manifest names them yet
	obsolete        []string          // keys to delete once no manifest names them
}

// key is the object's key of a name below the checkpoint prefix, or of a
// validation result.
func key(job, name string) string {
	if rest, ok := cutResult(name); ok {
		return "validation-results/job-" + job + "/" + rest
	}
	return contract.CheckpointKey(job, name)
}

// due reports whether the store may be asked again.
func (k *keeper) due(now time.Time) bool { return !now.Before(k.retry.notBefore) }

// load reads what an earlier run of the job left, so that its checkpoints stay in the
// manifest. Until that is known nothing is uploaded: a store that cannot be read
// cannot be written either.
func (k *keeper) load(now time.Time, done func(contract.Manifest, error)) {
	if k.loaded || k.loading || !k.due(now) {
		return
	}
	k.loading = true
	crew.Go(func() {
		var m contract.Manifest
		err := stage.Guard(k.ctx, "reading the manifest", func(ctx context.Context) (err error) {
			m, err = manifest.Read(ctx, k.store, k.job)
			return err
		})
		if errors.Is(err, fs.ErrNotExist) {
			m, err = contract.Manifest{}, nil
		}
		done(m, err)
	})
}

func (k *keeper) take(m contract.Manifest) {
	k.loaded, k.retry = true, retry{}
	k.ledger = manifest.LedgerOf(m)
}

// write puts the manifest, and then deletes what it no longer names: a reader who
// finds a name finds the object.
func (k *keeper) write(now time.Time, epochs manifest.Epochs, done func(named int, deleted []string, err error)) error {
	if !k.loaded || !k.dirty || k.writing || !k.due(now) {
		return nil
	}
	data, err := json.MarshalIndent(k.ledger.Manifest(k.job, epochs, now), "", "  ")
	if err != nil {
		return err
	}
	data = k.redact.JSON(data)
	k.dirty, k.writing = false, true
	named, obsolete := len(k.unnamed), slices.Clone(k.obsolete)
	crew.Go(func() {
		var deleted []string
		err := stage.Guard(k.ctx, "writing the manifest", func(ctx context.Context) error {
			if _, err := k.store.Put(ctx, contract.ManifestKey(k.job), bytes.NewReader(data), int64(len(data)), nil); err != nil {
				return err
			}
			for _, key := range obsolete {
				if k.store.Delete(ctx, key) == nil {
					deleted = append(deleted, key)
				}
			}
			return nil
		})
		done(named, deleted, err)
	})
	return nil
}

// written notes that a manifest is up, and returns what it was the first to name.
func (k *keeper) written(named int, deleted []string) (news []*manifest.Entry) {
	k.writing, k.retry = false, retry{}
	news, k.unnamed = k.unnamed[:named], k.unnamed[named:]
	k.obsolete = slices.DeleteFunc(k.obsolete, func(key string) bool { return slices.Contains(deleted, key) })
	return news
}

// holds reports whether a place has a content.
func (k *keeper) holds(stamp string, p place) bool {
	e := k.ledger.Entries[p.name]
	return e != nil && e.Stamp == stamp && (e.Staged == p.staged || p.staged)
}

// book puts what was uploaded into the ledger. The files of a folder that its new
// version does not have go.
func (k *keeper) book(e, before *manifest.Entry) {
	k.ledger.Entries[e.Name] = e
	k.dirty = true
	if before == nil {
		return
	}
	kept := map[string]bool{}
	for _, f := range e.Files {
		kept[f.Name] = true
	}
	for _, f := range before.Files {
		if !kept[f.Name] {
			k.forget(f.Name)
		}
	}
}

// prune takes the epochs out of the ledger that nobody keeps: above keep the
// oldest, and those that went up only for last or best to be copied from. It
// touches only what this job's manifest names.
func (k *keeper) prune(keep int, wanted func(name string) bool) {
	oldest := oldestKept(keep, k.ledger.Admitted())
	for _, e := range k.ledger.Entries {
		if e.Staged && !wanted(e.Name) || !e.Staged && e.Role == naming.Epoch && e.Epoch() < oldest {
			k.drop(e)
		}
	}
}

func (k *keeper) drop(e *manifest.Entry) {
	delete(k.ledger.Entries, e.Name)
	for _, f := range e.Files {
		k.forget(f.Name)
	}
}

// forget deletes an object once the manifest does not name it any more.
func (k *keeper) forget(name string) {
	k.obsolete = append(k.obsolete, key(k.job, name))
	k.dirty = true
}
