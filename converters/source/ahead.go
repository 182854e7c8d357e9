package source

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/vision-platform/trainer-agent/converters/imagefile"
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

// Tree is every file below the folder.
func (f *Folder) Tree() (*Tree, error) { return f.tree() }

// LookAhead starts to look at images, until Find or Close is called.
func (f *Folder) LookAhead(ctx context.Context) {
	ctx, f.stop = context.WithCancel(ctx)
	f.ahead.Go(func() {
		t, err := f.tree()
		if err != nil {
			return // Find tells
		}
		f.looks = make([]look, len(t.names))
		var next atomic.Int64
		for range workers() {
			f.ahead.Go(func() {
				for i := int(next.Add(1)) - 1; i < len(t.names) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
					if name := t.names[i]; IsImage(name) {
						info, err := imagefile.Probe(t.Path(name))
						f.looks[i] = look{info, err, true}
					}
				}
			})
		}
	})
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
