package storage

import (
	"bytes"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

func TestUnreachableStoreHasItsSentence(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, c := range []struct{ name, endpoint, says string }{
		{"refused", closed.URL, "nothing listens at " + closed.URL},
		{"unknown name", "http://no-such-host.invalid:9000", `the name "no-such-host.invalid" of the object store cannot be resolved`},
		{"never answers", "http://" + silent.Addr().String(), "did not answer in time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := openAt(t, c.endpoint, func(cfg *Config) { cfg.StallTimeout = 100 * time.Millisecond })
			_, err := s.Stat(t.Context(), "a")
			wantFailure(t, "stat", err, contract.CodeStorageError, c.says)
		})
	}
}

func TestClockSkewIsMeasured(t *testing.T) {
	c := &crooked{fault: func(_ int64, w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Date", time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC).Format(http.TimeFormat))
		s3Refusal(w, http.StatusForbidden, "RequestTimeTooSkewed")
		return true
	}}
	s := openAt(t, c.start(t), func(cfg *Config) {
		cfg.Now = func() time.Time { return time.Date(2026, 1, 1, 11, 17, 0, 0, time.UTC) }
	})
	_, err := s.Stat(t.Context(), "a")
	wantFailure(t, "stat", err, contract.CodeStorageError, "the clock of this machine is 43m0s behind")
}

func TestOtherRegionOfAWSIsNamed(t *testing.T) {
	c := &crooked{fault: func(_ int64, w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("X-Amz-Bucket-Region", "ap-northeast-2")
		s3Refusal(w, http.StatusMovedPermanently, "PermanentRedirect")
		return true
	}}
	err := openAt(t, c.start(t), nil).Check(t.Context())
	wantFailure(t, "check", err, contract.CodeConfigInvalid, "is in region ap-northeast-2, but the agent asked in us-east-1")
}

// Machines behind a proxy that opens TLS name its authority for every AWS tool, and the
// keys may come from the SDK's default chain.
func TestTheAuthoritiesOfAWSToolsAreTrusted(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	if err := os.WriteFile(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"AWS_CA_BUNDLE": bundle, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_CONFIG_FILE": os.DevNull} {
		t.Setenv(name, value)
	}
	for _, key := range []string{"key", ""} { // given, and of the chain
		s := openAt(t, server.URL, func(cfg *Config) { cfg.AccessKeyID, cfg.SecretAccessKey, cfg.Getenv = key, key, os.Getenv })
		if _, err := s.Stat(t.Context(), "a"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("key %q: %v", key, err)
		}
	}
}

// Ultralytics makes a checkpoint smaller while it goes up. The network did not fail.
func TestAFileThatBecomesShorterIsNotSentAgain(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "last.pt"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	const size = 1 << 20
	if err := file.Truncate(size); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	counts := new(Counts)
	s := openServer(t, func(cfg *Config) { cfg.Counts, cfg.Log = counts, slog.New(slog.NewTextHandler(&log, nil)) })
	_, err = s.Put(t.Context(), "a", file, size, func() error { return file.Truncate(size / 2) })
	if !errors.Is(err, errCut) || counts.Retries.Load() != 0 || log.Len() > 0 {
		t.Errorf("%v, %d more tries, %s", err, counts.Retries.Load(), log.String())
	}
}

// A signed request belongs to its host.
func TestNoRedirectIsFollowed(t *testing.T) {
	var asked atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer other.Close()
	c := &crooked{fault: func(_ int64, w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
		return true
	}}
	_, _, err := openAt(t, c.start(t), nil).Get(t.Context(), "a", 0, -1, "")
	wantFailure(t, "get", err, contract.CodeConfigInvalid, "answers with a redirect")
	if asked.Load() > 0 {
		t.Error("another host got the request")
	}
}

func TestOverloadedStoreIsReportedAfterItsRetries(t *testing.T) {
	c := &crooked{fault: func(_ int64, w http.ResponseWriter, _ *http.Request) bool {
		s3Refusal(w, http.StatusServiceUnavailable, "SlowDown")
		return true
	}}
	var counts Counts
	var log bytes.Buffer
	s := openAt(t, c.start(t), func(cfg *Config) { cfg.Counts, cfg.Log = &counts, slog.New(slog.NewTextHandler(&log, nil)) })
	_, _, err := s.Get(t.Context(), "a", 0, -1, "")
	wantFailure(t, "get", err, contract.CodeStorageError, "is overloaded or down (SlowDown)")
	if n := strings.Count(log.String(), "is tried again"); n != 1 || !strings.Contains(log.String(), "is overloaded or down (SlowDown)") {
		t.Errorf("said %d times, want once and at once: %s", n, log.String())
	}
	if n := c.gets.Load(); n != 3 || counts.Retries.Load() != 2 {
		t.Errorf("%d tries, %d counted as retries", n, counts.Retries.Load())
	}
}

func TestRetryAfterInBothForms(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"7": 7 * time.Second, "0": 0, "100000": maxRetryAfter,
		now.Add(30 * time.Second).Format(http.TimeFormat): 30 * time.Second,
		now.Add(-time.Hour).Format(http.TimeFormat):       0,
	} {
		header := http.Header{"Retry-After": {value}}
		err := &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{Header: header}}}
		if got, ok := retryAfter(err, now); !ok || got != want {
			t.Errorf("%q: %v %v, want %v", value, got, ok, want)
		}
	}
	if _, ok := retryAfter(errors.New("reset"), now); ok {
		t.Error("an error without an answer asked for a delay")
	}
}

func TestCertificates(t *testing.T) {
	c := &crooked{body: noise(100), etag: `"v1"`}
	server := httptest.NewUnstartedServer(c)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}

	t.Run("unknown authority", func(t *testing.T) {
		err := openAt(t, server.URL, nil).Check(t.Context())
		wantFailure(t, "check", err, contract.CodeStorageError, "signed by an unknown authority")
	})
	t.Run("custom CA file", func(t *testing.T) {
		s := openAt(t, server.URL, func(cfg *Config) { cfg.CAFile = ca })
		if got := read(t, s, "a", 5, 10, ""); !bytes.Equal(got, c.body[5:15]) {
			t.Errorf("read %d bytes", len(got))
		}
	})
	t.Run("certificate of another name", func(t *testing.T) {
		other := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
		err := openAt(t, other, func(cfg *Config) { cfg.CAFile = ca }).Check(t.Context())
		wantFailure(t, "check", err, contract.CodeStorageError, "is for another name")
	})
	t.Run("https to a port that speaks http", func(t *testing.T) {
		plain := httptest.NewServer(c)
		t.Cleanup(plain.Close)
		err := openAt(t, strings.Replace(plain.URL, "http", "https", 1), nil).Check(t.Context())
		wantFailure(t, "check", err, contract.CodeStorageError, "does not speak TLS on this port")
	})
	t.Run("CA file that holds none", func(t *testing.T) {
		none := filepath.Join(t.TempDir(), "none.pem")
		if err := os.WriteFile(none, []byte("hello"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), Config{Type: contract.StorageMinIO, Endpoint: server.URL, Bucket: bucket, CAFile: none})
		wantFailure(t, "open", err, contract.CodeConfigInvalid, "holds no PEM certificate")
	})
}

func TestProxyComesFromTheGivenEnvironment(t *testing.T) {
	var through atomic.Value
	c := &crooked{body: noise(100), etag: `"v1"`}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		through.Store(r.URL.String())
		c.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	env := map[string]string{"http_proxy": proxy.URL}
	s := openAt(t, "http://store.test:9000", func(cfg *Config) { cfg.Getenv = func(k string) string { return env[k] } })
	if _, err := s.Stat(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if got := through.Load(); got != "http://store.test:9000/vision-platform/a" {
		t.Errorf("the proxy saw %v", got)
	}
}

func TestIPv6Endpoint(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		need.Missing(t, "an IPv6 loopback: %v", err)
	}
	c := &crooked{body: noise(100), etag: `"v1"`}
	server := httptest.NewUnstartedServer(c)
	server.Listener.Close()
	server.Listener = l
	server.Start()
	t.Cleanup(server.Close)
	if got := read(t, openAt(t, server.URL, nil), "a", 0, -1, ""); !bytes.Equal(got, c.body) {
		t.Errorf("read %d bytes", len(got))
	}
}

func TestWhereTheBucketGoes(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		path bool
	}{
		{Config{Type: contract.StorageS3}, false},
		{Config{Type: contract.StorageS3, Endpoint: "https://s3.eu-west-1.amazonaws.com"}, false},
		{Config{Type: contract.StorageMinIO, Endpoint: "http://localhost:9000"}, true},
		{Config{Type: contract.StorageR2, Endpoint: "https://abc.r2.cloudflarestorage.com"}, true},
		{Config{Type: contract.StorageMinIO, Endpoint: "http://localhost:9000", Addressing: AddressVirtual}, false},
		{Config{Type: contract.StorageS3, Addressing: AddressPath}, true},
	} {
		if got := c.cfg.pathStyle(); got != c.path {
			t.Errorf("%+v: path style %v", c.cfg, got)
		}
	}
}

func TestConfigurationIsJudgedBeforeAnythingIsSent(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no bucket":       {Type: contract.StorageMinIO, Endpoint: "http://localhost:9000"},
		"half of a key":   {Type: contract.StorageMinIO, Endpoint: "http://localhost:9000", Bucket: "b", AccessKeyID: "k"},
		"no URL":          {Type: contract.StorageMinIO, Endpoint: "localhost:9000", Bucket: "b"},
		"no local folder": {Type: contract.StorageLocal},
	} {
		_, err := Open(t.Context(), cfg)
		wantFailure(t, name, err, contract.CodeConfigInvalid, "")
	}
}

// A line that the SDK writes to standard error by itself is no JSON among the
// agent's, and lands amid the rows of a terminal.
func TestTheSDKSpeaksThroughOurLog(t *testing.T) {
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			w.WriteHeader(http.StatusForbidden) // no tokens here: the SDK warns and goes on without
			return
		}
		http.NotFound(w, r)
	}))
	defer metadata.Close()
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.URL)
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	var said bytes.Buffer
	cfg := Config{Region: "eu-west-1", Log: slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	credentials, _, err := credentialsOf(t.Context(), cfg, metadata.Client())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := credentials.Retrieve(t.Context()); err == nil {
		t.Error("there are credentials")
	}
	if !strings.Contains(said.String(), "level=DEBUG") || !strings.Contains(said.String(), "IMDSv1") {
		t.Errorf("the log has %q", said.String())
	}
}

func TestTheWaitBetweenTriesGrowsToItsLimit(t *testing.T) {
	waits := Config{MaxBackoff: 5 * time.Second}.waits()
	for attempt, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second} {
		if most := waits.Ceiling(attempt); most != want {
			t.Errorf("attempt %d: %v at most, want %v", attempt, most, want)
		}
	}
}
