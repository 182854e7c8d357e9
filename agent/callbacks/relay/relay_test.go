package relay

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/job"
	"github.com/vision-platform/trainer-agent/contract"
)

var (
	errFull  = errors.New("full")
	errEnded = errors.New("ended")
)

// A queue stands in for the outbox.
type queue struct {
	mu     sync.Mutex
	got    []contract.Message
	kept   []contract.Message
	fail   error
	answer func(contract.Message) ([]byte, bool) // of AppendAndWait; nil: none before the deadline
}

func (q *queue) Append(m contract.Message) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.fail == nil {
		q.got = append(q.got, m)
	}
	return q.fail
}

func (q *queue) AppendAndWait(ctx context.Context, m contract.Message) ([]byte, bool, error) {
	if err := q.Append(m); err != nil {
		return nil, false, err
	}
	if q.answer == nil {
		<-ctx.Done()
		return nil, false, nil
	}
	b, ok := q.answer(m)
	return b, ok, nil
}

func (q *queue) Keep(m contract.Message) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.kept = append(q.kept, m)
	return q.fail
}

func (q *queue) messages() []contract.Message {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]contract.Message(nil), q.got...)
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func start(t testing.TB, q *queue, change func(*Options)) *Relay {
	t.Helper()
	opts := Options{
		Job: Job{ID: "job-1", Task: contract.TaskObjectDetection}, PrimaryMetric: "mAP50-95",
		Outbox: q, Full: errFull, Ended: errEnded, ValidationDeadline: time.Millisecond,
		Now: func() time.Time { return noon },
	}
	if change != nil {
		change(&opts)
	}
	if opts.Judge == nil {
		tracked(contract.MetricMax)(&opts)
	}
	r, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := r.Close(context.Background()); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return r
}

// tracked is a relay beside the history of its job, as in an agent.
func tracked(mode contract.MetricMode, earlier ...contract.EpochMetrics) func(*Options) {
	return func(o *Options) {
		tracker := job.NewTracker(job.TrackerOptions{Now: o.Now, Metric: o.PrimaryMetric, Mode: mode})
		tracker.Resume(0, earlier)
		tell := o.Observe
		o.Judge, o.Observe = tracker.Judge, func(m contract.Message) {
			tracker.Observe(m)
			if tell != nil {
				tell(m)
			}
		}
	}
}

type answer struct {
	status int
	header http.Header
	body   map[string]any
}

func (r *Relay) send(t testing.TB, kind contract.Kind, body string) answer {
	t.Helper()
	return request(t, r.URL()+kind.Path("job-1"), r.Token(), body)
}

func request(t testing.TB, url, token, body string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return do(t, req)
}

func do(t testing.TB, req *http.Request) answer {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header}
	if err := json.Unmarshal(b, &a.body); err != nil {
		t.Fatalf("the answer %q is not JSON: %v", b, err)
	}
	return a
}

func TestAcceptedHeartbeatIsCompletedAndPassedOn(t *testing.T) {
	q := &queue{}
	var seen []contract.Message
	r := start(t, q, func(o *Options) {
		o.Job.Epochs = 50
		o.Observe = func(m contract.Message) { seen = append(seen, m) }
		o.System = func() *contract.System { return &contract.System{Memory: &contract.Memory{UsedBytes: 7}} }
	})
	a := r.send(t, contract.KindHeartbeat,
		`{"epoch": 5, "metrics": {"loss": NaN, "mAP": 0.50}, "extra": {"keep": [1.10]}, "timestamp": "2025-01-10T12:34:56.5Z"}`)
	if a.status != 200 || a.body["status"] != "ok" {
		t.Fatalf("answered %d %v", a.status, a.body)
	}
	want := `{"epoch":5,"metrics":{"loss":null,"mAP":0.50},"extra":{"keep":[1.10]},"timestamp":"2025-01-10T12:34:56.5Z",` +
		`"progress":10,"system":{"memory":{"used_bytes":7}},"source":"trainer"}`
	got := q.messages()
	if len(got) != 1 || string(got[0].Body) != want {
		t.Fatalf("passed on %s\nwant %s", got[0].Body, want)
	}
	if !got[0].Time.Equal(time.Date(2025, 1, 10, 12, 34, 56, 5e8, time.UTC)) {
		t.Errorf("the time is %v, want the child's", got[0].Time)
	}
	if len(seen) != 1 || string(seen[0].Body) != want {
		t.Errorf("observed %v", seen)
	}
}
