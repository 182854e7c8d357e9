package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/vision-platform/trainer-agent/agent/internal/backoff"
	"github.com/vision-platform/trainer-agent/contract"
)

// Stat asks for an object's size and ETag.
func (s *s3Store) Stat(ctx context.Context, key string) (contract.ObjectInfo, error) {
	out, err := s.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.cfg.Bucket, Key: &key})
	if err != nil {
		return contract.ObjectInfo{}, s.explainHead(ctx, key, err)
	}
	return contract.ObjectInfo{Key: key, Size: aws.ToInt64(out.ContentLength), ETag: aws.ToString(out.ETag)}, nil
}

// Check proves address, credentials and bucket with one listing of one key.
func (s *s3Store) Check(ctx context.Context) error {
	_, err := s.api.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &s.cfg.Bucket, MaxKeys: aws.Int32(1)})
	return s.explain(ctx, "listing", "", err)
}

// Get opens a ranged, pinned and resuming reader.
func (s *s3Store) Get(ctx context.Context, key string, offset, length int64, etag string) (io.ReadCloser, contract.ObjectInfo, error) {
	if length == 0 {
		info, err := s.Stat(ctx, key)
		return http.NoBody, info, err
	}
	body, info, err := s.open(ctx, key, offset, length, etag)
	if err != nil {
		return nil, contract.ObjectInfo{}, err
	}
	left := info.Size - offset
	if length > 0 {
		left = min(left, length)
	}
	return &reader{
		ctx: ctx, store: s, key: key, etag: info.ETag, size: info.Size,
		body: body, next: offset, left: max(0, left),
	}, info, nil
}

// open sends one ranged GET and checks that the answer is the range.
func (s *s3Store) open(ctx context.Context, key string, offset, length int64, etag string) (io.ReadCloser, contract.ObjectInfo, error) {
	in := &s3.GetObjectInput{Bucket: &s.cfg.Bucket, Key: &key}
	if etag != "" {
		in.IfMatch = &etag
	}
	if r := rangeHeader(offset, length); r != "" {
		in.Range = &r
	}
	out, err := s.api.GetObject(ctx, in)
	if err != nil {
		return nil, contract.ObjectInfo{}, s.explain(ctx, "reading", key, err)
	}
	info := contract.ObjectInfo{Key: key, ETag: aws.ToString(out.ETag)}
	info.Size, err = totalSize(out, offset)
	if err == nil && etag != "" && info.ETag != "" && info.ETag != etag {
		err = contract.ErrObjectChanged // a server that ignores If-Match
	}
	if err != nil {
		_ = out.Body.Close()
		return nil, contract.ObjectInfo{}, s.explain(ctx, "reading", key, err)
	}
	return out.Body, info, nil
}

func rangeHeader(offset, length int64) string {
	switch {
	case length > 0:
		return fmt.Sprintf("bytes=%d-%d", offset, offset+length-1)
	case offset > 0:
		return fmt.Sprintf("bytes=%d-", offset)
	}
	return ""
}

// totalSize reads the size of the whole object out of a GET's answer.
func totalSize(out *s3.GetObjectOutput, offset int64) (int64, error) {
	rng := aws.ToString(out.ContentRange)
	if rng == "" {
		if offset > 0 {
			return 0, contract.ErrNoRanges
		}
		if out.ContentLength == nil {
			return 0, errors.New("the server does not say how long the object is")
		}
		return *out.ContentLength, nil
	}
	var first, last int64
	span, total, ok := strings.Cut(strings.TrimPrefix(rng, "bytes "), "/")
	if _, err := fmt.Sscanf(span, "%d-%d", &first, &last); err != nil || !ok || first != offset {
		return 0, fmt.Errorf("the server answered with the range %q to a read from byte %d", rng, offset)
	}
	size, err := strconv.ParseInt(total, 10, 64)
	if err != nil || size <= last {
		return 0, fmt.Errorf("the server answered with the impossible range %q", rng)
	}
	return size, nil
}

const (
	maxBreaks    = 6       // connections broken in a row before a read gives up
	breakForgets = 1 << 20 // bytes that must arrive for a break to be forgotten
)

// reader delivers exactly left bytes from next. A body that breaks or ends early
// is opened again at the byte reached, pinned to the ETag of the first answer.
type reader struct {
	ctx    context.Context
	store  *s3Store
	key    string
	etag   string
	size   int64
	body   io.ReadCloser // nil while broken
	cause  error         // why it is broken
	next   int64
	left   int64
	breaks int
	since  int64 // bytes since the last break
}

func (r *reader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	p = p[:min(int64(len(p)), r.left, burst)]
	for {
		if r.body == nil {
			if err := r.reopen(); err != nil {
				return 0, err
			}
		}
		n, err := r.body.Read(p)
		r.advance(n)
		if err != nil && r.left > 0 {
			r.drop(err)
		}
		if n > 0 {
			return n, pace(r.ctx, r.store.down, n)
		}
	}
}

func (r *reader) advance(n int) {
	r.next += int64(n)
	r.left -= int64(n)
	if r.since += int64(n); r.since >= breakForgets {
		r.breaks = 0
	}
}

// again decides whether the read goes on after err, and waits before it does.
func (r *reader) again(err error) error {
	if r.ctx.Err() != nil {
		return context.Cause(r.ctx)
	}
	r.breaks++
	r.since = 0
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if r.breaks > maxBreaks {
		return r.store.explain(r.ctx, "reading", r.key, err)
	}
	r.store.cfg.Log.Debug("a download broke off and goes on", "key", r.key, "byte", r.next, "error", err)
	r.store.cfg.OnRetry()
	return backoff.Wait(r.ctx, r.store.cfg.waits().Delay(r.breaks-1)/2)
}

func (r *reader) reopen() error {
	if err := r.again(r.cause); err != nil {
		return err
	}
	body, info, err := r.store.open(r.ctx, r.key, r.next, r.left, r.etag)
	if err != nil {
		return err
	}
	if info.Size != r.size {
		_ = body.Close()
		return r.store.explain(r.ctx, "reading", r.key, contract.ErrObjectChanged)
	}
	r.body = body
	return nil
}

func (r *reader) drop(cause error) {
	if r.body != nil {
		_ = r.body.Close()
		r.body, r.cause = nil, cause
	}
}

// Close ends the read; what was not read is not fetched.
func (r *reader) Close() error {
	r.left = 0
	r.drop(fs.ErrClosed)
	return nil
}
