package kit

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/trainers"
	"github.com/vision-platform/trainer-agent/trainers/kit/runner"
)

// program writes a shell script that stands in for a program.
func program(t *testing.T, dir, name, body string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// validator checks a new package with programs that answer as told.
func validator(t *testing.T) *Validator {
	t.Helper()
	bin := t.TempDir()
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	python := program(t, bin, "python", `case "$1" in
config_schema.py) echo '{"framework":"f","description":"d","version":"1","fields":[],"presets":{"easy":{},"medium":{},"advanced":{}}}' ;;
validate_capabilities.py) echo '{"passed": true, "issues": [], "models": ["cell-counter-s", "cell-counter-m"]}' ;;
predict.py) case "$5" in */a.png) sure=0.5 ;; *) sure=0.6 ;; esac
mkdir -p "$7" && echo '{"results": [{"width": 64, "height": 64, "predictions": {"class_name": "disc", "confidence": '$sure'}}]}' > "$7/results.json" ;;
esac`)
	agent := program(t, bin, "agent", `mkdir -p "$WORKSPACE_DIR/bucket/checkpoints/job-validation-test" "$WORKSPACE_DIR/prepared"
touch "$WORKSPACE_DIR/bucket/checkpoints/job-validation-test/manifest.json" "$WORKSPACE_DIR/bucket/checkpoints/job-validation-test/best.pt" "$WORKSPACE_DIR/prepared/a.png" "$WORKSPACE_DIR/prepared/b.png"
cat "$0.calls" > "$WORKSPACE_DIR/callbacks.jsonl"`)
	calls := `{"kind":"heartbeat","body":{"epoch":1,"metrics":{"loss":1}}}{"kind":"validation","body":{}}{"kind":"done","body":{"status":"succeeded"}}`
	if err := os.WriteFile(agent+".calls", []byte(calls), 0o600); err != nil {
		t.Fatal(err)
	}
	program(t, bin, "clamscan", "exit 0")
	program(t, bin, "pip-audit", `echo '{"dependencies": [{"name": "numpy", "version": "2.4.6", "vulns": []}], "fixes": []}'`)
	return &Validator{
		Dir: copied(t), Scratch: t.TempDir(), Dataset: "sample.zip", Strict: true, Tools: Tools{Python: python, Agent: agent, Environ: os.Environ()},
	}
}

// packageFiles is a new package without its sample, which takes time to draw.
var packageFiles = sync.OnceValues(func() (fs.FS, error) {
	dir, err := os.MkdirTemp("", "package-*")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	files := fstest.MapFS{}
	for _, source := range []string{"common", "plain"} {
		folder, err := fs.Sub(trainers.Starter(), source)
		if err != nil {
			return nil, err
		}
		if err := copyNamed(dir, folder, "cell-counter"); err != nil {
			return nil, err
		}
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		body, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		files[e.Name()] = &fstest.MapFile{Data: body, Mode: 0o644}
	}
	return files, err
})

func copied(t *testing.T) string {
	t.Helper()
	files, err := packageFiles()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "cell-counter")
	if err := os.CopyFS(dir, files); err != nil {
		t.Fatal(err)
	}
	return dir
}

func (v *Validator) change(t *testing.T, name, body string) {
	t.Helper()
	path := filepath.Join(v.Dir, name)
	if err := os.Remove(path); body == "" && err != nil {
		t.Fatal(err)
	}
	if body != "" {
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAGoodPackagePassesStepByStep(t *testing.T) {
	v := validator(t)
	v.Dataset = "" // one is made
	var steps []string
	v.Progress = func(s contract.PackageValidation) {
		steps = append(steps, s.CurrentStep)
		if s.StepsTotal != 6 || len(s.Results) != s.StepsCompleted {
			t.Errorf("%+v", s)
		}
	}
	got := v.Run(t.Context())
	if got.Status != "passed" || got.StepsCompleted != 6 {
		t.Errorf("%+v", got)
	}
	if r := got.Results; *r["capabilities"].ModelsValidated != 2 || !*r["training_test"].Checkpoint || !*r["inference_test"].OutputValid || r["config_schema"].Schema.Framework != "f" || len(r["security"].Threats) > 0 {
		t.Errorf("%+v", r)
	}
	if want := slices.Concat([]string{""}, contract.ValidationSteps, []string{"security"}); !slices.Equal(steps, want) {
		t.Errorf("steps %v, want %v", steps, want)
	}
}

func TestEveryStepCanFail(t *testing.T) {
	replace := func(v *Validator, t *testing.T, name, old, new string) {
		body, err := os.ReadFile(filepath.Join(v.Dir, name))
		if err != nil || !strings.Contains(string(body), old) {
			t.Fatalf("%s does not say %q (%v)", name, old, err)
		}
		v.change(t, name, strings.Replace(string(body), old, new, 1))
	}
	answer := func(v *Validator, t *testing.T, program, body string) {
		if err := os.WriteFile(filepath.Join(filepath.Dir(v.Tools.Python), program), []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	calls := func(v *Validator, t *testing.T, text string) {
		if err := os.WriteFile(v.Tools.Agent+".calls", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		step, says string
		spoil      func(v *Validator, t *testing.T)
	}{
		"no Dockerfile":  {"structure", "Dockerfile: the file is missing", func(v *Validator, t *testing.T) { v.change(t, "Dockerfile", "") }},
		"schema no JSON": {"config_schema", "not the JSON", func(v *Validator, t *testing.T) { answer(v, t, "python", "echo hello") }},
		"schema crashes": {"config_schema", "ModuleNotFoundError", func(v *Validator, t *testing.T) {
			answer(v, t, "python", "echo ModuleNotFoundError: numpy >&2; exit 1")
		}},
		"wrong document": {"capabilities", "has not the form that docs/trainers.md describes", func(v *Validator, t *testing.T) { v.change(t, "capabilities.json", "[]") }},
		"unknown task": {"capabilities", "none of the platform's", func(v *Validator, t *testing.T) {
			replace(v, t, "capabilities.json", `{"name": "image_classification"`, `{"name": "detection"`)
		}},
		"model left out": {"capabilities", "capabilities.json:16: the model cell-counter-m was not built", func(v *Validator, t *testing.T) {
			answer(v, t, "python", `echo '{"passed": true, "issues": [], "models": ["cell-counter-s"]}'`)
		}},
		"broken line": {"config_schema", "config_schema.py:7: config_schema.py: exit status 1", func(v *Validator, t *testing.T) {
			answer(v, t, "python", `echo "  File \"$PWD/config_schema.py\", line 7, in schema" >&2; exit 1`)
		}},
		"code in weights": {"security", "weights.pkl: loading it calls or loads os.system", func(v *Validator, t *testing.T) { v.change(t, "weights.pkl", "cos\nsystem\n(S'id'\ntR.") }},
		"startup":         {"security", "sitecustomize.py: Python runs it at every start", func(v *Validator, t *testing.T) { v.change(t, "sitecustomize.py", "pass") }},
		"link out of the outputs": {"inference_test", "wrote no results.json", func(v *Validator, t *testing.T) {
			answer(v, t, "python", `case "$1" in predict.py) mkdir -p "$7"; ln -s "`+v.Tools.Agent+`.calls" "$7/results.json";; esac`)
		}},
		"of another task": {"inference_test", "holds no predictions of image_classification: class_name is missing", func(v *Validator, t *testing.T) {
			answer(v, t, "python", `case "$1" in predict.py) mkdir -p "$7"; echo '{"results": [{"predictions": {"boxes": []}}]}' > "$7/results.json";; esac`)
		}},
		"model cannot be": {"capabilities", "no such layer", func(v *Validator, t *testing.T) {
			answer(v, t, "python", `echo '{"passed": false, "issues": ["no such layer"]}'; exit 1`)
		}},
		"training fails": {"training_test", "the training failed: no GPU", func(v *Validator, t *testing.T) {
			calls(v, t, `{"kind":"done","body":{"status":"failed","error_message":"no GPU"}}`)
		}},
		"no done": {"training_test", "no done", func(v *Validator, t *testing.T) { calls(v, t, `{"kind":"heartbeat","body":{}}`) }},
		"silent":  {"training_test", "no heartbeat came with the metrics", func(v *Validator, t *testing.T) { calls(v, t, `{"kind":"done","body":{"status":"succeeded"}}`) }},
		"no checkpoint": {"training_test", "no checkpoint was uploaded", func(v *Validator, t *testing.T) {
			answer(v, t, "agent", `cat "$0.calls" > "$WORKSPACE_DIR/callbacks.jsonl" || { mkdir -p "$WORKSPACE_DIR"; cat "$0.calls" > "$WORKSPACE_DIR/callbacks.jsonl"; }`)
		}},
		"agent cannot": {"training_test", "the training did not start", func(v *Validator, t *testing.T) { answer(v, t, "agent", "echo disk full >&2; exit 75") }},
		"predicts nothing": {"inference_test", "wrote no results.json", func(v *Validator, t *testing.T) {
			answer(v, t, "python", `case "$1" in predict.py) mkdir -p "$7"; echo '{}' > "$7/r.json";; esac`)
		}},
		"a key":   {"security", "train.py:1: it looks like a secret (AWS access key)", func(v *Validator, t *testing.T) { v.change(t, "train.py", "KEY = 'AKIA"+"ABCDEFGHIJKLMNOP'") }},
		"malware": {"security", "malware: eicar.com: Eicar-Test FOUND", func(v *Validator, t *testing.T) { answer(v, t, "clamscan", "echo eicar.com: Eicar-Test FOUND; exit 1") }},
		"vulnerable": {"security", "pillow 1.0 has the known vulnerability PYSEC-1 (it is fixed in 2.0)", func(v *Validator, t *testing.T) {
			answer(v, t, "pip-audit", `echo '{"dependencies":[{"name":"pillow","version":"1.0","vulns":[{"id":"PYSEC-1","fix_versions":["2.0"]}]}]}'; exit 1`)
		}},
		"not in the database": {"security", "numpy was not audited: not found", func(v *Validator, t *testing.T) {
			answer(v, t, "pip-audit", `echo '{"dependencies":[{"name":"numpy","skip_reason":"not found"}]}'`)
		}},
		"audit breaks": {"security", "not audited", func(v *Validator, t *testing.T) { answer(v, t, "pip-audit", "echo no network >&2; exit 1") }},
		"strict, no scan": {"security", "clamscan (ClamAV) is not installed", func(v *Validator, t *testing.T) {
			_ = os.Remove(filepath.Join(filepath.Dir(v.Tools.Python), "clamscan"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			v := validator(t)
			c.spoil(v, t)
			got := v.Run(t.Context())
			result := got.Results[c.step]
			if got.Status != "failed" || result.Passed || !strings.Contains(strings.Join(result.Issues, "\n"), c.says) {
				t.Errorf("%s %+v, want an issue with %q", got.Status, got.Results, c.says)
			}
			if stops := c.step == "structure"; stops != (got.StepsCompleted == 1) {
				t.Errorf("%d steps taken", got.StepsCompleted)
			}
		})
	}
}

// noRoom is a machine that can start nothing any longer.
type noRoom struct{ runner.Process }

func (noRoom) Run(context.Context, runner.Command, runner.Limits) error {
	return errors.New("fork/exec: resource temporarily unavailable")
}

func TestAMachineThatCannotRunAPackageDoesNotBlameIt(t *testing.T) {
	v := validator(t)
	v.Tools.Runner = noRoom{}
	got := v.Run(t.Context())
	for _, step := range []string{"config_schema", "capabilities", "training_test"} {
		if found := got.Results[step].Findings; len(found) != 1 || found[0].Rule != "machine.failed" || found[0].File != "" {
			t.Errorf("%s: %+v", step, found)
		}
	}
}

func TestWithoutStrictAMissingScannerIsOnlySaid(t *testing.T) {
	v := validator(t)
	v.Strict = false
	_ = os.Remove(filepath.Join(filepath.Dir(v.Tools.Python), "clamscan"))
	v.change(t, "requirements.txt", "numpy\n# a comment\npillow==1.0\n")
	got := v.Run(t.Context())
	issues := strings.Join(got.Results["security"].Issues, "\n")
	if step := got.Results["security"]; step.Passed || !step.Partly {
		t.Errorf("what was not scanned has passed: %+v", step)
	}
	if got.Status != contract.StatusPartly || !strings.Contains(issues, "warning: not scanned for malware") || !strings.Contains(issues, "note: requirements.txt:1: numpy is not pinned") {
		t.Errorf("%+v", got)
	}
}

// Every finding is kept, sent and printed: a document of a megabyte must not make a million.
func TestADocumentThatIsWrongEverywhereIsToldInBounds(t *testing.T) {
	v := validator(t)
	v.change(t, "capabilities.json", `{"framework":"f","version":"1.0.0","models":[`+strings.Repeat(`{},`, 300_000)+`{}]}`)
	result := v.Run(t.Context()).Results["capabilities"]
	if n := len(result.Findings); result.Passed || n > contract.MaxFindings+1 || n != len(result.Issues) {
		t.Errorf("passed %v with %d findings and %d issues", result.Passed, n, len(result.Issues))
	}
	if !slices.ContainsFunc(result.Findings, func(f finding) bool { return f.Rule == "capabilities.model" }) {
		t.Errorf("%+v", result.Findings[:3])
	}
}

func TestThePackagesProcessesGetNoCredential(t *testing.T) {
	v := validator(t)
	v.Tools.Environ = append(v.Tools.Environ, "CALLBACK_TOKEN=x", "AWS_SECRET_ACCESS_KEY=y", "EPOCHS=7", "LANG=C.UTF-8")
	v.Tools.Runner = runner.Process{}
	env := v.environment(map[string]string{"JOB_ID": "j"})
	for _, pair := range env {
		if name, _, _ := strings.Cut(pair, "="); slices.Contains([]string{"CALLBACK_TOKEN", "AWS_SECRET_ACCESS_KEY", "EPOCHS"}, name) {
			t.Errorf("%s is passed on", name)
		}
	}
	if !slices.Contains(env, "JOB_ID=j") || !slices.Contains(env, "LANG=C.UTF-8") {
		t.Errorf("%v", env)
	}
}

func TestSchemas(t *testing.T) {
	good := `{"name":"a","type":"float","default":0.5,"min":0,"max":1,"description":"d","group":"g"}`
	for text, says := range map[string]string{
		good: "",
		`{"name":"a","type":"double","default":1,"description":"d","group":"g"}`:                   "none of int",
		`{"name":"a","type":"int","default":0.5,"description":"d","group":"g"}`:                    "expected a value of type int",
		`{"name":"a","type":"float","default":2,"min":0,"max":1,"description":"d","group":"g"}`:    "outside min and max",
		`{"name":"a","type":"float","default":2,"min":3,"max":1,"description":"d","group":"g"}`:    "above max",
		`{"name":"a","type":"select","default":"x","description":"d","group":"g"}`:                 "needs options",
		`{"name":"a","type":"select","default":"x","options":["y"],"description":"d","group":"g"}`: "expected a value of type select",
		`{"name":"a","type":"bool","description":"d","group":"g"}`:                                 "no default",
		`{"name":"a","type":"bool","default":true,"group":"g"}`:                                    "description or group",
		good + "," + good: "there twice",
	} {
		var schema contract.ConfigSchema
		if err := json.Unmarshal([]byte(`{"framework":"f","description":"d","version":"1","presets":{"easy":{},"medium":{},"advanced":{}},"fields":[`+text+`]}`), &schema); err != nil {
			t.Fatal(err)
		}
		found := checkSchema(schema)
		if (says == "") != (len(found) == 0) || len(found) > 0 && !strings.Contains(found[0].Text, says) {
			t.Errorf("%s: %v, want %q", text, found, says)
		}
	}
	var schema contract.ConfigSchema
	text := `{"presets":{"easy":{"a":9,"b":1},"medium":{}},"fields":[` + good + `]}`
	if err := json.Unmarshal([]byte(text), &schema); err != nil {
		t.Fatal(err)
	}
	if got := len(checkSchema(schema)); got != 6 { // three empty names, a preset missing, two wrong values
		t.Errorf("%d findings: %v", got, checkSchema(schema))
	}
}

func TestSecretsAreFoundByTheirForm(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"key.pem": "-----BEGIN RSA " + "PRIVATE KEY-----", "gh.txt": "x\nghp_" + strings.Repeat("a", 36), "hf.py": "hf_" + strings.Repeat("b", 34),
		"url.cfg": "postgres://user:" + "hunter22@db", "cfg.py": `API_KEY = "` + strings.Repeat("z", 24) + `"`,
		"fine.py": "password = os.environ['PASSWORD']\nurl = f'https://{user}:{secret}@host'\ntoken = 'short'\n", "empty": "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, ".venv"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".venv", "x.py"), []byte("AKIA"+"ABCDEFGHIJKLMNOP"), 0o600); err != nil {
		t.Fatal(err)
	}
	key := "AKIA" + "ABCDEFGHIJKLMNOP"
	var wide []byte // UTF-16 with its mark
	for _, c := range []byte("one\n" + key + "\n") {
		wide = append(wide, c, 0)
	}
	for name, body := range map[string][]byte{"wide.txt": append([]byte("\xff\xfe"), wide...), "late.bin": append(bytes.Repeat([]byte("text\n"), 600_000), key...)} {
		if err := os.WriteFile(filepath.Join(dir, name), body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for strict, more := range map[bool][]string{false: nil, true: {".venv/x.py:1"}} {
		p, err := look(dir, strict)
		var files []string
		for _, f := range p.secrets {
			files = append(files, fmt.Sprintf("%s:%d", f.File, f.Line))
		}
		if want := slices.Concat(more, []string{"cfg.py:1", "gh.txt:2", "hf.py:1", "key.pem:1", "late.bin:600001", "url.cfg:1", "wide.txt:2"}); err != nil || !slices.Equal(files, want) {
			t.Errorf("strict %v: found %v (%v), want %v", strict, files, err, want)
		}
	}
}

// A package that rewrites itself is another one after its upload.
func TestAPackageThatChangesItselfIsRefused(t *testing.T) {
	v := validator(t)
	body := "#!/bin/sh\ncase \"$1\" in config_schema.py) rm train.py; echo 'print()' > predict.py; echo '{}' > new.json;; esac\n"
	if err := os.WriteFile(v.Tools.Python, []byte(body), 0o755); err != nil {
		t.Fatal(err)
	}
	got := v.Run(t.Context())
	if result := got.Results["security"]; result.Passed || !strings.Contains(strings.Join(result.Issues, "\n"), "not what was uploaded: new.json, predict.py, train.py") {
		t.Errorf("%+v", got.Results)
	}
}

// Code that cleans up behind itself would be scanned as what it left.
func TestThePackageIsScannedBeforeItsCodeRuns(t *testing.T) {
	v := validator(t)
	seen := filepath.Join(t.TempDir(), "seen")
	program(t, filepath.Dir(v.Tools.Python), "clamscan", "#!/bin/sh\n[ -e "+seen+" ] || exit 0\necho ran before\nexit 1\n")
	body, err := os.ReadFile(v.Tools.Python)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(v.Tools.Python, []byte(strings.Replace(string(body), "\n", "\ntouch "+seen+"\n", 1)), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := v.Run(t.Context()); !got.Results["security"].Passed {
		t.Errorf("%+v", got.Results)
	}
	if _, err := os.Stat(seen); err != nil {
		t.Error("no code ran, so nothing was tried")
	}
}

func TestAPipeOrAnEndlessFileDoesNotHoldTheValidation(t *testing.T) {
	dir := t.TempDir()
	pipe, endless := filepath.Join(dir, "pipe.json"), filepath.Join(dir, "endless.json")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.Symlink("/dev/zero", endless)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, endless} {
		work := t.TempDir()
		if err := errors.Join(os.MkdirAll(filepath.Join(work, "predictions"), 0o700), os.Rename(path, filepath.Join(work, "predictions", "results.json"))); err != nil {
			t.Fatal(err)
		}
		if _, found := readAnswer(work, "predictions/results.json", contract.TaskImageClassification, nil); len(found) != 1 || found[0].Rule != "inference.no-results" {
			t.Errorf("%v", found)
		}
		path := filepath.Join(work, "predictions", "results.json")
		if _, err := readDocument(path); err == nil {
			t.Errorf("%s was read", path)
		}
	}
}

func TestAPackageIsValidatedAsTheZipThatWasUploaded(t *testing.T) {
	v := validator(t)
	whole := filepath.Dir(v.Dir)
	v.Dir, v.Zip = "", zipOf(t, whole)
	if got := v.Run(t.Context()); got.Status != "passed" {
		t.Errorf("%+v", got)
	}
	v.Zip = v.Tools.Python
	if got := v.Run(t.Context()); got.Status != "failed" || got.Results["structure"].Findings[0].Rule != "archive.not-a-zip" {
		t.Errorf("%+v", got)
	}
}

// At a desk .venv is no part of the package; in a zip it was uploaded.
func TestNoFolderOfAZipIsLeftOut(t *testing.T) {
	v := validator(t)
	v.Strict = false
	hidden := filepath.Join(v.Dir, ".venv")
	if err := errors.Join(os.MkdirAll(hidden, 0o700), os.WriteFile(filepath.Join(hidden, "key.py"), []byte("AKIA"+"ABCDEFGHIJKLMNOP"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if got := v.Run(t.Context()); !got.Results["security"].Passed {
		t.Fatalf("%+v", got.Results["security"])
	}
	v.Dir, v.Zip = "", zipOf(t, filepath.Dir(v.Dir))
	if got := v.Run(t.Context()).Results["security"]; got.Passed || !slices.ContainsFunc(got.Findings, func(f finding) bool { return f.File == ".venv/key.py" }) {
		t.Errorf("%+v", got)
	}
}

func zipOf(t *testing.T, folder string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "p.zip")
	out, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	w := zip.NewWriter(out)
	if err := errors.Join(w.AddFS(os.DirFS(folder)), w.Close(), out.Close()); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestPredictionsOfEveryTask(t *testing.T) {
	one := func(answer string) string {
		return `{"results": [{"width": 64, "height": 48, "predictions": ` + answer + `}]}`
	}
	classes := sampleNames()
	for _, c := range []struct {
		task       contract.TaskType
		body, says string
	}{
		{contract.TaskImageClassification, one(`{"class_name": "disc", "confidence": 1}`), ""},
		{contract.TaskImageClassification, one(`{"class_name": "cat", "confidence": 1}`), "no class of the dataset"},
		{contract.TaskImageClassification, one(`{"class_name": "disc", "confidence": 1.5}`), "outside 0 and 1"},
		{contract.TaskImageClassification, one(`{"class_name": "disc"}`), "confidence is missing"},
		{contract.TaskImageClassification, one(`{"class_name": "disc", "confidence": 0.9, "top5": [{"class_name": "disc", "confidence": 0.9}, {"class_name": "square", "confidence": 0.1}]}`), ""},
		{contract.TaskImageClassification, one(`{"class_name": "disc", "confidence": 0.9, "top5": [{"class_name": "disc", "confidence": 0.9}, {"class_name": "square", "confidence": 0.8}]}`), "add up to 1.70"},
		{contract.TaskImageClassification, one(`{"class_name": "disc", "confidence": 0.3, "top5": [{"class_name": "disc", "confidence": 0.3}, {"class_name": "square", "confidence": 0.2}, {"class_name": "diamond", "confidence": 0.1}]}`), "add up to 0.60"},
		{contract.TaskImageClassification, one(`{"class_name": "disc", "confidence": 0.9, "top5": [{"class_name": "cat", "confidence": 0.9}]}`), "top5: class_name"},
		{contract.TaskImageClassification, one(`7`), "not of the described form"},
		{contract.TaskImageClassification, `{"results": []}`, "0 records"},
		{contract.TaskImageClassification, `Traceback`, "not of the described form"},
		{contract.TaskImageClassification, `{"results": [{"predictions": null, "error": "broken"}]}`, "the image has an error: broken"},
		{contract.TaskObjectDetection, one(`{"boxes": []}`), ""},
		{contract.TaskObjectDetection, one(`{"boxes": [{"class_name": "disc", "confidence": 0.5, "bbox": [1, 2, 64.5, 48]}]}`), ""},
		{contract.TaskObjectDetection, one(`{"class_name": "disc", "confidence": 1}`), "boxes is missing"},
		{contract.TaskObjectDetection, one(`{"boxes": [{"class_name": "disc", "confidence": 0.5, "bbox": [9, 2, 3, 4]}]}`), "corners exchanged"},
		{contract.TaskObjectDetection, one(`{"boxes": [{"class_name": "disc", "confidence": 0.5, "bbox": [1, 2, 3, 400]}]}`), "outside the image"},
		{contract.TaskObjectDetection, one(`{"boxes": [{"class_name": "disc", "confidence": 0.2, "bbox": [1, 2, 3, 400]}]}`), ""}, // a candidate
		{contract.TaskObjectDetection, one(`{"boxes": [{"class_name": "cat", "confidence": 0.2, "bbox": [1, 2, 3, 4]}]}`), "no class of the dataset"},
		{contract.TaskObjectDetection, one(`{"boxes": [{"class_name": "disc", "confidence": 0.5, "bbox": [1]}]}`), "bbox has 1 numbers"},
		{contract.TaskInstanceSegmentation, one(`{"boxes": [{"class_name": "disc", "confidence": 0.5, "bbox": [1, 2, 3, 4]}]}`), "no segmentation"},
		{contract.TaskPoseEstimation, one(`{"boxes": [{"class_name": "disc", "confidence": 0.5, "bbox": [1, 2, 3, 4]}]}`), "no keypoints"},
		{contract.TaskSemanticSegmentation, one(`{"classes": [{"class_name": "background", "share": 1}]}`), ""},
		{contract.TaskSemanticSegmentation, one(`{"classes": []}`), "names no class"},
	} {
		_, got := parseAnswer([]byte(c.body), c.task, classes)
		if (got == "") != (c.says == "") || !strings.Contains(got, c.says) {
			t.Errorf("%s %s: %q, want %q", c.task, c.body, got, c.says)
		}
	}
}

// What a single answer does not show: that something is found, and that images are looked at.
func TestAnswersOfSeveralImages(t *testing.T) {
	object := func(confidence, box string) string {
		return `{"boxes": [{"class_name": "disc", "confidence": ` + confidence + `, "bbox": ` + box + `}]}`
	}
	const nothing, disc, square = `{"boxes": []}`, `{"class_name": "disc", "confidence": 0.4}`, `{"class_name": "square", "confidence": 0.4}`
	for _, c := range []struct {
		task       contract.TaskType
		answers    []string
		rule, says string
	}{
		{contract.TaskObjectDetection, []string{nothing, nothing}, "inference.no-object", "no object on 2 images"},
		{contract.TaskObjectDetection, []string{nothing, object("0.001", "[1, 2, 3, 4]")}, "", ""},
		{contract.TaskObjectDetection, []string{object("0.001", "[1, 2, 3, 400]"), nothing}, "inference.no-object", "lies outside the image"},
		{contract.TaskObjectDetection, []string{object("0.001", "[1, 2, 1, 2]"), nothing}, "inference.no-object", "no object"},
		{contract.TaskPoseEstimation, []string{object("0.001", "[1, 2, 3, 4]"), nothing}, "inference.no-object", "no keypoints"},
		{contract.TaskObjectDetection, []string{object("0.5", "[1, 2, 3, 4]"), object("0.5", "[1, 2, 3, 4]")}, "inference.same-answer", "form was checked, not its content"},
		{contract.TaskImageClassification, []string{disc, square}, "", ""},
		{contract.TaskImageClassification, []string{disc, disc}, "inference.same-answer", "two different images"},
		{contract.TaskImageClassification, []string{disc}, "inference.same-answer", "one image only"},
		{contract.TaskSemanticSegmentation, []string{`{"classes": [{"class_name": "background", "share": 1}]}`, `{"classes": [{"class_name": "background", "share": 1}]}`}, "inference.same-answer", "two different images"},
	} {
		var answers []answered
		for _, text := range c.answers {
			a, wrong := parseAnswer([]byte(`{"results": [{"width": 64, "height": 48, "predictions": `+text+`}]}`), c.task, sampleNames())
			if wrong != "" {
				t.Fatalf("%s: %s", text, wrong)
			}
			answers = append(answers, a)
		}
		found := judgeAnswers(answers, c.task)
		if (c.rule == "") != (len(found) == 0) || len(found) > 0 && (found[0].Rule != c.rule || !strings.Contains(found[0].Text, c.says)) {
			t.Errorf("%s %v: %+v, want %s: %s", c.task, c.answers, found, c.rule, c.says)
		}
	}
}

// A constant answer passes, for one epoch may teach no more, and never silently.
func TestAConstantAnswerIsSaid(t *testing.T) {
	v := validator(t)
	body, err := os.ReadFile(v.Tools.Python)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(v.Tools.Python, []byte(strings.Replace(string(body), "sure=0.6", "sure=0.5", 1)), 0o755); err != nil {
		t.Fatal(err)
	}
	got := v.Run(t.Context())
	if step := got.Results["inference_test"]; got.Status != "passed" || !*step.OutputValid || len(step.Issues) != 1 || !strings.Contains(step.Issues[0], "warning: predict.py: cell-counter-s (image_classification): two different images got the same answer") {
		t.Errorf("%s: %+v", got.Status, step)
	}
}

// The images that are predicted are of one folder of the dataset: another has masks.
func TestTheFirstAndTheLastImageArePredicted(t *testing.T) {
	for want, names := range map[string][]string{
		"":                          {"classes.json"},
		"a.png":                     {"a.png", "masks/a.png"},
		"a.png b.JPG":               {"a.png", "b.JPG", "b.txt", "masks/z.png"},
		"train/disc/a.png":          {"train/disc/a.png", "val/x.txt"},
		"images/a.png images/z.png": {"images/a.png", "images/m.png", "images/z.png", "labels/a.txt", "masks/a.png"},
	} {
		dir := t.TempDir()
		for _, name := range names {
			path := filepath.Join(dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		for _, path := range twoImages(dir) {
			rel, _ := filepath.Rel(dir, path)
			got = append(got, filepath.ToSlash(rel))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%v: %v, want %s", names, got, want)
		}
	}
}
