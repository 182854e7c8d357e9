package relay

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

// What the SDK sends for each of its calls is what the contract describes: the relay
// takes it, and what it passes on is whole for the backend.
func TestEveryCallOfTheSDKIsWhatTheContractDescribes(t *testing.T) {
	q := &queue{answer: func(contract.Message) ([]byte, bool) { return []byte(`{"status":"ok","is_best":true}`), true }}
	r := start(t, q, nil)
	sdk, err := filepath.Abs("../../../trainers/sdk")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), need.Python(t), "-W", "ignore", filepath.Join("testdata", "sdk_calls.py"))
	cmd.Env = []string{"BACKEND_BASE_URL=" + r.URL(), "CALLBACK_TOKEN=" + r.Token(), "JOB_ID=job-1", "TASK_TYPE=object_detection", "EPOCHS=4",
		"PATH=" + os.Getenv("PATH"), "PYTHONPATH=" + sdk, "OUTPUT_DIR=" + t.TempDir()}
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "sent" { // the SDK warns of each call that is refused
		t.Fatalf("the SDK says %s (%v)", out, err)
	}
	seen := map[contract.Kind]int{}
	for _, m := range append(q.messages(), q.kept...) {
		seen[m.Kind]++
		if _, err := contract.CheckWire(m.Kind, m.Body); err != nil {
			t.Errorf("%s: %v in %s", m.Kind, err, m.Body)
		}
	}
	for _, kind := range contract.Kinds {
		if seen[kind] == 0 {
			t.Errorf("no %s came", kind)
		}
	}
	beat := q.messages()[0].Payload.(contract.Heartbeat)
	if loss, marked := beat.Metrics["loss"]; !marked || !math.IsNaN(float64(loss)) || len(beat.Metrics) != 2 {
		t.Errorf("the first heartbeat has %v, want the loss as NaN and no val_loss", beat.Metrics)
	}
	if strings.Contains(string(q.messages()[0].Body), "NaN") {
		t.Errorf("the backend gets %s", q.messages()[0].Body)
	}
}
