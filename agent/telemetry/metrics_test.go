package telemetry

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"go.uber.org/goleak"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func scrape(t *testing.T, e *Endpoint, path string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + e.Addr() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(b)
}

// A training that keeps connections would take the descriptors that the agent ends the job with.
func TestAConnectionEndsWithItsAnswer(t *testing.T) {
	e, err := Serve(t.Context(), "127.0.0.1:0", func() Snapshot { return Snapshot{} }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	for range 2 * maxConnections {
		conn, err := net.Dial("tcp", e.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(4 * time.Second)) // the server itself waits 5 for a header
		if answer, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200") {
			t.Fatalf("%q %v", answer, err)
		}
	}
}

func TestEndpointTellsWhatIsKnown(t *testing.T) {
	value, util := 0.5, contract.Number(50)
	snapshot := Snapshot{
		Phases:      Phases{Running: "training", Seconds: map[string]float64{"download": 2}},
		Training:    Training{Epoch: 3, Epochs: 9, PrimaryMetric: "mAP50-95", PrimaryValue: &value},
		Checkpoints: &Checkpoints{Bytes: 7, Waiting: 1, Last: time.UnixMilli(1500), Lag: 2 * time.Second},
		System:      &contract.System{GPUs: []contract.GPU{{UUID: "GPU-1", UtilPercent: &util}}},
	}
	e, err := Serve(t.Context(), "127.0.0.1:0", func() Snapshot { return snapshot }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()

	status, text := scrape(t, e, "/metrics")
	for _, line := range []string{
		`trainer_agent_epoch 3`, `trainer_agent_primary_metric{metric="mAP50-95"} 0.5`, `trainer_agent_phase{phase="training"} 1`,
		`trainer_agent_checkpoint_lag_seconds 2`, `trainer_agent_checkpoint_last_upload_timestamp_seconds 1.5`, `trainer_agent_checkpoints_waiting 1`,
		`trainer_agent_gpu_utilization_ratio{gpu="GPU-1"} 0.5`, `trainer_agent_phase_duration_seconds{phase="download"} 2`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("%d: no line %s", status, line)
		}
	}
	if strings.Contains(text, "child_cpu") || strings.Contains(text, "gpu_power") {
		t.Error("tells what is not known")
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("against the conventions: %v %v", problems, err)
	}
	if !strings.Contains(text, "# TYPE trainer_agent_store_retries_total counter\n") || !strings.Contains(text, "# TYPE trainer_agent_epoch gauge\n") {
		t.Errorf("types: %s", text)
	}
	if status, _ := scrape(t, e, "/healthz"); status != http.StatusOK {
		t.Errorf("healthz: %d", status)
	}
	if status, _ := scrape(t, e, "/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("readyz while not ready: %d", status)
	}
	snapshot.Ready = true
	if status, _ := scrape(t, e, "/readyz"); status != http.StatusOK {
		t.Errorf("readyz when ready: %d", status)
	}
}

// lockedBuffer is written to by the server and read by the test.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

// net/http would write to standard error, in a form that no log collector reads.
func TestErrorsOfTheEndpointAreInTheLog(t *testing.T) {
	var out lockedBuffer
	log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	e, err := Serve(t.Context(), "127.0.0.1:0", func() Snapshot { panic("nothing to tell") }, log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if response, err := client.Get("http://" + e.Addr() + "/metrics"); err == nil {
		_ = response.Body.Close()
		t.Fatalf("a handler that panics answered %d", response.StatusCode)
	}
	if text := out.String(); !strings.Contains(text, `"level":"DEBUG"`) || !strings.Contains(text, "nothing to tell") {
		t.Errorf("the log: %q", text)
	}
}
