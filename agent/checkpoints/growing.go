package checkpoints

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"time"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/naming"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/scan"
	"github.com/vision-platform/trainer-agent/contract"
)

// growing are the files of an inference or export job: they go up while the job runs,
// so that a job of a hundred thousand images is not all upload at its end, and so that
// what a killed one had found is in the bucket.
type growing struct {
	loop *loop
	seen map[string]scan.Version // at the last look
	up   map[string]sentFile
}

// sentFile is one that is in the bucket.
type sentFile struct {
	version scan.Version
	file    contract.ManifestFile
}

func newGrowing(l *loop) *growing {
	return &growing{loop: l, seen: map[string]scan.Version{}, up: map[string]sentFile{}}
}

// run uploads what has not changed between two looks, until ctx or stop ends.
func (g *growing) run(ctx context.Context, stop <-chan struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	defer func() { <-done }()
	go func() {
		defer close(done)
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	defer cancel()
	for ctx.Err() == nil {
		g.round(ctx)
		timer := time.NewTimer(g.loop.opt.ScanInterval)
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
	var settled []scan.File
	now := map[string]scan.Version{}
	for _, f := range out.list() {
		now[f.Rel] = f.Version
		_, _, model := naming.SplitModel(path.Base(f.Rel))
		if before, known := g.seen[f.Rel]; known && !model && before.Same(f.Version) && !g.holds(f) {
			settled = append(settled, f)
		}
	}
	g.seen = now
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

// finish uploads what is not up yet, and takes away what the trainer has removed.
func (g *growing) finish(ctx context.Context) Summary {
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
	for rel, sent := range g.up {
		if there[rel] {
			continue
		}
		if err := g.loop.opt.Store.Delete(ctx, g.loop.opt.OutputPrefix+sent.file.Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			out.warn("%s was removed by the trainer and is still in the bucket: %v", rel, err)
		}
	}
	return out.summary(g.loop.opt)
}
