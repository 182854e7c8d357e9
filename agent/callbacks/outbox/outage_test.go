package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox/delivery"
	"github.com/vision-platform/trainer-agent/contract"
)

func TestADayWithoutTheBackendIsSurvivedAndMadeUpForGently(t *testing.T) {
	const (
		day    = 24 * time.Hour
		epoch  = 5 * time.Minute
		epochs = int(day / epoch)
	)
	var dir string
	answer := func(int, http.ResponseWriter) {}
	change := func(o *Options) { o.Rand = nil } // real jitter
	virtual(t, answer, change, func(t *testing.T, o *Outbox, s *tally, network *memnet) {
		dir = o.queue.journal.folder.path
		network.setDown(true)
		stop := beatAlong(t, o)
		before := heap()
		for i := range epochs {
			time.Sleep(epoch) // virtual: training
			began := time.Now()
			appendAll(t, o, heartbeat(i+1))
			if took := time.Since(began); took != 0 {
				t.Fatalf("the child waited %v for its epoch %d", took, i+1)
			}
		}
		if grown := heap() - before; grown > 8<<20 {
			t.Errorf("a day of outage took %d bytes of memory", grown)
		}
		p := o.Pending()
		if p.Depth > epochs+2 {
			t.Errorf("%d messages wait, want at most the %d epochs, the pulse that was tried, and one more", p.Depth, epochs)
		}
		if size := folderSize(t, filepath.Join(dir, storeName)); size > 4<<20 {
			t.Errorf("the store has %d bytes after %d epochs", size, epochs)
		}
		if p.OldestAge < day-2*epoch || p.Retries < 24*60 || p.Retries > 24*60*4 {
			t.Errorf("the oldest is %v old after %d tries", p.OldestAge, p.Retries)
		}
		network.setDown(false)
		back := time.Now()
		for o.Pending().Depth > 0 {
			time.Sleep(time.Second) // virtual
		}
		stop()
		checkRecovery(t, s.seen(), epochs, back.Sub(s.start))
	})
}

// beatAlong sends what the agent's own heartbeat would, until stop is called.
func beatAlong(t *testing.T, o *Outbox) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		ticker := time.NewTicker(90 * time.Second) // each costs this test a real sync
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				m := message(contract.KindHeartbeat, map[string]any{"epoch": 0, "metrics": map[string]any{}})
				m.Time = time.Now()
				_ = o.AppendLatest("pulse", m)
			case <-ctx.Done():
				return
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}

// checkRecovery wants every epoch, in order, once, and no burst.
func checkRecovery(t *testing.T, got sent, epochs int, back time.Duration) {
	t.Helper()
	if first := got.at[0] - back; first > delivery.BackoffMax+time.Second {
		t.Errorf("the first message came %v after the backend", first)
	}
	next := 1
	for i, body := range got.bodies {
		var h contract.Heartbeat
		if err := json.Unmarshal([]byte(body), &h); err != nil {
			t.Fatal(err)
		}
		if len(h.Metrics) == 0 {
			continue // a pulse
		}
		if h.Epoch != next {
			t.Fatalf("epoch %d came where %d was due", h.Epoch, next)
		}
		next++
		if after := i - drainPerSecond - drainBurst; after >= 0 && got.at[i]-got.at[after] < time.Second {
			t.Fatalf("more than %d messages within a second", drainPerSecond+drainBurst)
		}
	}
	if next != epochs+1 {
		t.Errorf("%d epochs arrived, want %d", next-1, epochs)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func folderSize(t *testing.T, path string) (bytes int64) {
	t.Helper()
	entries, err := os.ReadDir(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		bytes += info.Size()
	}
	return bytes
}

func TestFlushCutsTheWaitBetweenTwoTriesShort(t *testing.T) {
	var up atomic.Bool
	answer := func(_ int, w http.ResponseWriter) {
		if !up.Load() {
			w.Header().Set("Retry-After", "300")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
	virtual(t, answer, nil, func(t *testing.T, o *Outbox, _ *tally, _ *memnet) {
		appendAll(t, o, heartbeat(1))
		time.Sleep(time.Minute) // virtual: the outbox waits for its five minutes to pass
		up.Store(true)
		began := time.Now()
		flush(t, o)
		if took := time.Since(began); took > 0 {
			t.Errorf("flushing took %v", took)
		}
	})
}

func TestFlushGivesUpWhenItsTimeIsOverAndSaysWhatIsLeft(t *testing.T) {
	answer := func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) }
	virtual(t, answer, nil, func(t *testing.T, o *Outbox, s *tally, _ *memnet) {
		appendAll(t, o, heartbeat(1), heartbeat(2))
		if err := o.AppendFinal(message(contract.KindDone, map[string]any{})); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		err := o.Flush(ctx)
		if err == nil || o.Pending().Depth != 3 {
			t.Errorf("flushing: %v, %d left", err, o.Pending().Depth)
		}
		if tries := len(s.seen().at); tries < 4 {
			t.Errorf("only %d tries in 20 s", tries)
		}
	})
}

func TestFlushHurriesEvenWhenItFindsATryUnderWay(t *testing.T) {
	virtual(t, func(int, http.ResponseWriter) {}, nil, func(t *testing.T, o *Outbox, _ *tally, network *memnet) {
		network.setDown(true)
		appendAll(t, o, heartbeat(1))
		time.Sleep(10 * time.Minute) // virtual: the waits have grown to a minute
		hang := make(chan struct{})
		network.hang(hang)
		for network.count(&network.stuck, 0) == 0 {
			time.Sleep(time.Second) // virtual: until a try begins, and hangs
		}
		ctx, cancel := context.WithTimeout(t.Context(), delivery.TryTimeout+8*time.Second)
		defer cancel()
		time.AfterFunc(delivery.TryTimeout, func() { network.setDown(false); close(hang) })
		if err := o.Flush(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestAFlushIsNotPaced(t *testing.T) {
	virtual(t, func(int, http.ResponseWriter) {}, nil, func(t *testing.T, o *Outbox, _ *tally, network *memnet) {
		network.setDown(true)
		for i := range 400 {
			appendAll(t, o, heartbeat(i))
		}
		synctest.Wait()
		network.setDown(false)
		began := time.Now()
		flush(t, o)
		if took := time.Since(began); took > time.Second {
			t.Errorf("flushing 400 messages took %v", took)
		}
	})
}

func TestAnOutageIsLoggedWhenItBeginsAndEndsAndSeldomBetween(t *testing.T) {
	handler := &lineHandler{}
	var up atomic.Bool
	answer := func(_ int, w http.ResponseWriter) {
		if !up.Load() {
			w.WriteHeader(http.StatusBadGateway)
		}
	}
	log := func(o *Options) { o.Logger = handler.logger() }
	virtual(t, answer, log, func(t *testing.T, o *Outbox, _ *tally, _ *memnet) {
		appendAll(t, o, heartbeat(1))
		time.Sleep(time.Hour) // virtual
		up.Store(true)
		flush(t, o)
		got := handler.all()
		if len(got) < 3 || len(got) > 8 {
			t.Errorf("%d lines about an hour of outage: %q", len(got), got)
		}
		if last := got[len(got)-1]; last != "INFO the backend takes messages again" {
			t.Errorf("the last line is %q", last)
		}
	})
}

func TestTheChildIsAnsweredAtOnceWhateverTheBackendDoes(t *testing.T) {
	hang := make(chan struct{})
	answer := func(int, http.ResponseWriter) { <-hang }
	virtual(t, answer, nil, func(t *testing.T, o *Outbox, _ *tally, _ *memnet) {
		defer close(hang)
		began := time.Now()
		for i := range 50 {
			appendAll(t, o, heartbeat(i))
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("50 heartbeats took %v", took)
		}
	})
}

func TestAnOutageCostsTheTrainerNoDeadlineAnEpoch(t *testing.T) {
	virtual(t, nil, nil, func(t *testing.T, o *Outbox, _ *tally, network *memnet) {
		network.setDown(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		appendAll(t, o, heartbeat(1))
		synctest.Wait() // the first try has failed
		began := time.Now()
		for range 10 {
			if _, ok, err := o.AppendAndWait(ctx, message(contract.KindValidation, map[string]any{"epoch": 1})); ok || err != nil {
				t.Fatalf("delivered %v, %v", ok, err)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("ten validations waited %v", took)
		}
		if len(o.answers.waiters) != 0 {
			t.Errorf("%d callers are still waited for", len(o.answers.waiters))
		}
	})
}

func TestAppendAndWaitReturnsTheAnswerInTimeOrNotAtAll(t *testing.T) {
	answer := func(n int, w http.ResponseWriter) {
		if n == 1 {
			time.Sleep(3 * time.Second) // virtual
		}
		if n == 3 {
			w.WriteHeader(http.StatusUnprocessableEntity)
			return
		}
		fmt.Fprintf(w, `{"status":"ok","n":%d}`, n)
	}
	virtual(t, answer, nil, func(t *testing.T, o *Outbox, s *tally, _ *memnet) {
		wait := func() (string, bool, time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			began := time.Now()
			b, ok, err := o.AppendAndWait(ctx, message(contract.KindValidation, map[string]any{"epoch": 1}))
			if err != nil {
				t.Fatal(err)
			}
			return string(b), ok, time.Since(began)
		}
		if b, ok, _ := wait(); !ok || b != `{"status":"ok","n":0}` {
			t.Errorf("in time: %q %v", b, ok)
		}
		if b, ok, took := wait(); ok || b != "" || took != 2*time.Second {
			t.Errorf("too late: %q %v after %v", b, ok, took)
		}
		flush(t, o)
		if b, ok, _ := wait(); !ok || b != `{"status":"ok","n":2}` {
			t.Errorf("in time again: %q %v", b, ok)
		}
		if b, ok, took := wait(); ok || b != "" || took != 0 {
			t.Errorf("refused: %q %v after %v", b, ok, took)
		}
		flush(t, o)
		if n := len(s.seen().at); n != 5 { // the fifth tells of the refusal
			t.Errorf("the backend was asked %d times, want 5", n)
		}
		if len(o.answers.waiters) != 0 {
			t.Errorf("%d callers are still waited for", len(o.answers.waiters))
		}
	})
}
