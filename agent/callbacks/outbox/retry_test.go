package outbox

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/delivery"
	"github.com/vision-platform/trainer-agent/agent/internal/backoff"
	"github.com/vision-platform/trainer-agent/contract"
)

// A tally is a backend in virtual time: it answers by script and notes when
// each request came.
type tally struct {
	mu     sync.Mutex
	start  time.Time
	answer func(n int, w http.ResponseWriter)
	sent
}

// sent is what came, try by try.
type sent struct {
	at     []time.Duration
	auth   []string
	keys   []string
	bodies []string
}

func (s *tally) seen() sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sent{slices.Clone(s.at), slices.Clone(s.auth), slices.Clone(s.keys), slices.Clone(s.bodies)}
}

func (s *tally) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, body); err != nil {
		return
	}
	s.mu.Lock()
	n := len(s.at)
	s.at = append(s.at, time.Since(s.start))
	s.auth = append(s.auth, r.Header.Get("Authorization"))
	s.keys = append(s.keys, r.Header.Get(contract.HeaderIdempotencyKey))
	s.bodies = append(s.bodies, string(body))
	s.mu.Unlock()
	s.answer(n, w)
}

// virtual runs a test in a bubble with an outbox whose backend answers by script.
func virtual(t *testing.T, answer func(n int, w http.ResponseWriter), change func(*Options), do func(*testing.T, *Outbox, *tally, *memnet)) {
	synctest.Test(t, func(t *testing.T) {
		network, s := newMemnet(), &tally{start: time.Now(), answer: answer}
		network.serve(t, s)
		opts := options("http://backend.test")
		opts.Backend.Transport = network.transport()
		opts.Rand = func() float64 { return 0.999999 } // the longest wait
		if change != nil {
			change(&opts)
		}
		o := open(t, t.TempDir(), opts)
		run(t, o)
		do(t, o, s, network)
	})
}

func TestRetryTable(t *testing.T) {
	retried := []int{408, 425, 429}
	for status := 500; status < 600; status++ {
		retried = append(retried, status)
	}
	for status := 300; status < 400; status++ {
		retried = append(retried, status)
	}
	synctest.Test(t, func(t *testing.T) {
		for status := 200; status < 600; status++ {
			checkStatus(t, status, slices.Contains(retried, status))
		}
	})
}

// checkStatus sends one message to a backend that answers the status once and
// 200 from then on, without a store.
func checkStatus(t *testing.T, status int, retried bool) {
	network := newMemnet()
	var counted atomic.Int32
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if counted.Add(1) == 1 {
			w.Header().Set("Location", "http://elsewhere.test/")
			w.WriteHeader(status)
		}
	})}
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(network) })
	defer func() { close(network.done); _ = srv.Close(); wg.Wait() }()
	opts := options("http://backend.test")
	opts.Backend.Transport = network.transport()
	c, err := must(opts.withDefaults()).client()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	out, err := c.Deliver(t.Context(), delivery.Request{Path: "/x", Key: "k"}, delivery.Tries{Failed: func(error, time.Duration) {}})
	if err != nil {
		t.Fatalf("status %d: %v", status, err)
	}
	tries := counted.Load()
	switch {
	case status < 300 && (!out.Delivered() || tries != 1):
		t.Errorf("status %d: %d tries, want it delivered at once", status, tries)
	case retried && (!out.Delivered() || tries != 2):
		t.Errorf("status %d: %d tries, want it retried", status, tries)
	case !retried && status >= 400 && (out.Status != status || tries != 1):
		t.Errorf("status %d: %d tries and %d, want it refused at once", status, tries, out.Status)
	}
}

func must(o Options, err error) Options {
	if err != nil {
		panic(err)
	}
	return o
}

func TestRetryAfterInBothFormsWithItsCap(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                               0,
		"0":                              0,
		"7":                              7 * time.Second,
		" 7 ":                            7 * time.Second,
		"299":                            299 * time.Second,
		"301":                            5 * time.Minute,
		"86400":                          5 * time.Minute,
		"99999999999999999999999999":     5 * time.Minute,
		"-5":                             0,
		"1.5":                            0,
		"soon":                           0,
		"Fri, 02 Jan 2026 03:05:05 GMT":  time.Minute,
		"Friday, 02-Jan-26 03:05:05 GMT": time.Minute,
		"Fri Jan  2 03:05:05 2026":       time.Minute,
		"Fri, 02 Jan 2026 09:00:00 GMT":  5 * time.Minute,
		"Fri, 02 Jan 2026 03:00:00 GMT":  0,
	} {
		got, _ := backoff.RetryAfter(http.Header{"Retry-After": {value}}, now, delivery.RetryAfterMax)
		if got != want {
			t.Errorf("Retry-After %q waits %v, want %v", value, got, want)
		}
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	answer := func(n int, w http.ResponseWriter) {
		switch n {
		case 0:
			w.Header().Set("Retry-After", "200")
			w.WriteHeader(http.StatusServiceUnavailable)
		case 1:
			w.Header().Set("Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}
	virtual(t, answer, nil, func(t *testing.T, o *Outbox, s *tally, _ *memnet) {
		appendAll(t, o, heartbeat(1))
		synctest.Wait()
		time.Sleep(20 * time.Minute) // virtual
		at := s.seen().at
		if len(at) != 3 {
			t.Fatalf("%d tries, want 3", len(at))
		}
		if at[1]-at[0] < 200*time.Second || at[2]-at[1] < 299*time.Second || at[2]-at[1] > 301*time.Second {
			t.Errorf("tries at %v, want 200 s and then 5 min between them", at)
		}
	})
}

func TestWaitsGrowToAMinuteAndTheKeyAndBodyStay(t *testing.T) {
	answer := func(n int, w http.ResponseWriter) {
		if n < 9 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}
	virtual(t, answer, nil, func(t *testing.T, o *Outbox, s *tally, _ *memnet) {
		appendAll(t, o, heartbeat(1))
		for o.Pending().Depth > 0 {
			time.Sleep(time.Second) // virtual
		}
		got, waits := s.seen(), []int(nil)
		for i := 1; i < len(got.at); i++ {
			waits = append(waits, int((got.at[i]-got.at[i-1]).Round(time.Second)/time.Second))
		}
		if want := []int{1, 2, 4, 8, 16, 32, 60, 60, 60}; !slices.Equal(waits, want) {
			t.Errorf("waited %v s, want %v", waits, want)
		}
		for i := range got.keys {
			if got.keys[i] != got.keys[0] || got.bodies[i] != got.bodies[0] {
				t.Errorf("try %d has another key or body: %s %s", i, got.keys[i], got.bodies[i])
			}
		}
	})
}

func TestHostileBackendsAreTriedAgainWithinTheTryTimeout(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"status\":\"ok\"}"
	for _, c := range []struct {
		name   string
		first  script
		tries  int
		atMost time.Duration
	}{
		{"never answers", script{hang: true}, 2, delivery.TryTimeout + delivery.BackoffMin},
		{"hangs in the headers", script{write: "HTTP/1.1 200 OK\r\nContent-", hang: true}, 2, delivery.TryTimeout + delivery.BackoffMin},
		{"resets", script{}, 2, delivery.BackoffMin},
		{"answers garbage", script{write: "\x16\x03\x01 what?\r\n\r\n"}, 2, delivery.BackoffMin},
		{"an endless header", script{write: "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 20<<20)}, 2, delivery.BackoffMin},
		{"a 500 whose body stalls", script{write: "HTTP/1.1 500 No\r\nContent-Length: 99\r\n\r\nx", hang: true}, 2, delivery.TryTimeout + delivery.BackoffMin},
		{"a 200 whose body stalls is delivered", script{write: "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx", hang: true}, 1, delivery.TryTimeout},
		{"a 200 with garbage is delivered", script{write: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\x00\xff{"}, 1, 0},
		{"a 200 that breaks off is delivered", script{write: "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx"}, 1, 0},
		{"a 200 without end is delivered", script{write: "HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 1<<20), hang: true}, 1, delivery.TryTimeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := newMemnet()
				network.play(t, c.first, script{write: ok})
				opts := options("http://backend.test")
				transport := network.transport()
				transport.MaxResponseHeaderBytes = delivery.MaxReplyHeader
				opts.Backend.Transport = transport
				o := open(t, t.TempDir(), opts)
				run(t, o)
				began := time.Now()
				appendAll(t, o, heartbeat(1))
				flush(t, o)
				if took := time.Since(began); took > c.atMost {
					t.Errorf("it took %v, want at most %v", took, c.atMost)
				}
				if network.dialed() != c.tries {
					t.Errorf("%d tries, want %d", network.dialed(), c.tries)
				}
			})
		})
	}
}

func TestTheTokenIsReadAgainOn401And403(t *testing.T) {
	for _, status := range []int{401, 403} {
		answer := func(n int, w http.ResponseWriter) {
			if n == 0 {
				w.WriteHeader(status)
			}
		}
		file := filepath.Join(t.TempDir(), "token")
		write := func(s string) {
			if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("old\n")
		token := func(o *Options) {
			o.Backend.Token.Read = func() (string, error) { b, err := os.ReadFile(file); write("new\n"); return string(b), err }
		}
		virtual(t, answer, token, func(t *testing.T, o *Outbox, s *tally, _ *memnet) {
			appendAll(t, o, heartbeat(1))
			flush(t, o)
			got := s.seen()
			if want := []string{"Bearer old", "Bearer new"}; !slices.Equal(got.auth, want) {
				t.Errorf("status %d: sent %v, want %v", status, got.auth, want)
			}
			if got.at[1] != got.at[0] {
				t.Errorf("status %d: waited %v before using the new token", status, got.at[1]-got.at[0])
			}
			if r := o.Pending().Rejected; r != 0 {
				t.Errorf("status %d: %d messages refused", status, r)
			}
		})
	}
}

func TestATokenThatStaysWrongIsARefusal(t *testing.T) {
	n := 0
	changing := func(o *Options) {
		o.Backend.Token.Read = func() (string, error) { n++; return "token-" + strconv.Itoa(n), nil }
	}
	for name, change := range map[string]func(*Options){"the same token": nil, "a new one each time": changing} {
		answer := func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusUnauthorized) }
		virtual(t, answer, change, func(t *testing.T, o *Outbox, s *tally, _ *memnet) {
			if err := o.AppendFinal(message(contract.KindDone, map[string]any{"status": "failed"})); err != nil {
				t.Fatal(err)
			}
			flush(t, o)
			if tries := len(s.seen().at); tries > 1+delivery.AuthRetries {
				t.Errorf("%s: %d tries", name, tries)
			}
			if f, ok := o.Final(); !ok || !f.Rejected || f.Delivered {
				t.Errorf("%s: Final() = %+v, want refused", name, f)
			}
		})
	}
}

func TestATokenThatCannotBeReadIsAskedForAgain(t *testing.T) {
	n := 0
	late := func(o *Options) {
		o.Backend.Token.Read = func() (string, error) {
			if n++; n < 3 {
				return "", errors.New("not mounted yet")
			}
			return "token", nil
		}
	}
	virtual(t, nil, late, func(t *testing.T, o *Outbox, s *tally, _ *memnet) {
		s.answer = func(n int, w http.ResponseWriter) {
			if s.seen().auth[n] == "" {
				w.WriteHeader(http.StatusUnauthorized)
			}
		}
		appendAll(t, o, heartbeat(1), heartbeat(2))
		flush(t, o)
		auth := s.seen().auth
		if last := auth[len(auth)-1]; last != "Bearer token" {
			t.Errorf("the last message went out with %q", last)
		}
	})
}
