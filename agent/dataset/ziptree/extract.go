package ziptree

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"

	"github.com/vision-platform/trainer-agent/agent/dataset/tree"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

const (
	batchBytes = 8 << 20   // of one ranged read, unless a single file is larger
	batchFiles = 2048      // in one ranged read
	maxGap     = 256 << 10 // unwanted bytes that are read over rather than asked around
	readBuffer = 128 << 10
	maxLocal   = localSize + 2*0xffff // the longest local header
)

// Options of an extraction.
type Options struct {
	Workers  int  // ranged reads at once, at least 1
	Resumed  bool // the tree may hold files of an interrupted extraction
	Progress *tree.Progress
}

// Extract writes every file into dest, whose folders must be d.Dirs(). On an
// error the tree holds complete files only, and a later Extract with Resumed
// goes on from there.
func (d *Directory) Extract(ctx context.Context, dest *tree.Tree, o Options) error {
	if o.Progress == nil {
		o.Progress = &tree.Progress{}
	}
	batches := &batches{d: d}
	g, ctx := crew.WithContext(ctx)
	for range max(1, o.Workers) {
		g.Go(func() error {
			w := newWorker(ctx, d, dest, o)
			defer w.out.Close()
			for {
				lo, hi := batches.take()
				if lo == hi {
					return nil
				}
				if err := w.batch(ctx, lo, hi); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}

// batches hands out runs of entries that lie side by side.
type batches struct {
	mu   sync.Mutex
	d    *Directory
	next int
}

func (b *batches) take() (lo, hi int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.d.entries
	lo, hi = b.next, b.next
	for hi < len(all) && hi-lo < batchFiles {
		e := &all[hi]
		end := e.offset + localSize + e.packed
		if hi > lo && (end-all[lo].offset > batchBytes || e.offset-b.d.end(hi-1) > maxGap) {
			break
		}
		hi++
	}
	b.next = hi
	return lo, hi
}

// end bounds where the i-th file's data ends, without having seen the length of
// its local header.
func (d *Directory) end(i int) int64 {
	e := &d.entries[i]
	return min(d.limit(i), e.offset+maxLocal+e.packed)
}

// worker extracts one batch after the other.
type worker struct {
	d       *Directory
	o       Options
	out     *tree.Writer
	in      *bufio.Reader // over the range
	limited io.LimitedReader
	packed  *bufio.Reader // over one deflated file; its concrete type is flate's fast path
	inflate io.ReadCloser
}

func newWorker(ctx context.Context, d *Directory, dest *tree.Tree, o Options) *worker {
	w := &worker{d: d, o: o, out: dest.NewWriter(ctx), in: bufio.NewReaderSize(nil, readBuffer), packed: bufio.NewReaderSize(nil, 16<<10)}
	w.inflate = flate.NewReader(w.packed)
	return w
}

// batch fetches the files lo…hi−1. What is there from before is left out at both
// ends of the range.
func (w *worker) batch(ctx context.Context, lo, hi int) error {
	if w.o.Resumed {
		for lo < hi && w.has(lo) {
			lo++
		}
		for lo < hi && w.has(hi-1) {
			hi--
		}
	}
	// A checksum that fails may be the network's fault: the rest of the batch is
	// fetched once more before the archive is blamed.
	for again := false; lo < hi; again = true {
		at, err := w.fetch(ctx, lo, hi)
		var bad *checksumError
		if err == nil || !errors.As(err, &bad) || (again && at == lo) {
			return err
		}
		lo = at
	}
	return nil
}

func (w *worker) has(i int) bool {
	e := &w.d.entries[i]
	if !w.out.Has(e.dir, w.d.base(e), e.size, e.crc) {
		return false
	}
	w.o.Progress.Files.Add(1)
	w.o.Progress.Bytes.Add(e.packed)
	return true
}

// fetch reads one range and writes its files. It returns the index of the file
// at which it failed.
func (w *worker) fetch(ctx context.Context, lo, hi int) (int, error) {
	pos, end := w.d.entries[lo].offset, w.d.end(hi-1)
	r, err := w.d.src.Range(ctx, pos, end-pos)
	if err != nil {
		return lo, err
	}
	defer func() { _ = r.Close() }()
	w.in.Reset(r)
	for i := lo; i < hi; i++ {
		if err := ctx.Err(); err != nil {
			return i, context.Cause(ctx)
		}
		e := &w.d.entries[i]
		if err := discard(w.in, e.offset-pos); err != nil {
			return i, w.short(e, err)
		}
		header, err := w.header(e, w.d.limit(i))
		if err != nil {
			return i, err
		}
		if err := w.file(e); err != nil {
			return i, err
		}
		pos = e.offset + header + e.packed
		w.o.Progress.Files.Add(1)
	}
	// A connection is used again only when its answer was read to the end.
	_ = discard(w.in, min(end-pos, readBuffer))
	return hi, nil
}

func discard(r *bufio.Reader, n int64) error {
	_, err := io.CopyN(io.Discard, r, n)
	return err
}

// header reads the local file header (4.3.7) and returns its length. Its sizes
// may be zero (bit 3) and its name is not used: the directory alone decides.
func (w *worker) header(e *entry, limit int64) (int64, error) {
	le := binary.LittleEndian
	b, err := w.in.Peek(localSize)
	if err != nil {
		return 0, w.short(e, err)
	}
	if !bytes.HasPrefix(b, fileSig) {
		return 0, invalid(w.d.src, "has no file at the place where its directory has %s", w.d.path(e)).WithHint("The archive is damaged; make and upload it again.")
	}
	nameLen, extraLen := int64(le.Uint16(b[26:])), int64(le.Uint16(b[28:]))
	method, length := le.Uint16(b[8:]), localSize+nameLen+extraLen
	if e.offset+length+e.packed > limit || (method == methodDeflate) != e.deflate || (method != methodDeflate && method != methodStore) {
		return 0, invalid(w.d.src, "says of %s one thing in its directory and another in front of the file", w.d.path(e)).
			WithHint("The archive is damaged; make and upload it again.")
	}
	if _, err := w.in.Discard(int(length)); err != nil {
		return 0, w.short(e, err)
	}
	return length, nil
}

// file writes one file; w.in stands at its data, and afterwards behind it.
func (w *worker) file(e *entry) error {
	w.limited = io.LimitedReader{R: countingReader{w.in, w.o.Progress}, N: e.packed}
	var from io.Reader = &w.limited
	if e.deflate {
		w.packed.Reset(&w.limited)
		if err := w.inflate.(flate.Resetter).Reset(w.packed, nil); err != nil {
			return err
		}
		from = w.inflate
	}
	crc, err := w.out.Write(e.dir, w.d.base(e), e.size, from)
	if err != nil {
		return w.explain(e, err)
	}
	if crc != e.crc {
		return &checksumError{name: w.d.path(e), err: invalid(w.d.src, "is damaged: the checksum of %s does not fit its content", w.d.path(e)).
			WithHint("Make and upload the archive again.")}
	}
	return discard(w.in, w.limited.N) // what deflate had no use for
}

func (w *worker) explain(e *entry, err error) error {
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, tree.ErrTooLong):
		return invalid(w.d.src, "unpacks %s to more than the %d bytes that it declares", w.d.path(e), e.size)
	case errors.As(err, &corrupt), e.deflate && errors.Is(err, io.ErrUnexpectedEOF) && w.limited.N == 0:
		return &checksumError{name: w.d.path(e), err: invalid(w.d.src, "is damaged: %s does not inflate", w.d.path(e)).
			WithHint("Make and upload the archive again.")}
	}
	return w.short(e, err)
}

// short explains a source that ended early; any other error is the source's own.
func (w *worker) short(e *entry, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return invalid(w.d.src, "ends inside %s", w.d.path(e)).WithHint("Make and upload the archive again.")
	}
	return err
}

// checksumError is content that is not what the directory promises.
type checksumError struct {
	name string
	err  error
}

func (c *checksumError) Error() string { return c.err.Error() }
func (c *checksumError) Unwrap() error { return c.err }

// countingReader counts packed bytes as they are used.
type countingReader struct {
	r io.Reader
	p *tree.Progress
}

func (c countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.p.Bytes.Add(int64(n))
	return n, err
}
