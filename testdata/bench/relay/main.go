// Command relay measures what a heartbeat costs the training loop: posted to the
// agent's relay, and posted to the backend directly as the platform's own
// clients do, with a backend that is healthy, far away, dead or hanging. An empty
// server beside them says what the client itself costs. It prints a section of
// docs/benchmarks.md.
//
//	go run ./testdata/bench/relay
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox"
	"github.com/vision-platform/trainer-agent/agent/callbacks/relay"
)

const (
	rounds = 20
	block  = 25 // posts to one target at a stretch
	posts  = rounds * block

	empty = "(an empty server: what the client costs)"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "relay bench:", err)
		os.Exit(1)
	}
}

func run() error {
	fmt.Printf("### Callbacks: what a heartbeat costs the training loop\n\n")
	fmt.Printf("Milliseconds as the trainer sees them (`requests.post`, a new connection each, 20 metrics), and as the server does, from the first byte of "+
		"the request to the last one of the answer. %d posts through each relay, which are on disk when they are answered; blocks of %d to every target in turn.\n\n", posts, block)
	fmt.Println("| backend | way | posts | p50 | p99 | max | in the server p50 | p99 | accepted | delivered |")
	fmt.Println("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|")
	disk, err := synced()
	if err != nil {
		return err
	}
	disk.print("(none: 600 bytes appended and synced to the disk)", "—", "—")
	all, err := worlds()
	if err != nil {
		return err
	}
	b := &bench{targets: map[string][2]string{}, relays: map[string]*relayed{}}
	defer b.close()
	if err := b.open(all); err != nil {
		return err
	}
	if err := b.measure(all); err != nil {
		return err
	}
	for _, w := range all {
		w.close()
	}
	return nil
}

// A bench holds one relay for every state of the backend, and the empty server.
type bench struct {
	targets map[string][2]string // name → url, token
	relays  map[string]*relayed
	empty   *timedListener
}

// through names the relay in front of a backend among the targets.
func through(w world) string { return "relay: " + w.name }

func (b *bench) open(all []world) (err error) {
	if b.empty, err = listen(); err != nil {
		return err
	}
	go func() {
		_ = http.Serve(b.empty, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, `{"status":"ok"}`)
		}))
	}()
	b.targets[empty] = [2]string{"http://" + b.empty.Addr().String(), "token"}
	for _, w := range all {
		r, err := openRelay(w)
		if err != nil {
			return err
		}
		b.relays[through(w)] = r
		b.targets[through(w)] = [2]string{r.relay.URL(), r.relay.Token()}
	}
	b.targets[all[0].name] = [2]string{all[0].url, "token"}
	b.targets["dead"] = [2]string{all[2].url, "token"}
	return nil
}

func (b *bench) close() {
	for _, r := range b.relays {
		r.close()
	}
	_ = b.empty.Close()
}

func (b *bench) measure(all []world) error {
	results, err := client(b.targets, rounds, block)
	if err != nil {
		return err
	}
	floor := results[empty].served(b.empty)
	floor.print(empty, "direct", "—")
	var summary []string
	for _, w := range all {
		direct, measured := results[w.name]
		if !measured {
			few := 20 // direct posts that take long
			if w.hung {
				few = 1
			}
			slow, err := client(map[string][2]string{w.name: {w.url, "token"}}, 2, few)
			if err != nil {
				return err
			}
			direct = slow[w.name]
		}
		r := b.relays[through(w)]
		left := r.flush()
		ours := results[through(w)].served(r.listener)
		ours.print(w.name, "relay", fmt.Sprintf("%d%s", w.relayed.Load(), left))
		direct.print(w.name, "direct", "—")
		summary = append(summary, fmt.Sprintf("- %s: the relay's p50 is %.2g× and its p99 %.2g× that of posting directly; over the empty server it adds %.2f ms at p50 and %.2f ms at p99.", w.name,
			ours.at(50)/direct.at(50), ours.at(99)/direct.at(99), ours.at(50)-floor.at(50), ours.at(99)-floor.at(99)))
	}
	fmt.Println()
	for _, line := range summary {
		fmt.Println(line)
	}
	return nil
}

// A relayed is a relay and its outbox on a real disk.
type relayed struct {
	listener *timedListener
	relay    *relay.Relay
	box      *outbox.Outbox
	close    func()
}

func openRelay(w world) (*relayed, error) {
	dir, err := os.MkdirTemp("", "relay-bench-")
	if err != nil {
		return nil, err
	}
	r := &relayed{}
	if r.box, err = outbox.Open(dir, outbox.Options{JobID: "job-1", Backend: outbox.Backend{URL: w.url, Token: outbox.Token{Read: func() (string, error) { return "token", nil }}}}); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var sender sync.WaitGroup
	sender.Go(func() { _ = r.box.Run(ctx) })
	if r.listener, err = listen(); err == nil {
		r.relay, err = relay.New(relay.Options{Job: relay.Job{ID: "job-1"}, Outbox: r.box, Full: outbox.ErrFull, Ended: outbox.ErrFinal, Listener: r.listener})
	}
	r.close = func() {
		cancel()
		sender.Wait()
		_ = errors.Join(r.relay.Close(context.Background()), r.box.Close(), os.RemoveAll(dir))
	}
	return r, err
}

// flush gives what waits a moment, and says how much is left.
func (r *relayed) flush() string {
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
	defer stop()
	if r.box.Flush(ctx) != nil {
		return fmt.Sprintf(" (%d wait on disk)", r.box.Pending().Depth)
	}
	return ""
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

type result struct {
	Times    []float64 `json:"times"`
	Accepted int       `json:"accepted"`
	inside   []float64 // as the server sees them
}

// served adds the server's own view.
func (r result) served(l *timedListener) result {
	r.inside = l.taken(block)
	slices.Sort(r.inside)
	return r
}

func (r result) at(percent int) float64 { return at(r.Times, percent) }

// at is a percentile of sorted milliseconds.
func at(times []float64, percent int) float64 {
	return times[min(len(times)-1, len(times)*percent/100)]
}

func (r result) print(backend, way, delivered string) {
	inside := "— | —"
	if len(r.inside) > 0 {
		inside = fmt.Sprintf("%.2f | %.2f", at(r.inside, 50), at(r.inside, 99))
	}
	fmt.Printf("| %s | %s | %d | %.2f | %.2f | %.2f | %s | %d | %s |\n", backend, way, len(r.Times),
		r.at(50), r.at(99), r.at(100), inside, r.Accepted, delivered)
}

// client runs the Python client against the targets.
func client(targets map[string][2]string, rounds, block int) (map[string]result, error) {
	venv := os.Getenv("TRAINER_VENV")
	if venv == "" {
		venv = ".venv"
	}
	plan, err := json.Marshal(map[string]any{"targets": targets, "rounds": rounds, "block": block})
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(filepath.Join(venv, "bin", "python"), "-W", "ignore", "testdata/bench/relay/post.py")
	cmd.Env = append(os.Environ(), "NO_PROXY=127.0.0.1")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(plan), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("running the client: %w", err)
	}
	var results map[string]result
	if err := json.Unmarshal(out, &results); err != nil {
		return nil, fmt.Errorf("the client says %q: %w", out, err)
	}
	for _, r := range results {
		slices.Sort(r.Times)
	}
	return results, nil
}
