package dataset

import (
	"bytes"
	"context"
	"crypto/md5"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

// bucket is a store in memory whose answers a test can bend.
type bucket struct {
	mu      sync.Mutex
	objects map[string][]byte
	tags    map[string]string // replaces the MD5
	onGet   func(key string, offset int64) error
	bend    func(key string, r io.Reader) io.Reader
	gets    []string
	sent    int64
}

func (b *bucket) info(key string) (contract.ObjectInfo, error) {
	body, ok := b.objects[key]
	if !ok {
		return contract.ObjectInfo{}, contract.Failf(contract.CodeStorageError, "%s: %w", key, fs.ErrNotExist)
	}
	tag, ok := b.tags[key]
	if !ok {
		tag = fmt.Sprintf(`"%x"`, md5.Sum(body))
	}
	return contract.ObjectInfo{Key: key, Size: int64(len(body)), ETag: tag}, nil
}

func (b *bucket) Stat(_ context.Context, key string) (contract.ObjectInfo, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.info(key)
}

func (b *bucket) Get(_ context.Context, key string, offset, length int64, etag string) (io.ReadCloser, contract.ObjectInfo, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gets = append(b.gets, key)
	if b.onGet != nil {
		if err := b.onGet(key, offset); err != nil {
			return nil, contract.ObjectInfo{}, err
		}
	}
	info, err := b.info(key)
	if err == nil && etag != "" && etag != info.ETag {
		err = contract.ErrObjectChanged
	}
	if err != nil {
		return nil, info, err
	}
	body := b.objects[key][offset:]
	if length >= 0 && length < int64(len(body)) {
		body = body[:length]
	}
	b.sent += int64(len(body))
	var r io.Reader = bytes.NewReader(body)
	if b.bend != nil {
		r = b.bend(key, r)
	}
	return io.NopCloser(r), info, nil
}

func (b *bucket) List(_ context.Context, prefix string) iter.Seq2[contract.ObjectInfo, error] {
	return func(yield func(contract.ObjectInfo, error) bool) {
		for _, key := range slices.Sorted(maps.Keys(b.objects)) {
			info, err := b.info(key)
			if strings.HasPrefix(key, prefix) && !yield(info, err) {
				return
			}
		}
	}
}

func (b *bucket) URI(key string) string { return "s3://b/" + key }

func zipBucket(t *testing.T, f files) *bucket {
	return &bucket{objects: map[string][]byte{"datasets/d1.zip": zipOf(t, f)}}
}

func prefixBucket(f files) *bucket {
	b := &bucket{objects: map[string][]byte{}}
	for name, body := range f {
		b.objects["datasets/d1/"+name] = []byte(body)
	}
	return b
}
