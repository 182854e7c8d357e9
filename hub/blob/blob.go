// Package blob keeps uploaded packages by the SHA-256 of their bytes: in a folder, or in a
// bucket with copies of some in a folder.
//
// It promises that a package is there whole or not at all, that its bytes are what
// its name says, and that an upload that was broken off leaves nothing behind. It
// leaves what a package means, and when it may go, to the hub.
package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
)

// Store keeps packages.
type Store interface {
	// Receive reads a package of at most limit bytes into a file of this machine. The caller
	// keeps or discards it.
	Receive(ctx context.Context, from io.Reader, limit int64) (*Incoming, error)
	// Keep puts a package under its digest, where one with the same bytes may be already.
	// It is kept when Keep has returned, and not before.
	Keep(ctx context.Context, in *Incoming) error
	// Take gives the path of a kept package, for reading only, until done is called.
	Take(ctx context.Context, digest string) (path string, done func(), err error)
	// Remove removes a package, if it is there. Whoever calls it knows that nothing refers to it.
	Remove(ctx context.Context, digest string) error
	// Share says that a hub keeps its packages here, and returns which others have said so.
	Share(ctx context.Context, hub string) (others []string, err error)
	// Ready says why no package could be kept now.
	Ready(ctx context.Context) error
}

// Folder keeps packages below a folder.
type Folder struct{ dir string }

var (
	// ErrTooLarge is a package of more bytes than the limit.
	ErrTooLarge = errors.New("the package is too large")
	// ErrFull is a disk without room.
	ErrFull = errors.New("the hub's disk is full")
	// ErrAway is a store that cannot be reached, or does not let the hub in: nothing is lost.
	ErrAway = errors.New("the store of packages cannot be reached")
)

const incoming = "incoming"

// Open opens the folder and removes what uploads left that a kill broke off.
func Open(dir string) (*Folder, error) {
	f := &Folder{dir: dir}
	if err := os.RemoveAll(filepath.Join(dir, incoming)); err != nil {
		return nil, fmt.Errorf("clearing broken uploads: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, incoming), 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of packages: %w", err)
	}
	return f, nil
}

// Incoming is a package that was read whole and is not kept yet.
type Incoming struct {
	SHA256 string
	Size   int64
	path   string
	kept   bool
}

// Receive reads a package of at most limit bytes. The caller keeps or discards it.
func (f *Folder) Receive(ctx context.Context, from io.Reader, limit int64) (_ *Incoming, err error) {
	file, err := os.CreateTemp(filepath.Join(f.dir, incoming), "*.zip")
	if err != nil {
		return nil, full(fmt.Errorf("receiving a package: %w", err))
	}
	defer func() {
		if err = errors.Join(err, file.Close()); err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	sum := sha256.New()
	size, err := io.Copy(io.MultiWriter(file, sum), io.LimitReader(reader{ctx, from}, limit+1))
	if err == nil && size > limit {
		err = ErrTooLarge
	}
	if err == nil {
		err = file.Sync()
	}
	if err != nil {
		return nil, full(err)
	}
	return &Incoming{SHA256: hex.EncodeToString(sum.Sum(nil)), Size: size, path: file.Name()}, nil
}

// Path is where the bytes are now.
func (in *Incoming) Path() string { return in.path }

// Discard removes what was received, unless it was kept.
func (in *Incoming) Discard() {
	if !in.kept {
		_ = os.Remove(in.path)
	}
}

// Keep puts the package under its name, where one with the same bytes may be already.
func (f *Folder) Keep(_ context.Context, in *Incoming) error {
	to := f.path(in.SHA256)
	dir := filepath.Dir(to)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return full(fmt.Errorf("keeping a package: %w", err))
	}
	if err := os.Rename(in.path, to); err != nil {
		return full(fmt.Errorf("keeping a package: %w", err))
	}
	in.path, in.kept = to, true
	return errors.Join(syncDir(dir), syncDir(filepath.Dir(dir))) // dir may be new
}

var digestForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Take gives the path of a kept package.
func (f *Folder) Take(_ context.Context, digest string) (path string, done func(), err error) {
	path, err = f.file(digest)
	return path, func() {}, err
}

// Remove removes a package.
func (f *Folder) Remove(_ context.Context, digest string) error {
	if !digestForm.MatchString(digest) {
		return fmt.Errorf("%q is no SHA-256", digest)
	}
	if err := os.Remove(f.path(digest)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing package %s: %w", digest, err)
	}
	return nil
}

// hubs is where each hub that keeps packages here has a file of its name.
const hubs = "hubs"

// Share says that a hub keeps its packages here.
func (f *Folder) Share(_ context.Context, hub string) (others []string, err error) {
	dir := filepath.Join(f.dir, hubs)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, full(err)
	}
	if err := os.WriteFile(filepath.Join(dir, hub), nil, 0o600); err != nil {
		return nil, full(err)
	}
	found, err := os.ReadDir(dir)
	for _, entry := range found {
		if entry.Name() != hub {
			others = append(others, filepath.Join(dir, entry.Name()))
		}
	}
	return others, err
}

// Ready is always so: whether the disk has room is seen when something is written.
func (f *Folder) Ready(context.Context) error { return nil }

func (f *Folder) file(digest string) (string, error) {
	if !digestForm.MatchString(digest) {
		return "", fmt.Errorf("%q is no SHA-256", digest)
	}
	path := f.path(digest)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("finding package %s: %w", digest, err)
	}
	return path, nil
}

// path has a folder for the first two digits: no folder gets crowded.
func (f *Folder) path(digest string) string {
	return filepath.Join(f.dir, digest[:2], digest+".zip")
}

func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// syncDir makes a rename outlive a power loss.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// reader stops reading when ctx ends.
type reader struct {
	ctx  context.Context
	from io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.from.Read(p)
}
