package dataset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

const secret = "X-Amz-Signature=verysecret"

// origin serves one file of weights; fault may take over.
type origin struct {
	body  []byte
	etag  string
	time  time.Time // of the last change; zero is not told
	gets  atomic.Int64
	bytes atomic.Int64
	fault func(n int64, w http.ResponseWriter, r *http.Request) bool
	mu    sync.Mutex // of body, etag and time, where a fault replaces them
}

// become replaces the file while it is served.
func (o *origin) become(body []byte, etag string, at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.body, o.etag, o.time = body, etag, at
}

func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := o.gets.Add(1)
	if o.fault != nil && o.fault(n, w, r) {
		return
	}
	body, etag, at := o.now()
	w.Header().Set("ETag", etag)
	http.ServeContent(countedWriter{w, &o.bytes}, r, "", at, bytes.NewReader(body))
}

func (o *origin) now() (body []byte, etag string, at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.body, o.etag, o.time
}

// breakOff sends the head and n bytes of the file; after that the connection is gone.
func (o *origin) breakOff(w http.ResponseWriter, n int) {
	body, etag, at := o.now()
	w.Header().Set("ETag", etag)
	if !at.IsZero() {
		w.Header().Set("Last-Modified", at.UTC().Format(http.TimeFormat))
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	_, _ = w.Write(body[:n])
	_ = http.NewResponseController(w).Flush()
}

type countedWriter struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c countedWriter) Write(b []byte) (int, error) {
	c.n.Add(int64(len(b)))
	return c.ResponseWriter.Write(b)
}

func (o *origin) request(t *testing.T) WeightsRequest {
	t.Helper()
	s := httptest.NewServer(o)
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		s.Close()
	})
	return WeightsRequest{
		URL: s.URL + "/pretrained/yolo11n.pt?" + secret, Dir: filepath.Join(t.TempDir(), "weights"),
		Client: client, Backoff: time.Millisecond, Attempts: 4,
	}
}

// weightsPath fetches weights and ends their use.
func weightsPath(t *testing.T, req WeightsRequest) (string, error) {
	t.Helper()
	w, err := FetchWeights(t.Context(), req)
	return w.Path, errors.Join(err, w.Close())
}

func torch(n int) []byte { return append([]byte("PK\x03\x04"), bytes.Repeat([]byte("w"), n)...) }

func TestWeightsAreFetchedOnce(t *testing.T) {
	o := &origin{body: torch(3 << 20), etag: `"v1"`}
	req := o.request(t)
	path, err := weightsPath(t, req)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, o.body) || filepath.Base(path) != "yolo11n.pt" {
		t.Errorf("%s: %d bytes, %v", path, len(b), err)
	}
	req.URL = strings.Replace(req.URL, secret, "X-Amz-Signature=another", 1)
	again, err := weightsPath(t, req)
	if err != nil || again != path {
		t.Errorf("again: %s %v", again, err)
	}
	o.body, o.etag = torch(100), `"v2"`
	other, err := weightsPath(t, req)
	if err != nil || other == path {
		t.Errorf("another version: %s %v", other, err)
	}
	if kept, _ := filepath.Glob(filepath.Join(req.Dir, "*", "data", "*")); len(kept) != 1 {
		t.Errorf("a folder of one job keeps %v", kept)
	}
}

func TestWeightsResumeAtTheByte(t *testing.T) {
	for name, c := range map[string]struct {
		etag    string
		time    time.Time
		resumes bool
	}{
		"an ETag":                           {`"v1"`, time.Time{}, true},
		"an ETag, changed just now":         {`"v1"`, time.Now().Add(time.Hour), true},
		"a time of change":                  {"", time.Now().Add(-time.Hour), true},
		"a time of change that may be now":  {"", time.Now().Add(time.Hour), false},
		"a weak ETag":                       {`W/"v1"`, time.Time{}, false},
		"a weak ETag and a time of change":  {`W/"v1"`, time.Now().Add(-time.Hour), false},
		"nothing that tells of the version": {"", time.Time{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := &origin{body: torch(1 << 20), etag: c.etag, time: c.time}
			o.fault = func(n int64, w http.ResponseWriter, _ *http.Request) bool {
				if n == 1 {
					o.breakOff(w, 700_000)
					panic(http.ErrAbortHandler)
				}
				return false
			}
			path, err := weightsPath(t, o.request(t))
			if err != nil {
				t.Fatal(err)
			}
			if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, o.body) {
				t.Errorf("%d bytes, %v", len(b), err)
			}
			if n := o.bytes.Load(); (n < int64(len(o.body))) != c.resumes {
				t.Errorf("the second connection sent %d of %d bytes", n, len(o.body))
			}
		})
	}
}

// version is what a server says of the file's.
type version struct {
	etag string
	time time.Time
}

func TestWeightsReplacedInTheMiddleStartOver(t *testing.T) {
	before, after := time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	future := time.Now().Add(time.Hour)
	for name, c := range map[string]struct {
		before, after version
		size          int
	}{
		"shorter than what has arrived":       {version{etag: `"v1"`}, version{etag: `"v2"`}, 400_000},
		"a weak ETag":                         {version{etag: `W/"v1"`}, version{etag: `W/"v2"`}, 1 << 20},
		"a weak ETag that stays":              {version{etag: `W/"v1"`}, version{etag: `W/"v1"`}, 1 << 20},
		"no ETag, another size":               {version{}, version{}, 2 << 20},
		"no ETag, the same size":              {version{}, version{}, 1 << 20},
		"no ETag, another time":               {version{time: before}, version{time: after}, 1 << 20},
		"no ETag, a time that may change yet": {version{time: future}, version{time: future}, 1 << 20},
	} {
		for _, ignores := range []bool{false, true} { // If-Range, as simple servers do
			t.Run(fmt.Sprintf("%s, If-Range ignored %v", name, ignores), func(t *testing.T) {
				o := &origin{body: torch(1 << 20), etag: c.before.etag, time: c.before.time}
				o.fault = func(n int64, w http.ResponseWriter, r *http.Request) bool {
					if ignores {
						r.Header.Del("If-Range")
					}
					if n > 1 {
						return false
					}
					o.breakOff(w, 500_000)
					o.become(bytes.ReplaceAll(torch(c.size), []byte("w"), []byte("v")), c.after.etag, c.after.time)
					panic(http.ErrAbortHandler)
				}
				path, err := weightsPath(t, o.request(t))
				if err != nil {
					t.Fatal(err)
				}
				if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, o.body) {
					t.Errorf("%d bytes, %v", len(b), err)
				}
			})
		}
	}
}

func answer(status int, body string) func(int64, http.ResponseWriter, *http.Request) bool {
	return func(_ int64, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return true
	}
}

func TestEveryReasonWhyWeightsAreUnavailable(t *testing.T) {
	now := time.Date(2026, 1, 1, 14, 0, 0, 0, time.UTC)
	xml := func(code, message string) string {
		return "<Error><Code>" + code + "</Code><Message>" + message + "</Message></Error>"
	}
	for _, c := range []struct {
		name, query string
		fault       func(int64, http.ResponseWriter, *http.Request) bool
		says        string
	}{
		{"expired by its own words", "X-Amz-Date=20260101T120000Z&X-Amz-Expires=3600&" + secret, answer(403, xml("AccessDenied", "Request has expired")), "has expired 1h0m0s ago"},
		{"expired by the server's words", secret, answer(403, xml("AccessDenied", "Request has expired")), "has expired"},
		{"expired, old signature", "Expires=1767272400&Signature=verysecret", answer(403, ""), "has expired 1h0m0s ago"},
		{"damaged", secret, answer(403, xml("SignatureDoesNotMatch", "x")), "signature does not match"},
		{"refused", secret, answer(403, xml("AccessDenied", "x")), "were refused (403 Forbidden AccessDenied)"},
		{"missing", secret, answer(404, xml("NoSuchKey", "x")), "there are no weights at"},
		{"web page", secret, answer(200, "<!DOCTYPE html><html>login</html>"), "gave a web page in place of weights"},
		{"XML", secret, answer(200, `<?xml version="1.0"?><Error/>`), "gave an XML message"},
		{"LFS pointer", secret, answer(200, "version https://git-lfs.github.com/spec/v1\noid"), "gave a Git LFS pointer"},
		{"nothing", secret, answer(200, ""), "gave an empty file"},
		{"always down", secret, answer(503, ""), "the server answered 503"},
		{"too large", secret, answer(200, strings.Repeat("w", 2000)), "the limit is 1.0 KiB"},
		{"too large and silent about it", secret, func(_ int64, w http.ResponseWriter, _ *http.Request) bool {
			for range 20 {
				_, _ = w.Write(make([]byte, 100))
				_ = http.NewResponseController(w).Flush()
			}
			return true
		}, "are larger than 1.0 KiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := &origin{fault: c.fault}
			req := o.request(t)
			var log bytes.Buffer
			req.URL = strings.Replace(req.URL, secret, c.query, 1)
			req.Now, req.MaxBytes = func() time.Time { return now }, 1024
			req.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			_, err := FetchWeights(t.Context(), req)
			f, ok := errors.AsType[*contract.Failure](err)
			if !ok || f.Code != contract.CodeWeightsUnavailable || !strings.Contains(f.Line(), c.says) {
				t.Errorf("error %v, want %q", err, c.says)
			}
			if strings.Contains(fmt.Sprint(err)+log.String(), "verysecret") {
				t.Errorf("the query shows: %v\n%s", err, log.String())
			}
			if left, _ := filepath.Glob(filepath.Join(req.Dir, "*", "data", "*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// A redirect must not carry the signature to another host, nor the request off TLS.
func TestWeightsFollowARedirectOnTheSameHostOnly(t *testing.T) {
	var seen []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.URL.String(), r.Referer())
	}))
	defer other.Close()
	o := &origin{etag: `"1"`, body: torch(10)}
	var to string
	o.fault = func(_ int64, w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/moved.pt" {
			if r.Referer() != "" {
				t.Errorf("Referer %q", r.Referer())
			}
			return false
		}
		http.Redirect(w, r, to, http.StatusFound)
		return true
	}
	to = other.URL + "/yolo.pt?" + secret
	_, err := FetchWeights(t.Context(), o.request(t))
	f, ok := errors.AsType[*contract.Failure](err)
	if !ok || f.Code != contract.CodeWeightsUnavailable || !strings.Contains(f.Line(), other.URL) || strings.Contains(f.Line(), "verysecret") || len(seen) > 0 {
		t.Errorf("%v; the other host saw %q", err, seen)
	}
	to = "/moved.pt"
	if _, err := weightsPath(t, o.request(t)); err != nil {
		t.Errorf("on the same host: %v", err)
	}
}

func TestUnreachableWeightsKeepTheirSecret(t *testing.T) {
	o := &origin{}
	req := o.request(t)
	req.URL = "http://127.0.0.1:1/yolo.pt?" + secret
	req.Attempts = 2
	_, err := FetchWeights(t.Context(), req)
	f, ok := errors.AsType[*contract.Failure](err)
	if !ok || f.Code != contract.CodeWeightsUnavailable || strings.Contains(f.Line(), "verysecret") || !strings.Contains(f.Line(), "connection refused") {
		t.Errorf("error %v", err)
	}
	for _, bad := range []string{"", "yolo11n.pt", "s3://bucket/key", "http://[::1"} {
		req.URL = bad
		if _, err := FetchWeights(t.Context(), req); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestWeightsStopWithTheContext(t *testing.T) {
	o := &origin{fault: func(_ int64, w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte("PK"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		return true
	}}
	ctx, cancel := context.WithCancel(t.Context())
	req := o.request(t)
	req.Progress = func(p contract.Transfer) {
		if p.BytesDone > 0 {
			cancel()
		}
	}
	if _, err := FetchWeights(ctx, req); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestWeightsNamesAreHarmless(t *testing.T) {
	for uri, want := range map[string]string{
		"http://h/a/b.safetensors?x": "b.safetensors", "http://h/": "weights.pt", "http://h": "weights.pt",
		"http://h/..%2f..%2fetc%2fpasswd": "passwd", "http://h/.hidden": "weights.pt", "http://h/%ED%95%9C.pt": "한.pt",
		"http://h/a%5Cb.pt": "weights.pt", "http://h/" + strings.Repeat("n", 300): "weights.pt",
	} {
		req, err := http.NewRequest(http.MethodGet, uri, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := (address{url: req.URL}).base(); got != want {
			t.Errorf("%s: %q, want %q", uri, got, want)
		}
	}
}

// Weights and datasets share one cache, and its limit.
func TestWeightsAreEvictedLikeDatasets(t *testing.T) {
	shared := t.TempDir()
	o := &origin{etag: `"v1"`, body: torch(600_000)}
	req := o.request(t)
	req.CacheDir, req.CacheMaxBytes = shared, 1_500_000
	fetchOf := func(name string) Weights {
		t.Helper()
		req.URL = strings.Replace(req.URL, filepath.Base(strings.SplitN(req.URL, "?", 2)[0]), name, 1)
		w, err := FetchWeights(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	exists := func(path string) bool {
		_, err := os.Stat(path)
		return err == nil
	}
	held := fetchOf("held.pt") // the oldest, but in use
	old := fetchOf("old.pt")
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	fresh := fetchOf("fresh.pt")
	if !exists(held.Path) || exists(old.Path) || !exists(fresh.Path) {
		t.Errorf("held %v, old %v, fresh %v", exists(held.Path), exists(old.Path), exists(fresh.Path))
	}
	if err := errors.Join(held.Close(), fresh.Close()); err != nil {
		t.Fatal(err)
	}
	data := fetch(t, zipBucket(t, map[string]string{"annotations.json": "{}", "images/a.jpg": strings.Repeat("x", 800_000)}), Request{CacheDir: shared, CacheMaxBytes: 1_500_000})
	defer func() { _ = data.Close() }()
	if exists(held.Path) || !exists(fresh.Path) {
		t.Errorf("after a dataset: held %v, fresh %v", exists(held.Path), exists(fresh.Path))
	}
	if again := fetchOf("fresh.pt"); !again.Cached || o.gets.Load() != 4 {
		t.Errorf("cached %v after %d answers", again.Cached, o.gets.Load())
	} else if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestJobsThatWantTheSameWeightsFetchThemOnce(t *testing.T) {
	o := &origin{etag: `"v1"`, body: torch(4 << 20)}
	req := o.request(t)
	req.CacheDir = t.TempDir()
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			mine := req
			w, err := FetchWeights(t.Context(), mine)
			if err != nil {
				t.Error(err)
				return
			}
			if b, err := os.ReadFile(w.Path); err != nil || !bytes.Equal(b, o.body) {
				t.Errorf("%d bytes, %v", len(b), err)
			}
			_ = w.Close()
		})
	}
	group.Wait()
	if kept, _ := filepath.Glob(filepath.Join(req.CacheDir, "*", "data", "*")); len(kept) != 1 {
		t.Errorf("the cache keeps %v", kept)
	}
}
