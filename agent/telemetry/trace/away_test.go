package trace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// network answers requests in the test's own time.
type network func(*http.Request) (*http.Response, error)

func (n network) RoundTrip(r *http.Request) (*http.Response, error) { return n(r) }

func overNetwork(t *testing.T, log *bytes.Buffer, n network) *Tracer {
	t.Helper()
	tracer, err := New(Options{
		TraceID: w3c, Phase: "starting", Started: time.Now(), Getenv: env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
		Client: &http.Client{Transport: n}, Now: time.Now, Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return tracer
}

func TestAnOutageIsWaitedOutInSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var tries []time.Duration
		began := time.Now()
		var log bytes.Buffer
		tracer := overNetwork(t, &log, func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			tries = append(tries, time.Since(began))
			switch {
			case len(tries) == 1:
				return &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {"7"}}, Body: http.NoBody}, nil
			case time.Since(began) < time.Hour:
				return nil, errors.New("connection refused")
			}
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
		})
		tracer.Enter("running", time.Now())
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if len(tries) < 60 || len(tries) > 200 || tries[1] < 7*time.Second {
			t.Errorf("%d tries, the second after %s", len(tries), tries[1])
		}
		if n := strings.Count(log.String(), "\n"); n != 1 {
			t.Errorf("%d log lines: %s", n, log.String())
		}
		if tracer.sender.settled != 1 {
			t.Errorf("%d spans were delivered after the outage", tracer.sender.settled)
		}
		tracer.Close()
	})
}

func TestAHungCollectorCostsTheEndNoMoreThanItsBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		tracer := overNetwork(t, &log, func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		began := time.Now()
		for i := range 1000 {
			tracer.Enter(fmt.Sprint("phase", i), time.Now())
		}
		if time.Since(began) != 0 {
			t.Error("a phase waited for the collector")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		tracer.End(ctx, Outcome{})
		if d := time.Since(began); d > 3*time.Second {
			t.Errorf("the end took %s", d)
		}
		if !strings.Contains(log.String(), "were not delivered") || !strings.Contains(log.String(), "spans=1002") {
			t.Errorf("the loss is not told: %s", log.String())
		}
	})
}
