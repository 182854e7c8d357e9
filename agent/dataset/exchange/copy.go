package exchange

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"

	"github.com/vision-platform/trainer-agent/agent/internal/reflink"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

// place puts a folder with the files of the list in the place of another, or leaves that
// as it is. Nothing unchecked is ever in it: a fill that goes on takes what lies there for
// its own by a CRC-32, which is easily met on purpose.
func (l list) place(ctx context.Context, from, to string) error {
	aside := to + ".unchecked"
	err := os.RemoveAll(aside) // of an agent that was killed
	if err == nil {
		err = l.copy(ctx, from, aside)
	}
	if err == nil {
		err = os.RemoveAll(to)
	}
	if err == nil {
		err = os.Rename(aside, to)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(aside))
	}
	return nil
}

// copy makes the files of the list in another folder. What is checked is the copy, which
// nobody else reaches, so that nothing can change between the check and the use.
func (l list) copy(ctx context.Context, from, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	source, err := os.OpenRoot(from)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	target, err := os.OpenRoot(to)
	if err != nil {
		return err
	}
	defer func() { _ = target.Close() }()
	var next atomic.Int64
	group, ctx := crew.WithContext(ctx)
	for range min(len(l), max(4, runtime.GOMAXPROCS(0))) {
		group.Go(func() error {
			for i := next.Add(1) - 1; i < int64(len(l)); i = next.Add(1) - 1 {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				if err := l[i].copy(source, target); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func (f file) copy(source, target *os.Root) error {
	in, err := openRegular(source, f.path)
	if err != nil {
		return errors.Join(errChanged, err)
	}
	defer func() { _ = in.Close() }()
	if err := target.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
		return err
	}
	if err := target.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	out, err := target.OpenFile(f.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return err
	}
	sum := sha256.New()
	var n int64
	if reflink.Clone(out, in) == nil {
		n, err = io.Copy(sum, io.LimitReader(out, f.size+1))
	} else { // another process may lengthen the file while it is read
		n, err = io.Copy(io.MultiWriter(out, sum), io.LimitReader(in, f.size+1))
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	if n != f.size || [sha256.Size]byte(sum.Sum(nil)) != f.sum {
		return errChanged
	}
	return nil
}
