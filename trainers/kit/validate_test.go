package kit

import (
	"bytes"
	"encoding/json"
	"errors"
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
validate_capabilities.py) echo '{"passed": true, "issues": []}' ;;
predict.py) mkdir -p "$7" && echo '{"results": [1]}' > "$7/results.json" ;;
esac`)
	agent := program(t, bin, "agent", `mkdir -p "$WORKSPACE_DIR/bucket/checkpoints/job-validation-test" "$WORKSPACE_DIR/prepared"
touch "$WORKSPACE_DIR/bucket/checkpoints/job-validation-test/manifest.json" "$WORKSPACE_DIR/bucket/checkpoints/job-validation-test/best.pt" "$WORKSPACE_DIR/prepared/a.png"
cat "$0.calls" > "$WORKSPACE_DIR/callbacks.jsonl"`)
	calls := `{"kind":"heartbeat","body":{"epoch":1,"metrics":{"loss":1}}}{"kind":"validation","body":{}}{"kind":"done","body":{"status":"succeeded"}}`
	if err := os.WriteFile(agent+".calls", []byte(calls), 0o600); err != nil {
		t.Fatal(err)
	}
	program(t, bin, "clamscan", "exit 0")
	program(t, bin, "pip-audit", `echo '{"dependencies": [{"name": "numpy", "version": "2.4.6", "vulns": []}], "fixes": []}'`)
	return &Validator{
		Dir: copied(t), Python: python, Agent: agent, Scratch: t.TempDir(), Dataset: "sample.zip", Environ: os.Environ(), Strict: true,
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
	if got := v.Run(t.Context()); got.Status != "passed" || got.StepsCompleted != 6 {
		t.Errorf("%+v", got)
	}
	if want := append(slices.Clone(contract.ValidationSteps), "security"); !slices.Equal(steps, want) {
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
		if err := os.WriteFile(filepath.Join(filepath.Dir(v.Python), program), []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	calls := func(v *Validator, t *testing.T, text string) {
		if err := os.WriteFile(v.Agent+".calls", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		step, says string
		spoil      func(v *Validator, t *testing.T)
	}{
		"no Dockerfile":  {"structure", "Dockerfile is missing", func(v *Validator, t *testing.T) { v.change(t, "Dockerfile", "") }},
		"schema no JSON": {"config_schema", "not the JSON", func(v *Validator, t *testing.T) { answer(v, t, "python", "echo hello") }},
		"schema crashes": {"config_schema", "ModuleNotFoundError", func(v *Validator, t *testing.T) {
			answer(v, t, "python", "echo ModuleNotFoundError: numpy >&2; exit 1")
		}},
		"wrong document": {"capabilities", "has not the form that docs/trainers.md describes", func(v *Validator, t *testing.T) { v.change(t, "capabilities.json", "[]") }},
		"unknown task": {"capabilities", "none of the platform's", func(v *Validator, t *testing.T) {
			replace(v, t, "capabilities.json", `{"name": "image_classification"`, `{"name": "detection"`)
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
		"predicts nothing": {"inference_test", "wrote no JSON file", func(v *Validator, t *testing.T) {
			answer(v, t, "python", `case "$1" in predict.py) mkdir -p "$7"; echo '{}' > "$7/r.json";; esac`)
		}},
		"a key":   {"security", "train.py:1 looks like a secret (AWS access key)", func(v *Validator, t *testing.T) { v.change(t, "train.py", "KEY = 'AKIA"+"ABCDEFGHIJKLMNOP'") }},
		"malware": {"security", "malware: eicar.com: Eicar-Test FOUND", func(v *Validator, t *testing.T) { answer(v, t, "clamscan", "echo eicar.com: Eicar-Test FOUND; exit 1") }},
		"vulnerable": {"security", "pillow 1.0 has PYSEC-1 (fixed in 2.0)", func(v *Validator, t *testing.T) {
			answer(v, t, "pip-audit", `echo '{"dependencies":[{"name":"pillow","version":"1.0","vulns":[{"id":"PYSEC-1","fix_versions":["2.0"]}]}]}'; exit 1`)
		}},
		"not in the database": {"security", "numpy was not audited: not found", func(v *Validator, t *testing.T) {
			answer(v, t, "pip-audit", `echo '{"dependencies":[{"name":"numpy","skip_reason":"not found"}]}'`)
		}},
		"audit breaks":    {"security", "not audited", func(v *Validator, t *testing.T) { answer(v, t, "pip-audit", "echo no network >&2; exit 1") }},
		"strict, no scan": {"security", "clamscan (ClamAV) is not installed", func(v *Validator, t *testing.T) { _ = os.Remove(filepath.Join(filepath.Dir(v.Python), "clamscan")) }},
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

func TestWithoutStrictAMissingScannerIsOnlySaid(t *testing.T) {
	v := validator(t)
	v.Strict = false
	_ = os.Remove(filepath.Join(filepath.Dir(v.Python), "clamscan"))
	v.change(t, "requirements.txt", "numpy\n# a comment\npillow==1.0\n")
	got := v.Run(t.Context())
	issues := strings.Join(got.Results["security"].Issues, "\n")
	if step := got.Results["security"]; step.Passed || !step.Partly {
		t.Errorf("what was not scanned has passed: %+v", step)
	}
	if got.Status != contract.StatusPartly || !strings.Contains(issues, "note: not scanned for malware") || !strings.Contains(issues, "note: requirements.txt:1: numpy is not pinned") {
		t.Errorf("%+v", got)
	}
}

func TestThePackagesProcessesGetNoCredential(t *testing.T) {
	v := validator(t)
	v.Environ = append(v.Environ, "CALLBACK_TOKEN=x", "AWS_SECRET_ACCESS_KEY=y", "EPOCHS=7", "LANG=C.UTF-8")
	cmd, _, cancel := v.command(t.Context(), map[string]string{"JOB_ID": "j"}, "true")
	defer cancel()
	for _, pair := range cmd.Env {
		if name, _, _ := strings.Cut(pair, "="); slices.Contains([]string{"CALLBACK_TOKEN", "AWS_SECRET_ACCESS_KEY", "EPOCHS"}, name) {
			t.Errorf("%s is passed on", name)
		}
	}
	if !slices.Contains(cmd.Env, "JOB_ID=j") || !slices.Contains(cmd.Env, "LANG=C.UTF-8") {
		t.Errorf("%v", cmd.Env)
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
		if (says == "") != (len(found) == 0) || len(found) > 0 && !strings.Contains(found[0].text, says) {
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
			file, _, _ := strings.Cut(f.text, " ")
			files = append(files, file)
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
	if err := os.WriteFile(v.Python, []byte(body), 0o755); err != nil {
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
	program(t, filepath.Dir(v.Python), "clamscan", "#!/bin/sh\n[ -e "+seen+" ] || exit 0\necho ran before\nexit 1\n")
	body, err := os.ReadFile(v.Python)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(v.Python, []byte(strings.Replace(string(body), "\n", "\ntouch "+seen+"\n", 1)), 0o755); err != nil {
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
	if found := judgePrediction(dir); len(found) != 1 {
		t.Errorf("%v", found)
	}
	for _, path := range []string{pipe, endless} {
		if _, err := readDocument(path); err == nil {
			t.Errorf("%s was read", path)
		}
	}
}
