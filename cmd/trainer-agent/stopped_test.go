package main_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/backend"
	"github.com/vision-platform/trainer-agent/contract"
)

// gate is a store that stands still after so many bytes of the dataset.
type gate struct {
	url     string
	reached chan struct{} // closed when it stands
	open    chan struct{} // close it to let the rest through
	mu      sync.Mutex
	left    int64
}

// standsAfter puts a gate before the store.
func standsAfter(t *testing.T, key string, bytes int64) *gate {
	t.Helper()
	g := &gate{reached: make(chan struct{}), open: make(chan struct{}), left: bytes}
	to, err := url.Parse(shared.Store.Env()["S3_ENDPOINT"])
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host // it is signed
		},
		ModifyResponse: func(r *http.Response) error {
			if r.Request.Method == http.MethodGet && strings.HasSuffix(r.Request.URL.Path, key) {
				r.Body = gated{r.Body, g, r.Request.Context()}
			}
			return nil
		},
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
		FlushInterval: -1,
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	g.url = server.URL
	return g
}

type gated struct {
	io.ReadCloser
	gate *gate
	ctx  context.Context
}

func (b gated) Read(p []byte) (int, error) {
	if n, ok, err := b.gate.pass(b.ReadCloser, p); ok {
		return n, err
	}
	select {
	case <-b.gate.open:
		return b.ReadCloser.Read(p)
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	}
}

// pass reads what may still go through; one reader at a time, so that the count
// is exact.
func (g *gate) pass(r io.Reader, p []byte) (n int, ok bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.left <= 0 {
		select {
		case <-g.reached:
		default:
			close(g.reached)
		}
		return 0, false, nil
	}
	n, err = r.Read(p[:min(int64(len(p)), g.left)])
	g.left -= int64(n)
	return n, true, err
}

// manyImages is a dataset that takes a moment to unpack and to convert, and the
// checksums of its files.
func manyImages(t *testing.T, n int) ([]byte, map[string]uint32) {
	t.Helper()
	from, err := zip.NewReader(bytes.NewReader(tinyDataset()), int64(len(tinyDataset())))
	if err != nil {
		t.Fatal(err)
	}
	f, err := from.Open("images/img1.png")
	if err != nil {
		t.Fatal(err)
	}
	picture, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w, sums := zip.NewWriter(&out), map[string]uint32{}
	add := func(name string, body []byte) {
		f, _ := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		_, _ = f.Write(body)
		sums[name] = crc32.ChecksumIEEE(body)
	}
	var images []map[string]any
	for i := range n {
		name := fmt.Sprintf("%05d.png", i)
		add("images/"+name, append(bytes.Clone(picture), fmt.Sprint(i)...))
		images = append(images, map[string]any{"id": i, "file_name": name, "width": 32, "height": 32, "annotations": []any{map[string]any{"class_id": i % 2, "bbox": []int{8, 8, 16, 16}}}})
	}
	body, _ := json.Marshal(map[string]any{"images": images, "classes": []any{map[string]any{"id": 0, "name": "cat"}, map[string]any{"id": 1, "name": "dog"}}})
	add("annotations.json", body)
	_ = w.Close()
	return out.Bytes(), sums
}

// TestStopAtAnyMomentOfPreparing signals the real process while a dataset comes in:
// at a seeded byte of the download, which unpacks as it goes, or while it is
// converted. Whatever the moment, it ends with 143, and what it leaves in the
// shared cache another job can use.
func TestStopAtAnyMomentOfPreparing(t *testing.T) {
	t.Parallel()
	packed, sums := manyImages(t, 1500)
	if err := shared.Put("datasets/many.zip", packed); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	var longest time.Duration
	for i := range 10 {
		at := random.Int64N(int64(len(packed)))
		moment := fmt.Sprintf("byte %d", at)
		if i%3 == 2 {
			moment, at = "convert", 1<<40
		}
		j := newJob(t, "waits").with("DATASET_ID", "many", "AGENT_DATASET_CACHE_DIR", t.TempDir())
		gate := standsAfter(t, "datasets/many.zip", at)
		endpoint := j.env["S3_ENDPOINT"]
		j.with("S3_ENDPOINT", gate.url).start()
		if moment == "convert" {
			j.until("the dataset is here", func(calls []backend.Call) bool {
				return len(backend.Events(calls, contract.EventDatasetDownloaded)) > 0
			})
		} else {
			select {
			case <-gate.reached:
			case <-time.After(patience):
				t.Fatalf("the download never came to %s\n%s", moment, j.stderr.String())
			}
		}
		told := time.Now()
		if err := j.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		code := j.wait()
		took := time.Since(told)
		longest = max(longest, took)
		t.Logf("%-12s ended %d ms after SIGTERM", moment, took.Milliseconds())
		if code != contract.ExitStopped {
			t.Errorf("%s: exit code %d\n%s", moment, code, j.stderr.String())
		}
		if d := j.done(); d.Error == nil || d.Error.Code != contract.CodeStopped {
			t.Errorf("%s: %+v", moment, d.Error)
		}
		j.with("S3_ENDPOINT", endpoint, "WORKSPACE_DIR", t.TempDir())
		if out, err := command(j, "prepare").CombinedOutput(); err != nil {
			t.Fatalf("%s: the next job: %v\n%s", moment, err, out)
		}
		j.cacheHolds(sums)
	}
	t.Logf("longest: %d ms", longest.Milliseconds())
}

// cacheHolds checks that the job's cache has one entry with just these files.
func (j *job) cacheHolds(sums map[string]uint32) {
	j.t.Helper()
	entries, _ := filepath.Glob(filepath.Join(j.env["AGENT_DATASET_CACHE_DIR"], "*", "data"))
	if len(entries) != 1 {
		j.t.Fatalf("entries: %v", entries)
	}
	found := 0
	err := filepath.WalkDir(entries[0], func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		found++
		name, _ := filepath.Rel(entries[0], path)
		b, err := os.ReadFile(path)
		if want, ok := sums[name]; err == nil && (!ok || crc32.ChecksumIEEE(b) != want) {
			j.t.Errorf("%s is not what it was", name)
		}
		return err
	})
	if err != nil || found != len(sums) {
		j.t.Errorf("%d of %d files: %v", found, len(sums), err)
	}
}

// TestPersonSeesThatAnotherJobFetches: two jobs want a dataset that is not in their
// cache; one fetches, and a person at the other sees how far it is.
func TestPersonSeesThatAnotherJobFetches(t *testing.T) {
	t.Parallel()
	packed, sums := manyImages(t, 1000)
	if err := shared.Put("datasets/wanted.zip", packed); err != nil {
		t.Fatal(err)
	}
	gate := standsAfter(t, "datasets/wanted.zip", int64(len(packed))/2)
	first := newJob(t, "quick").with("DATASET_ID", "wanted", "AGENT_DATASET_CACHE_DIR", t.TempDir())
	// Both see one address: it is a part of the entry's name.
	first.with("S3_ENDPOINT", gate.url)
	second := newJob(t, "quick").with("DATASET_ID", "wanted", "AGENT_DATASET_CACHE_DIR", first.env["AGENT_DATASET_CACHE_DIR"], "S3_ENDPOINT", gate.url)
	third := newJob(t, "quick").with("DATASET_ID", "wanted", "AGENT_DATASET_CACHE_DIR", first.env["AGENT_DATASET_CACHE_DIR"], "S3_ENDPOINT", gate.url)
	fetching := command(first, "prepare")
	if err := fetching.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fetching.Process.Kill() })
	select {
	case <-gate.reached:
	case <-time.After(patience):
		t.Fatal("the first job fetches nothing")
	}
	person := second.sits(100, 30, "prepare")
	person.sees("waiting ━", "another job fetches it into the cache")
	impatient := third.sits(100, 30, "prepare")
	impatient.sees("waiting")
	impatient.types("\x03")
	impatient.sees("✗ stopped", "exit code 143")
	if code := impatient.leaves(); code != contract.ExitStopped {
		t.Errorf("exit code %d", code)
	}
	close(gate.open)
	if err := fetching.Wait(); err != nil {
		t.Errorf("the job that fetches: %v", err)
	}
	person.sees("✓ prepared")
	if code := person.leaves(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	first.cacheHolds(sums)
}
