package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestABodyWithoutLengthIsBoundedToo(t *testing.T) {
	r := start(t, &queue{}, nil)
	for size, want := range map[int]int{MaxBody - 100: 200, MaxBody + 1: 413} {
		body := `{"epoch":1,"x":"` + strings.Repeat("x", size-18) + `"}`
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL()+contract.KindHeartbeat.Path("job-1"),
			io.MultiReader(strings.NewReader(body))) // of unknown length: sent in chunks
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+r.Token())
		if a := do(t, req); a.status != want {
			t.Errorf("%d bytes: answered %d %v, want %d", len(body), a.status, a.body, want)
		}
	}
}

func TestTenThousandRequestsASecondAreAnsweredAndBounded(t *testing.T) {
	q := &queue{}
	r := start(t, q, nil) // whose clock stands still, so this is one second at most
	var wg sync.WaitGroup
	var mu sync.Mutex
	count := map[int]int{}
	for range 8 {
		wg.Go(func() {
			for range 1250 {
				a := r.send(t, contract.KindHeartbeat, `{"epoch":1}`)
				if a.status == 429 && a.header.Get("Retry-After") != "1" {
					t.Errorf("429 without Retry-After")
				}
				mu.Lock()
				count[a.status]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if count[200] != burst || count[429] != 10_000-burst {
		t.Errorf("answered %v, want %d with 200 and the rest with 429", count, burst)
	}
}

// A pipeNet is a listener in memory, so that time limits pass in virtual time.
type pipeNet struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipeNet() *pipeNet {
	return &pipeNet{conns: make(chan net.Conn, 4*maxStrangers), done: make(chan struct{})}
}

func (p *pipeNet) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipeNet) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipeNet) Addr() net.Addr { return &net.IPAddr{} }

func (p *pipeNet) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

// over starts a relay on a network in memory.
func over(t *testing.T, p *pipeNet, q Outbox) *Relay {
	t.Helper()
	r, err := New(Options{Job: Job{ID: "job-1"}, Outbox: q, Listener: p})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// shut ends a relay whose clients may still be there.
func shut(r *Relay) {
	_ = r.server.Close()
	r.served.Wait()
}

// virtual runs a test in a bubble with a relay on a network in memory.
func virtual(t *testing.T, q *queue, do func(*testing.T, *Relay, *pipeNet)) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipeNet()
		r := over(t, p, q)
		do(t, r, p)
		shut(r)
	})
}

// ends reads until the relay closes the connection and returns what it said.
func ends(t *testing.T, c net.Conn) string {
	t.Helper()
	b, err := io.ReadAll(c)
	if err != nil && !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("reading: %v", err)
	}
	return string(b)
}

func (r *Relay) post(length int) string {
	return fmt.Sprintf("POST /api/v1/jobs/job-1/heartbeat HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", r.Token(), length)
}

func TestASlowLorisIsCutOff(t *testing.T) {
	virtual(t, &queue{}, func(t *testing.T, r *Relay, p *pipeNet) {
		began := time.Now()
		c := p.dial()
		_, _ = io.WriteString(c, "POST /api/v1/jobs/job-1/heartbeat HTTP/1.1\r\nX: ")
		ends(t, c)
		if took := time.Since(began); took != headerTimeout {
			t.Errorf("half a header was waited for %v, want %v", took, headerTimeout)
		}
		began = time.Now()
		c = p.dial()
		_, _ = io.WriteString(c, r.post(100)+"{")
		if said := ends(t, c); !strings.Contains(said, "408 Request Timeout") {
			t.Errorf("answered %q", said)
		}
		if took := time.Since(began); took != bodyTimeout {
			t.Errorf("half a body was waited for %v, want %v", took, bodyTimeout)
		}
	})
}

func TestIdleConnectionsDoNotShutOthersOutForLong(t *testing.T) {
	virtual(t, &queue{}, func(t *testing.T, r *Relay, p *pipeNet) {
		var conns []net.Conn
		for range maxStrangers + 10 {
			conns = append(conns, p.dial())
		}
		began := time.Now()
		c := p.dial()
		body := `{"epoch":1}`
		go func() { _, _ = io.WriteString(c, r.post(len(body))+body) }()
		if said := ends(t, c); !strings.Contains(said, "200 OK") {
			t.Errorf("answered %q", said)
		}
		if took := time.Since(began); took > patience {
			t.Errorf("a heartbeat waited %v behind idle connections", took)
		}
		for _, c := range conns {
			_ = c.Close()
		}
	})
}

// A blocked queue holds every message until it is let go.
type blocked struct {
	queue
	entered chan struct{}
	let     chan struct{}
}

func (b *blocked) Append(m contract.Message) error {
	b.entered <- struct{}{}
	<-b.let
	return b.queue.Append(m)
}

func TestOnlySoManyBytesOfBodiesAreInWorkAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipeNet()
		q := &blocked{entered: make(chan struct{}, 100), let: make(chan struct{})}
		r := over(t, p, q)
		body := `{"epoch":1,"x":"` + strings.Repeat("x", MaxBody-18) + `"}`
		var wg sync.WaitGroup
		var mu sync.Mutex
		said := map[string]int{}
		for range 6 {
			wg.Go(func() {
				c := p.dial()
				go func() { _, _ = io.WriteString(c, r.post(len(body))+body) }()
				line, _, _ := strings.Cut(ends(t, c), "\r\n")
				mu.Lock()
				said[line]++
				mu.Unlock()
			})
		}
		synctest.Wait()
		if n := len(q.entered); n != maxBodies/MaxBody {
			t.Errorf("%d bodies of 8 MiB are in work, want %d", n, maxBodies/MaxBody)
		}
		time.Sleep(roomTimeout) // virtual
		synctest.Wait()
		close(q.let)
		wg.Wait()
		if said["HTTP/1.1 200 OK"] != 2 || said["HTTP/1.1 503 Service Unavailable"] != 4 {
			t.Errorf("answered %v", said)
		}
		shut(r)
	})
}

func TestCloseLetsRequestsInWorkFinish(t *testing.T) {
	q := &blocked{entered: make(chan struct{}, 1), let: make(chan struct{})}
	r, err := New(Options{Job: Job{ID: "job-1"}, Outbox: q})
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan int, 1)
	go func() { answered <- r.send(t, contract.KindEvent, `{"event_type":"x"}`).status }()
	<-q.entered
	closed := make(chan error, 1)
	go func() { closed <- r.Close(context.Background()) }()
	close(q.let)
	if status := <-answered; status != 200 {
		t.Errorf("answered %d", status)
	}
	http.DefaultClient.CloseIdleConnections()
	if err := <-closed; err != nil {
		t.Errorf("closing: %v", err)
	}
}
