package backend

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestMinimalBodiesPass(t *testing.T) {
	for _, k := range contract.Kinds {
		if _, err := contract.CheckWire(k, encode(t, valid(k))); err != nil {
			t.Errorf("%s: %v", k, err)
		}
	}
}

func TestEveryRequiredFieldIsRequired(t *testing.T) {
	for _, k := range contract.Kinds {
		for _, f := range contract.Fields(k) {
			name := f.Name
			if f.Agent {
				continue
			}
			body := edit(t, k, func(m map[string]any) { delete(m, name) })
			if _, err := contract.CheckWire(k, body); err == nil || !strings.HasPrefix(err.Error(), name+":") {
				t.Errorf("%s without %s: got %v", k, name, err)
			}
		}
	}
}

// edit changes a good body.
func edit(t *testing.T, k contract.Kind, change func(map[string]any)) []byte {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(encode(t, valid(k)), &m); err != nil {
		t.Fatal(err)
	}
	change(m)
	return encode(t, m)
}

func TestImpossibleValuesAreNamed(t *testing.T) {
	type fields = map[string]any
	for _, tc := range []struct {
		kind contract.Kind
		set  fields
		want string
	}{
		{contract.KindHeartbeat, fields{"epoch": -1}, "epoch"},
		{contract.KindHeartbeat, fields{"epoch": 1.5}, "epoch"},
		{contract.KindHeartbeat, fields{"epoch": "one"}, "epoch"},
		{contract.KindHeartbeat, fields{"progress": 100.5}, "progress"},
		{contract.KindHeartbeat, fields{"metrics": nil}, "metrics"},
		{contract.KindHeartbeat, fields{"metrics": fields{"loss": "low"}}, "number"},
		{contract.KindHeartbeat, fields{"timestamp": "yesterday"}, "timestamp"},
		{contract.KindHeartbeat, fields{"timestamp": "2026-01-10T12:00:00+09:00"}, "timestamp"},
		{contract.KindHeartbeat, fields{"timestamp": nil}, "timestamp"},
		{contract.KindHeartbeat, fields{"epohc": 1}, "epohc"},
		{contract.KindEvent, fields{"event_type": ""}, "event_type"},
		{contract.KindEvent, fields{"data": nil}, "data"},
		{contract.KindEvent, fields{"data": []int{1}}, "data"},
		{contract.KindValidation, fields{"task_type": "detection"}, "task_type"},
		{contract.KindValidation, fields{"primary_metric_name": ""}, "primary_metric_name"},
		{contract.KindValidation, fields{"confusion_matrix": [][]int{{1, 2}}}, "confusion_matrix"},
		{contract.KindValidation, fields{"pr_curves": fields{"cat": fields{"precision": []int{1}, "recall": []int{}}}}, "pr_curves"},
		{contract.KindValidation, fields{"num_images_validated": -4}, "num_images_validated"},
		{contract.KindDone, fields{"status": "ok"}, "status"},
		{contract.KindDone, fields{"status": "failed"}, "error_message"},
		{contract.KindDone, fields{"error_message": "but why"}, "error_message"},
		{contract.KindDone, fields{"final_metrics": nil}, "final_metrics"},
		{contract.KindDone, fields{"status": "failed", "error_message": "x", "error": fields{"code": "OOPS"}}, "OOPS"},
		{contract.KindExportProgress, fields{"stage": "dreaming"}, "stage"},
		{contract.KindInferenceProgress, fields{"progress_percent": -1}, "progress_percent"},
		{contract.KindTestRunDone, fields{"status": "done"}, "status"},
	} {
		body := edit(t, tc.kind, func(m map[string]any) {
			for name, value := range tc.set {
				m[name] = value
			}
		})
		if _, err := contract.CheckWire(tc.kind, body); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s with %v: got %v, want a word about %s", tc.kind, tc.set, err, tc.want)
		}
	}
}

func TestWhatIsNoObjectIsRefused(t *testing.T) {
	for _, body := range []string{"", "null", "[]", "1", `"x"`, "{", "\x00\xff", `{"a":1} {"b":2}`} {
		if _, err := contract.CheckWire(contract.KindEvent, []byte(body)); err == nil {
			t.Errorf("%q passed", body)
		}
	}
}
