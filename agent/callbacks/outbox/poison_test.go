package outbox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/delivery"
	"github.com/vision-platform/trainer-agent/contract"
)

// picky answers a server error to every body in which a word is.
func picky(words ...string) func(*tally) func(int, http.ResponseWriter) {
	return func(s *tally) func(int, http.ResponseWriter) {
		return func(n int, w http.ResponseWriter) {
			body := s.seen().bodies[n]
			if slices.ContainsFunc(words, func(word string) bool { return strings.Contains(body, word) }) {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}
	}
}

// delivered picks the bodies that a picky backend took, the agent's own reports left out.
func (s *tally) taken(words ...string) (names []string) {
	for _, body := range s.seen().bodies {
		if strings.Contains(body, string(contract.EventCallbackRejected)) || slices.ContainsFunc(words, func(w string) bool { return strings.Contains(body, w) }) {
			continue
		}
		names = append(names, body)
	}
	return names
}

func TestAPoisonMessageIsSetAsideWhenOthersGetThrough(t *testing.T) {
	for name, poison := range map[string][]string{"one": {"poison-a"}, "two in a row": {"poison-a", "poison-b"}} {
		virtual(t, nil, nil, func(t *testing.T, o *Outbox, s *tally, _ *memnet) {
			s.answer = picky(poison...)(s)
			appendAll(t, o, event("first"))
			for _, p := range poison {
				appendAll(t, o, event(p))
			}
			appendAll(t, o, event("second"), event("third"))
			began := time.Now()
			for o.Pending().Depth > 0 {
				time.Sleep(time.Second) // virtual
			}
			if took := time.Since(began); took > 10*time.Minute {
				t.Errorf("%s: it held the others up for %v", name, took)
			}
			got := strings.Join(s.taken(poison...), " ")
			if strings.Count(got, "event_type") != 3 || strings.Index(got, "first") > strings.Index(got, "second") || strings.Index(got, "second") > strings.Index(got, "third") {
				t.Errorf("%s: delivered %s", name, got)
			}
			lines, err := os.ReadFile(o.queue.journal.folder.join(rejectedName))
			if err != nil || strings.Count(string(lines), `"rejected":{"status":500`) != len(poison) {
				t.Errorf("%s: rejected.jsonl has %s (%v)", name, lines, err)
			}
		})
	}
}

func TestAPoisonMessageNeverKeepsDoneFromBeingTried(t *testing.T) {
	virtual(t, nil, nil, func(t *testing.T, o *Outbox, s *tally, _ *memnet) {
		s.answer = picky("poison")(s)
		appendAll(t, o, event("poison-a"), event("poison-b"), event("poison-c"))
		appendFinal(t, o, done("succeeded"))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		if err := o.Flush(ctx); err != nil {
			t.Errorf("flushing: %v", err)
		}
		if f, _ := o.Final(); !f.Delivered {
			t.Error("done was not delivered")
		}
		if p := o.Pending(); p.Rejected != 3 || p.Depth != 0 {
			t.Errorf("%+v", p)
		}
	})
}

func TestAnOutageSetsNothingAside(t *testing.T) {
	var up atomic.Bool
	virtual(t, nil, nil, func(t *testing.T, o *Outbox, s *tally, _ *memnet) {
		s.answer = func(_ int, w http.ResponseWriter) {
			if !up.Load() {
				w.WriteHeader(http.StatusBadGateway)
			}
		}
		for i := range 20 {
			appendAll(t, o, heartbeat(i))
		}
		time.Sleep(3 * time.Hour) // virtual
		up.Store(true)
		for o.Pending().Depth > 0 {
			time.Sleep(time.Second) // virtual
		}
		if p := o.Pending(); p.Rejected != 0 || p.Settled != 20 {
			t.Errorf("%+v", p)
		}
		got := s.seen()
		if n := len(got.at); n > 2*3*60*2 {
			t.Errorf("%d tries in three hours", n)
		}
		last := got.bodies[len(got.bodies)-20:]
		for i, body := range last {
			if !strings.Contains(body, fmt.Sprintf(`"epoch":%d,`, i)) {
				t.Fatalf("message %d of the end is %s", i, body)
			}
		}
	})
}

func TestTheEndOfAFlushBelongsToDone(t *testing.T) {
	slow := func(int, http.ResponseWriter) { time.Sleep(time.Second) } // virtual
	for name, answer := range map[string]func(*tally) func(int, http.ResponseWriter){
		"a backlog that takes too long": func(*tally) func(int, http.ResponseWriter) { return slow },
		"a message that is never answered": func(s *tally) func(int, http.ResponseWriter) {
			return func(n int, w http.ResponseWriter) {
				if strings.Contains(s.seen().bodies[n], "epoch") {
					time.Sleep(2 * delivery.TryTimeout) // virtual
				}
			}
		},
		"messages that the backend is too busy for": func(s *tally) func(int, http.ResponseWriter) {
			return func(n int, w http.ResponseWriter) {
				if strings.Contains(s.seen().bodies[n], "epoch") {
					w.Header().Set("Retry-After", "300")
					w.WriteHeader(http.StatusServiceUnavailable)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, nil, nil, func(t *testing.T, o *Outbox, s *tally, _ *memnet) {
				s.answer = answer(s)
				for i := range 200 {
					appendAll(t, o, heartbeat(i))
				}
				appendFinal(t, o, done("succeeded"))
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				err := o.Flush(ctx)
				if f, _ := o.Final(); !f.Delivered || !errors.Is(err, ErrLeft) {
					t.Fatalf("done: %+v, flushing: %v", f, err)
				}
				left := o.Pending().Depth
				var lines strings.Builder
				if n, err := o.Export(&lines); err != nil || n != left || left == 0 || strings.Contains(lines.String(), `"done"`) {
					t.Errorf("exported %d of %d (%v)", n, left, err)
				}
				before := len(s.seen().at)
				time.Sleep(10 * time.Minute) // virtual
				if after := len(s.seen().at); after != before {
					t.Errorf("%d messages followed done", after-before)
				}
			})
		})
	}
}

func TestAFlushThatIsCutShortStillTriesDone(t *testing.T) {
	virtual(t, nil, nil, func(t *testing.T, o *Outbox, s *tally, _ *memnet) {
		s.answer = func(n int, w http.ResponseWriter) {
			if strings.Contains(s.seen().bodies[n], "epoch") {
				time.Sleep(2 * delivery.TryTimeout) // virtual
			}
		}
		appendAll(t, o, heartbeat(1))
		appendFinal(t, o, done("failed"))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, cancel)
		began := time.Now()
		if err := o.Flush(ctx); !errors.Is(err, ErrLeft) {
			t.Errorf("flushing: %v", err)
		}
		if took := time.Since(began); took > 2*time.Second+lastChance {
			t.Errorf("it took %v", took)
		}
		time.Sleep(time.Hour) // virtual: the server's handler ends
	})
}

func TestDoneThatIsTooLargeGoesWithoutItsArtifacts(t *testing.T) {
	for name, c := range map[string]struct {
		limit     int
		delivered bool
	}{"the artifacts are too much": {1000, true}, "all of it is too much": {10, false}} {
		virtual(t, nil, nil, func(t *testing.T, o *Outbox, s *tally, _ *memnet) {
			s.answer = func(n int, w http.ResponseWriter) {
				if len(s.seen().bodies[n]) > c.limit {
					w.WriteHeader(http.StatusRequestEntityTooLarge)
				}
			}
			artifacts := make([]contract.Artifact, 200)
			for i := range artifacts {
				artifacts[i] = contract.Artifact{Name: fmt.Sprint("epoch-", i, ".pt"), Path: "s3://b/checkpoints/job-1/x.pt"}
			}
			appendFinal(t, o, message(contract.KindDone, contract.Done{Status: contract.StatusSucceeded, Artifacts: artifacts}))
			flush(t, o)
			got := s.seen()
			if len(got.bodies) != 2 || strings.Contains(got.bodies[1], "artifacts") || !strings.Contains(got.bodies[1], `"status":"succeeded"`) || got.keys[0] != got.keys[1] {
				t.Errorf("%s: sent %d: %.200v", name, len(got.bodies), got.bodies)
			}
			if f, _ := o.Final(); f.Delivered != c.delivered || f.Rejected == c.delivered {
				t.Errorf("%s: %+v", name, f)
			}
		})
	}
}

func TestManyMessagesTakeOneSync(t *testing.T) {
	b := newBackend(t, nil)
	o := open(t, t.TempDir(), options(b.URL))
	batch := o.queue.journal.batch
	var all []contract.Message
	for i := range 500 {
		all = append(all, heartbeat(i))
	}
	if err := o.AppendAll(all); err != nil {
		t.Fatal(err)
	}
	if !batch.synced || o.queue.journal.durable < batch.first+499-1 {
		t.Errorf("the first batch is synced: %v, durable up to %d from %d", batch.synced, o.queue.journal.durable, batch.first)
	}
	if err := o.AppendAll([]contract.Message{heartbeat(1), done("succeeded")}); err == nil {
		t.Error("a final message was taken into the queue")
	}
	run(t, o)
	flush(t, o)
	if n := len(b.got()); n != 500 {
		t.Errorf("%d arrived", n)
	}
}
