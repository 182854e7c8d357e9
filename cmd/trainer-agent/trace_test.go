package main_test

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector is an OTLP/HTTP server: it decodes what is posted with the official types.
type collector struct {
	*httptest.Server
	mu    sync.Mutex
	spans map[string]*tracepb.Span // by name
	keys  []string                 // the header x-key of each request
}

func newCollector(t *testing.T) *collector {
	c := &collector{spans: map[string]*tracepb.Span{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.keys = append(c.keys, r.Header.Get("X-Key"))
		var data tracepb.TracesData
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = proto.Unmarshal(body, &data)
		}
		if err != nil {
			t.Errorf("no OTLP: %v", err)
		}
		for _, resource := range data.ResourceSpans {
			for _, s := range resource.ScopeSpans[0].Spans {
				c.spans[s.Name] = s
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

const (
	traceUUID = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"
	otelKey   = "key-of-the-collector"
)

func traced(t *testing.T, c *collector, scenario string, exit int) *job {
	t.Helper()
	j := newJob(t, scenario).with("TRACE_ID", traceUUID, "OTEL_EXPORTER_OTLP_ENDPOINT", c.URL, "OTEL_EXPORTER_OTLP_HEADERS", "x-key="+otelKey)
	return j.mustExit(exit)
}

func TestTheTraceOfAJobHasASpanForEachPhase(t *testing.T) {
	c := newCollector(t)
	j := traced(t, c, "dumps", 0)
	for _, phase := range []string{"job", "starting", "downloading", "converting", "weights", "resuming", "running", "uploading", "reporting"} {
		s := c.spans[phase]
		if s == nil {
			t.Fatalf("no span for %s\n%s", phase, j.stderr.String())
		}
		if id := hex.EncodeToString(s.TraceId); id != strings.ReplaceAll(traceUUID, "-", "") || s.Status.GetCode() != tracepb.Status_STATUS_CODE_UNSET {
			t.Errorf("%s: trace %s, status %v", phase, id, s.Status)
		}
	}
	child := j.seen()
	if want := "00-" + strings.ReplaceAll(traceUUID, "-", "") + "-" + hex.EncodeToString(c.spans["running"].SpanId) + "-01"; child.Env["TRACEPARENT"] != want {
		t.Errorf("the child's TRACEPARENT is %q, want %s", child.Env["TRACEPARENT"], want)
	}
	if slices.Contains(c.keys, "") {
		t.Errorf("keys %v", c.keys)
	}
	for name, value := range child.Env {
		if strings.Contains(value, otelKey) {
			t.Errorf("the child has the collector's key in %s", name)
		}
	}
	if strings.Contains(j.stderr.String(), otelKey) {
		t.Error("the collector's key is in the log")
	}
}

func TestTheSpanOfTheFailedPhaseSaysWhy(t *testing.T) {
	for scenario, phase := range map[string]string{"cuda-oom": "running", "quick": "downloading"} {
		c := newCollector(t)
		j := newJob(t, scenario).with("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
		code := "CUDA_OOM"
		if phase == "downloading" {
			j.with("DATASET_ID", "is-not-there")
			code = "DATASET_NOT_FOUND"
		}
		j.mustExit(1)
		for name, s := range c.spans {
			failed := s.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR
			if failed != (name == phase || name == "job") || failed && !strings.HasPrefix(s.Status.Message, code+": ") {
				t.Errorf("%s, span %s: %v", scenario, name, s.Status)
			}
		}
	}
}

func TestNoCollectorDisturbsNoJob(t *testing.T) {
	j := newJob(t, "ok").with("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1").mustExit(0)
	if n := strings.Count(j.stderr.String(), "traces cannot be delivered"); n != 1 {
		t.Errorf("%d log lines tell of it\n%s", n, j.stderr.String())
	}
}
