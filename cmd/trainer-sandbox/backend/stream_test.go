package backend

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

// open reads a stream's events as "event id" words, without keep-alives.
func (f fixture) open(path, lastID string) (next func() string, stop func()) {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url+path, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	r.Header.Set("Last-Event-ID", lastID)
	resp, err := f.client.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	lines := bufio.NewScanner(resp.Body)
	next = func() string {
		var id, event string
		for lines.Scan() {
			switch key, value, _ := strings.Cut(lines.Text(), ": "); key {
			case "id":
				id = " " + value
			case "event":
				event = value
			case "":
				return event + id
			}
		}
		return "end"
	}
	return next, func() {
		cancel()
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

func TestStreamSendsThePastThenThePresent(t *testing.T) {
	f := start(t)
	f.post(contract.KindEvent, "job-1", 1, valid(contract.KindEvent))
	next, stop := f.open("/_sandbox/jobs/job-1/stream", "")
	defer stop()
	f.post(contract.KindEvent, "job-2", 1, valid(contract.KindEvent))
	got := []string{next(), next()}
	f.post(contract.KindDone, "job-1", 2, valid(contract.KindDone))
	got = append(got, next(), next())
	if all := strings.Join(got, ", "); all != "call 1, summary, call 3, summary" {
		t.Errorf("got %s", all)
	}
}

func TestStreamGoesOnWhereTheClientWas(t *testing.T) {
	f := start(t)
	for n := range 3 {
		f.post(contract.KindEvent, "job-1", n, valid(contract.KindEvent))
	}
	next, stop := f.open("/_sandbox/jobs/job-1/stream", "2")
	defer stop()
	if got := next(); got != "call 3" {
		t.Errorf("got %s, want call 3", got)
	}
}

func TestStreamOfAJobThatHasNotStartedWaits(t *testing.T) {
	f := start(t)
	next, stop := f.open("/_sandbox/jobs/later/stream", "")
	defer stop()
	f.post(contract.KindEvent, "later", 1, valid(contract.KindEvent))
	if got := next(); got != "call 1" {
		t.Errorf("got %s, want call 1", got)
	}
}

func TestJobListIsStreamed(t *testing.T) {
	f := start(t)
	next, stop := f.open("/_sandbox/stream", "")
	defer stop()
	if got := next(); got != "jobs" {
		t.Errorf("got %s", got)
	}
	f.post(contract.KindEvent, "job-1", 1, valid(contract.KindEvent))
	if got := next(); got != "jobs" {
		t.Errorf("got %s", got)
	}
	_ = f.Close()
	if got := next(); got != "end" {
		t.Errorf("got %s after Close, want the end", got)
	}
}
