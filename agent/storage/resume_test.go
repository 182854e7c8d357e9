package storage

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// broken is a store whose first reads break off after some bytes.
type broken struct {
	Store
	breaks int
	before func() // a break
}

func (b *broken) Get(ctx context.Context, key string, offset, length int64, etag string) (io.ReadCloser, contract.ObjectInfo, error) {
	r, info, err := b.Store.Get(ctx, key, offset, length, etag)
	if err != nil || b.breaks == 0 {
		return r, info, err
	}
	b.breaks--
	if b.before != nil {
		b.before()
	}
	cut := io.MultiReader(io.LimitReader(r, 100), iotest.ErrReader(errors.New("stale file handle")))
	return struct {
		io.Reader
		io.Closer
	}{cut, r}, info, nil
}

func TestALocalReadGoesOnAfterItBroke(t *testing.T) {
	var counts Counts
	cfg := Config{Type: contract.StorageLocal, LocalDir: t.TempDir(), Counts: &counts, MaxBackoff: time.Millisecond}.withDefaults()
	local, err := openLocal(cfg.LocalDir)
	if err != nil {
		t.Fatal(err)
	}
	content := string(noise(5000))
	if _, err := local.Put(t.Context(), "a", strings.NewReader(content), 5000, nil); err != nil {
		t.Fatal(err)
	}
	if got := read(t, decorate(&broken{Store: local, breaks: 3}, cfg), "a", 10, 2000, ""); string(got) != content[10:2010] {
		t.Errorf("%d bytes that differ", len(got))
	}
	if n := counts.Retries.Load(); n != 3 {
		t.Errorf("%d retries are counted", n)
	}

	replace := func() {
		if err := os.WriteFile(filepath.Join(cfg.LocalDir, "a"), []byte("other"), 0o600); err != nil {
			t.Error(err)
		}
	}
	r, _, err := decorate(&broken{Store: local, breaks: 1, before: replace}, cfg).Get(t.Context(), "a", 0, -1, "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadAll(r); !errors.Is(err, contract.ErrObjectChanged) {
		t.Errorf("an object that was replaced: %v", err)
	}
}

func TestALocalReadThatAlwaysBreaksSaysWhy(t *testing.T) {
	cfg := Config{MaxBackoff: time.Millisecond}.withDefaults()
	s := resume(&broken{Store: memory{size: 5000}, breaks: 100}, cfg)
	r, _, err := s.Get(t.Context(), "a", 0, -1, "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadAll(r); err == nil || !strings.Contains(err.Error(), "stale file handle") {
		t.Errorf("error %v", err)
	}
}
