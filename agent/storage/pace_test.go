package storage

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// memory is a store of one object that reads a body twice to put it, as S3's does.
type memory struct {
	Store
	size int64
}

func (memory) URI(key string) string { return "mem://" + key }

func (m memory) Get(context.Context, string, int64, int64, string) (io.ReadCloser, contract.ObjectInfo, error) {
	return io.NopCloser(io.NewSectionReader(zeros{}, 0, m.size)), contract.ObjectInfo{Size: m.size}, nil
}

func (memory) Put(ctx context.Context, _ string, body io.ReaderAt, size int64, _ func() error) (contract.ObjectInfo, error) {
	if _, err := hashOf(io.NewSectionReader(body, 0, size)); err != nil {
		return contract.ObjectInfo{}, err
	}
	_, err := io.Copy(io.Discard, wire(ctx, body, 0, size))
	return contract.ObjectInfo{Size: size}, err
}

const tenMB = 10 << 20

func TestBandwidthCapHoldsOnAverage(t *testing.T) {
	for name, move := range map[string]func(ctx context.Context, s Store) error{
		"up, where the hash is not counted": func(ctx context.Context, s Store) error {
			_, err := s.Put(ctx, "a", zeros{}, tenMB, nil)
			return err
		},
		"down": func(ctx context.Context, s Store) error {
			r, _, err := s.Get(ctx, "a", 0, -1, "")
			if err != nil {
				return err
			}
			if n, err := io.Copy(io.Discard, r); err != nil || n != tenMB {
				t.Errorf("%d bytes, %v", n, err)
			}
			return r.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				if err := move(t.Context(), pace(memory{size: tenMB}, 1<<20, 1<<20)); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(begin); took < 9*time.Second || took > 11*time.Second {
					t.Errorf("10 MiB at 1 MiB/s took %v", took)
				}
			})
		})
	}
}

func TestACapEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, cancel)
		if _, err := pace(memory{}, 1<<20, 0).Put(ctx, "a", zeros{}, tenMB, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
}

func TestTheLocalFolderIsCappedToo(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), Config{Type: contract.StorageLocal, LocalDir: dir, UploadBytesPerSecond: 4 << 20, DownloadBytesPerSecond: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	begin, content := time.Now(), noise(2<<20)
	if _, err := s.Put(t.Context(), "a", bytes.NewReader(content), 2<<20, nil); err != nil {
		t.Fatal(err)
	}
	up := time.Since(begin)
	if !bytes.Equal(read(t, s, "a", 0, -1, ""), content) {
		t.Error("the object differs")
	}
	// 2 MiB less the first burst, at 4 MiB/s.
	if both := time.Since(begin); up < 400*time.Millisecond || both-up < 400*time.Millisecond {
		t.Errorf("up in %v, down in %v", up, both-up)
	}
}
