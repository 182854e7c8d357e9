package checkpoints

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/vision-platform/trainer-agent/agent/internal/pause"
	"github.com/vision-platform/trainer-agent/contract"
)

const (
	outputsFolder  = "outputs/" // below the checkpoint prefix
	outputsAtOnce  = 8          // most are small, so it is the round trips that count
	outputTries    = 4          // beside those that the store makes itself
	outputWarnings = 20         // files named one by one when they are left out
)

// sentOutputs is what became of the outputs.
type sentOutputs struct {
	files    []contract.ManifestFile // Name is relative to the prefix they went to
	failed   []contract.ManifestFailed
	warnings []string
}

// sendOutputs uploads every file below Dir that is no checkpoint (tables, plots,
// settings, logs), within Limits, to prefix+folder+path. Small files go first,
// so that a huge one does not take the place of a thousand.
func (w *Watcher) sendOutputs(ctx context.Context, prefix, folder string) sentOutputs {
	var sent sentOutputs
	if ctx.Err() != nil {
		return sent
	}
	files := w.listOutputs(&sent)
	all := w.outputsMeter(files)
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(outputsAtOnce)
	for _, f := range files {
		name := folder + clean(f.rel)
		g.Go(func() error {
			m, err := w.sendOutput(ctx, prefix, name, f, all)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				sent.failed = append(sent.failed, contract.ManifestFailed{Name: f.rel, Reason: err.Error()})
			} else {
				sent.files = append(sent.files, m)
			}
			return nil
		})
	}
	_ = g.Wait()
	slices.SortFunc(sent.files, func(a, b contract.ManifestFile) int { return cmp.Compare(a.Name, b.Name) })
	return sent
}

// outputsMeter shows all outputs as one upload.
func (w *Watcher) outputsMeter(files []file) *meter {
	m := &meter{all: w.totals, name: "outputs"}
	for _, f := range files {
		m.total += f.version.size
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state.active = []*meter{m}
	return m
}

func (w *Watcher) sendOutput(ctx context.Context, prefix, name string, f file, all *meter) (contract.ManifestFile, error) {
	u := &uploader{
		store: w.opt.Store, dir: w.opt.Dir, now: w.opt.Now,
		key: func(name string) string { return prefix + name },
	}
	var m contract.ManifestFile
	var err error
	for try := 1; try <= outputTries; try++ {
		t := &task{meter: all}
		if m, err = u.file(ctx, t, f, name); err == nil || changed(err) || ctx.Err() != nil {
			break
		}
		if failure, ok := errors.AsType[*contract.Failure](err); ok && !failure.Retryable {
			break
		}
		_ = pause.For(ctx, retryAt(w.opt.Now(), try).Sub(w.opt.Now()))
	}
	m.Epoch = 0
	return m, err
}

// torn reports whether a model among the outputs lacks its end: the trainer was
// killed while it wrote it.
func torn(root *os.Root, f file) bool {
	if _, _, model := splitModel(path.Base(f.rel)); !model {
		return false
	}
	h, err := openRegular(root, f.rel)
	if err != nil {
		return false // the upload will say why
	}
	defer func() { _ = h.Close() }()
	return inspect(h, f.version.size, path.Base(f.rel)) == cut
}

// listOutputs finds the outputs within the limits.
func (w *Watcher) listOutputs(sent *sentOutputs) (files []file) {
	root, err := os.OpenRoot(w.opt.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		sent.warn("OUTPUT_DIR cannot be read: %v", err)
		return nil
	}
	defer func() { _ = root.Close() }()
	all, cut := w.walkOutputs(root)
	if cut {
		sent.warn("OUTPUT_DIR holds more than %d files; the rest was not uploaded", w.opt.Limits.Files)
	}
	slices.SortFunc(all, func(a, b file) int {
		return cmp.Or(cmp.Compare(a.version.size, b.version.size), cmp.Compare(a.rel, b.rel))
	})
	total, left := int64(0), 0
	for _, f := range all {
		switch {
		case f.version.size > w.opt.Limits.FileBytes || total+f.version.size > w.opt.Limits.TotalBytes:
			if left++; left <= outputWarnings {
				sent.warn("%s was not uploaded: %d bytes are more than outputs may have", f.rel, f.version.size)
			}
		case torn(root, f):
			sent.failed = append(sent.failed, contract.ManifestFailed{Name: f.rel, Reason: reasonCut})
		default:
			total += f.version.size
			files = append(files, f)
		}
	}
	if left > outputWarnings {
		sent.warn("%d more files were not uploaded because of their size", left-outputWarnings)
	}
	return files
}

func (s *sentOutputs) warn(format string, args ...any) {
	s.warnings = append(s.warnings, fmt.Sprintf(format, args...))
}

// walkOutputs lists regular files. Links are not followed here: what they point
// to is either below Dir and comes by itself, or none of ours.
func (w *Watcher) walkOutputs(root *os.Root) (files []file, cut bool) {
	taken := w.checkpointFiles()
	_ = fs.WalkDir(root.FS(), ".", func(rel string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil //nolint:nilerr // vanished
		case d.IsDir() && rel != "." && (temporary(d.Name()) || strings.Count(rel, "/") > maxDepth):
			return fs.SkipDir
		case !d.Type().IsRegular() || temporary(d.Name()) || taken(rel):
			return nil
		case len(files) >= w.opt.Limits.Files:
			cut = true
			return fs.SkipAll
		}
		if info, err := d.Info(); err == nil {
			files = append(files, file{rel: rel, version: versionOf(info)})
		}
		return nil
	})
	return files, cut
}

// checkpointFiles tells the files that went up as checkpoints, or should have.
func (w *Watcher) checkpointFiles() func(rel string) bool {
	if w.opt.OutputPrefix != "" {
		return func(string) bool { return false }
	}
	members := map[string]bool{}
	for _, src := range w.current {
		for _, f := range src.files {
			members[f.rel] = true
		}
	}
	return func(rel string) bool {
		_, model := identifyFile(rel)
		return model || members[rel] || stepFolder().MatchString(path.Base(path.Dir(rel)))
	}
}

// bookOutputs puts the outputs into the manifest.
func (w *Watcher) bookOutputs(sent sentOutputs) {
	for _, f := range sent.files {
		w.ledger.entries[f.Name] = &entry{name: f.Name, files: []contract.ManifestFile{f}}
		w.dirty = true
	}
}

// finishOutputs is Finish for an inference or export job.
func (w *Watcher) finishOutputs(ctx context.Context) Summary {
	sent := w.sendOutputs(ctx, w.opt.OutputPrefix, "")
	s := Summary{Failed: sent.failed, Warnings: sent.warnings}
	for _, f := range sent.files {
		s.Artifacts = append(s.Artifacts, contract.Artifact{
			Name: f.Name, Path: w.opt.Store.URI(w.opt.OutputPrefix + f.Name), SizeBytes: f.SizeBytes, SHA256: f.SHA256,
		})
	}
	if len(sent.failed) > 0 {
		s.failure = contract.Failf(contract.CodeStorageError, "%d of %d output files could not be uploaded; the first is %s: %s",
			len(sent.failed), len(sent.failed)+len(sent.files), sent.failed[0].Name, sent.failed[0].Reason).
			WithHint("Run the job again once the bucket can be reached.")
	}
	return s
}
