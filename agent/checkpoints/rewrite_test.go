package checkpoints

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/vision-platform/trainer-agent/agent/storage"
	sandbox "github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/store"
	"github.com/vision-platform/trainer-agent/contract"
)

// realStore is an S3 server of its own process.
func realStore(t testing.TB) storage.Store {
	t.Helper()
	server, err := sandbox.Start(context.Background(), sandbox.Config{Dir: t.TempDir(), Buckets: []string{"vision-platform"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	s, err := storage.Open(t.Context(), storage.Config{
		Type: contract.StorageMinIO, Endpoint: server.URL, Bucket: "vision-platform",
		AccessKeyID: server.AccessKey, SecretAccessKey: server.SecretKey,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const (
	writerEnv  = "CHECKPOINTS_TEST_WRITER" // set: this process is the writer; the path it writes to
	writerSize = 200 << 20
	pageSize   = 4096
)

// pages is a torch file whose every page of tensor data carries its version, so
// that a mixture of two versions shows.
func pages(body []byte, version int) {
	for at := pageSize; at+8 < len(body)-pageSize; at += pageSize {
		binary.LittleEndian.PutUint64(body[at:], uint64(version))
	}
}

// mixed returns the versions found in a file; a whole one has one.
func mixed(body []byte) map[uint64]bool {
	found := map[uint64]bool{}
	for at := pageSize; at+8 < len(body)-pageSize; at += pageSize {
		found[binary.LittleEndian.Uint64(body[at:])] = true
	}
	return found
}

// writerMain is the child: for every line on stdin it rewrites the file that
// many times without a pause, as Path.write_bytes does, and answers with a line.
func writerMain(path string) error {
	body := bytes.Repeat([]byte{7}, writerSize)
	frame := zipFrame(len(body))
	copy(body, frame.head)
	copy(body[len(body)-len(frame.tail):], frame.tail)
	in := bufio.NewScanner(os.Stdin)
	for version := 1; in.Scan(); {
		times, err := strconv.Atoi(in.Text())
		if err != nil {
			return err
		}
		for range times {
			pages(body, version)
			if err := os.WriteFile(path, body, 0o644); err != nil {
				return err
			}
			version++
		}
		fmt.Println("written", version-1)
	}
	return in.Err()
}

type frame struct{ head, tail []byte }

// zipFrame is the least that makes a file of n bytes look like a torch archive:
// one local header in front, its entry and the end record behind.
func zipFrame(n int) frame {
	central := make([]byte, 46)
	copy(central, "PK\x01\x02")
	eocd := make([]byte, 22)
	copy(eocd, "PK\x05\x06")
	binary.LittleEndian.PutUint16(eocd[8:], 1)
	binary.LittleEndian.PutUint16(eocd[10:], 1)
	binary.LittleEndian.PutUint32(eocd[12:], uint32(len(central)))
	binary.LittleEndian.PutUint32(eocd[16:], uint32(n-len(central)-len(eocd)))
	return frame{head: []byte("PK\x03\x04"), tail: append(central, eocd...)}
}

// writer is the handle of the child.
type writer struct {
	t   *testing.T
	in  io.WriteCloser
	out *bufio.Scanner
	mu  sync.Mutex
}

func startWriter(t *testing.T, path string) *writer {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), writerEnv+"="+path, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return &writer{t: t, in: in, out: bufio.NewScanner(out)}
}

// rewrite has the file rewritten n times and returns the last version.
func (w *writer) rewrite(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := fmt.Fprintln(w.in, n); err != nil || !w.out.Scan() {
		w.t.Errorf("the writer is gone: %v", errors.Join(err, w.out.Err()))
		return 0
	}
	version, _ := strconv.Atoi(strings.TrimPrefix(w.out.Text(), "written "))
	return version
}

// checked looks at every object as soon as it is visible, and lets a test act
// in the middle of an upload.
type checked struct {
	storage.Store
	t       *testing.T
	mu      sync.Mutex
	visible int
	within  func() // once per upload, when it is under way
}

func (c *checked) Put(ctx context.Context, key string, body io.ReaderAt, size int64, commit func() error) (contract.ObjectInfo, error) {
	var once sync.Once
	if strings.HasSuffix(key, ".pt") {
		inner := body
		body = readerAtFunc(func(p []byte, at int64) (int, error) {
			if at > size/2 {
				once.Do(c.within)
			}
			return inner.ReadAt(p, at)
		})
	}
	info, err := c.Store.Put(ctx, key, body, size, commit)
	if err == nil && strings.HasSuffix(key, ".pt") {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.visible++
		if versions := mixed(c.get(key)); len(versions) != 1 {
			c.t.Errorf("%s is visible with pages of %d versions: %v", key, len(versions), versions)
		}
	}
	return info, err
}

func (c *checked) get(key string) []byte {
	body, _, err := c.Get(c.t.Context(), key, 0, -1, "")
	if err != nil {
		c.t.Error(err)
		return nil
	}
	defer func() { _ = body.Close() }()
	all, err := io.ReadAll(body)
	if err != nil {
		c.t.Error(err)
	}
	return all
}

type readerAtFunc func(p []byte, at int64) (int, error)

func (f readerAtFunc) ReadAt(p []byte, at int64) (int, error) { return f(p, at) }

// A process rewrites a 200 MB checkpoint: first over and over without a pause,
// then whenever an upload is half way. No object with bytes of two versions is
// ever visible, and the last one is the file, byte by byte.
func TestNoTornObjectIsEverVisibleWhileTheFileIsRewritten(t *testing.T) {
	s := &checked{Store: realStore(t), t: t}
	r := newRig(t, newBucket(), func(o *Options) { o.Store = s })
	w := startWriter(t, r.path("last.pt"))
	left := 2
	var within sync.Mutex
	s.within = func() {
		within.Lock()
		defer within.Unlock()
		if left > 0 {
			left--
			w.rewrite(1)
		}
	}
	r.run()
	w.rewrite(10)
	r.awaitSaved("last.pt")
	within.Lock()
	if left > 0 {
		t.Errorf("no upload met a rewrite; the test proves nothing")
	}
	within.Unlock()
	final := w.rewrite(2)
	r.finish(FinishOptions{Clean: true})

	disk, err := os.ReadFile(r.path("last.pt"))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.get(contract.CheckpointKey(jobID, "last.pt")); !bytes.Equal(got, disk) || !mixed(got)[uint64(final)] {
		t.Errorf("the final object is not version %d of the file", final)
	}
	if s.visible < 2 {
		t.Errorf("%d objects were visible, want one before and one after the last rewrites", s.visible)
	}
}
