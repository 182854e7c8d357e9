// Package download reads one version of a remote object. It promises that a read
// delivers exactly the bytes that were asked for, all of one version, that it goes
// on at the byte where a connection broke, and that memory does not grow with the
// object. It leaves how one connection is made, and how often another one may be,
// to its callers.
package download

import (
	"context"
	"errors"
	"io"
	"io/fs"

	"github.com/vision-platform/trainer-agent/contract"
)

// Source opens one connection: length bytes from offset, to the end if length is
// negative, of the version etag or, if that is empty, of the current one. The
// ObjectInfo describes the whole object; a size below zero is not known.
//
// A *contract.Failure is final, and so are contract.ErrObjectChanged and
// contract.ErrNoRanges. After every other error another connection may help.
type Source interface {
	Get(ctx context.Context, key string, offset, length int64, etag string) (io.ReadCloser, contract.ObjectInfo, error)
}

// Break is a connection that could not be made or broke off.
type Break struct {
	Key string
	At  int64 // the byte that is needed next
	Row int   // breaks in a row, this one included
	Err error
}

// Options of a read.
type Options struct {
	Name string // of the object, in sentences
	// Again waits before another connection, or returns the error that ends the read.
	Again func(ctx context.Context, b Break) error
}

// forgets is how many bytes must arrive for a break to be forgotten.
const forgets = 1 << 20

// reader delivers exactly left bytes from next; left is negative for all that come.
type reader struct {
	ctx    context.Context
	src    Source
	opt    Options
	info   contract.ObjectInfo // of the first answer
	body   io.ReadCloser       // nil while broken
	err    error               // why it is broken; final once ended
	ended  bool
	next   int64
	left   int64
	breaks int
	since  int64 // bytes since the last break
}

// Open begins a read, as Source describes it, that survives its connections.
func Open(ctx context.Context, src Source, key string, offset, length int64, etag string, opt Options) (io.ReadCloser, contract.ObjectInfo, error) {
	r := &reader{ctx: ctx, src: src, opt: opt, next: offset, left: length, info: contract.ObjectInfo{Key: key, ETag: etag}}
	body, info, err := r.connect()
	if err != nil {
		return nil, contract.ObjectInfo{}, err
	}
	r.body, r.info = body, info
	if info.Size >= 0 {
		rest := max(0, info.Size-offset)
		if r.left < 0 || r.left > rest {
			r.left = rest
		}
	}
	return r, info, nil
}

// connect asks until there is an answer, or the error is final.
func (r *reader) connect() (io.ReadCloser, contract.ObjectInfo, error) {
	for {
		body, info, err := r.src.Get(r.ctx, r.info.Key, r.next, r.left, r.info.ETag)
		if err == nil {
			return body, info, nil
		}
		if final(err) {
			return nil, info, err
		}
		if err := r.again(err); err != nil {
			return nil, info, err
		}
	}
}

func final(err error) bool {
	return errors.As(err, new(*contract.Failure)) || errors.Is(err, contract.ErrObjectChanged) || errors.Is(err, contract.ErrNoRanges)
}

func (r *reader) again(err error) error {
	if r.ctx.Err() != nil {
		return context.Cause(r.ctx)
	}
	r.breaks++
	r.since = 0
	return r.opt.Again(r.ctx, Break{Key: r.info.Key, At: r.next, Row: r.breaks, Err: err})
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	for {
		switch {
		case r.ended:
			return 0, r.err
		case r.left == 0:
			return 0, io.EOF
		case len(p) == 0:
			return 0, nil
		case r.body == nil:
			if err := r.reopen(); err != nil {
				r.err, r.ended = err, true
				return 0, err
			}
		}
		if r.left > 0 {
			p = p[:min(int64(len(p)), r.left)]
		}
		n, err := r.body.Read(p)
		r.advance(n)
		switch {
		case errors.Is(err, io.EOF) && r.left < 0: // of no known size: this is all
			r.left = 0
		case errors.Is(err, io.EOF) && r.left > 0:
			r.drop(io.ErrUnexpectedEOF)
		case err != nil && r.left != 0:
			r.drop(err)
		}
		if n > 0 {
			return n, nil
		}
	}
}

func (r *reader) advance(n int) {
	r.next += int64(n)
	if r.left > 0 {
		r.left -= int64(n)
	}
	if r.since += int64(n); r.since >= forgets {
		r.breaks = 0
	}
}

// reopen goes on at the byte reached, in the version of the first answer.
func (r *reader) reopen() error {
	if err := r.again(r.err); err != nil {
		return err
	}
	body, info, err := r.connect()
	if err != nil {
		return err
	}
	if r.info.Size < 0 && info.Size >= r.next {
		r.info.Size, r.left = info.Size, info.Size-r.next // now it is known
	}
	if info.Size != r.info.Size {
		_ = body.Close()
		return Changed(r.opt.Name)
	}
	r.body = body
	return nil
}

// Changed says that an object was replaced while it was read.
func Changed(name string) *contract.Failure {
	return contract.Failf(contract.CodeStorageError, "reading %s: %w", name, contract.ErrObjectChanged).
		WithHint("Do not overwrite it while jobs read it; run the job again.")
}

func (r *reader) drop(cause error) {
	_ = r.body.Close()
	r.body, r.err = nil, cause
}

// Close ends the read; what was not read is not fetched.
func (r *reader) Close() error {
	if r.body != nil {
		r.drop(fs.ErrClosed)
	}
	r.err, r.ended = fs.ErrClosed, true
	return nil
}
