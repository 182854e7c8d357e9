package storage

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noise is n reproducible bytes.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func wantKeys(t *testing.T, s Store, prefix string, want ...string) {
	t.Helper()
	var got []string
	for o, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, o.Key)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("keys below %q: %q, want %q", prefix, got, want)
	}
}

func read(t *testing.T, s Store, key string, offset, length int64, etag string) []byte {
	t.Helper()
	r, _, err := s.Get(t.Context(), key, offset, length, etag)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return b
}

// checkRoundTrip is what every store promises, with an object of the given size.
func checkRoundTrip(t *testing.T, s Store, size int) {
	t.Helper()
	const key = "checkpoints/job-1/한글 +&%.pt"
	ctx, body := t.Context(), noise(size)
	if _, err := s.Stat(ctx, key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stat of a missing object: %v", err)
	}
	if _, _, err := s.Get(ctx, key, 0, -1, ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("get of a missing object: %v", err)
	}
	refused := errors.New("changed meanwhile")
	if _, err := s.Put(ctx, key, bytes.NewReader(body), int64(size), func() error { return refused }); !errors.Is(err, refused) {
		t.Errorf("refused commit: %v", err)
	}
	wantKeys(t, s, "checkpoints/")

	put, err := s.Put(ctx, key, bytes.NewReader(body), int64(size), func() error {
		wantKeys(t, s, "checkpoints/")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Stat(ctx, key)
	if err != nil || info != put || info.Size != int64(size) {
		t.Errorf("stat %+v after put %+v: %v", info, put, err)
	}
	if !bytes.Equal(read(t, s, key, 0, -1, ""), body) {
		t.Error("the whole object differs")
	}
	if !bytes.Equal(read(t, s, key, 10, 25, info.ETag), body[10:35]) {
		t.Error("a range differs")
	}
	if !bytes.Equal(read(t, s, key, int64(size)-5, 100, ""), body[size-5:]) {
		t.Error("a range past the end differs")
	}
	if _, _, err := s.Get(ctx, key, 0, 5, `"0123"`); !errors.Is(err, contract.ErrObjectChanged) {
		t.Errorf("get with another ETag: %v", err)
	}
	if _, err := s.Copy(ctx, key, "checkpoints/job-1/best.pt"); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, s, "checkpoints/job-1/", key, "checkpoints/job-1/best.pt")
	if !bytes.Equal(read(t, s, "checkpoints/job-1/best.pt", 0, -1, ""), body) {
		t.Error("the copy differs")
	}
	for range 2 {
		if err := s.Delete(ctx, "checkpoints/job-1/best.pt"); err != nil {
			t.Error(err)
		}
	}
	wantKeys(t, s, "checkpoints/", key)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.Put(cancelled, "cancelled", bytes.NewReader(body), int64(size), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled put: %v", err)
	}
	wantKeys(t, s, "cancelled")
}
