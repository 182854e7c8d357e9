package trace

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	commonpb "go.opentelemetry.io/proto/slim/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collector is an OTLP/HTTP server that decodes with the official types.
type collector struct {
	t      *testing.T
	server *httptest.Server

	mu      sync.Mutex
	header  http.Header
	path    string
	got     []*tracepb.Span
	res     map[string]*commonpb.AnyValue
	answers []int         // statuses to give before 200
	arrived chan struct{} // one each request
}

func newCollector(t *testing.T, answers ...int) *collector {
	c := &collector{t: t, answers: answers, arrived: make(chan struct{}, 100)}
	c.server = httptest.NewServer(c)
	t.Cleanup(c.server.Close)
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() { c.arrived <- struct{}{} }()
	c.header, c.path = r.Header, r.URL.Path
	if len(c.answers) > 0 {
		w.WriteHeader(c.answers[0])
		c.answers = c.answers[1:]
		return
	}
	var in io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		in, _ = gzip.NewReader(r.Body)
	}
	body, err := io.ReadAll(in)
	var data tracepb.TracesData // the same fields as ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &data)
	}
	if err != nil || len(data.ProtoReflect().GetUnknown()) > 0 || len(data.ResourceSpans) != 1 {
		c.t.Errorf("no OTLP: %v %v", err, &data)
		return
	}
	c.res = values(data.ResourceSpans[0].Resource.Attributes)
	c.got = append(c.got, data.ResourceSpans[0].ScopeSpans[0].Spans...)
}

func (c *collector) spans() map[string]*tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	byName := map[string]*tracepb.Span{}
	for _, s := range c.got {
		if byName[s.Name] != nil {
			c.t.Errorf("the span %s came twice", s.Name)
		}
		byName[s.Name] = s
	}
	return byName
}

func values(list []*commonpb.KeyValue) map[string]*commonpb.AnyValue {
	m := map[string]*commonpb.AnyValue{}
	for _, kv := range list {
		m[kv.Key] = kv.Value
	}
	return m
}

// clock moves by a second at each look.
func clock() func() time.Time {
	at := time.Unix(1_700_000_000, 0)
	var mu sync.Mutex
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		at = at.Add(time.Second)
		return at
	}
}

func env(pairs ...string) func(string) string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return m[name] }
}

func newTracer(t *testing.T, traceID string, log io.Writer, getenv func(string) string) *Tracer {
	t.Helper()
	now := clock()
	tracer, err := New(Options{
		TraceID: traceID, Phase: "starting", Started: now(), Job: map[string]string{"trainer.job_id": "j1", "trainer.model": ""},
		Getenv: getenv, Client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, Now: now, Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tracer.Close)
	return tracer
}

const w3c = "4bf92f3577b34da6a3ce929d0e0e4736"

func TestEveryPhaseIsASpanOfTheJob(t *testing.T) {
	c := newCollector(t)
	tracer := newTracer(t, w3c, io.Discard, env(
		"OTEL_EXPORTER_OTLP_ENDPOINT", c.server.URL+"/", "OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20secret,Authorization=Bearer%20x",
		"OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test", "OTEL_SERVICE_NAME", "training", "OTEL_EXPORTER_OTLP_COMPRESSION", "gzip",
		"TRACEPARENT", "00-"+w3c+"-00f067aa0ba902b7-01",
	))
	tracer.Enter("downloading", tracer.opts.Now())
	<-c.arrived // the first span is there while the job runs
	tracer.Enter("running", tracer.opts.Now())
	<-c.arrived
	child := tracer.Parent()
	tracer.Hold()
	tracer.Enter("uploading", tracer.opts.Now())
	tracer.End(t.Context(), Outcome{ExitCode: 1, Code: contract.CodeCUDAOOM, Message: "Out of GPU memory.", Phase: "running"})

	spans := c.spans()
	if len(spans) != 5 || c.path != "/v1/traces" {
		t.Fatalf("%d spans at %s", len(spans), c.path)
	}
	job := spans["job"]
	if hex.EncodeToString(job.ParentSpanId) != "00f067aa0ba902b7" || job.Status.GetCode() != tracepb.Status_STATUS_CODE_ERROR || values(job.Attributes)["trainer.exit_code"].GetIntValue() != 1 {
		t.Errorf("job: %v", job)
	}
	for name, s := range spans {
		if hex.EncodeToString(s.TraceId) != w3c || s.Kind != tracepb.Span_SPAN_KIND_INTERNAL || s.EndTimeUnixNano <= s.StartTimeUnixNano || s.Flags&1 == 0 {
			t.Errorf("%s: %v", name, s)
		}
		if name != "job" && !bytes.Equal(s.ParentSpanId, job.SpanId) {
			t.Errorf("%s is not below the job: %v", name, s)
		}
		if failed := s.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR; failed != (name == "job" || name == "running") {
			t.Errorf("%s failed: %v", name, failed)
		}
	}
	if spans["downloading"].EndTimeUnixNano != spans["running"].StartTimeUnixNano {
		t.Error("a gap between two phases")
	}
	running := spans["running"]
	if running.Status.Message != "CUDA_OOM: Out of GPU memory." || values(running.Attributes)["error.type"].GetStringValue() != "CUDA_OOM" {
		t.Errorf("the failed phase: %v", running)
	}
	if child != "00-"+w3c+"-"+hex.EncodeToString(running.SpanId)+"-01" {
		t.Errorf("TRACEPARENT %s", child)
	}
	if c.header.Get("X-Key") != "a secret" || c.header.Get("Authorization") != "Bearer x" || c.header.Get("Content-Type") != "application/x-protobuf" {
		t.Errorf("headers %v", c.header)
	}
	for name, want := range map[string]string{"service.name": "training", "deployment.environment": "test", "trainer.job_id": "j1", "trainer.trace_id": w3c, "service.version": contract.Version} {
		if c.res[name].GetStringValue() != want {
			t.Errorf("resource %s: %v", name, c.res[name])
		}
	}
	if c.res["trainer.model"] != nil {
		t.Error("an attribute without a value")
	}
}

func TestATraceIDOfAnyFormHasItsTrace(t *testing.T) {
	for given, want := range map[string]string{
		w3c:                                    w3c,
		strings.ToUpper(w3c):                   w3c,
		"4bf92f35-77b3-4da6-a3ce-929d0e0e4736": w3c,
		"4bf92f3577b34da6":                     "00000000000000004bf92f3577b34da6",
		"job 7":                                "9baabbff386ff3aa5450a1bdb3a43f10",
		strings.Repeat("0", 32):                "84e0c0eafaa95a34c293f278ac52e45c",
	} {
		id := traceIDOf(given)
		if got := hex.EncodeToString(id[:]); got != want {
			t.Errorf("%q became %s, want %s", given, got, want)
		}
	}
}

func TestTracingIsOnOnlyWhenAskedFor(t *testing.T) {
	const on = "http://c:4318"
	for want, list := range map[bool][][]string{
		true: {{"OTEL_EXPORTER_OTLP_ENDPOINT", on}, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", on}},
		false: {
			{}, {"OTEL_EXPORTER_OTLP_ENDPOINT", on, "OTEL_SDK_DISABLED", "true"}, {"OTEL_EXPORTER_OTLP_ENDPOINT", on, "OTEL_TRACES_EXPORTER", "none"},
			{"OTEL_EXPORTER_OTLP_ENDPOINT", on, "OTEL_TRACES_SAMPLER", "parentbased_always_off"},
		},
	} {
		for _, pairs := range list {
			if got := Enabled(env(pairs...)); got != want {
				t.Errorf("%v: %v", pairs, got)
			}
		}
	}
	s, err := read(env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/otel", "OTEL_EXPORTER_OTLP_TIMEOUT", "2500"))
	if err != nil || s.endpoint != "http://c:4318/otel/v1/traces" || s.timeout != 2500*time.Millisecond {
		t.Errorf("%+v %v", s, err)
	}
	s, err = read(env("OTEL_EXPORTER_OTLP_ENDPOINT", on, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c:4318/own", "OTEL_EXPORTER_OTLP_HEADERS", "a=1", "OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=2"))
	if err != nil || s.endpoint != "http://c:4318/own" || s.headers["a"] != "2" {
		t.Errorf("the variables of traces do not win: %+v %v", s, err)
	}
}

func TestAWrongVariableIsNamedAndItsSecretIsNot(t *testing.T) {
	for name, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "hush:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TIMEOUT": "10s",
		"OTEL_EXPORTER_OTLP_HEADERS": "hush", "OTEL_RESOURCE_ATTRIBUTES": "=x",
	} {
		pairs := []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318", name, value}
		_, err := New(Options{Getenv: env(pairs...)})
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}

func TestARefusalIsReportedOnceWithoutTheKey(t *testing.T) {
	var log bytes.Buffer
	c := newCollector(t, 401)
	tracer := newTracer(t, w3c, &log, env("OTEL_EXPORTER_OTLP_ENDPOINT", c.server.URL, "OTEL_EXPORTER_OTLP_HEADERS", "x-key=hush"))
	tracer.End(t.Context(), Outcome{})
	if n := strings.Count(log.String(), "level=WARN"); n != 1 || !strings.Contains(log.String(), "status=401") || strings.Contains(log.String(), "hush") {
		t.Errorf("log: %s", log.String())
	}
}

func TestNoServerElsewhereGetsTheHeaders(t *testing.T) {
	other := newCollector(t)
	redirect := httptest.NewServer(http.RedirectHandler(other.server.URL, http.StatusTemporaryRedirect))
	defer redirect.Close()
	tracer := newTracer(t, w3c, io.Discard, env("OTEL_EXPORTER_OTLP_ENDPOINT", redirect.URL, "OTEL_EXPORTER_OTLP_HEADERS", "x-key=hush"))
	tracer.End(t.Context(), Outcome{})
	if other.header != nil {
		t.Errorf("another server got %v", other.header)
	}
}

func TestNilTracesNothing(t *testing.T) {
	var tracer *Tracer
	tracer.Enter("running", time.Now())
	tracer.Hold()
	tracer.End(context.Background(), Outcome{})
	tracer.Close()
	if tracer.Parent() != "" {
		t.Error("a parent of nobody")
	}
}

func FuzzEnvironment(f *testing.F) {
	f.Add("a=b,c=%20d", "00-"+w3c+"-00f067aa0ba902b7-01", w3c)
	f.Add("=,%", "00--", "")
	f.Fuzz(func(t *testing.T, list, parent, id string) {
		got, err := pairs(list)
		for k, v := range got {
			if err != nil || k == "" || strings.ContainsAny(k+v, "\r\n") {
				t.Fatalf("%q gave %q=%q, %v", list, k, v, err)
			}
		}
		trace := traceIDOf(id)
		if !trace.IsValid() {
			t.Fatalf("%q has no trace", id)
		}
		if p := parentOf(parent, trace); p.IsValid() && !slices.Contains(strings.Split(parent, "-"), hex.EncodeToString(trace[:])) {
			t.Fatalf("%q is no parent of %q", parent, id)
		}
	})
}
