package storage

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/store"
	"github.com/vision-platform/trainer-agent/contract"
)

const bucket = "vision-platform"

// openServer starts a full S3 server and opens its bucket; change edits the
// configuration first.
func openServer(t *testing.T, change func(*Config)) Store {
	t.Helper()
	server, err := store.Start(t.Context(), store.Config{Dir: t.TempDir(), Buckets: []string{bucket}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return openAt(t, server.URL, func(c *Config) {
		c.AccessKeyID, c.SecretAccessKey = server.AccessKey, server.SecretKey
		if change != nil {
			change(c)
		}
	})
}

func openAt(t *testing.T, endpoint string, change func(*Config)) Store {
	t.Helper()
	cfg := Config{
		Type: contract.StorageMinIO, Endpoint: endpoint, Bucket: bucket,
		AccessKeyID: "key", SecretAccessKey: "secret",
		MaxAttempts: 3, MaxBackoff: time.Millisecond, Getenv: func(string) string { return "" },
	}
	if change != nil {
		change(&cfg)
	}
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s, ok := baseOf(s).(*s3Store); ok {
			s.api.Options().HTTPClient.(*http.Client).CloseIdleConnections()
		}
	})
	return s
}

// baseOf is what is decorated.
func baseOf(s Store) Store {
	for {
		switch d := s.(type) {
		case paced:
			s = d.Store
		case counted:
			s = d.Store
		case resumed:
			s = d.Store
		default:
			return s
		}
	}
}

func TestServerKeepsThePromises(t *testing.T) {
	for name, size := range map[string]int{"one request": 1000, "parts": 2*minPart + 12345} {
		t.Run(name, func(t *testing.T) { checkRoundTrip(t, openServer(t, nil), size) })
	}
}

func TestServerKeepsThePromisesWithoutKnownChecksums(t *testing.T) {
	checkRoundTrip(t, openServer(t, func(c *Config) { c.Type = contract.StorageR2; c.Region = "us-east-1" }), minPart+1)
}

func TestEveryRefusalHasItsSentence(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Config)
		code   contract.Code
		says   string
	}{
		{"wrong key id", func(c *Config) { c.AccessKeyID = "other" }, contract.CodeStorageForbidden, "does not know the access key id"},
		{"wrong secret", func(c *Config) { c.SecretAccessKey = "other" }, contract.CodeStorageForbidden, "secret key does not fit"},
		{"missing bucket", func(c *Config) { c.Bucket = "nobody" }, contract.CodeConfigInvalid, `bucket "nobody" does not exist`},
		{"other region", func(c *Config) { c.Region = "eu-west-1" }, contract.CodeConfigInvalid, "is in region us-east-1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := openServer(t, c.change)
			_, statErr := s.Stat(t.Context(), "a")
			_, _, getErr := s.Get(t.Context(), "a", 0, -1, "")
			_, putErr := s.Put(t.Context(), "a", strings.NewReader("x"), 1, nil)
			for doing, err := range map[string]error{"check": s.Check(t.Context()), "stat": statErr, "get": getErr, "put": putErr} {
				wantFailure(t, doing, err, c.code, c.says)
			}
		})
	}
}

func wantFailure(t *testing.T, doing string, err error, code contract.Code, says string) {
	t.Helper()
	f, ok := errors.AsType[*contract.Failure](err)
	if !ok {
		t.Errorf("%s: %v is no failure", doing, err)
		return
	}
	if f.Code != code || !strings.Contains(f.Line(), says) || f.Hint == "" {
		t.Errorf("%s: %s %q (hint %q), want %s with %q and a hint", doing, f.Code, f.Message, f.Hint, code, says)
	}
}

// A body that is not what was hashed never becomes an object, whether the store
// knows checksums or only the payload's signature.
func TestABodyThatChangesAfterItsHashIsRefused(t *testing.T) {
	for _, kind := range []contract.StorageType{contract.StorageMinIO, contract.StorageR2} {
		for name, size := range map[string]int{"one request": 1000, "parts": minPart + 12345} {
			t.Run(string(kind)+", "+name, func(t *testing.T) {
				s := openServer(t, func(c *Config) { c.Type, c.Region = kind, "us-east-1" })
				body := &fickle{Reader: bytes.NewReader(noise(size)), steady: int64(size)}
				if _, err := s.Put(t.Context(), "checkpoints/best.pt", body, int64(size), nil); err == nil {
					t.Error("the store took a body that is not what was signed")
				}
				wantKeys(t, s, "checkpoints/")
			})
		}
	}
}

// fickle is a file whose bytes change after the first steady bytes were read.
type fickle struct {
	*bytes.Reader
	steady int64
	read   atomic.Int64
}

func (f *fickle) ReadAt(b []byte, at int64) (int, error) {
	n, err := f.Reader.ReadAt(b, at)
	if f.read.Add(int64(n)) > f.steady && n > 0 {
		b[0] ^= 1
	}
	return n, err
}
