package checkpoints

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/naming"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/scan"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

// growing are the files of an inference or export job: they go up while the job runs,
// so that a job of a hundred thousand images is not all upload at its end, and so that
// what a killed one had found is in the bucket.
type growing struct {
	loop *loop
	seen map[string]scan.Version // at the last look
	ever map[string]bool         // seen at any look: those that an earlier life left are in the bucket too
	up   map[string]sentFile
}

// sentFile is one that is in the bucket.
type sentFile struct {
	version scan.Version
	file    contract.ManifestFile
}

// newGrowing takes its first look at once, before the trainer starts.
func newGrowing(l *loop) *growing {
	g := &growing{loop: l, ever: map[string]bool{}, up: map[string]sentFile{}}
	if l.opt.OutputPrefix != "" {
		g.look(newOutputs(l))
	}
	return g
}

// look returns what has not changed since the last one, and remembers what is there.
func (g *growing) look(out *outputs) (settled []scan.File) {
	now := map[string]scan.Version{}
	for _, f := range out.list() {
		now[f.Rel] = f.Version
		g.ever[f.Rel] = true
		if before, known := g.seen[f.Rel]; known && before.Same(f.Version) {
			settled = append(settled, f)
		}
	}
	g.seen = now
	return settled
}

// firstLooks is the pause between the first two looks; it doubles up to ScanInterval, so
// that a short job has something in the bucket soon, and one of many files is not
// searched all the time.
const firstLooks = time.Second

// run uploads what has not changed between two looks, until ctx or stop ends.
func (g *growing) run(ctx context.Context, stop <-chan struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	defer func() { <-done }()
	crew.Go(func() {
		defer close(done)
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	})
	defer cancel()
	for pause := firstLooks; ctx.Err() == nil; pause *= 2 {
		g.round(ctx)
		pause = min(pause, g.loop.opt.ScanInterval)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// round uploads those that are settled. Models wait for the end: only then is it known
// that one is whole. What fails is tried again in the next round, or at the end.
func (g *growing) round(ctx context.Context) {
	out := newOutputs(g.loop)
	settled := slices.DeleteFunc(g.look(out), func(f scan.File) bool {
		_, _, model := naming.SplitModel(path.Base(f.Rel))
		return model || g.holds(f)
	})
	out.upload(ctx, g.loop.opt.OutputPrefix, "", settled)
	g.book(out, settled)
}

func (g *growing) holds(f scan.File) bool {
	sent, up := g.up[f.Rel]
	return up && sent.version.Same(f.Version)
}

func (g *growing) book(out *outputs, files []scan.File) {
	versions := map[string]scan.Version{}
	for _, f := range files {
		versions[f.Rel] = f.Version
	}
	for _, m := range out.files {
		g.up[m.Source] = sentFile{versions[m.Source], m}
	}
}

// finish uploads what is not up yet within ctx, and takes away what the trainer has
// removed. What is of use only whole, and did not all get up, is taken back within end.
func (g *growing) finish(ctx, end context.Context) Summary {
	out := newOutputs(g.loop)
	var left []scan.File
	there := map[string]bool{}
	for _, f := range out.list() {
		there[f.Rel] = true
		if g.holds(f) {
			out.files = append(out.files, g.up[f.Rel].file)
		} else {
			left = append(left, f)
		}
	}
	out.upload(ctx, g.loop.opt.OutputPrefix, "", left)
	if g.loop.opt.Whole && len(out.failed) > 0 {
		g.takeBack(end, out)
	}
	for _, rel := range g.removed(there) {
		if err := g.delete(ctx, naming.Clean(rel)); err != nil {
			out.warn("%s was removed by the trainer and is still in the bucket: %v", rel, err)
		}
	}
	return out.summary(g.loop.opt)
}

// takeBack removes what is up of a set that is not whole, what failed now and went up
// earlier, before the trainer wrote it again, included.
func (g *growing) takeBack(ctx context.Context, out *outputs) {
	missing := out.failed[0].Name
	for _, f := range out.failed {
		if before, up := g.up[f.Name]; up {
			if err := g.delete(ctx, before.file.Name); err != nil {
				out.warn("%s is in the bucket as it was before: %v", f.Name, err)
			}
		}
	}
	var kept []contract.ManifestFile
	for _, f := range out.files {
		if err := g.delete(ctx, f.Name); err != nil {
			kept = append(kept, f)
			out.warn("%s is in the bucket without %s: %v", f.Name, missing, err)
			continue
		}
		out.failed = append(out.failed, contract.ManifestFailed{Name: f.Source, Reason: "it was taken back, because " + missing + " could not be uploaded"})
	}
	out.files = kept
}

// delete takes a file out of the bucket, unless it is not there.
func (g *growing) delete(ctx context.Context, name string) error {
	err := g.loop.opt.Store.Delete(ctx, g.loop.opt.OutputPrefix+name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// removed are those that were there once and are no more. One that is only beyond the
// limits of outputs, or in a folder that cannot be read, is not removed.
func (g *growing) removed(there map[string]bool) (gone []string) {
	root, err := scan.OpenDir(g.loop.opt.Dir)
	if err != nil {
		return nil
	}
	defer func() { _ = root.Close() }()
	for rel := range g.ever {
		if there[rel] {
			continue
		}
		if _, err := root.Lstat(filepath.FromSlash(rel)); errors.Is(err, fs.ErrNotExist) {
			gone = append(gone, rel)
		}
	}
	return gone
}
