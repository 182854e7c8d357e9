package trace

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/vision-platform/trainer-agent/agent/internal/backoff"
)

// waits is the pause between two tries of a collector that is away.
var waits = backoff.Policy{Min: time.Second, Max: time.Minute}

// sender exports spans for as long as it takes. The SDK's exporter gives up at a
// refused connection, and drops the spans of a collector that comes back later than
// the job began; so its own retries are off and this asks again, ever less often,
// while the spans wait in the SDK's bounded queue.
type sender struct {
	exporter *otlptrace.Exporter
	answers  *answers
	timeout  time.Duration // of one try
	log      *slog.Logger

	ctx     context.Context // ends the try under way
	cancel  context.CancelFunc
	closing chan struct{} // closed when there is one more try and no waiting
	close   func()

	mu       sync.Mutex
	settled  int  // spans that were delivered or refused for good
	reported bool // that the collector is away
}

func newSender(o Options, s settings) (*sender, error) {
	watch := &answers{next: o.Client.Transport}
	options := []otlptracehttp.Option{
		otlptracehttp.WithEndpointURL(s.endpoint),
		otlptracehttp.WithHeaders(s.headers),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: false}),
		otlptracehttp.WithHTTPClient(&http.Client{Transport: watch, CheckRedirect: stay}),
	}
	compression := otlptracehttp.NoCompression
	if s.gzip {
		compression = otlptracehttp.GzipCompression
	}
	exporter := otlptrace.NewUnstarted(otlptracehttp.NewClient(append(options, otlptracehttp.WithCompression(compression))...))
	ctx, cancel := context.WithCancel(context.Background())
	if err := exporter.Start(ctx); err != nil {
		cancel()
		return nil, fmt.Errorf("starting the exporter of traces: %w", err)
	}
	e := &sender{exporter: exporter, answers: watch, timeout: s.timeout, log: o.Log, ctx: ctx, cancel: cancel, closing: make(chan struct{})}
	e.close = sync.OnceFunc(func() { close(e.closing) })
	return e, nil
}

// ExportSpans is of sdktrace.SpanExporter. It returns when the spans are settled,
// or could not be in the last try; what that loses is told at the end.
func (e *sender) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	for attempt := 0; ; attempt++ {
		last := false
		select {
		case <-e.closing:
			last = true
		default:
		}
		settled, err := e.try(spans)
		if settled {
			return nil
		}
		if e.tell(err); last {
			return nil
		}
		e.rest(max(e.answers.after(), waits.Delay(attempt)))
	}
}

// try sends once. An error means that a later try may succeed.
func (e *sender) try(spans []sdktrace.ReadOnlySpan) (settled bool, err error) {
	ctx, cancel := context.WithTimeout(e.ctx, e.timeout)
	defer cancel()
	e.answers.forget()
	if e.exporter.ExportSpans(ctx, spans) != nil {
		status, failed := e.answers.last()
		if failed != nil || transient(status) {
			return false, errors.Join(failed, answered(status))
		}
		e.log.Warn("the collector refused spans of the job's trace", "spans", len(spans), "status", status)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.settled += len(spans)
	e.reported = false
	return true, nil
}

// tell says once that the collector is away.
func (e *sender) tell(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.reported {
		e.log.Warn("traces cannot be delivered; the job goes on without a collector", "error", err)
	}
	e.reported = true
}

func (e *sender) rest(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-e.closing:
	}
}

// Shutdown is of sdktrace.SpanExporter.
func (e *sender) Shutdown(ctx context.Context) error { return e.exporter.Shutdown(ctx) }

// transient statuses are those that OTLP's specification says to retry; 0 is no
// answer at all.
func transient(status int) bool {
	switch status {
	case 0, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

func answered(status int) error {
	if status == 0 {
		return nil
	}
	return fmt.Errorf("the collector answers %d", status)
}

// answers remembers what the collector last said: the exporter's errors hold the
// whole address, which may hold a key, and not whether a later try makes sense.
type answers struct {
	next http.RoundTripper

	mu     sync.Mutex
	status int
	err    error
	wait   time.Duration
}

// RoundTrip is of http.RoundTripper.
func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := a.next.RoundTrip(r)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err = err; err == nil {
		a.status = response.StatusCode
		a.wait, _ = backoff.RetryAfter(response.Header, time.Now(), waits.Max)
	} else if e, ok := errors.AsType[*url.Error](err); ok {
		a.err = e.Err
	}
	return response, err
}

func (a *answers) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status, a.err, a.wait = 0, nil, 0
}

func (a *answers) last() (status int, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.status, a.err
}

func (a *answers) after() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.wait
}
