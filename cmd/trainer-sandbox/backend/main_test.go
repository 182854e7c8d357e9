package backend

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vision-platform/trainer-agent/contract"
)

const token = "let-me-in"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a Backend behind a real server, with a client of its own.
type fixture struct {
	*Backend
	t      *testing.T
	url    string
	client *http.Client
}

func start(t *testing.T, options ...func(*Options)) fixture {
	t.Helper()
	o := Options{Token: token}
	for _, set := range options {
		set(&o)
	}
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	// Go's client repeats a request with an Idempotency-Key by itself when a
	// connection that it kept breaks; without kept ones every try is seen.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return fixture{b, t, server.URL, client}
}

func at(seconds int) contract.Timestamp {
	return contract.At(time.Date(2026, 1, 10, 12, 0, seconds, 0, time.UTC))
}

// valid are minimal good bodies of every kind.
func valid(k contract.Kind) any {
	message := "out of luck"
	switch k {
	case contract.KindHeartbeat:
		return contract.Heartbeat{Epoch: 1, Progress: 50, Metrics: contract.Metrics{"loss": 0.5}, Timestamp: at(0)}
	case contract.KindEvent:
		return contract.Event{EventType: contract.EventTrainingStarted, Message: "go", Data: json.RawMessage(`{}`), Timestamp: at(0)}
	case contract.KindValidation:
		return validation(1, 0.5)
	case contract.KindInferenceProgress:
		return contract.InferenceProgress{ProcessedImages: 3, TotalImages: 4, ProgressPercent: 75, Timestamp: at(0)}
	case contract.KindTestRunDone:
		return contract.TestRunDone{Status: contract.StatusSucceeded, OverallMetrics: contract.Metrics{}, Timestamp: at(0)}
	case contract.KindInferenceDone:
		return contract.InferenceDone{Status: contract.StatusFailed, ErrorMessage: &message, Timestamp: at(0)}
	case contract.KindExportProgress:
		return contract.ExportProgress{ProgressPercent: 10, Stage: contract.StageConverting, Timestamp: at(0)}
	case contract.KindExportDone:
		return contract.ExportDone{Status: contract.StatusSucceeded, Timestamp: at(0)}
	}
	return contract.Done{Status: contract.StatusSucceeded, FinalMetrics: contract.Metrics{}, Timestamp: at(0)}
}

func validation(epoch int, value float64) contract.Validation {
	return contract.Validation{
		Epoch: epoch, TaskType: contract.TaskObjectDetection, PrimaryMetricName: "mAP50-95", PrimaryMetricValue: contract.Number(value),
		Metrics: contract.Metrics{"mAP50-95": contract.Number(value)}, NumImagesValidated: 8, Timestamp: at(epoch),
	}
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func request(ctx context.Context, url string, k contract.Kind, job, key string, body []byte) *http.Request {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+k.Path(job), bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(contract.HeaderAuthorization, "Bearer "+token)
	r.Header.Set(contract.HeaderTraceID, "trace-1")
	r.Header.Set(contract.HeaderIdempotencyKey, key)
	return r
}

// post sends a callback and returns status and body; status 0 is a broken connection.
func (f fixture) post(k contract.Kind, job string, n int, payload any) (int, string) {
	f.t.Helper()
	return f.do(request(f.t.Context(), f.url, k, job, fmt.Sprintf("%s:%d", job, n), encode(f.t, payload)))
}

func (f fixture) do(r *http.Request) (int, string) {
	f.t.Helper()
	resp, err := f.client.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(body)
}

func (f fixture) control(method, path, body string) (int, string) {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), method, f.url+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	return f.do(r)
}
