package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

var update = flag.Bool("update", false, "rewrite docs/environment.md")

var minimal = map[string]string{
	"JOB_ID": "job-1", "BACKEND_BASE_URL": "http://127.0.0.1:1/", "CALLBACK_TOKEN": "tok-secret", "TASK_TYPE": "object_detection",
	"MODEL_NAME": "yolo11n", "DATASET_ID": "d1", "EPOCHS": "3",
	"S3_ENDPOINT": "http://127.0.0.1:2", "AWS_ACCESS_KEY_ID": "ak", "AWS_SECRET_ACCESS_KEY": "sk-secret",
}

// load reads exactly these variables.
func load(t *testing.T, sets ...map[string]string) (*Config, []Problem) {
	t.Helper()
	for _, pair := range os.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value) // so that it comes back after the test
		_ = os.Unsetenv(name)
	}
	for _, set := range sets {
		for name, value := range set {
			t.Setenv(name, value)
		}
	}
	return Load()
}

func errorsOf(problems []Problem) (names []string) {
	for _, p := range problems {
		if !p.Warning {
			names = append(names, p.Variable)
		}
	}
	slices.Sort(names)
	return names
}

func TestMinimalEnvironmentLoadsWithDefaults(t *testing.T) {
	c, problems := load(t, minimal)
	if problems != nil {
		t.Fatal(problems)
	}
	tr := c.Job.Training
	if c.Job.Type != contract.JobTraining || tr.BatchSize != 16 || tr.LearningRate != 0 || tr.ImageSize != 0 ||
		tr.CheckpointFrequency != 5 || tr.PrimaryMetric != "mAP50-95" || tr.PrimaryMetricMode != contract.MetricMax {
		t.Errorf("defaults: %+v", tr)
	}
	if c.BaseURL != "http://127.0.0.1:1" || c.BucketName != "vision-platform" || len(c.TraceID) != 32 {
		t.Errorf("%q %q %q", c.BaseURL, c.BucketName, c.TraceID)
	}
	if c.RunAs != nil {
		t.Errorf("nobody asked for AGENT_RUN_AS, it is %+v", c.RunAs)
	}
}

// Every variable of the contract: required ones missing, and every one malformed.
func TestEveryRequiredVariableIsMissed(t *testing.T) {
	for name := range minimal {
		without := maps.Clone(minimal)
		for _, value := range []string{"", "unset"} {
			without[name] = value
			if value == "unset" {
				delete(without, name)
			}
			_, problems := load(t, without)
			got := errorsOf(problems)
			switch name {
			case "S3_ENDPOINT": // absent means AWS
				if got != nil {
					t.Errorf("%s %q: %v", name, value, got)
				}
			case "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY":
				if !slices.Equal(got, []string{"AWS_SECRET_ACCESS_KEY"}) {
					t.Errorf("%s %q: %v", name, value, got)
				}
			default:
				if !slices.Equal(got, []string{name}) {
					t.Errorf("%s %q: reported %v", name, value, got)
				}
			}
		}
	}
}

func TestEveryVariableRefusesNonsense(t *testing.T) {
	bad := map[string]string{"string": "bad value\n\t", "int": "12.5", "float64": "many", "bool": "perhaps", "time.Duration": "soon"}
	anything := map[string]bool{ // free text: nothing is malformed
		"DEVICE": true, "WORKSPACE_DIR": true, "AWS_ACCESS_KEY_ID": true, "AWS_REGION": true, "R2_ACCESS_KEY_ID": true, "DATASET_PATH": true,
		"PRIMARY_METRIC": true, "AGENT_DATASET_CACHE_DIR": true, "AGENT_LOCAL_BUCKET_DIR": true, "AGENT_CA_FILE": true, "AGENT_GPU_PROBE": true, "AGENT_WEIGHTS_DIR": true, "AGENT_STATE_DIR": true,
	}
	for _, v := range variables() {
		if v.secret || anything[v.name] {
			continue
		}
		value, ok := bad[v.field.Type.String()]
		if !ok {
			value = "{not"
		}
		_, problems := load(t, minimal, map[string]string{v.name: value})
		if !slices.Contains(errorsOf(problems), v.name) {
			t.Errorf("%s=%q was accepted", v.name, value)
		}
	}
}

func TestRangesAreChecked(t *testing.T) {
	for name, values := range map[string][]string{
		"EPOCHS": {"0", "-1", "010", "0x10", "1_000", "3.0"}, "BATCH_SIZE": {"0"}, "LEARNING_RATE": {"0", "0x1p-4", "-0.1", "NaN", "Inf"}, "IMAGE_SIZE": {"31"},
		"CHECKPOINT_FREQUENCY": {"-1"}, "MAX_TRAINING_TIME_SECONDS": {"0"}, "OPTIMIZATION_LEVEL": {"4"},
		"CONFIDENCE_THRESHOLD": {"1.5", "-0.1"}, "INPUT_SIZE": {"[640]", "[0, 640]", "640"}, "AGENT_STOP_GRACE": {"0s", "2h"},
		"JOB_ID": {"a/b", "..", "a b", strings.Repeat("x", 129)}, "BACKEND_BASE_URL": {"api.example.com", "ftp://x", "http://u:p@x", "http://x?a=1"},
		"AGENT_RUN_AS": {"root", "1000", "-1:0", ":", "1000:", ":1000", "1:2:3", "1 :1", "4294967295:0", "0:4294967295"}, "AGENT_UPLOAD_BANDWIDTH": {"-1", "fast", "1e300"}, "AGENT_XID_FATAL": {"a,b"},
		"SPLIT_STRATEGY": {"{}x", `{"method":"weekly"}`}, "IMAGE_PATHS": {"a.jpg", "[1]", `[null, ""]`, `[""]`}, "CONFIG_JSON": {"[]", "null", "{", `{"lr": 1, "lr": 2}`, `{"a": [{"b": {}, "c": 1, "b": 2}]}`},
		"PRETRAINED_WEIGHT_URL": {"ftp://host/a.pt", "file:///etc/passwd", "s3://bucket/a.pt", "weights.pt", "https://"},
		"CHECKPOINT_PATH":       {"/tmp/best.pt", "s3://bucket"},
	} {
		for _, value := range values {
			_, problems := load(t, minimal, map[string]string{name: value})
			if got := errorsOf(problems); !slices.Contains(got, name) {
				t.Errorf("%s=%q: reported %v", name, value, got)
			}
		}
	}
}

func TestAllProblemsAreReportedTogether(t *testing.T) {
	_, problems := load(t, map[string]string{"EPOCHS": "many", "BATCH_SIZE": "0", "TASK_TYPE": "detection"})
	want := []string{"BACKEND_BASE_URL", "BATCH_SIZE", "CALLBACK_TOKEN", "DATASET_ID", "EPOCHS", "JOB_ID", "MODEL_NAME", "TASK_TYPE"}
	if got := errorsOf(problems); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	text := contract.AsFailure(Failure(problems)).Line()
	for _, part := range []string{"8 environment variables are wrong", `EPOCHS="many": expected a whole number of at least 1, for example EPOCHS=50`, "JOB_ID is not set"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in %q", part, text)
		}
	}
}

func TestAKeyThatStandsTwiceIsNamed(t *testing.T) {
	_, problems := load(t, minimal, map[string]string{"CONFIG_JSON": `{"lr": 1, "aug": [{"flip": 1}, {"flip": 1, "flip": 0}]}`})
	if text := contract.AsFailure(Failure(problems)).Line(); !strings.Contains(text, `the key "aug.flip" stands in it twice`) {
		t.Error(text)
	}
	_, problems = load(t, minimal, map[string]string{"CONFIG_JSON": `{"lr": 1, "a": [{"lr": 1}, {"lr": 2}, [], {}], "b": {"lr": "lr"}, "c": "c"}`})
	if problems != nil {
		t.Error(problems)
	}
}

func TestInferenceAndExportAreInferred(t *testing.T) {
	base := maps.Clone(minimal)
	delete(base, "EPOCHS")
	delete(base, "MODEL_NAME")
	c, problems := load(t, base, map[string]string{"INFERENCE_TYPE": "test_run", "CHECKPOINT_PATH": "s3://b/k.pt", "DATASET_ID": "d"})
	if problems != nil || c.Job.Type != contract.JobInference || c.Job.Inference.Type != contract.InferenceTestRun {
		t.Errorf("%v %+v", problems, c.Job)
	}
	c, problems = load(t, base, map[string]string{"EXPORT_FORMAT": "onnx", "CHECKPOINT_PATH": "s3://b/k.pt", "MODEL_NAME": "yolo11n"})
	if problems != nil || c.Job.Type != contract.JobExport || c.Job.Export.InputSize != [2]int{640, 640} {
		t.Errorf("%v %+v", problems, c.Job)
	}
	_, problems = load(t, base, map[string]string{"INFERENCE_TYPE": "inference_job", "CHECKPOINT_PATH": "s3://b/k.pt", "DATASET_ID": ""})
	if got := errorsOf(problems); !slices.Equal(got, []string{"IMAGE_PATHS"}) {
		t.Errorf("%v", got)
	}
}

func TestSeveralMachines(t *testing.T) {
	together := map[string]string{"NNODES": "2", "MASTER_ADDR": "trainer-0.trainer", "JOB_COMPLETION_INDEX": "1"}
	c, problems := load(t, minimal, together)
	if problems != nil || c.Nodes != 2 || c.NodeRank != 1 || c.MasterPort != 29500 || c.Values()["MASTER_PORT"] != "29500" {
		t.Errorf("%v %+v", problems, c.Environment)
	}
	if c, _ = load(t, minimal, together, map[string]string{"NODE_RANK": "0"}); c.NodeRank != 0 {
		t.Errorf("NODE_RANK does not win: %d", c.NodeRank)
	}
	for name, wrong := range map[string]map[string]string{
		"MASTER_ADDR": {"MASTER_ADDR": ""}, "NODE_RANK": {"JOB_COMPLETION_INDEX": "2"}, "AGENT_NODE_PORT": {"AGENT_NODE_PORT": "29500"},
		"NNODES": {"INFERENCE_TYPE": "test_run", "CHECKPOINT_PATH": "s3://b/k.pt"},
	} {
		if _, problems := load(t, minimal, together, wrong); !slices.Equal(errorsOf(problems), []string{name}) {
			t.Errorf("%v: %v", wrong, problems)
		}
	}
	if _, problems := load(t, minimal, together, map[string]string{"JOB_COMPLETION_INDEX": ""}); !slices.Equal(errorsOf(problems), []string{"NODE_RANK"}) {
		t.Errorf("a machine without a number: %v", problems)
	}
	c, problems = load(t, minimal, map[string]string{"JOB_COMPLETION_INDEX": "1"})
	if len(problems) != 1 || !problems[0].Warning || problems[0].Variable != "NNODES" {
		t.Errorf("a second machine that trains alone: %v", problems)
	}
	if _, ok := c.Values()["MASTER_PORT"]; ok {
		t.Error("a training on one machine gets a rendezvous")
	}
}

func TestR2NamesWorkAndWinOverNothing(t *testing.T) {
	base := maps.Clone(minimal)
	for _, n := range []string{"S3_ENDPOINT", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		delete(base, n)
	}
	r2 := map[string]string{"STORAGE_TYPE": "r2", "R2_ENDPOINT": "https://a.r2.example.com/", "R2_ACCESS_KEY_ID": "rk", "R2_SECRET_ACCESS_KEY": "rs-secret"}
	c, problems := load(t, base, r2)
	if problems != nil || c.S3Endpoint != "https://a.r2.example.com" || c.AccessKeyID != "rk" || c.SecretAccessKey.Reveal() != "rs-secret" || c.Region != "auto" {
		t.Errorf("%v %+v", problems, c.Environment)
	}
	_, problems = load(t, minimal, r2)
	if got := errorsOf(problems); !slices.Equal(got, []string{"R2_ACCESS_KEY_ID", "R2_ENDPOINT", "R2_SECRET_ACCESS_KEY"}) {
		t.Errorf("different values for both names: %v", got)
	}
	for _, p := range problems {
		if strings.Contains(p.String(), "secret\"") {
			t.Errorf("a secret is shown: %s", p)
		}
	}
}

func TestSecretsComeFromFilesAndNeverShow(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	base := maps.Clone(minimal)
	delete(base, "CALLBACK_TOKEN")
	c, problems := load(t, base, map[string]string{"CALLBACK_TOKEN_FILE": file})
	if problems != nil || c.CallbackToken.Reveal() != "from-file" || c.TokenFile != file {
		t.Fatalf("%v %q", problems, c.CallbackToken.Reveal())
	}
	_, problems = load(t, base, map[string]string{"CALLBACK_TOKEN_FILE": file + "-gone"})
	if got := errorsOf(problems); !slices.Equal(got, []string{"CALLBACK_TOKEN_FILE"}) {
		t.Errorf("%v", got)
	}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "token", c.CallbackToken, "all", c.Environment)
	b, _ := json.Marshal(c.Environment)
	out.Write(b)
	fmt.Fprintf(&out, "%v %+v %#v %s %q", c.Environment, c.Environment, c.Environment, c.CallbackToken, c.CallbackToken)
	for _, row := range c.Rows(nil) {
		fmt.Fprintln(&out, row)
	}
	fmt.Fprintln(&out, c.Values())
	for _, secret := range c.Secrets() {
		if strings.Contains(out.String(), secret) {
			t.Errorf("the secret %q shows", secret)
		}
	}
}

func TestAPasswordInAnAddressNeverShows(t *testing.T) {
	for _, address := range []string{"http://user:hunter2@host:8000", "user:hunter2@host", "http://host/?key=hunter2", "http://a:p@hunter2@host"} {
		for _, name := range []string{"BACKEND_BASE_URL", "S3_ENDPOINT", "R2_ENDPOINT"} {
			c, problems := load(t, minimal, map[string]string{name: address})
			if !slices.Contains(errorsOf(problems), name) {
				t.Errorf("%s=%s is taken", name, address)
			}
			if text := fmt.Sprint(problems, c.Rows(problems), Failure(problems)); strings.Contains(text, "hunter2") {
				t.Errorf("%s=%s shows in %s", name, address, text)
			}
		}
	}
}

func TestMisspellingsAreWarnedAbout(t *testing.T) {
	_, problems := load(t, minimal, map[string]string{
		"BATCHSIZE": "8", "S3_ENDPIONT": "x", "agent_stop_grace": "1s", "PATH": "/bin", "HOME": "/", "S3_PORT": "tcp://1", "WORKERS": "3", "EPOCH": "4", "AWS_PROFILE": "x",
	})
	got := map[string]string{}
	for _, p := range problems {
		if !p.Warning {
			t.Errorf("an error: %s", p)
		}
		_, near, _ := strings.Cut(p.Expected, "did you mean ")
		got[p.Variable] = strings.TrimSuffix(near, "?")
	}
	want := map[string]string{"BATCHSIZE": "BATCH_SIZE", "S3_ENDPIONT": "S3_ENDPOINT", "agent_stop_grace": "AGENT_STOP_GRACE", "EPOCH": "EPOCHS"}
	if !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// What its parser says of a value reaches who set it.
func TestAStrategyThatIsMisspeltSaysWhatWasMeant(t *testing.T) {
	_, problems := load(t, minimal, map[string]string{"SPLIT_STRATEGY": `{"rattio": [0.7, 0.3]}`})
	if text := fmt.Sprint(problems); !slices.Contains(errorsOf(problems), "SPLIT_STRATEGY") || !strings.Contains(text, `did you mean "ratio"?`) {
		t.Errorf("%s", text)
	}
}

func TestASecretFromTwoPlacesIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("from-the-file"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, problems := load(t, minimal, map[string]string{"CALLBACK_TOKEN": "from-the-variable", "CALLBACK_TOKEN_FILE": file})
	if text := fmt.Sprint(problems); !slices.Equal(errorsOf(problems), []string{"CALLBACK_TOKEN"}) || !strings.Contains(text, "no CALLBACK_TOKEN_FILE beside it") || strings.Contains(text, "from-the") {
		t.Errorf("%s", text)
	}
}

func TestDoubtsAreWarnings(t *testing.T) {
	for name, c := range map[string]struct{ env, want map[string]string }{
		"no word of torch's": {map[string]string{"DEVICE": "gpu"}, map[string]string{"DEVICE": "PyTorch calls cuda"}},
		"the largest loss":   {map[string]string{"PRIMARY_METRIC": "val_loss"}, map[string]string{"PRIMARY_METRIC_MODE": "min is meant"}},
		"no folder":          {map[string]string{"AGENT_WEIGHTS_DIR": "/nonexistent"}, map[string]string{"AGENT_WEIGHTS_DIR": "is /nonexistent, which cannot be read here (no such file or directory)"}},
		"a folder":           {map[string]string{"AGENT_WEIGHTS_DIR": t.TempDir()}, nil},
		"from scratch":       {map[string]string{"AGENT_WEIGHTS_DIR": "/nonexistent", "PRETRAINED": "false"}, nil},
		"the smallest loss":  {map[string]string{"PRIMARY_METRIC": "val_loss", "PRIMARY_METRIC_MODE": "min", "DEVICE": "cpu"}, nil},
	} {
		_, problems := load(t, minimal, c.env)
		text := fmt.Sprint(problems)
		if len(errorsOf(problems)) > 0 || c.want == nil && len(problems) > 0 {
			t.Errorf("%s: %s", name, text)
		}
		for variable, want := range c.want {
			if !slices.ContainsFunc(problems, func(p Problem) bool { return p.Variable == variable && strings.Contains(p.Expected, want) }) {
				t.Errorf("%s: %s", name, text)
			}
		}
	}
}

func TestBytesUnderstandsUnits(t *testing.T) {
	for text, want := range map[string]Bytes{"0": 0, "1024": 1024, "1KiB": 1024, "1.5 GiB": 3 << 29, "10MB": 10_000_000, "2tb": 2e12, "7b": 7} {
		var b Bytes
		if err := b.Decode(text); err != nil || b != want {
			t.Errorf("%q = %d, %v; want %d", text, b, err, want)
		}
	}
}

// What nobody set and the trainer knows better does not reach it; what somebody
// set does.
func TestWhatIsLeftToTheModelIsNotPassed(t *testing.T) {
	inference := map[string]string{"JOB_TYPE": "inference", "INFERENCE_TYPE": "test_run", "CHECKPOINT_PATH": "s3://b/best.pt"}
	for _, c := range []struct {
		env    map[string]string
		passed map[string]string
	}{
		{nil, map[string]string{"BATCH_SIZE": "16"}},
		{map[string]string{"IMAGE_SIZE": "224", "LEARNING_RATE": "0.01"}, map[string]string{"BATCH_SIZE": "16", "IMAGE_SIZE": "224", "LEARNING_RATE": "0.01"}},
		{inference, map[string]string{}},
		{map[string]string{"JOB_TYPE": "inference", "INFERENCE_TYPE": "test_run", "CHECKPOINT_PATH": "s3://b/best.pt", "BATCH_SIZE": "4", "IOU_THRESHOLD": "0.5"}, map[string]string{"BATCH_SIZE": "4", "IOU_THRESHOLD": "0.5"}},
	} {
		loaded, _ := load(t, minimal, c.env)
		values := loaded.Values()
		for _, name := range []string{"BATCH_SIZE", "IMAGE_SIZE", "LEARNING_RATE", "INPUT_SIZE", "CONFIDENCE_THRESHOLD", "IOU_THRESHOLD"} {
			if c.env["JOB_TYPE"] == "" && (name == "INPUT_SIZE" || strings.HasSuffix(name, "THRESHOLD")) {
				continue // of no meaning in a training
			}
			if values[name] != c.passed[name] {
				t.Errorf("%v: %s=%q, want %q", c.env, name, values[name], c.passed[name])
			}
		}
	}
}

func TestValuesSpellEverySettingTheTrainerMayRead(t *testing.T) {
	c, _ := load(t, minimal, map[string]string{"SPLIT_STRATEGY": `{"method":"auto","ratio":[0.7,0.3],"seed":1}`})
	v := c.Values()
	for name, want := range map[string]string{"EPOCHS": "3", "BATCH_SIZE": "16", "LEARNING_RATE": "", "IMAGE_SIZE": "", "SAVE_VISUALIZATIONS": "true", "PRIMARY_METRIC": "mAP50-95", "INPUT_SIZE": "[640,640]"} {
		if v[name] != want {
			t.Errorf("%s=%q, want %q", name, v[name], want)
		}
	}
	if !strings.Contains(v["SPLIT_STRATEGY"], `"ratio":[0.7,0.3]`) {
		t.Errorf("SPLIT_STRATEGY=%s", v["SPLIT_STRATEGY"])
	}
}

// docs/environment.md is the struct, printed.
func TestReferenceIsUpToDate(t *testing.T) {
	var b bytes.Buffer
	if err := WriteReference(&b); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("..", "..", "docs", "environment.md")
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(path); err != nil || !bytes.Equal(have, b.Bytes()) {
		t.Errorf("docs/environment.md is not what the code says (%v): run go test ./agent/config -update", err)
	}
}

// A tag is code too.
func TestTagsAreComplete(t *testing.T) {
	for _, v := range variables() {
		if v.name == "" || v.group == "" || v.desc == "" || v.example == "" {
			t.Errorf("%s: a tag is missing", v.field.Name)
		}
		if v.pattern != nil && v.expect == "" {
			t.Errorf("%s: a pattern without words for it", v.name)
		}
		if v.fallback != "" && v.example != "" && strings.Contains(v.expected(), "a value") {
			t.Errorf("%s: says nothing of what it takes", v.name)
		}
	}
}

func TestOneTraceOfAllMachinesAndRetriesOfAJob(t *testing.T) {
	first, _ := load(t, minimal)
	again, _ := load(t, minimal, map[string]string{"NODE_RANK": "1", "NNODES": "2", "MASTER_ADDR": "a"})
	other, _ := load(t, minimal, map[string]string{"JOB_ID": "job-2"})
	if first.TraceID != again.TraceID || first.TraceID == other.TraceID || len(first.TraceID) != 32 {
		t.Errorf("%q, again %q, of another job %q", first.TraceID, again.TraceID, other.TraceID)
	}
	if own, _ := load(t, minimal, map[string]string{"TRACE_ID": "mine"}); own.TraceID != "mine" {
		t.Errorf("%q", own.TraceID)
	}
}

func TestAGPUThatIsNotThereIsWarnedOfAtOnce(t *testing.T) {
	device := filepath.Join(t.TempDir(), "nvidiactl")
	for name, c := range map[string]struct {
		device, given string
		asked, there  bool
		warns         bool
	}{
		"asked for":                       {device: "cuda:0", asked: true, warns: true},
		"asked for and there":             {device: "cuda", asked: true, there: true},
		"given by a plugin":               {device: "cpu", given: "GPU-7c1f", warns: true},
		"given, and the CPU is asked for": {device: "cpu", given: "GPU-7c1f", asked: true},
		"an image that takes any":         {device: "cpu", given: "all"},
		"no GPU at all":                   {device: "cpu"},
	} {
		devices := []string{device}
		_ = os.Remove(device)
		if c.there {
			if err := os.WriteFile(device, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		p, warns := missingGPU(c.device, c.asked, c.given, devices)
		if warns != c.warns || warns && (!p.Warning || !strings.Contains(p.String(), "DEVICE=cpu")) {
			t.Errorf("%s: %t %s", name, warns, p)
		}
	}
}

func TestWhatLooksLikeASecretIsKeptFromTheChild(t *testing.T) {
	cfg := &Config{Environment: Environment{ChildEnvAllow: NameList{"HF_TOKEN"}}}
	for pair, kept := range map[string]bool{
		"HTTPS_PROXY=http://me:word@proxy:3128": true,
		"HTTP_PROXY=http://proxy:3128":          false,
		"DATABASE_URL=postgres://me@db/x":       true,
		"REDIS=redis://:word@cache/0":           true,
		"MIRROR=https://a.example/x@y":          false,
		"MIRROR=https://a.example:8080/x@y":     false,
		"MIRROR=https://a.example/x?to=me:b@c":  false,
		"MIRRORS=http://a/ https://b:w/d@c/":    true,
		"DATABASE_URL=postgresql://me:pa/ss@db": true,
		"DATABASE_URL=postgresql://me:12/ss@db": true,
		"DATABASE_URL=postgresql://db:5432/x":   false,
		"HTTPS_PROXY=me:word@proxy:3128":        true,
		"all_proxy=me:word@proxy:3128":          true,
		"no_proxy=a@b":                          false,
		"MAIL=me@a.example":                     false,
		"MY_SECRET=x":                           true,
		"my_password=x":                         true,
		"WANDB_API_KEY=x":                       true,
		"SOME_ACCESS_KEY_ID=x":                  true,
		"HF_TOKEN=x":                            false,
		"HUB_TOKEN=x":                           true,
		"HUB_TOKEN=":                            false,
		"TOKENIZERS_PARALLELISM=false":          false,
		"OMP_NUM_THREADS=4":                     false,
		"PATH=/usr/bin":                         false,
	} {
		if got := len(cfg.Withheld([]string{pair})) == 1; got != kept {
			t.Errorf("%s: kept from the child %v, want %v", pair, got, kept)
		}
	}
	cfg.Job.Training = &contract.TrainingJob{}
	env := cfg.ChildEnviron([]string{"WANDB_API_KEY=x", "HF_TOKEN=y", "CALLBACK_TOKEN=z"}, nil)
	if !slices.Contains(env, "HF_TOKEN=y") || slices.Contains(env, "WANDB_API_KEY=x") || slices.Contains(env, "CALLBACK_TOKEN=z") {
		t.Errorf("%v", env)
	}
}

func TestTheAgentsOwnVariablesStayWithIt(t *testing.T) {
	c, problems := load(t, minimal, map[string]string{"AGENT_CHILD_ENV_ALLOW": "AGENT_LOG_LEVEL"})
	if problems != nil {
		t.Fatal(problems)
	}
	var environ []string
	for _, name := range Names() {
		if strings.HasPrefix(name, "AGENT_") || name == "S3_ENDPOINT" || name == "BUCKET_NAME" {
			environ = append(environ, name+"=x")
		}
	}
	env := c.ChildEnviron(append(environ, "AGENT_SMITH=kept"), nil)
	var got []string
	for _, pair := range env {
		if strings.HasPrefix(pair, "AGENT_") || strings.HasPrefix(pair, "S3_") || strings.HasPrefix(pair, "BUCKET_") {
			got = append(got, pair)
		}
	}
	if want := []string{"AGENT_LOG_LEVEL=x", "AGENT_SMITH=kept"}; len(environ) < 40 || !slices.Equal(got, want) {
		t.Errorf("of %d variables the child gets %q, want %q", len(environ), got, want)
	}
	if withheld := c.Withheld(environ); len(withheld) > 0 {
		t.Errorf("kept from the child for how they look: %v", withheld)
	}
}

// A key that came from a file, or under R2's names, is one that an SDK can use.
func TestCredentialsThatArePassedOnAreTheResolvedOnes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("rs-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	base := maps.Clone(minimal)
	for _, n := range []string{"S3_ENDPOINT", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		delete(base, n)
	}
	r2 := map[string]string{"STORAGE_TYPE": "r2", "R2_ENDPOINT": "https://a.r2.example.com", "R2_ACCESS_KEY_ID": "rk", "R2_SECRET_ACCESS_KEY_FILE": file}
	for passed, pass := range map[string]bool{"true": true, "false": false} {
		c, problems := load(t, base, r2, map[string]string{"AGENT_PASS_CREDENTIALS": passed})
		if problems != nil {
			t.Fatal(problems)
		}
		env := c.ChildEnviron(os.Environ(), nil)
		for _, pair := range []string{"S3_ENDPOINT=https://a.r2.example.com", "BUCKET_NAME=vision-platform", "AWS_ACCESS_KEY_ID=rk", "AWS_SECRET_ACCESS_KEY=rs-secret"} {
			if slices.Contains(env, pair) != pass {
				t.Errorf("AGENT_PASS_CREDENTIALS=%s: %s is passed %v", passed, pair, !pass)
			}
		}
	}
}

func TestFilesOfCredentialsAreFoundWhereverTheyAreNamed(t *testing.T) {
	home := t.TempDir()
	aws, token, web := filepath.Join(home, ".aws", "credentials"), filepath.Join(home, "token"), filepath.Join(home, "web")
	settings, login := filepath.Join(home, ".aws", "config"), filepath.Join(home, ".aws", "sso", "cache", "a.json")
	theirs, plain := filepath.Join(home, "theirs"), filepath.Join(home, "plain")
	if err := os.MkdirAll(filepath.Dir(login), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{aws, token, web, settings, login, theirs, plain} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	environ := []string{"HOME=" + home, "CALLBACK_TOKEN_FILE=" + token, "AWS_WEB_IDENTITY_TOKEN_FILE=" + web, "OPENAI_API_KEY_FILE=/no/such", "DB_PASSWORD_FILE=" + theirs, "CONFIG_FILE=" + plain}
	got := (&Config{}).CredentialFiles(environ)
	slices.Sort(got)
	if want := []string{settings, aws, login, theirs, token, web}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := (&Config{Environment: Environment{PassCredentials: true}}).CredentialFiles(environ); !slices.Equal(got, []string{token, theirs}) {
		t.Errorf("what is passed on is not kept from the child: %v", got)
	}
	if got := (&Config{Environment: Environment{PassCredentials: true, ChildEnvAllow: NameList{"DB_PASSWORD_FILE"}}}).CredentialFiles(environ); !slices.Equal(got, []string{token}) {
		t.Errorf("what is allowed is kept from the child: %v", got)
	}
}
