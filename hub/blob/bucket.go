package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Objects are the bucket of a Bucket.
type Objects interface {
	// PutFile writes an object; the store refuses bytes that have another SHA-256.
	PutFile(ctx context.Context, key string, file *os.File, sha256 string) error
	// Open reads an object; fs.ErrNotExist where there is none.
	Open(ctx context.Context, key string) (io.ReadCloser, error)
	// Put writes a small object.
	Put(ctx context.Context, key string, text []byte) error
	// Delete removes an object, if there is one.
	Delete(ctx context.Context, key string) error
	// List returns the keys that begin so.
	List(ctx context.Context, prefix string) ([]string, error)
	// Check says why the bucket cannot be used.
	Check(ctx context.Context) error
}

// MaxCopies bounds the copies, in bytes: those that were not used for longest go.
const MaxCopies = 8 << 30

// Bucket keeps packages in a bucket. A package is kept when the bucket has it; the folder has
// copies of some, which may go at any time that nobody reads them, and what is being received.
type Bucket struct {
	objects Objects
	copies  *Folder
	most    int64

	mu    sync.Mutex
	taken map[string]int // readers of a copy, by its path
}

// OpenBucket opens a bucket with a folder for at most so many bytes of copies.
func OpenBucket(objects Objects, dir string, most int64) (*Bucket, error) {
	copies, err := Open(dir)
	if err != nil {
		return nil, err
	}
	return &Bucket{objects: objects, copies: copies, most: most, taken: map[string]int{}}, nil
}

// key is where a package lies: as below a Folder, so that one can be copied to the other.
func key(digest string) string { return "packages/" + digest[:2] + "/" + digest + ".zip" }

// Receive reads a package into the folder.
func (b *Bucket) Receive(ctx context.Context, from io.Reader, limit int64) (*Incoming, error) {
	return b.copies.Receive(ctx, from, limit)
}

// Keep writes a package to the bucket, and leaves a copy here: it is about to be read.
func (b *Bucket) Keep(ctx context.Context, in *Incoming) error {
	file, err := os.Open(in.path)
	if err != nil {
		return fmt.Errorf("keeping a package: %w", err)
	}
	err = b.objects.PutFile(ctx, key(in.SHA256), file, in.SHA256)
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("%w: keeping a package: %w", ErrAway, err)
	}
	if err := b.copies.Keep(ctx, in); err != nil {
		return err
	}
	return b.trim()
}

// Take gives the path of a copy, which it fetches where there is none.
func (b *Bucket) Take(ctx context.Context, digest string) (path string, done func(), err error) {
	if !digestForm.MatchString(digest) {
		return "", nil, fmt.Errorf("%q is no SHA-256", digest)
	}
	path = b.copies.path(digest)
	done = b.hold(path)
	if err := b.fetch(ctx, digest); err != nil {
		done()
		return "", nil, err
	}
	return path, done, nil
}

// hold keeps a copy from being removed.
func (b *Bucket) hold(path string) (done func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taken[path]++
	return sync.OnceFunc(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.taken[path]--; b.taken[path] == 0 {
			delete(b.taken, path)
		}
	})
}

// fetch makes a copy, unless there is one.
func (b *Bucket) fetch(ctx context.Context, digest string) error {
	path, err := b.copies.file(digest)
	if err == nil {
		now := time.Now()
		return os.Chtimes(path, now, now)
	}
	body, err := b.objects.Open(ctx, key(digest))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("package %s is not in the bucket: %w", digest, err)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAway, err)
	}
	in, err := b.copies.Receive(ctx, remote{body}, math.MaxInt64-1)
	_ = body.Close()
	if err != nil {
		return fmt.Errorf("reading package %s: %w", digest, err)
	}
	if in.SHA256 != digest {
		in.Discard()
		return fmt.Errorf("the bucket has other bytes under package %s: their SHA-256 is %s", digest, in.SHA256)
	}
	if err := b.copies.Keep(ctx, in); err != nil {
		in.Discard()
		return err
	}
	return b.trim()
}

// remote tells a store that breaks off from a disk that cannot be written.
type remote struct{ io.Reader }

func (r remote) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", ErrAway, err)
	}
	return n, err
}

// trim removes copies that nobody reads until the rest fit.
func (b *Bucket) trim() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	names, err := fs.Glob(os.DirFS(b.copies.dir), "??/*.zip")
	if err != nil {
		return err
	}
	type aged struct {
		path string
		fs.FileInfo
	}
	var copies []aged
	var size int64
	for _, name := range names {
		path := filepath.Join(b.copies.dir, name)
		if info, err := os.Stat(path); err == nil {
			copies, size = append(copies, aged{path, info}), size+info.Size()
		}
	}
	slices.SortFunc(copies, func(a, b aged) int { return a.ModTime().Compare(b.ModTime()) })
	for _, c := range copies {
		if size <= b.most {
			break
		}
		if b.taken[c.path] > 0 {
			continue
		}
		if err := os.Remove(c.path); err != nil {
			return fmt.Errorf("removing a copy: %w", err)
		}
		size -= c.Size()
	}
	return nil
}

// Remove removes a package from the bucket, and the copy of it.
func (b *Bucket) Remove(ctx context.Context, digest string) error {
	if err := b.copies.Remove(ctx, digest); err != nil {
		return err
	}
	if err := b.objects.Delete(ctx, key(digest)); err != nil {
		return fmt.Errorf("%w: removing package %s: %w", ErrAway, digest, err)
	}
	return nil
}

// Share says that a hub keeps its packages in the bucket.
func (b *Bucket) Share(ctx context.Context, hub string) (others []string, err error) {
	const prefix = "packages/" + hubs + "/"
	if err := b.objects.Put(ctx, prefix+hub, []byte("{}\n")); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAway, err)
	}
	found, err := b.objects.List(ctx, prefix)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAway, err)
	}
	return slices.DeleteFunc(found, func(key string) bool { return key == prefix+hub }), nil
}

// Ready says whether the bucket can be used.
func (b *Bucket) Ready(ctx context.Context) error {
	if err := b.objects.Check(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrAway, err)
	}
	return nil
}
