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

	"github.com/vision-platform/trainer-agent/agent/checkpoints/manifest"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/naming"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/scan"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/upload"
	"github.com/vision-platform/trainer-agent/agent/internal/backoff"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

const (
	outputsFolder  = "outputs/" // below the checkpoint prefix
	outputsAtOnce  = 8          // most are small, so it is the round trips that count
	outputTries    = 4          // beside those that the store makes itself
	outputWarnings = 20         // files named one by one when they are left out
	outputDepth    = 32         // folders within folders
)

// outputs are the files below Dir that are no checkpoints (tables, plots, settings,
// logs), and what became of them.
type outputs struct {
	opt   Options
	board *board
	taken func(rel string) bool // it went up as a checkpoint, or should have

	mu       sync.Mutex
	files    []contract.ManifestFile // Name is relative to the prefix they went to
	failed   []contract.ManifestFailed
	halted   bool // some of them failed for want of time
	warnings []string
}

func newOutputs(l *loop) *outputs {
	o := &outputs{opt: l.opt, board: l.board, taken: func(string) bool { return false }}
	if l.opt.OutputPrefix == "" {
		o.taken = l.fleet.takes
	}
	return o
}

// takes reports whether a file belongs to a checkpoint, whole or not.
func (f *fleet) takes(rel string) bool {
	if _, model := naming.File(rel); model || naming.Step(path.Base(path.Dir(rel))) {
		return true
	}
	for dir := path.Dir(rel); ; dir = path.Dir(dir) {
		if c := f.at[dir]; c != nil && !c.incomplete() {
			return slices.ContainsFunc(c.src.Files, func(file scan.File) bool { return file.Rel == rel })
		}
		if dir == "." {
			return false
		}
	}
}

// send uploads them within Limits to prefix+folder+path. Small files go first, so
// that a huge one does not take the place of a thousand.
func (o *outputs) send(ctx context.Context, prefix, folder string) {
	if ctx.Err() != nil {
		return
	}
	o.upload(ctx, prefix, folder, o.list())
}

// upload uploads these, and books what became of each.
func (o *outputs) upload(ctx context.Context, prefix, folder string, files []scan.File) {
	all := o.meter(files)
	u := &upload.Uploader{Store: o.opt.Store, Dir: o.opt.Dir, Now: o.opt.Now, Key: func(name string) string { return prefix + name }}
	g := crew.New()
	g.SetLimit(outputsAtOnce)
	for _, f := range files {
		name := folder + naming.Clean(f.Rel)
		g.Go(func() error {
			m, err := o.one(ctx, u, name, f, all)
			o.mu.Lock()
			defer o.mu.Unlock()
			if err != nil {
				o.halted = o.halted || errors.Is(err, ErrHalted)
				o.failed = append(o.failed, contract.ManifestFailed{Name: f.Rel, Reason: err.Error()})
			} else {
				o.files = append(o.files, m)
			}
			return nil
		})
	}
	_ = g.Wait()
	slices.SortFunc(o.files, func(a, b contract.ManifestFile) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(o.failed, func(a, b contract.ManifestFailed) int { return cmp.Compare(a.Name, b.Name) })
}

// meter shows all outputs as one upload.
func (o *outputs) meter(files []scan.File) *upload.Meter {
	var total int64
	for _, f := range files {
		total += f.Version.Size
	}
	m := upload.NewMeter(o.board.totals, "outputs", total)
	o.board.publish(0, 0, []*upload.Meter{m})
	return m
}

func (o *outputs) one(ctx context.Context, u *upload.Uploader, name string, f scan.File, all *upload.Meter) (contract.ManifestFile, error) {
	var m contract.ManifestFile
	var err error
	for try := 1; try <= outputTries; try++ {
		if m, err = u.File(ctx, &upload.Task{Meter: all}, f, name); err == nil || upload.Changed(err) || ctx.Err() != nil {
			break
		}
		if failure, ok := errors.AsType[*contract.Failure](err); ok && !failure.Retryable {
			break
		}
		_ = backoff.Wait(ctx, retryAt(o.opt.Now(), try).Sub(o.opt.Now()))
	}
	if err != nil && ctx.Err() != nil {
		err = ErrHalted
	}
	m.Epoch = 0
	return m, err
}

// list finds the outputs within the limits.
func (o *outputs) list() (files []scan.File) {
	root, err := scan.OpenDir(o.opt.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		o.warn("OUTPUT_DIR cannot be read: %v", err)
		return nil
	}
	defer func() { _ = root.Close() }()
	all, more := o.walk(root)
	if more {
		o.warn("OUTPUT_DIR holds more than %d files; the rest was not uploaded", o.opt.Limits.Files)
	}
	slices.SortFunc(all, func(a, b scan.File) int {
		return cmp.Or(cmp.Compare(a.Version.Size, b.Version.Size), cmp.Compare(a.Rel, b.Rel))
	})
	total, left := int64(0), 0
	for _, f := range all {
		_, _, model := naming.SplitModel(path.Base(f.Rel))
		switch {
		case f.Version.Size > o.opt.Limits.FileBytes || total+f.Version.Size > o.opt.Limits.TotalBytes:
			if left++; left <= outputWarnings {
				o.warn("%s was not uploaded: %d bytes are more than outputs may have", f.Rel, f.Version.Size)
			}
		case model && scan.Torn(root, f):
			o.failed = append(o.failed, contract.ManifestFailed{Name: f.Rel, Reason: reasonCut(f.Version.Size)})
		default:
			total += f.Version.Size
			files = append(files, f)
		}
	}
	if left > outputWarnings {
		o.warn("%d more files were not uploaded because of their size", left-outputWarnings)
	}
	return files
}

func (o *outputs) warn(format string, args ...any) {
	o.warnings = append(o.warnings, fmt.Sprintf(format, args...))
}

// walk lists regular files. Links are not followed here: what they point to is
// either below Dir and comes by itself, or none of ours.
func (o *outputs) walk(root *os.Root) (files []scan.File, more bool) {
	take := func(rel string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil //nolint:nilerr // vanished
		case d.IsDir() && (naming.Temporary(d.Name()) || strings.Count(rel, "/") > outputDepth):
			return fs.SkipDir
		case !d.Type().IsRegular() || naming.Temporary(d.Name()) || o.taken(rel):
			return nil
		case len(files) >= o.opt.Limits.Files:
			more = true
			return fs.SkipAll
		}
		if info, err := d.Info(); err == nil {
			files = append(files, scan.File{Rel: rel, Version: scan.VersionOf(info)})
		}
		return nil
	}
	top, _ := fs.ReadDir(scan.FS(root), ".")
	folders := slices.DeleteFunc(slices.Clone(top), func(d fs.DirEntry) bool { return !d.IsDir() })
	for _, d := range slices.DeleteFunc(top, fs.DirEntry.IsDir) { // first: a table of results never gives way to a folder of drawings
		_ = take(d.Name(), d, nil)
	}
	for _, d := range folders {
		_ = fs.WalkDir(scan.FS(root), d.Name(), take)
	}
	return files, more
}

// entries are what the manifest says of them.
func (o *outputs) entries() (all []*manifest.Entry) {
	for _, f := range o.files {
		all = append(all, &manifest.Entry{Name: f.Name, Files: []contract.ManifestFile{f}})
	}
	return all
}

// summary is that of an inference or export job, which has nothing else.
func (o *outputs) summary(opt Options) Summary {
	s := Summary{Seen: true, Failed: o.failed, Warnings: o.warnings, outputs: len(o.files)}
	s.list(o.files, func(name string) string { return opt.Store.URI(opt.OutputPrefix + name) })
	for _, folder := range opt.Earlier {
		if !slices.ContainsFunc(s.Artifacts, func(a contract.Artifact) bool { return a.Name == folder.Name }) {
			s.Artifacts = append(s.Artifacts, folder)
		}
	}
	if len(o.failed) > 0 {
		reason := errors.New(o.failed[0].Reason)
		if o.halted {
			reason = ErrHalted
		}
		s.failure = contract.Failf(contract.CodeStorageError, "%d of %d output files could not be uploaded; the first is %s: %w",
			len(o.failed), len(o.failed)+len(o.files), o.failed[0].Name, reason).
			WithHint("Run the job again once the bucket can be reached.")
	}
	return s
}
