package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// sending is a body that hears how much of it was sent. A store reads a body more
// often than it sends it, for its hash and to send it again, so a decorator that
// counted reads would count double.
type sending struct {
	io.ReaderAt
	sent func(ctx context.Context, n int) error
}

// onSent makes body call sent for every n ≤ burst bytes that are sent of it, after
// what it calls already. An error from sent ends the sending.
func onSent(body io.ReaderAt, sent func(ctx context.Context, n int) error) io.ReaderAt {
	inner, ok := body.(sending)
	if !ok {
		return sending{body, sent}
	}
	return sending{inner.ReaderAt, func(ctx context.Context, n int) error {
		if err := inner.sent(ctx, n); err != nil {
			return err
		}
		return sent(ctx, n)
	}}
}

// wire is the part of body that a store is about to send. It stays seekable, because
// the SDK rewinds a body to send it again.
func wire(ctx context.Context, body io.ReaderAt, offset, length int64) io.ReadSeeker {
	s, ok := body.(sending)
	if !ok {
		return whole{io.NewSectionReader(body, offset, length)}
	}
	return &sent{whole{io.NewSectionReader(s.ReaderAt, offset, length)}, func(n int) error { return s.sent(ctx, n) }}
}

// errCut: a file became shorter while it was sent. To the network that looks like a
// broken connection, which would be tried again.
var errCut = fmt.Errorf("the file became shorter while it was read: %w", io.ErrUnexpectedEOF)

// whole is a part of a body that ends where it should, or with errCut.
type whole struct{ *io.SectionReader }

func (w whole) Read(p []byte) (int, error) {
	n, err := w.SectionReader.Read(p)
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	if at, _ := w.Seek(0, io.SeekCurrent); at < w.Size() {
		return n, errCut
	}
	return n, err
}

type sent struct {
	io.ReadSeeker
	moved func(n int) error
}

func (s *sent) Read(p []byte) (int, error) { return moveThen(s.ReadSeeker, p, s.moved) }

// received is a reader that calls moved for every n ≤ burst bytes.
type received struct {
	io.ReadCloser
	moved func(n int) error
}

func (r received) Read(p []byte) (int, error) { return moveThen(r.ReadCloser, p, r.moved) }

func moveThen(r io.Reader, p []byte, moved func(n int) error) (int, error) {
	n, err := r.Read(p[:min(len(p), burst)])
	if n > 0 {
		if err := moved(n); err != nil {
			return n, err
		}
	}
	return n, err
}
