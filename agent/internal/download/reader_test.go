package download_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/vision-platform/trainer-agent/agent/internal/download"
	"github.com/vision-platform/trainer-agent/contract"
)

var errReset = errors.New("connection reset")

// server has one object; its answers are cut after cut bytes while it has breaks.
type server struct {
	body   string
	etag   string
	breaks int
	cut    int64
	err    error // of the next answers, in place of a body
	noSize bool
	asked  []string
}

func (s *server) Get(_ context.Context, _ string, offset, length int64, etag string) (io.ReadCloser, contract.ObjectInfo, error) {
	s.asked = append(s.asked, fmt.Sprintf("%d+%d %s", offset, length, etag))
	if s.err != nil {
		return nil, contract.ObjectInfo{}, s.err
	}
	if etag != "" && etag != s.etag {
		return nil, contract.ObjectInfo{}, contract.ErrObjectChanged
	}
	rest := s.body[offset:]
	if length >= 0 {
		rest = rest[:min(length, int64(len(rest)))]
	}
	var r io.Reader = strings.NewReader(rest)
	if s.breaks > 0 {
		s.breaks--
		r = io.MultiReader(io.LimitReader(r, s.cut), iotest.ErrReader(errReset))
	}
	info := contract.ObjectInfo{Key: "a", Size: int64(len(s.body)), ETag: s.etag}
	if s.noSize {
		info.Size = -1
	}
	return io.NopCloser(r), info, nil
}

// thrice allows three breaks in a row.
func thrice(_ context.Context, b download.Break) error {
	if b.Row > 3 {
		return b.Err
	}
	return nil
}

func readAll(t *testing.T, s *server, offset, length int64) (string, error) {
	t.Helper()
	r, _, err := download.Open(t.Context(), s, "a", offset, length, "", download.Options{Name: "s3://b/a", Again: thrice})
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(r)
	return string(b), errors.Join(err, r.Close())
}

func TestAReadGoesOnAtTheByteInTheSameVersion(t *testing.T) {
	s := &server{body: "0123456789", etag: "v1", breaks: 2, cut: 3}
	if got, err := readAll(t, s, 1, 8); got != "12345678" || err != nil {
		t.Errorf("%q %v", got, err)
	}
	if got := strings.Join(s.asked, ", "); got != "1+8 , 4+5 v1, 7+2 v1" {
		t.Errorf("asked %s", got)
	}
}

func TestAReadOfUnknownSizeEndsWhereItEnds(t *testing.T) {
	s := &server{body: "0123456789", etag: "v1", breaks: 1, cut: 4, noSize: true}
	if got, err := readAll(t, s, 0, -1); got != "0123456789" || err != nil {
		t.Errorf("%q %v", got, err)
	}
}

func TestASizeThatIsKnownLaterIsKept(t *testing.T) {
	s := &server{body: "0123456789", etag: "v1", breaks: 1, cut: 4, noSize: true}
	r, _, err := download.Open(t.Context(), s, "a", 0, -1, "", download.Options{Again: thrice})
	if err != nil {
		t.Fatal(err)
	}
	s.noSize = false
	if b, err := io.ReadAll(r); string(b) != "0123456789" || err != nil {
		t.Errorf("%q %v", b, err)
	}
}

func TestAnAnswerThatEndsEarlyIsABreak(t *testing.T) {
	s := &server{body: "0123456789", etag: "v1"}
	early := sourceFunc(func(ctx context.Context, key string, offset, length int64, etag string) (io.ReadCloser, contract.ObjectInfo, error) {
		r, info, err := s.Get(ctx, key, offset, length, etag)
		return io.NopCloser(io.LimitReader(r, 4)), info, err
	})
	r, _, err := download.Open(t.Context(), early, "a", 0, -1, "", download.Options{Again: thrice})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); string(b) != "0123456789" || err != nil {
		t.Errorf("%q %v", b, err)
	}
}

type sourceFunc func(ctx context.Context, key string, offset, length int64, etag string) (io.ReadCloser, contract.ObjectInfo, error)

func (f sourceFunc) Get(ctx context.Context, key string, offset, length int64, etag string) (io.ReadCloser, contract.ObjectInfo, error) {
	return f(ctx, key, offset, length, etag)
}

func TestWhatEndsARead(t *testing.T) {
	failure := contract.Failf(contract.CodeStorageForbidden, "no")
	for name, c := range map[string]struct {
		s     server
		want  error
		asked int
	}{
		"too many breaks":          {server{body: "0123456789", breaks: 100}, errReset, 4},
		"no connection":            {server{err: errReset}, errReset, 4},
		"a failure, at once":       {server{err: failure}, failure, 1},
		"another version, at once": {server{err: contract.ErrObjectChanged}, contract.ErrObjectChanged, 1},
		"no ranges, at once":       {server{err: contract.ErrNoRanges}, contract.ErrNoRanges, 1},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := readAll(t, &c.s, 0, -1); !errors.Is(err, c.want) || len(c.s.asked) != c.asked {
				t.Errorf("%v after %d connections, want %v after %d", err, len(c.s.asked), c.want, c.asked)
			}
		})
	}
	t.Run("its context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r, _, err := download.Open(ctx, &server{body: "0123456789", breaks: 9}, "a", 0, -1, "", download.Options{Again: thrice})
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		for range 2 { // an error stays
			if _, err := r.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
		}
	})
	t.Run("another size of the same version", func(t *testing.T) {
		s := &server{body: "0123456789", breaks: 1, cut: 2}
		r, _, err := download.Open(t.Context(), s, "a", 0, -1, "", download.Options{Name: "s3://b/a", Again: thrice})
		if err != nil {
			t.Fatal(err)
		}
		s.body += "more"
		if _, err := io.ReadAll(r); !errors.Is(err, contract.ErrObjectChanged) || !strings.Contains(err.Error(), "s3://b/a") {
			t.Errorf("error %v", err)
		}
	})
}
