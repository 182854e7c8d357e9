package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/scan"
	"github.com/vision-platform/trainer-agent/agent/internal/host"
	"github.com/vision-platform/trainer-agent/agent/internal/reflink"
)

// ErrChanged says that the file was written to between the look and the end of the upload.
var ErrChanged = errors.New("the file changed while it was read")

// snapshot is a file that holds still for the time of an upload.
//
// Frameworks rewrite last.pt in place, and a copy of every checkpoint before its
// upload would double the disk that a job needs and the writes that compete with
// training. So a snapshot shares blocks where the file system can; elsewhere the
// file is read where it is, and second, the look before the object becomes
// visible, tells whether it held still. Only a file that did not, twice in a
// row, is copied: its writer is faster than its upload, and without a copy it
// would never get up before the end of the training.
type snapshot struct {
	file   *os.File
	source *os.File // where the second look goes; nil when file is our own
	want   scan.Version
}

// take opens rel and makes a snapshot of the version that the look saw.
// scratch is a folder on the same file system, or empty. private asks for a
// copy when blocks cannot be shared.
func take(ctx context.Context, dir, scratch string, f scan.File, private bool) (*snapshot, error) {
	root, err := scan.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	src, err := scan.Open(root, f.Rel)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: it is gone", ErrChanged)
	}
	if err != nil {
		return nil, err
	}
	s := &snapshot{file: src, source: src, want: f.Version}
	if err := s.second(); err != nil {
		_ = src.Close()
		return nil, err
	}
	if scratch == "" {
		return s, nil
	}
	own, err := s.own(ctx, scratch, private)
	if errors.Is(err, ErrChanged) || ctx.Err() != nil {
		_ = src.Close()
		return nil, errors.Join(err, ctx.Err())
	}
	if err != nil || own == nil {
		return s, nil //nolint:nilerr // no copy to be had: the file is read where it is
	}
	_ = src.Close()
	return &snapshot{file: own, want: f.Version}, nil
}

// own makes the private file, already unlinked, so that no crash leaves it behind.
func (s *snapshot) own(ctx context.Context, scratch string, private bool) (*os.File, error) {
	own, err := os.CreateTemp(scratch, "snapshot-")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(own.Name())
	err = reflink.Clone(own, s.source)
	if err != nil && private {
		err = s.copyTo(ctx, own, scratch)
	}
	if err == nil {
		err = s.second()
	}
	if err != nil {
		_ = own.Close()
		return nil, err
	}
	return own, nil
}

// spareBytes stay free on the disk whatever is copied.
const spareBytes = 1 << 30

func (s *snapshot) copyTo(ctx context.Context, own *os.File, scratch string) error {
	if volume, err := host.Statfs(scratch); err != nil || volume.Free < s.want.Size+spareBytes {
		return fmt.Errorf("copying a checkpoint of %d bytes: too little free space", s.want.Size)
	}
	_, err := io.Copy(own, &readerAt{ctx: ctx, r: s.source, size: s.want.Size})
	return err
}

// second is the second look: ErrChanged when the file is not what it was.
func (s *snapshot) second() error {
	if s.source == nil {
		return nil
	}
	info, err := s.source.Stat()
	if err != nil {
		return err
	}
	switch now := scan.VersionOf(info); {
	case now.Same(s.want):
		return nil
	case now.Size == s.want.Size:
		return fmt.Errorf("%w: its %d bytes were written again", ErrChanged, now.Size)
	default:
		return fmt.Errorf("%w: it had %d bytes and now has %d", ErrChanged, s.want.Size, now.Size)
	}
}

func (s *snapshot) close() { _ = s.file.Close() }

// readerAt reads a fixed length in order and stops when ctx does.
type readerAt struct {
	ctx  context.Context
	r    io.ReaderAt
	at   int64
	size int64
}

func (r *readerAt) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if r.at >= r.size {
		return 0, io.EOF
	}
	n, err := r.r.ReadAt(b[:min(int64(len(b)), r.size-r.at)], r.at)
	r.at += int64(n)
	if n > 0 {
		err = nil
	} else if err == io.EOF {
		err = io.ErrUnexpectedEOF // shorter than it was
	}
	return n, err
}
