package trace

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/crew"
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
	sender   *sender
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	stop     func() <-chan struct{} // ends the provider, and says when that is done

	mu    sync.Mutex
	job   span
	phase span
	held  bool
	last  []span // over since Hold
	made  int    // spans that have ended
}

// span is one stretch of a job.
type span struct {
	trace.Span
	name string
	end  time.Time
}

const (
	maxWaiting = 64          // spans that wait for a collector: more than any job has
	gather     = time.Second // how long ended spans wait for others to go with
)

// New starts the job's span and the sender. The caller must call End or
// Close. An error means that the environment cannot be understood.
func New(o Options) (*Tracer, error) {
	s, err := read(o.Getenv)
	if err != nil {
		return nil, err
	}
	// The SDK would write to standard error by itself.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { o.Log.Debug("OpenTelemetry says: " + err.Error()) }))
	sender, err := newSender(o, s)
	if err != nil {
		return nil, err
	}
	id := traceIDOf(o.TraceID)
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithSampler(sdktrace.AlwaysSample()),
		sdktrace.WithIDGenerator(idsOf(id)),
		sdktrace.WithResource(resource.NewSchemaless(resourceOf(o, s)...)),
		sdktrace.WithBatcher(sender, sdktrace.WithMaxQueueSize(maxWaiting), sdktrace.WithMaxExportBatchSize(maxWaiting),
			sdktrace.WithBatchTimeout(gather), sdktrace.WithExportTimeout(0)),
	)
	t := &Tracer{
		opts: o, sender: sender, provider: provider,
		tracer: provider.Tracer("github.com/vision-platform/trainer-agent", trace.WithInstrumentationVersion(contract.Version)),
	}
	t.stop = sync.OnceValue(t.shutdown)
	ctx := context.Background()
	if parent := parentOf(o.Getenv("TRACEPARENT"), id); parent.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, parent)
	}
	t.job = t.begin(ctx, "job", o.Started)
	t.phase = t.begin(t.inJob(), o.Phase, o.Started)
	return t, nil
}

func (t *Tracer) begin(ctx context.Context, name string, at time.Time) span {
	_, s := t.tracer.Start(ctx, name, trace.WithTimestamp(at))
	return span{Span: s, name: name}
}

func (t *Tracer) inJob() context.Context {
	return trace.ContextWithSpan(context.Background(), t.job.Span)
}

// stay follows no redirect: another server must not get the headers.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func resourceOf(o Options, s settings) []attribute.KeyValue {
	r := map[string]string{"service.version": contract.Version, "trainer.trace_id": o.TraceID}
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
	list := make([]attribute.KeyValue, 0, len(r))
	for name, value := range r {
		list = append(list, attribute.String(name, value))
	}
	return list
}

// Enter ends the phase and begins the next.
func (t *Tracer) Enter(phase string, at time.Time) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.endPhase(at)
	t.phase = t.begin(t.inJob(), phase, at)
}

func (t *Tracer) endPhase(at time.Time) {
	t.phase.end = at
	if t.held {
		t.last = append(t.last, t.phase)
		return
	}
	t.finish(t.phase)
}

// finish hands a span over to be sent.
func (t *Tracer) finish(s span) {
	t.made++
	s.End(trace.WithTimestamp(s.end))
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
	return traceparent(t.phase.SpanContext())
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
		t.job.SetAttributes(attribute.Int("trainer.exit_code", o.ExitCode))
		for _, s := range append(t.last, t.job) {
			if o.Code != "" && (s.name == o.Phase || s.name == t.job.name) {
				s.fail(o)
			}
			t.finish(s)
		}
	}
	t.mu.Unlock()
	select {
	case <-t.stop():
	case <-ctx.Done():
		t.sender.cancel() // a collector that hangs
		<-t.stop()
	}
	t.account()
}

// account says what was lost.
func (t *Tracer) account() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sender.mu.Lock()
	defer t.sender.mu.Unlock()
	if lost := t.made - t.sender.settled; lost > 0 {
		_, err := t.sender.answers.last()
		t.opts.Log.Warn("some spans of the job's trace were not delivered", "spans", lost, "error", err)
		t.made = t.sender.settled
	}
}

// maxMessage bounds a failure's message, bytes.
const maxMessage = 1000

func (s span) fail(o Outcome) {
	message := strings.ToValidUTF8(o.Message[:min(len(o.Message), maxMessage)], "")
	s.SetStatus(codes.Error, string(o.Code)+": "+message)
	s.SetAttributes(attribute.String("error.type", string(o.Code))) // by OpenTelemetry's semantic conventions
}

// shutdown ends the sender after one more try for each batch that waits.
func (t *Tracer) shutdown() <-chan struct{} {
	done := make(chan struct{})
	t.sender.close()
	crew.Go(func() {
		defer close(done)
		_ = t.provider.Shutdown(context.Background()) // the sender knows what went wrong
		t.sender.cancel()
	})
	return done
}

// Close ends the sender without a word more to the collector.
func (t *Tracer) Close() {
	if t == nil {
		return
	}
	t.sender.cancel()
	<-t.stop()
}
