package relay

import (
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestWhatATrainerMayNotSayIsRefusedAndNamed(t *testing.T) {
	q := &queue{}
	r := start(t, q, func(o *Options) { o.Job.Kinds = contract.KindsOf(contract.JobTraining, "") })
	for _, c := range []struct {
		kind   contract.Kind
		body   string
		status int
		field  string
	}{
		{contract.KindEvent, `{"event_type":"checkpoint_saved"}`, 422, "event_type"},
		{contract.KindEvent, `{"event_type":"checkpoint\u005fsaved"}`, 422, "event_type"},
		{contract.KindEvent, `{"event_type":"x","event_type":"training_finished"}`, 422, "event_type"},
		{contract.KindHeartbeat, `{"epoch":-1}`, 422, "epoch"},
		{contract.KindHeartbeat, `{"epoch":1000001}`, 422, "epoch"},
		{contract.KindValidation, `{"epoch":1e9}`, 422, "epoch"},
		{contract.KindValidation, `{"epoch":1,"image_results_path":"s3://vision-platform/validation-results/job-2/epoch-1/images.json"}`, 422, "image_results_path"},
		{contract.KindDone, `{"status":"succeeded","checkpoint_path":"s3://vision-platform/checkpoints/job-2/best.pt"}`, 422, "checkpoint_path"},
		{contract.KindDone, `{"status":"succeeded","checkpoint_path":"https://elsewhere.test/best.pt"}`, 422, "checkpoint_path"},
		{contract.KindExportDone, `{"status":"succeeded"}`, 404, ""},
		{contract.KindInferenceDone, `{"status":"succeeded"}`, 404, ""},
		{contract.KindTestRunDone, `{"status":"succeeded"}`, 404, ""},
		{contract.KindInferenceProgress, `{"processed_images":1}`, 404, ""},
	} {
		a := r.send(t, c.kind, c.body)
		field, _ := a.body["field"].(string)
		if a.status != c.status || field != c.field {
			t.Errorf("%s %s: answered %d %v", c.kind, c.body, a.status, a.body)
		}
	}
	if n := len(q.messages()) + len(q.kept); n != 0 {
		t.Errorf("%d messages were taken all the same", n)
	}
	for kind, body := range map[contract.Kind]string{
		contract.KindEvent:     `{"event_type":"my_own"}`,
		contract.KindHeartbeat: `{"epoch":1000000}`,
		contract.KindDone:      `{"status":"succeeded","checkpoint_path":"s3://vision-platform/checkpoints/job-job-1/best.pt"}`,
	} {
		if a := r.send(t, kind, body); a.status != 200 {
			t.Errorf("%s %s: answered %d %v", kind, body, a.status, a.body)
		}
	}
}

func TestARefusalShowsOnceAPathInTheLog(t *testing.T) {
	w := &warnings{}
	r := start(t, &queue{}, func(o *Options) { o.Logger = slog.New(w) })
	for range 20 {
		r.send(t, contract.KindHeartbeat, `{"epoch":"five"}`)
		request(t, r.URL()+"/api/v2/heartbeat", r.Token(), `{}`)
	}
	if n := w.about("training script was refused"); n != 2 {
		t.Errorf("%d warnings, want one a path", n)
	}
	for i := range 10 * maxRefused {
		request(t, fmt.Sprint(r.URL(), "/flood/", i), r.Token(), `{}`)
	}
	if n := w.about("training script was refused"); n != maxRefused {
		t.Errorf("%d warnings after a flood, want %d", n, maxRefused)
	}
}

func TestAnAcceptedMessageIsDecodedOnceForEverybody(t *testing.T) {
	q := &queue{}
	r := start(t, q, nil)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL()+contract.KindHeartbeat.Path("job-1"), strings.NewReader(
		`{"epoch":3,"EPOCH":999999999,"Metrics":{"x":1},"metrics":{"loss":NaN,"big":1e999,"val_loss":null,"acc":0.5,"mine":null}}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.Token())
	req.Header.Set(contract.HeaderNonFinite, `["mine","acc","none"]`)
	do(t, req)
	got := q.messages()[0]
	beat, ok := got.Payload.(contract.Heartbeat)
	if !ok || beat.Epoch != 3 {
		t.Fatalf("the payload is %#v", got.Payload)
	}
	for name, want := range map[string]bool{"loss": true, "big": true, "mine": true, "acc": false} {
		v, there := beat.Metrics[name]
		if !there || math.IsNaN(float64(v)) != want {
			t.Errorf("%s is %v (%v)", name, v, there)
		}
	}
	if len(beat.Metrics) != 4 {
		t.Errorf("a null is taken for a value: %v", beat.Metrics)
	}
	r.send(t, contract.KindDone, `{"status":"failed","error_message":"no"}`)
	if done, ok := q.kept[0].Payload.(contract.Done); !ok || done.Status != contract.StatusFailed {
		t.Errorf("the final payload is %#v", q.kept[0].Payload)
	}
}

func TestWhatPassesTheRelayIsWholeForTheBackend(t *testing.T) {
	q := &queue{answer: func(contract.Message) ([]byte, bool) { return nil, true }}
	r := start(t, q, nil)
	for kind, body := range map[contract.Kind]string{
		contract.KindHeartbeat: `{"epoch":1}`, contract.KindEvent: `{"event_type":"x","message":null,"data":null}`,
		contract.KindValidation:        `{"epoch":1,"task_type":"detection","primary_metric_name":null,"metrics":null,"num_images_validated":null}`,
		contract.KindInferenceProgress: `{"processed_images":1,"total_images":4}`, contract.KindExportProgress: `{"progress_percent":130}`,
	} {
		if a := r.send(t, kind, body); a.status != 200 {
			t.Errorf("%s: answered %d %v", kind, a.status, a.body)
		}
	}
	for _, m := range q.messages() {
		if _, err := contract.CheckWire(m.Kind, m.Body); err != nil {
			t.Errorf("%s %s: %v", m.Kind, m.Body, err)
		}
	}
}
