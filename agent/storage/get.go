package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

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

// Get opens one connection.
func (s *s3Store) Get(ctx context.Context, key string, offset, length int64, etag string) (io.ReadCloser, contract.ObjectInfo, error) {
	if length == 0 {
		info, err := s.Stat(ctx, key)
		return http.NoBody, info, err
	}
	answer, info, err := s.open(ctx, key, offset, length, etag)
	if err != nil {
		return nil, contract.ObjectInfo{}, err
	}
	left := info.Size - offset
	if length > 0 {
		left = min(left, length)
	}
	explain := func(err error) error { return s.explain(ctx, "reading", key, err) }
	return &body{ReadCloser: answer, left: left, explain: explain}, info, nil
}

// body is an answer of left bytes. Its errors have sentences.
type body struct {
	io.ReadCloser
	left    int64
	explain func(error) error
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	switch {
	case err == nil || b.left <= 0 && errors.Is(err, io.EOF):
		return n, err
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return n, b.explain(err)
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
