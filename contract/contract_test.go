package contract

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

// The payloads of section 4 of the contract, as the platform's documents show them.
var payloads = map[string]struct {
	into any
	text string
}{
	"heartbeat": {new(Heartbeat), `{"epoch":5,"progress":10,"metrics":{"loss":0.234,"accuracy":0.892,"learning_rate":0.001},
		"system":{"gpus":[{"uuid":"GPU-1","index":0,"util_percent":97.5,"mem_used_bytes":1,"throttle":["hw_slowdown"],"recovery_action":0}],
		"cpu":{"util_percent":180,"limit_cores":2},"memory":{"used_bytes":5,"limit_bytes":9},"disk":{"path":"/workspace","used_bytes":1,"total_bytes":2}},
		"timestamp":"2025-01-10T12:34:56Z"}`},
	"event": {new(Event), `{"event_type":"checkpoint_saved","message":"Checkpoint saved at epoch 10",
		"data":{"checkpoint_path":"s3://bucket/checkpoints/job-1/epoch-10.pt","epoch":10},"timestamp":"2025-01-10T12:35:00Z"}`},
	"validation": {new(Validation), `{"epoch":10,"task_type":"object_detection","primary_metric_name":"mAP50-95","primary_metric_value":0.6523,
		"metrics":{"mAP50":0.8721,"inference_speed_fps":45.2},
		"per_class_metrics":[{"class_id":0,"class_name":"cat","precision":0.9,"recall":0.85,"ap":0.88,"support":120}],
		"confusion_matrix":[[110,10],[4,101]],"pr_curves":{"cat":{"precision":[0.9,0.88],"recall":[0.1,0.2]}},
		"image_results_path":"s3://bucket/validation-results/job-abc123/epoch-10/images.json","num_images_validated":500,
		"validation_time_seconds":45.2,"timestamp":"2025-01-10T12:36:00Z"}`},
	"validation without optional parts": {new(Validation), `{"epoch":1,"task_type":"image_classification","primary_metric_name":"accuracy",
		"primary_metric_value":null,"metrics":{},"per_class_metrics":null,"confusion_matrix":null,"pr_curves":null,"image_results_path":null,
		"num_images_validated":0,"validation_time_seconds":null,"timestamp":"2025-01-10T12:36:00Z"}`},
	"validation reply": {new(ValidationReply), `{"status":"ok","is_best":true}`},
	"done": {new(Done), `{"status":"succeeded","final_metrics":{"best_epoch":42,"best_loss":0.123,"total_time_seconds":3600},
		"checkpoint_path":"s3://bucket/checkpoints/job-1/best.pt","error_message":null,"exit_code":0,
		"artifacts":[{"name":"best.pt","path":"s3://bucket/checkpoints/job-1/best.pt","size_bytes":5,"sha256":"ab"}],"timestamp":"2025-01-10T13:00:00Z"}`},
	"done failed": {new(Done), `{"status":"failed","final_metrics":{},"checkpoint_path":null,"error_message":"Out of GPU memory. Try reducing batch_size (now 64).",
		"error":{"type":"user_error","code":"CUDA_OOM","message":"Out of GPU memory.","hint":"Try reducing batch_size (now 64).","retryable":false,"evidence":["torch.OutOfMemoryError: CUDA out of memory."]},
		"exit_code":1,"timestamp":"2025-01-10T13:00:00Z"}`},
	"inference progress": {new(InferenceProgress), `{"processed_images":50,"total_images":100,"progress_percent":50,"avg_inference_time_ms":25.3,"timestamp":"2025-01-10T12:34:56Z"}`},
	"test run done": {new(TestRunDone), `{"status":"succeeded","overall_metrics":{"accuracy":0.95},"per_class_metrics":[],"confusion_matrix":[[110,10],[4,101]],
		"pr_curves":{},"results_path":"s3://bucket/test-runs/a/results.json","visualizations_path":"s3://bucket/test-runs/a/visualizations/",
		"xai_results_path":"s3://bucket/test-runs/a/xai/","error_message":null,"timestamp":"2025-01-10T12:35:00Z"}`},
	"inference done": {new(InferenceDone), `{"status":"succeeded","results_path":"s3://bucket/inference-jobs/a/results.json","visualizations_path":null,
		"xai_results_path":null,"error_message":null,"timestamp":"2025-01-10T12:35:00Z"}`},
	"export progress": {new(ExportProgress), `{"progress_percent":50,"stage":"converting","message":"Converting model to ONNX format...","timestamp":"2025-01-10T12:34:56Z"}`},
	"export done": {new(ExportDone), `{"status":"succeeded","export_path":"s3://b/export-jobs/a/model.onnx","metadata_path":"s3://b/export-jobs/a/metadata.json",
		"package_path":"s3://b/export-jobs/a/package.zip","model_info":{"model_size_mb":22.5,"inference_speed_ms":15.3,"input_shape":[1,3,640,640],"output_shape":[1,84,8400]},
		"validation_metrics":{"accuracy":0.94,"original_accuracy":0.95,"accuracy_drop":0.01,"passed":true},"error_message":null,"timestamp":"2025-01-10T12:35:00Z"}`},
}

func TestEveryPayloadSurvivesARoundTrip(t *testing.T) {
	for name, p := range payloads {
		t.Run(name, func(t *testing.T) {
			decoder := json.NewDecoder(strings.NewReader(p.text))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(p.into); err != nil {
				t.Fatal(err)
			}
			encoded, err := json.Marshal(p.into)
			if err != nil {
				t.Fatal(err)
			}
			var want, got any
			_ = json.Unmarshal([]byte(p.text), &want)
			_ = json.Unmarshal(encoded, &got)
			if !reflect.DeepEqual(want, got) {
				t.Errorf("got  %s\nwant %s", encoded, p.text)
			}
		})
	}
}

func TestNumberWritesNonFiniteAsNull(t *testing.T) {
	b, err := json.Marshal(Metrics{"a": Number(math.NaN()), "b": Number(math.Inf(-1)), "c": 0.1})
	if err != nil || string(b) != `{"a":null,"b":null,"c":0.1}` {
		t.Fatalf("%s, %v", b, err)
	}
	var back Metrics
	if err := json.Unmarshal(b, &back); err != nil || len(back) != 1 || back["c"] != 0.1 { // null is absent
		t.Errorf("%v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`{"a":"1"}`), &back); err == nil {
		t.Error("a string passed as a number")
	}
}

func TestTimestampIsUTCAndReadsPythonsNaiveForm(t *testing.T) {
	at := At(time.Date(2025, 1, 10, 21, 34, 56, 123456789, time.FixedZone("KST", 9*3600)))
	if b, _ := json.Marshal(at); string(b) != `"2025-01-10T12:34:56.123456Z"` {
		t.Errorf("%s", b)
	}
	var back Timestamp
	if err := json.Unmarshal([]byte(`"2025-01-10T12:34:56.5"`), &back); err != nil || !back.Equal(time.Date(2025, 1, 10, 12, 34, 56, 5e8, time.UTC)) {
		t.Errorf("%v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`"yesterday"`), &back); err == nil {
		t.Error("accepted nonsense")
	}
}

func TestPathsCarryTheJob(t *testing.T) {
	want := map[Kind]string{
		KindHeartbeat: "/api/v1/jobs/j-1/heartbeat", KindEvent: "/api/v1/jobs/j-1/event",
		KindValidation: "/api/v1/jobs/j-1/validation", KindDone: "/api/v1/jobs/j-1/done",
		KindInferenceProgress: "/api/v1/inference/j-1/progress", KindTestRunDone: "/api/v1/test-runs/j-1/done",
		KindInferenceDone: "/api/v1/inference/jobs/j-1/done", KindExportProgress: "/api/v1/export/jobs/j-1/progress",
		KindExportDone: "/api/v1/export/jobs/j-1/done",
	}
	if len(want) != len(Kinds) {
		t.Fatalf("%d kinds, %d tested", len(Kinds), len(want))
	}
	for kind, path := range want {
		if got := kind.Path("j-1"); got != path {
			t.Errorf("%s: %s, want %s", kind, got, path)
		}
	}
}

// The README and the Kubernetes manifests are written from this table.
func TestExitCodesOfFailures(t *testing.T) {
	retried := map[Code]int{
		CodeStorageError: 75, CodeDiskFull: 75, CodeGPULost: 75, CodeGPUError: 75, CodeNCCLTimeout: 75, CodeNodeLost: 75, CodeStopped: 143,
	}
	for _, code := range Codes() {
		want := ExitFailed
		if exit, ok := retried[code]; ok {
			want = exit
		} else if code == CodeCallbackFailed {
			want = ExitUndelivered
		}
		if got := code.ExitCode(); got != want {
			t.Errorf("%s exits with %d, want %d", code, got, want)
		}
		if code.Retryable() != (want == ExitInfra || want == ExitStopped) {
			t.Errorf("%s retryable: %v", code, code.Retryable())
		}
	}
	if n := len(Codes()); n != 24 {
		t.Errorf("%d codes, the contract lists 24", n)
	}
}

func TestFailureKeepsItsCause(t *testing.T) {
	err := error(Failf(CodeDatasetNotFound, "no dataset: %w", fs.ErrNotExist).WithHint("Check DATASET_ID."))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("the cause is lost")
	}
	if f := AsFailure(err); f.Line() != "no dataset: file does not exist. Check DATASET_ID." {
		t.Errorf("%q", f.Line())
	}
	if f := AsFailure(errors.New("x")); f.Code != CodeInternal {
		t.Errorf("%v", f)
	}
	if AsFailure(nil) != nil {
		t.Error("nil made a failure")
	}
}

func TestParseURI(t *testing.T) {
	bucket, key, err := ParseURI("s3://b/checkpoints/job-1/best.pt")
	if err != nil || bucket != "b" || key != "checkpoints/job-1/best.pt" {
		t.Errorf("%q %q %v", bucket, key, err)
	}
	for _, bad := range []string{"", "b/k", "s3://b", "s3://b/", "s3:///k", "s3://b/../k", "s3://b/a/../../k", "https://b/k"} {
		if _, _, err := ParseURI(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func FuzzNumber(f *testing.F) {
	for _, seed := range []string{"null", "1", "-1e308", "NaN", `"1"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var n Number
		if json.Unmarshal([]byte(text), &n) != nil {
			return
		}
		if _, err := json.Marshal(n); err != nil {
			t.Errorf("%q was read and cannot be written: %v", text, err)
		}
	})
}
