package checkpoints

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

// bucket is a store in memory that misbehaves on demand. It reads a body in
// parts and asks commit when it has them all, as a multipart upload does.
type bucket struct {
	mu      sync.Mutex
	objects map[string][]byte
	log     []string // "put key", "copy src dst", "delete key", in order of success

	fail    func(op, key string) error // nil = works
	onRead  func(key string, at int64) // runs in the middle of an upload
	visible func(key string, body []byte)
}

func newBucket() *bucket { return &bucket{objects: map[string][]byte{}} }

func (b *bucket) broken(op, key string) error {
	b.mu.Lock()
	fail := b.fail
	b.mu.Unlock()
	if fail == nil {
		return nil
	}
	return fail(op, key)
}

func (b *bucket) Put(ctx context.Context, key string, body io.ReaderAt, size int64, commit func() error) (contract.ObjectInfo, error) {
	if err := b.broken("put", key); err != nil {
		return contract.ObjectInfo{}, err
	}
	var all bytes.Buffer
	part := make([]byte, 1<<20)
	for at := int64(0); at < size; {
		if b.onRead != nil {
			b.onRead(key, at)
		}
		n, err := body.ReadAt(part[:min(int64(len(part)), size-at)], at)
		all.Write(part[:n])
		at += int64(n)
		if err != nil && (err != io.EOF || at < size) {
			return contract.ObjectInfo{}, fmt.Errorf("reading the body: %w", err)
		}
	}
	if commit != nil {
		if err := commit(); err != nil {
			return contract.ObjectInfo{}, err
		}
	}
	if err := ctx.Err(); err != nil {
		return contract.ObjectInfo{}, err
	}
	return b.show("put "+key, key, all.Bytes()), nil
}

func (b *bucket) show(entry, key string, body []byte) contract.ObjectInfo {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.objects[key] = body
	b.log = append(b.log, entry)
	if b.visible != nil {
		b.visible(key, body)
	}
	return contract.ObjectInfo{Key: key, Size: int64(len(body)), ETag: fmt.Sprintf("%q", fmt.Sprint(len(b.log)))}
}

func (b *bucket) get(key string) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	body, ok := b.objects[key]
	if !ok {
		return nil, fmt.Errorf("%s: %w", key, fs.ErrNotExist)
	}
	return body, nil
}

func (b *bucket) Stat(_ context.Context, key string) (contract.ObjectInfo, error) {
	if err := b.broken("stat", key); err != nil {
		return contract.ObjectInfo{}, err
	}
	body, err := b.get(key)
	return contract.ObjectInfo{Key: key, Size: int64(len(body))}, err
}

func (b *bucket) Get(_ context.Context, key string, offset, length int64, _ string) (io.ReadCloser, contract.ObjectInfo, error) {
	if err := b.broken("get", key); err != nil {
		return nil, contract.ObjectInfo{}, err
	}
	body, err := b.get(key)
	if err != nil {
		return nil, contract.ObjectInfo{}, err
	}
	info := contract.ObjectInfo{Key: key, Size: int64(len(body))}
	body = body[offset:]
	if length >= 0 {
		body = body[:min(length, int64(len(body)))]
	}
	return io.NopCloser(bytes.NewReader(body)), info, nil
}

func (b *bucket) Copy(_ context.Context, src, dst string) (contract.ObjectInfo, error) {
	if err := b.broken("copy", dst); err != nil {
		return contract.ObjectInfo{}, err
	}
	body, err := b.get(src)
	if err != nil {
		return contract.ObjectInfo{}, err
	}
	return b.show("copy "+src+" "+dst, dst, body), nil
}

func (b *bucket) Delete(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := b.broken("delete", key); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.objects, key)
	b.log = append(b.log, "delete "+key)
	return nil
}

func (b *bucket) URI(key string) string { return contract.URI("test", key) }

// names are the objects below the checkpoint prefix of job j, without the manifest.
func (b *bucket) names() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var names []string
	for key := range b.objects {
		if name, ok := cutPrefix(key); ok && name != "manifest.json" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (b *bucket) keys() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(maps.Keys(b.objects))
}

func (b *bucket) history() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.log)
}

func cutPrefix(key string) (string, bool) {
	prefix := contract.CheckpointPrefix(jobID)
	if len(key) < len(prefix) || key[:len(prefix)] != prefix {
		return "", false
	}
	return key[len(prefix):], true
}

const jobID = "j1"

func (b *bucket) manifest(t *testing.T) contract.Manifest {
	t.Helper()
	data, err := b.get(contract.ManifestKey(jobID))
	if err != nil {
		t.Fatalf("the manifest: %v", err)
	}
	var m contract.Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	return m
}
