package images

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vision-platform/trainer-agent/converters/images/imagefile"
)

// Folder is a dataset's folder. Its annotations take a while to read, on one
// core, and nearly every image below it will be asked for: it can look at the
// images meanwhile.
type Folder struct {
	tree func() (*Tree, error)

	looks []look // by file, as far as there was time
	stop  context.CancelFunc
	ahead sync.WaitGroup
}

// look is what was seen of a file.
type look struct {
	imagefile.Info
	err  error
	done bool
}

// Open is the folder root. Nothing is read yet.
func Open(root string) *Folder {
	return &Folder{tree: sync.OnceValues(func() (*Tree, error) { return ReadTree(root) }), stop: func() {}}
}

// Below is a folder of this one, without another walk.
func (f *Folder) Below(dir string) *Folder {
	return &Folder{stop: func() {}, tree: func() (*Tree, error) {
		t, err := f.tree()
		if err != nil || dir == "" {
			return t, err
		}
		return t.Sub(dir), nil
	}}
}

// Tree is every file below the folder.
func (f *Folder) Tree() (*Tree, error) { return f.tree() }

// LookAhead starts to look at images, until Find or Close is called.
func (f *Folder) LookAhead(ctx context.Context) { f.lookAhead(ctx, waited) }

func (f *Folder) lookAhead(ctx context.Context, patience time.Duration) {
	ctx, f.stop = context.WithCancel(ctx)
	f.ahead.Go(func() {
		t, err := f.tree()
		if err != nil {
			return // Find tells
		}
		f.looks = make([]look, len(t.names))
		w := &watch{Folder: f, tree: t, patience: patience}
		w.from(ctx)
	})
}

// watch is one look ahead. It begins with one goroutine, because the reader of
// the annotations needs the other core, and a header that is in memory takes less
// time than an image's annotations. One more begins whenever a goroutine waited
// for the disk, which needs no core.
type watch struct {
	*Folder
	tree     *Tree
	patience time.Duration // a file that takes longer had to be waited for
	next     atomic.Int64
	more     atomic.Int64 // goroutines beyond the first
}

const (
	// waited is longer than a file takes that is in memory: 10 to 20 µs.
	waited = 200 * time.Microsecond
	// waits is after how many slower ones a goroutine begins another: the scheduler
	// makes a few wait too.
	waits = 8
)

// from looks at the files from the next one on.
func (w *watch) from(ctx context.Context) {
	slow := 0
	for i := int(w.next.Add(1)) - 1; i < len(w.tree.names) && ctx.Err() == nil; i = int(w.next.Add(1)) - 1 {
		name := w.tree.names[i]
		if !IsImage(name) {
			continue
		}
		began := time.Now()
		info, err := imagefile.Probe(w.tree.Path(name))
		w.looks[i] = look{info, err, true}
		if time.Since(began) < w.patience {
			continue
		}
		if slow++; slow%waits == 0 && int(w.more.Add(1)) < workers() {
			w.ahead.Go(func() { w.from(ctx) })
		}
	}
}

// Close ends the look ahead. It may be called more than once.
func (f *Folder) Close() {
	f.stop()
	f.ahead.Wait()
}

// look is what was seen of a file, or is seen now.
func (f *Folder) look(file *File) (imagefile.Info, error) {
	if int(file.file) < len(f.looks) {
		if l := &f.looks[file.file]; l.done {
			return l.Info, l.err
		}
	}
	return imagefile.Probe(file.Path)
}
