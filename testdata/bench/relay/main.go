// Command relay measures what a heartbeat costs the training loop: posted to the
// agent's relay, and posted to the backend directly as the platform's own
// clients do, with a backend that is healthy, far away, dead or hanging. It
// prints a section of docs/benchmarks.md.
//
//	go run ./testdata/bench/relay
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vision-platform/trainer-agent/agent/outbox"
	"github.com/vision-platform/trainer-agent/agent/relay"
	"github.com/vision-platform/trainer-agent/contract"
)

const (
	posts        = 500 // through the relay, and directly where that is quick
	directlySlow = 60  // directly, where each takes long
	directlyHung = 2   // directly, where each takes the client's ten seconds
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "relay bench:", err)
		os.Exit(1)
	}
}

// A world is one state of the backend.
type world struct {
	name   string
	url    string
	direct int           // posts made directly
	got    *atomic.Int64 // messages that arrived
	close  func()
}

func run() error {
	fmt.Printf("### Callbacks: what a heartbeat costs the training loop\n\n")
	// The first row says how much of the relay's time is the disk's.
	fmt.Printf("Milliseconds as the trainer sees them (`requests.post`, a new connection each, 20 metrics); "+
		"%d posts through the relay, which are on disk when they are answered.\n\n", posts)
	fmt.Println("| backend | way | posts | p50 | p99 | max | accepted | delivered |")
	fmt.Println("|---|---|--:|--:|--:|--:|--:|--:|")
	disk, err := synced()
	if err != nil {
		return err
	}
	disk.print("(none: 600 bytes appended and synced to the disk)", "—", 0)
	var summary []string
	for _, make := range []func() (world, error){healthy, far, dead, hanging} {
		w, err := make()
		if err != nil {
			return err
		}
		line, err := measure(w)
		w.close()
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		summary = append(summary, line)
	}
	fmt.Println()
	for _, line := range summary {
		fmt.Println(line)
	}
	return nil
}

func measure(w world) (summary string, err error) {
	through, err := relayed(w)
	if err != nil {
		return "", err
	}
	before := w.got.Load()
	direct, err := client(w.url, "token", w.direct)
	if err != nil {
		return "", err
	}
	direct.print(w.name, "direct", w.got.Load()-before)
	return fmt.Sprintf("- %s: the relay's p50 is %.2g× and its p99 %.2g× that of posting directly.", w.name,
		through.at(50)/direct.at(50), through.at(99)/direct.at(99)), nil
}

// synced times what no durable answer can be faster than on this disk.
func synced() (r result, err error) {
	f, err := os.CreateTemp("", "relay-bench-")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	for range posts {
		began := time.Now()
		if _, err := f.Write(make([]byte, 600)); err != nil {
			return r, err
		}
		if err := f.Sync(); err != nil {
			return r, err
		}
		r.Times = append(r.Times, float64(time.Since(began))/float64(time.Millisecond))
	}
	slices.Sort(r.Times)
	return r, nil
}

// relayed posts through a relay and an outbox on a real disk.
func relayed(w world) (result, error) {
	dir, err := os.MkdirTemp("", "relay-bench-")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(dir)
	box, err := outbox.Open(dir, outbox.Options{JobID: "job-1", BaseURL: w.url, Token: func() (string, error) { return "token", nil }})
	if err != nil {
		return result{}, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var sender sync.WaitGroup
	sender.Go(func() { _ = box.Run(ctx) })
	defer func() { cancel(); sender.Wait(); _ = box.Close() }()
	r, err := relay.New(relay.Options{JobID: "job-1", Outbox: box, Full: outbox.ErrFull, Ended: outbox.ErrFinal})
	if err != nil {
		return result{}, err
	}
	before := w.got.Load()
	res, err := client(r.URL(), r.Token(), posts)
	if err != nil {
		return result{}, err
	}
	flush, stop := context.WithTimeout(ctx, 5*time.Second)
	defer stop()
	left := ""
	if err := box.Flush(flush); err != nil {
		left = fmt.Sprintf(" (%d wait on disk)", box.Pending().Depth)
	}
	res.left = left
	res.print(w.name, "relay", w.got.Load()-before)
	return res, r.Close(ctx)
}

type result struct {
	Times    []float64 `json:"times"`
	Accepted int       `json:"accepted"`
	left     string
}

// at is a percentile in milliseconds.
func (r result) at(percent int) float64 {
	return r.Times[min(len(r.Times)-1, len(r.Times)*percent/100)]
}

func (r result) print(backend, way string, delivered int64) {
	fmt.Printf("| %s | %s | %d | %.2f | %.2f | %.2f | %d | %d%s |\n", backend, way, len(r.Times),
		r.at(50), r.at(99), r.at(100), r.Accepted, min(delivered, int64(posts)), r.left)
}

// client runs the Python client.
func client(url, token string, count int) (result, error) {
	venv := os.Getenv("TRAINER_VENV")
	if venv == "" {
		venv = ".venv"
	}
	cmd := exec.Command(filepath.Join(venv, "bin", "python"), "-W", "ignore", "testdata/bench/relay/post.py", strconv.Itoa(count))
	cmd.Env = append(os.Environ(), "BACKEND_BASE_URL="+url, "CALLBACK_TOKEN="+token, "JOB_ID=job-1", "NO_PROXY=127.0.0.1")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return result{}, fmt.Errorf("running the client: %w", err)
	}
	var r result
	if err := json.Unmarshal(out, &r); err != nil || len(r.Times) == 0 {
		return result{}, errors.Join(fmt.Errorf("the client says %q", out), err)
	}
	slices.Sort(r.Times)
	return r, nil
}

func server(name string, direct int, wait time.Duration) world {
	got := &atomic.Int64{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		time.Sleep(wait)
		got.Add(1)
		_ = json.NewEncoder(w).Encode(contract.ValidationReply{Status: "ok"})
	}))
	return world{name, srv.URL, direct, got, srv.Close}
}

func healthy() (world, error) { return server("healthy, on this machine", posts, 0), nil }

func far() (world, error) {
	return server("healthy, answers in 200 ms", directlySlow, 200*time.Millisecond), nil
}

// dead is a port where nobody listens.
func dead() (world, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return world{}, err
	}
	url := "http://" + l.Addr().String()
	return world{"dead", url, posts, &atomic.Int64{}, func() {}}, l.Close()
}

// hanging takes connections and requests and never answers.
func hanging() (world, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return world{}, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _, _ = io.Copy(io.Discard, c) }()
		}
	}()
	return world{"hanging", "http://" + l.Addr().String(), directlyHung, &atomic.Int64{}, func() { _ = l.Close() }}, nil
}
