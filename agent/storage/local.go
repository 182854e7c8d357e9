package storage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/vision-platform/trainer-agent/agent/internal/download"
	"github.com/vision-platform/trainer-agent/contract"
)

// localStore is a folder with the bucket's keys as paths. Everything goes
// through os.Root, so no key leads outside.
type localStore struct {
	dir  string
	root *os.Root
}

// incoming is the folder of files being written; List passes over it.
const incoming = ".incoming"

func openLocal(dir string) (*localStore, error) {
	abs, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(filepath.Join(abs, incoming), 0o755)
	}
	if err != nil {
		return nil, contract.Failf(contract.CodeStorageError, "making the local bucket: %w", err).
			WithHint("AGENT_LOCAL_BUCKET_DIR must be a folder that the agent can write.")
	}
	root, err := os.OpenRoot(abs)
	if err != nil {
		return nil, contract.Failf(contract.CodeStorageError, "opening the local bucket: %w", err)
	}
	return &localStore{dir: abs, root: root}, nil
}

// URI is the file's address.
func (s *localStore) URI(key string) string { return "file://" + filepath.Join(s.dir, key) }

func (s *localStore) Check(context.Context) error {
	_, err := s.root.Stat(".")
	return s.explain("", err)
}

func (s *localStore) explain(key string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return contract.Failf(contract.CodeStorageError, "%s does not exist: %w", s.URI(key), fs.ErrNotExist)
	case errors.Is(err, fs.ErrPermission):
		return contract.Failf(contract.CodeStorageForbidden, "the local bucket refuses: %w", err)
	case isDiskFull(err):
		return contract.Failf(contract.CodeDiskFull, "the disk of the local bucket is full: %w", err)
	}
	return contract.Failf(contract.CodeStorageError, "local bucket: %w", err)
}

func (s *localStore) Stat(_ context.Context, key string) (contract.ObjectInfo, error) {
	fi, err := s.root.Stat(filepath.FromSlash(key))
	if err == nil && !fi.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return contract.ObjectInfo{}, s.explain(key, err)
	}
	return infoOf(key, fi), nil
}

func infoOf(key string, fi fs.FileInfo) contract.ObjectInfo {
	return contract.ObjectInfo{Key: key, Size: fi.Size(), ETag: fmt.Sprintf(`"%x-%x"`, fi.Size(), fi.ModTime().UnixNano())}
}

func (s *localStore) Get(_ context.Context, key string, offset, length int64, etag string) (io.ReadCloser, contract.ObjectInfo, error) {
	f, fi, err := s.open(key)
	if err != nil {
		return nil, contract.ObjectInfo{}, s.explain(key, err)
	}
	info := infoOf(key, fi)
	if etag != "" && etag != info.ETag {
		_ = f.Close()
		return nil, contract.ObjectInfo{}, download.Changed(s.URI(key))
	}
	if length < 0 || offset+length > info.Size {
		length = max(0, info.Size-offset)
	}
	part := struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(f, offset, length), f}
	return &body{ReadCloser: part, left: length, explain: func(err error) error { return s.explain(key, err) }}, info, nil
}

// open opens an object. What is no regular file is none: a pipe would hold whoever opens it.
func (s *localStore) open(key string) (*os.File, fs.FileInfo, error) {
	f, err := s.root.OpenFile(filepath.FromSlash(key), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

// Put writes beside and renames: the object is whole or absent.
func (s *localStore) Put(ctx context.Context, key string, body io.ReaderAt, size int64, commit func() error) (contract.ObjectInfo, error) {
	temp := path.Join(incoming, rand.Text())
	info, err := s.put(ctx, temp, key, body, size, commit)
	if err != nil {
		_ = s.root.Remove(temp)
	}
	return info, err
}

func (s *localStore) put(ctx context.Context, temp, key string, body io.ReaderAt, size int64, commit func() error) (contract.ObjectInfo, error) {
	if err := s.write(ctx, temp, wire(ctx, body, 0, size), size); err != nil {
		return contract.ObjectInfo{}, s.explain(key, err)
	}
	if commit != nil {
		if err := commit(); err != nil {
			return contract.ObjectInfo{}, err
		}
	}
	if err := s.place(temp, filepath.FromSlash(key)); err != nil {
		return contract.ObjectInfo{}, s.explain(key, err)
	}
	return s.Stat(ctx, key)
}

// attempts are how often a folder is made again that a Delete took away as empty before
// the object was in it.
const attempts = 10

func (s *localStore) place(temp, name string) (err error) {
	for range attempts {
		if err = s.root.MkdirAll(filepath.Dir(name), 0o755); err == nil {
			err = s.root.Rename(temp, name)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return err
}

func (s *localStore) write(ctx context.Context, name string, body io.Reader, size int64) error {
	f, err := s.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, cancellable{ctx, body})
	if err == nil && n != size {
		err = fmt.Errorf("%w: the file shrank from %d to %d bytes while it was copied", io.ErrUnexpectedEOF, size, n)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// cancellable ends a copy when ctx does.
type cancellable struct {
	ctx context.Context
	r   io.Reader
}

func (c cancellable) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}

func (s *localStore) List(ctx context.Context, prefix string) iter.Seq2[contract.ObjectInfo, error] {
	return func(yield func(contract.ObjectInfo, error) bool) {
		err := fs.WalkDir(s.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil // deleted while it was listed
			case err != nil:
				return err
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case name == incoming:
				return fs.SkipDir
			case d.IsDir() && name != "." && !strings.HasPrefix(name+"/", prefix) && !strings.HasPrefix(prefix, name+"/"):
				return fs.SkipDir
			case !d.Type().IsRegular() || !strings.HasPrefix(name, prefix):
				return nil
			}
			fi, err := d.Info()
			if err != nil {
				return nil //nolint:nilerr // deleted while it was listed
			}
			if !yield(infoOf(name, fi), nil) {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			yield(contract.ObjectInfo{}, s.explain(prefix, err))
		}
	}
}

func (s *localStore) Copy(ctx context.Context, srcKey, dstKey string) (contract.ObjectInfo, error) {
	f, fi, err := s.open(srcKey)
	if err != nil {
		return contract.ObjectInfo{}, s.explain(srcKey, err)
	}
	defer func() { _ = f.Close() }()
	return s.Put(ctx, dstKey, f, fi.Size(), nil)
}

// Delete removes the object, and the folders of its key that are empty then: a bucket has none.
func (s *localStore) Delete(_ context.Context, key string) error {
	if err := s.root.Remove(filepath.FromSlash(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s.explain(key, err)
	}
	for dir := path.Dir(key); dir != "." && s.root.Remove(filepath.FromSlash(dir)) == nil; {
		dir = path.Dir(dir) // until one holds other objects
	}
	return nil
}

func isDiskFull(err error) bool {
	return errors.Is(err, errNoSpace) || errors.Is(err, errQuota)
}
