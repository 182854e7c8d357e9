package callbacks

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/callbacks/outbox"
	"github.com/vision-platform/trainer-agent/contract"
)

// queueFor is a queue before a backend that answers every request with a status.
func queueFor(t *testing.T, status int) (*Queue, func() []string) {
	t.Helper()
	heard := make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		heard <- string(body)
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	token := outbox.Token{Variable: "CALLBACK_TOKEN", Read: func() (string, error) { return "the-callback-token", nil }}
	q := &Queue{Dir: filepath.Join(t.TempDir(), "outbox"), Log: slog.New(slog.DiscardHandler), Final: contract.KindDone, Options: outbox.Options{
		JobID: "job-1", TraceID: "t", Now: time.Now, Logger: slog.New(slog.DiscardHandler), Backend: outbox.Backend{URL: server.URL, Token: token},
	}}
	return q, func() (all []string) {
		for len(heard) > 0 {
			all = append(all, <-heard)
		}
		return all
	}
}

func begin(t *testing.T, q *Queue) {
	t.Helper()
	if err := errors.Join(q.Start(t.Context()), q.Deliver(t.Context())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Stop(context.Background()) })
}

var succeeded = contract.Done{Status: contract.StatusSucceeded}

func TestTheFinalCallbackGoesBehindEverythingElse(t *testing.T) {
	q, heard := queueFor(t, http.StatusOK)
	begin(t, q)
	q.Send(contract.Event{EventType: contract.EventAgentStarted, Message: "The agent has started", Data: []byte("{}"), Timestamp: contract.At(time.Now())})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if d := (Ending{Queue: q}).Deliver(ctx, succeeded); d != (Delivery{}) {
		t.Errorf("%+v", d)
	}
	if all := heard(); len(all) != 2 || !strings.Contains(all[1], `"succeeded"`) {
		t.Errorf("the backend heard %q", all)
	}
}

func TestRefusalsAreInTheLogOnceAKind(t *testing.T) {
	q, _ := queueFor(t, http.StatusUnprocessableEntity)
	var log bytes.Buffer
	q.Log = slog.New(slog.NewTextHandler(&log, nil))
	begin(t, q)
	for range 3 {
		q.Send(contract.Event{EventType: contract.EventAgentStarted, Message: "The agent has started", Data: []byte("{}"), Timestamp: contract.At(time.Now())})
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if d := (Ending{Queue: q}).Deliver(ctx, succeeded); d.Rejected == 0 {
		t.Errorf("%+v", d)
	}
	if err := q.Stop(ctx); err != nil { // nobody writes any more
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "event=callback_rejected kind=event status=422"); n != 1 {
		t.Errorf("%d lines about refused events in\n%s", n, log.String())
	}
}

func TestWhatTheBackendCannotHaveIsKeptWithItsCommand(t *testing.T) {
	for name, c := range map[string]struct {
		keep   func(key string, body []byte) (string, error)
		replay string
	}{
		"in the bucket": {func(key string, body []byte) (string, error) {
			if !strings.Contains(string(body), "succeeded") {
				t.Errorf("kept %q", body)
			}
			return "s3://b/" + key, nil
		}, "trainer-agent replay --from s3://b/" + contract.UndeliveredKey("job-1")},
		"the bucket is gone, too": {func(string, []byte) (string, error) { return "", errors.New("nobody answers") }, ""},
		"there is no bucket":      {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			q, _ := queueFor(t, http.StatusServiceUnavailable)
			begin(t, q)
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond) // the backend never takes it
			defer cancel()
			d := Ending{Queue: q, Keep: c.keep, Warn: func(text string) { t.Error(text) }}.Deliver(ctx, succeeded)
			if want := (Delivery{Undelivered: true, Left: 1, Replay: c.replay}); d != want {
				t.Errorf("%+v, want %+v", d, want)
			}
		})
	}
}

func TestTheFinalCallbackNeedsNoDisk(t *testing.T) {
	q, heard := queueFor(t, http.StatusOK) // never started: no Box
	if d, all := (Ending{Queue: q}).Deliver(t.Context(), succeeded), heard(); d != (Delivery{}) || len(all) != 1 {
		t.Errorf("%+v, the backend heard %q", d, all)
	}
	refusing, _ := queueFor(t, http.StatusServiceUnavailable)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if d := (Ending{Queue: refusing}).Deliver(ctx, succeeded); d != (Delivery{Undelivered: true, Left: 1}) {
		t.Errorf("%+v", d)
	}
}

// A final message that is larger than its reserved place needs room that a full disk
// does not have; a closed outbox refuses it just so.
func TestTheFinalCallbackIsSentFromMemoryWhereTheOutboxCannotKeepIt(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		length time.Duration // of the end: one that nobody takes lasts as long
		want   Delivery
		heard  int
	}{
		"the backend takes it": {http.StatusOK, time.Minute, Delivery{}, 1},
		"nor does the backend": {http.StatusServiceUnavailable, 2 * time.Second, Delivery{Undelivered: true, Left: 1, Replay: "trainer-agent replay --from s3://b/" + contract.UndeliveredKey("job-1")}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			q, heard := queueFor(t, c.status)
			begin(t, q)
			if err := q.StopSending(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := q.Box.Close(); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), c.length)
			defer cancel()
			var kept []byte
			keep := func(key string, body []byte) (string, error) { kept = body; return "s3://b/" + key, nil }
			d := Ending{Queue: q, Keep: keep, Warn: func(text string) { t.Error(text) }}.Deliver(ctx, succeeded)
			if d != c.want {
				t.Errorf("%+v, want %+v", d, c.want)
			}
			if later, _ := queueFor(t, http.StatusOK); d.Undelivered { // the end that nobody heard is in what is replayed
				if done, err := outbox.Replay(t.Context(), bytes.NewReader(kept), later.Options); err != nil || done.Delivered != 1 {
					t.Errorf("%+v %v of %s", done, err, kept)
				}
			}
			if all := heard(); c.heard >= 0 && len(all) != c.heard || !strings.Contains(all[0], `"succeeded"`) {
				t.Errorf("the backend heard %q", all)
			}
		})
	}
}

func TestWhereThereIsNobodyToTellNothingIsSent(t *testing.T) {
	q, heard := queueFor(t, http.StatusOK)
	q.Mute = true
	begin(t, q)
	if _, told := q.Stats(); told {
		t.Error("there are figures of no outbox")
	}
	if d, all := (Ending{Queue: q}).Deliver(t.Context(), succeeded), heard(); d != (Delivery{}) || len(all) > 0 {
		t.Errorf("%+v, the backend heard %q", d, all)
	}
}

func TestTheResultSaysWhatTheBackendDoesNotHave(t *testing.T) {
	for name, c := range map[string]struct {
		failure  *contract.Failure
		delivery Delivery
		exit     int
	}{
		"it has everything":             {nil, Delivery{}, contract.ExitOK},
		"only others are left":          {nil, Delivery{Left: 2, Rejected: 1, Replay: "replay"}, contract.ExitOK},
		"it has not heard of the end":   {nil, Delivery{Undelivered: true, Left: 3, Replay: "replay"}, contract.ExitUndelivered},
		"nor that it will be run again": {contract.Failf(contract.CodeStorageError, "…"), Delivery{Undelivered: true, Left: 1}, contract.ExitInfra},
	} {
		r := contract.Result{Error: c.failure, ExitCode: contract.ExitCode(c.failure, true)}
		replay := c.delivery.Onto(&r)
		if r.ExitCode != c.exit || r.NotDelivered != c.delivery.Left || r.Rejected != c.delivery.Rejected || replay != c.delivery.Replay {
			t.Errorf("%s: %+v, replay %q", name, r, replay)
		}
	}
}
