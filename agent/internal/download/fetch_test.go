package download_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/vision-platform/trainer-agent/agent/internal/download"
	"github.com/vision-platform/trainer-agent/contract"
)

const part = 32 << 20

// locked lets parallel ranges use a server.
func locked(s *server, before func(offset int64) error) download.Source {
	var mu sync.Mutex
	return sourceFunc(func(ctx context.Context, key string, offset, length int64, etag string) (io.ReadCloser, contract.ObjectInfo, error) {
		mu.Lock()
		defer mu.Unlock()
		if before != nil {
			if err := before(offset); err != nil {
				return nil, contract.ObjectInfo{}, err
			}
		}
		return s.Get(ctx, key, offset, length, etag)
	})
}

func fetch(t *testing.T, src download.Source, etag string) (string, error) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, err = download.Fetch(t.Context(), src, "a", etag, f)
	got, readErr := os.ReadFile(f.Name())
	return string(got), errors.Join(err, readErr)
}

func TestFetchBringsObjectsOfEverySize(t *testing.T) {
	noRanges := func(offset int64) error {
		if offset > 0 {
			return contract.ErrNoRanges
		}
		return nil
	}
	for name, c := range map[string]struct {
		size   int
		before func(int64) error
		asks   int
	}{
		"empty":          {0, nil, 1},
		"small":          {1000, nil, 1},
		"one range":      {part, nil, 1},
		"many":           {2*part + 1, nil, 3},
		"without ranges": {part + 1, noRanges, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{body: strings.Repeat("0123456789abc", c.size/13+1)[:c.size], etag: "v1"}
			got, err := fetch(t, locked(s, c.before), "")
			if err != nil || got != s.body {
				t.Errorf("%d of %d bytes, equal %v, %v", len(got), c.size, got == s.body, err)
			}
			if len(s.asked) != c.asks {
				t.Errorf("asked %q", s.asked)
			}
		})
	}
}

func TestFetchIsOfOneVersion(t *testing.T) {
	s := &server{body: strings.Repeat("x", part+1), etag: "v1"}
	if _, err := fetch(t, locked(s, nil), "v0"); !errors.Is(err, contract.ErrObjectChanged) {
		t.Errorf("another version than was asked for: %v", err)
	}
	replaced := func(offset int64) error {
		if offset > 0 {
			s.etag = "v2"
		}
		return nil
	}
	if _, err := fetch(t, locked(s, replaced), ""); !errors.Is(err, contract.ErrObjectChanged) {
		t.Errorf("replaced meanwhile: %v", err)
	}
	s = &server{body: strings.Repeat("x", part+1)} // a store without ETags
	grown := func(offset int64) error {
		if offset > 0 {
			s.body += "more"
		}
		return nil
	}
	if _, err := fetch(t, locked(s, grown), ""); !errors.Is(err, contract.ErrObjectChanged) {
		t.Errorf("grown meanwhile: %v", err)
	}
}

func TestFetchRefusesLessThanTheSize(t *testing.T) {
	short := sourceFunc(func(context.Context, string, int64, int64, string) (io.ReadCloser, contract.ObjectInfo, error) {
		return io.NopCloser(strings.NewReader("123")), contract.ObjectInfo{Size: 5}, nil
	})
	if _, err := fetch(t, short, ""); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v", err)
	}
}
