// Package ziptree unpacks a zip archive that it never stores: the central
// directory is read first, then workers fetch contiguous ranges and inflate
// straight into files.
//
// It promises that every file written has the size and the CRC-32 that the
// directory declares, that an archive which lies, escapes, overlaps, hides or
// explodes is refused in one sentence before its first byte is written where the
// directory shows it, and that its memory does not grow with the archive beyond
// some 60 bytes a file. It leaves pinning the archive's version and resuming a
// broken range to the source.
//
// The format is PKWARE's APPNOTE 6.3.10; section numbers in comments are its.
package ziptree

import (
	"context"
	"io"

	"github.com/vision-platform/trainer-agent/contract"
)

// Source is where the archive's bytes come from.
type Source interface {
	Size() int64
	// Range reads length bytes from offset; both lie inside the archive.
	Range(ctx context.Context, offset, length int64) (io.ReadCloser, error)
	// String names the archive in sentences.
	String() string
}

// Limits bound what an archive may unpack to. Zero means no limit.
type Limits struct {
	MaxBytes int64
	MaxFiles int64
	// MaxRatio bounds unpacked to packed bytes of an archive that unpacks to more
	// than RatioFloor. Deflate reaches 1032; images that are worth training on
	// hardly 10.
	MaxRatio int64
}

// RatioFloor is the unpacked size in bytes below which no ratio is suspicious: a
// small annotations.json of zeros and commas packs very well.
const RatioFloor = 1 << 30

func invalid(src Source, format string, args ...any) *contract.Failure {
	return contract.Failf(contract.CodeDatasetInvalid, "the archive %s "+format, append([]any{src}, args...)...)
}

func tooLarge(src Source, format string, args ...any) *contract.Failure {
	return contract.Failf(contract.CodeDatasetTooLarge, "the archive %s "+format, append([]any{src}, args...)...)
}

// readerAt is an archive on a local disk.
type readerAt struct {
	r    io.ReaderAt
	size int64
	name string
}

// FromReaderAt makes a source of a file on disk.
func FromReaderAt(r io.ReaderAt, size int64, name string) Source { return readerAt{r, size, name} }

func (f readerAt) Size() int64    { return f.size }
func (f readerAt) String() string { return f.name }

func (f readerAt) Range(_ context.Context, offset, length int64) (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(f.r, offset, length)), nil
}
