package trace

import (
	"context"
	"crypto/rand"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// Options is what a Tracer needs; every field is required.
type Options struct {
	TraceID string              // of the job, of any form
	Phase   string              // the one that runs already
	Started time.Time           // of the job and of that phase
	Job     map[string]string   // what is known of the job: resource attributes; an empty value is left out
	Getenv  func(string) string // OpenTelemetry's own variables, and TRACEPARENT
	Client  *http.Client
	Now     func() time.Time
	Log     *slog.Logger
}

// Tracer makes the spans of one job. Its methods are safe for concurrent use,
// and a nil Tracer's do nothing.
type Tracer struct {
	opts     Options
	settings settings
	trace    traceID
	resource map[string]any

	mu      sync.Mutex
	job     span
	phase   span
	ended   []span // to be sent
	held    bool
	last    []span // ended since Hold
	dropped int

	wake    chan struct{} // something has ended
	closing chan struct{}
	close   func()
	cancel  context.CancelFunc
	stopped chan struct{}
}

// maxWaiting bounds the spans that wait for a collector: more than any job has.
const maxWaiting = 64

// New starts the job's span and the sender. Whoever calls it must call End or
// Close. An error means that the environment cannot be understood.
func New(o Options) (*Tracer, error) {
	s, err := read(o.Getenv)
	if err != nil {
		return nil, err
	}
	o.Client = &http.Client{Transport: o.Client.Transport, CheckRedirect: stay}
	ctx, cancel := context.WithCancel(context.Background())
	t := &Tracer{
		opts: o, settings: s, trace: traceIDOf(o.TraceID), resource: resourceOf(o, s),
		wake: make(chan struct{}, 1), closing: make(chan struct{}), cancel: cancel, stopped: make(chan struct{}),
	}
	t.close = sync.OnceFunc(func() { close(t.closing) })
	t.job = span{id: newSpanID(), parent: parentOf(o.Getenv("TRACEPARENT"), t.trace), name: "job", start: o.Started}
	t.phase = span{id: newSpanID(), parent: t.job.id, name: o.Phase, start: o.Started}
	go t.run(ctx)
	return t, nil
}

// stay follows no redirect: another server must not get the headers.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func resourceOf(o Options, s settings) map[string]any {
	r := map[string]any{"service.version": contract.Version, "trainer.trace_id": o.TraceID}
	for name, value := range o.Job {
		if value != "" {
			r[name] = value
		}
	}
	for name, value := range s.resource { // the operator's word wins
		r[name] = value
	}
	if r["service.name"] = s.service; s.service == "" {
		r["service.name"] = "trainer-agent"
	}
	return r
}

func newSpanID() (id spanID) {
	_, _ = rand.Read(id[:]) // never fails, by its documentation
	return id
}

// Enter ends the phase and begins the next.
func (t *Tracer) Enter(phase string, at time.Time) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.endPhase(at)
	t.phase = span{id: newSpanID(), parent: t.job.id, name: phase, start: at}
}

func (t *Tracer) endPhase(at time.Time) {
	t.phase.end = at
	if t.held {
		t.last = t.keep(t.last, t.phase)
		return
	}
	t.ended = t.keep(t.ended, t.phase)
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// keep adds a span; past the bound the oldest goes.
func (t *Tracer) keep(list []span, s span) []span {
	if len(list) >= maxWaiting {
		list = list[1:]
		t.dropped++
	}
	return append(list, s)
}

// Hold keeps the phase that runs, and those after it, until End tells how they ended.
func (t *Tracer) Hold() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held = true
}

// Parent is the TRACEPARENT for a process that belongs to the running phase;
// empty without tracing.
func (t *Tracer) Parent() string {
	if t == nil {
		return ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return traceparent(t.trace, t.phase.id)
}

// Outcome is how a job ended.
type Outcome struct {
	ExitCode int
	Code     contract.Code // of the failure; empty on success
	Message  string
	Phase    string // the one that failed
}

// End ends the job's span, marks the failed phase, and sends what is left within
// ctx. Only the first End counts.
func (t *Tracer) End(ctx context.Context, o Outcome) {
	if t == nil {
		return
	}
	t.mu.Lock()
	if t.job.end.IsZero() {
		t.held = true
		t.job.end = t.opts.Now()
		t.endPhase(t.job.end)
		t.job.attributes = map[string]any{"trainer.exit_code": o.ExitCode}
		if o.Code != "" {
			t.job.fail(o)
			for i := range t.last {
				if t.last[i].name == o.Phase {
					t.last[i].fail(o)
				}
			}
		}
		for _, s := range append(t.last, t.job) {
			t.ended = t.keep(t.ended, s)
		}
	}
	t.mu.Unlock()
	t.finish(ctx)
}

// maxMessage bounds a failure's message, bytes.
const maxMessage = 1000

func (s *span) fail(o Outcome) {
	message := strings.ToValidUTF8(o.Message[:min(len(o.Message), maxMessage)], "")
	s.failed, s.message = true, string(o.Code)+": "+message
	more := map[string]any{"error.type": string(o.Code)} // by OpenTelemetry's semantic conventions
	maps.Copy(more, s.attributes)
	s.attributes = more
}

// Close ends the sender without a word more to the collector.
func (t *Tracer) Close() {
	if t == nil {
		return
	}
	t.cancel()
	t.close()
	<-t.stopped
}
