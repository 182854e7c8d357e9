package images

import (
	"context"
	"sync"

	"github.com/vision-platform/trainer-agent/converters/crew"
	"github.com/vision-platform/trainer-agent/converters/images/imagefile"
)

// Folder is a dataset's folder. Its annotations take a while to read, on one
// core, and nearly every image below it will be asked for: it can look at the
// images meanwhile.
type Folder struct {
	tree func() (*Tree, error)

	looks []look // by file, as far as there was time
	stop  context.CancelFunc
	ahead *crew.Group // nil before there is one
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
	return &Folder{stop: func() {}, tree: sync.OnceValues(func() (*Tree, error) {
		t, err := f.tree()
		if err != nil || dir == "" {
			return t, err
		}
		return t.Sub(dir), nil
	})}
}

// Tree is every file below the folder.
func (f *Folder) Tree() (*Tree, error) { return f.tree() }

// LookAhead starts to look at images, until Find or Close is called. It is one goroutine:
// the reader of the annotations, which is one too, would wait for its turn among more.
func (f *Folder) LookAhead(ctx context.Context) {
	ctx, f.stop = context.WithCancel(ctx)
	f.ahead = crew.New()
	f.ahead.Go(func() error {
		t, err := f.tree()
		if err != nil {
			return nil //nolint:nilerr // Find returns it
		}
		f.looks = make([]look, len(t.names))
		for i, name := range t.names {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // nobody asks any more
			}
			if IsImage(name) {
				info, err := imagefile.Probe(t.Path(name))
				f.looks[i] = look{info, err, true}
			}
		}
		return nil
	})
}

// Close ends the look ahead. It may be called more than once.
func (f *Folder) Close() {
	f.stop()
	if f.ahead != nil {
		_ = f.ahead.Wait()
	}
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
