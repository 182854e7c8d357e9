package main_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/testdata/need"
	"github.com/vision-platform/trainer-agent/trainers"
	"github.com/vision-platform/trainer-agent/trainers/kit"
	"github.com/vision-platform/trainer-agent/trainers/kit/scratch"
)

// newPackage is what a trainer author has after the first command.
func newPackage(t *testing.T, template string) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "cell-counter")
	agentAt(t, filepath.Dir(dir), nil, 0, "init", "cell-counter", "--template", template)
	return dir
}

// agentAt runs the agent in a folder, as an author does, and checks its exit code.
func agentAt(t *testing.T, dir string, env []string, want int, args ...string) string {
	t.Helper()
	cmd := exec.Command(shared.agent, args...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "PYTHONDONTWRITEBYTECODE=1"}, env...)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		t.Fatalf("trainer-agent %s: exit code %d, want %d\n%s", strings.Join(args, " "), got, want, out)
	}
	return string(out)
}

// told reads what the platform would have been told by the last try.
func told(t *testing.T, dir string) (epochs []int, done contract.Done) {
	t.Helper()
	calls, err := kit.ReadCallbacks(filepath.Join(dir, "workspace", "latest", "callbacks.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	finals := 0
	for _, c := range calls {
		var h contract.Heartbeat
		switch c.Kind {
		case contract.KindHeartbeat:
			if err := json.Unmarshal(c.Body, &h); err != nil {
				t.Fatal(err)
			}
			if len(h.Metrics) > 0 {
				epochs = append(epochs, h.Epoch)
			}
		case contract.KindDone:
			finals++
			if err := json.Unmarshal(c.Body, &done); err != nil {
				t.Fatal(err)
			}
		}
	}
	if finals != 1 {
		t.Fatalf("%d done callbacks", finals)
	}
	return epochs, done
}

var small = []string{"BATCH_SIZE=8", "IMAGE_SIZE=64", "LEARNING_RATE=0.02", "NUM_WORKERS=0", "DEVICE=cpu", "CHECKPOINT_FREQUENCY=0"}

func TestNewPackageTrainsAtOnceAndGoesOn(t *testing.T) {
	py, dir := need.Python(t), newPackage(t, "plain")
	try := func(more ...string) (epochs []int, done contract.Done) {
		agentAt(t, dir, append(slices.Clone(small), more...), 0, "try", "--", py, "train.py")
		return told(t, dir)
	}
	epochs, whole := try("EPOCHS=10")
	if len(epochs) != 10 || whole.Status != contract.StatusSucceeded || whole.FinalMetrics["accuracy"] < 0.9 {
		t.Fatalf("epochs %v, %+v", epochs, whole)
	}
	bucket := filepath.Join(dir, "workspace", "latest", "bucket", "checkpoints", "job-try")
	for _, name := range []string{"best.ckpt", "last.ckpt", "manifest.json"} {
		if _, err := os.Stat(filepath.Join(bucket, name)); err != nil {
			t.Error(err)
		}
	}
	if whole.CheckpointPath == nil || !strings.HasSuffix(*whole.CheckpointPath, "checkpoints/job-try/best.ckpt") {
		t.Errorf("checkpoint_path %v", whole.CheckpointPath)
	}
	// Half of it, the rest after a new start, and once more when there is nothing left to train.
	if epochs, _ := try("EPOCHS=4"); !slices.Equal(epochs, []int{1, 2, 3, 4}) {
		t.Errorf("epochs %v", epochs)
	}
	epochs, rest := try("EPOCHS=10", "AGENT_RESUME=auto")
	if !slices.Equal(epochs, []int{5, 6, 7, 8, 9, 10}) || rest.FinalMetrics["best_epoch"] != whole.FinalMetrics["best_epoch"] || rest.FinalMetrics["loss"] != whole.FinalMetrics["loss"] {
		t.Errorf("epochs %v, %+v, want the end of %+v", epochs, rest.FinalMetrics, whole.FinalMetrics)
	}
	for _, run := range []string{"run-1", "run-2"} {
		if calls, err := kit.ReadCallbacks(filepath.Join(dir, "workspace", run, "callbacks.jsonl")); err != nil || len(calls) == 0 {
			t.Errorf("%s: %v", run, err)
		}
	}
	epochs, again := try("EPOCHS=10", "AGENT_RESUME=auto")
	if len(epochs) != 0 || again.Status != contract.StatusSucceeded || again.FinalMetrics["best_epoch"] != whole.FinalMetrics["best_epoch"] {
		t.Errorf("epochs %v, %+v", epochs, again)
	}
}

func TestNewPackagesPassTheValidation(t *testing.T) {
	for _, template := range kit.Templates {
		t.Run(template, func(t *testing.T) {
			t.Parallel()
			py, dir := need.Python(t), newPackage(t, template)
			out := agentAt(t, dir, nil, 0, "validate", "--json", "--python", py)
			var last contract.PackageValidation
			lines := strings.Split(strings.TrimSpace(out), "\n")
			if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Status == "failed" || last.StepsCompleted != 6 {
				t.Fatalf("%v\n%s", err, out)
			}
			_, missing := exec.LookPath("clamscan")
			if scanned := last.Results["security"].Passed; scanned && missing != nil {
				t.Error("the security step has passed without a scanner")
			}
			if step := last.Results["training_test"]; len(step.Issues) > 0 || step.Duration == 0 {
				t.Errorf("%+v", step)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "workspace")); len(left) > 0 {
				t.Error("the validation wrote into the package")
			}
		})
	}
}

func TestValidationFindsWhatATrainerBreaks(t *testing.T) {
	py, dir := need.Python(t), newPackage(t, "plain")
	loop := filepath.Join(dir, "train.py")
	body, err := os.ReadFile(loop)
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(string(body), "    names = data.class_names(job)\n", "    raise RuntimeError('the loop is broken')\n", 1)
	if err := os.WriteFile(loop, []byte(broken), 0o600); err != nil || broken == string(body) {
		t.Fatalf("train.py is as it was (%v)", err)
	}
	out := agentAt(t, dir, nil, 1, "validate", "--python", py)
	for _, want := range []string{"passed  capabilities", "FAILED  training_test", "the loop is broken", "FAILED  inference_test", "The package failed"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

// A hub that is stopped stops its validations: the package's code ends with them, and nothing is left.
func TestAValidationObeysSIGTERM(t *testing.T) {
	dir, bin, temp := newPackage(t, "plain"), t.TempDir(), t.TempDir()
	started := filepath.Join(bin, "started")
	if err := errors.Join(syscall.Mkfifo(started, 0o600),
		os.WriteFile(filepath.Join(bin, "python"), []byte("#!/bin/sh\necho $$ $TMPDIR >"+started+"\nexec sleep 600\n"), 0o700)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), shared.agent, "validate", "--python", filepath.Join(bin, "python"), dir)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + bin, "TMPDIR=" + temp}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := os.ReadFile(started) // waits until the package's code runs
	if err != nil {
		t.Fatal(err)
	}
	pid, own, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
	code, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(own, scratch.Root()+"/validate-") { // where no training writes
		t.Errorf("its TMPDIR is %q", own)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != contract.ExitFailed {
		t.Errorf("validate ended with %v", cmd.ProcessState)
	}
	if err := syscall.Kill(code, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the package's code still runs (%v)", err)
	}
	if _, err := os.Stat(filepath.Dir(own)); !os.IsNotExist(err) {
		t.Errorf("left behind: %s (%v)", own, err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// The trainers of this repository are packages like any other. One of them is
// enough here: their own tests show the rest.
func TestOurOwnTrainerPassesTheValidation(t *testing.T) {
	t.Parallel()
	py := need.Python(t)
	out := agentAt(t, shared.root, nil, 0, "validate", "--python", py, filepath.Join("trainers", "timm"))
	if !strings.Contains(out, "passed  inference_test") {
		t.Errorf("%s", out)
	}
}

// The examples of the documents are jobs that succeed.
func TestExamplesOfTheDocumentsTrain(t *testing.T) {
	block := regexp.MustCompile("(?s)```python\n(.*?)```")
	count := 0
	for _, document := range []string{"README.md", "docs/trainers.md", "trainers/sdk/README.md"} {
		text, err := os.ReadFile(filepath.Join(shared.root, document))
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range block.FindAllSubmatch(text, -1) {
			count++
			dir := t.TempDir()
			if err := kit.WriteSample(filepath.Join(dir, "sample"), contract.TaskImageClassification); err != nil {
				t.Fatal(err)
			}
			if err := os.CopyFS(dir, trainers.SDK()); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "train.py"), found[1], 0o600); err != nil {
				t.Fatal(err)
			}
			agentAt(t, dir, []string{"TASK_TYPE=image_classification", "MODEL_NAME=example", "EPOCHS=2", "LEARNING_RATE=0.1", "DEVICE=cpu"}, 0, "try", "--", "python3", "train.py")
			epochs, done := told(t, dir)
			if !slices.Equal(epochs, []int{1, 2}) || done.CheckpointPath == nil || !strings.HasSuffix(*done.CheckpointPath, "best.ckpt") {
				t.Errorf("%s: epochs %v, %+v", document, epochs, done)
			}
		}
	}
	if count != 4 {
		t.Errorf("%d examples, want 4", count)
	}
}

// make run and the bare command train alike: the settings are the package's own.
func TestBareTryHasThePackagesSettings(t *testing.T) {
	py, dir := need.Python(t), newPackage(t, "plain")
	agentAt(t, dir, nil, 0, "try", "--", py, "-c", `import os, json; open(os.environ["OUTPUT_DIR"] + "/env.json", "w").write(json.dumps(dict(os.environ)))
import trainer_sdk; open(os.environ["CHECKPOINT_DIR"] + "/best.ckpt", "wb").write(b"x" * 64)`)
	body, err := os.ReadFile(filepath.Join(dir, "workspace", "latest", "runs", "env.json"))
	var env map[string]string
	if err != nil || json.Unmarshal(body, &env) != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"EPOCHS": "10", "IMAGE_SIZE": "64", "BATCH_SIZE": "8", "LEARNING_RATE": "0.02", "NUM_WORKERS": "0"} {
		if env[name] != want {
			t.Errorf("%s=%q, want %q", name, env[name], want)
		}
	}
}

// Every target of a new package works in the order in which a person tries them.
func TestTheTargetsOfANewPackage(t *testing.T) {
	need.Program(t, "make", "apt-get install make")
	py, dir := need.Python(t), newPackage(t, "plain")
	if err := os.MkdirAll(filepath.Join(dir, ".venv"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".venv", "ready"), nil, 0o600); err != nil { // the tests' own is in its place
		t.Fatal(err)
	}
	for _, target := range []string{"run", "predict", "test-run", "export"} {
		cmd := exec.CommandContext(t.Context(), "make", target, "AGENT="+shared.agent, "PYTHON="+py, "EPOCHS=1")
		cmd.Dir, cmd.Env = dir, append(slices.Clone(small), "PATH="+os.Getenv("PATH"), "HOME="+t.TempDir())
		if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "warning:") {
			t.Errorf("make %s: %v\n%s", target, err, out)
		} else if target == "test-run" && !regexp.MustCompile(`measured: accuracy [01]`).Match(out) {
			t.Errorf("it does not say what it measured:\n%s", out)
		}
	}
	found, _ := filepath.Glob(filepath.Join(dir, "workspace", "run-1", "bucket", "export-jobs", "*", "package.zip"))
	if len(found) != 1 {
		t.Fatalf("the exported package: %v", found)
	}
	if out := agentAt(t, dir, nil, 0, "inspect", found[0], "--selftest", "--python", py); !strings.Contains(out, "sha256 matches") || !strings.Contains(out, "selftest passed: ") {
		t.Errorf("the exported package:\n%s", out)
	}
}

// What a trainer refuses is the user's to correct, not the script's fault.
func TestASettingThatTheTrainerRefuses(t *testing.T) {
	py, dir := need.Python(t), newPackage(t, "plain")
	agentAt(t, dir, []string{"IMAGE_SIZE=65"}, 1, "try", "--", py, "train.py")
	if _, done := told(t, dir); done.Error == nil || done.Error.Code != contract.CodeConfigInvalid || done.Error.Message != "IMAGE_SIZE 65 is not a multiple of 8." {
		t.Errorf("%+v", done.Error)
	}
}

// Which Python ran is the first thing to know where packages are missing.
func TestValidationSaysWhichPythonItTook(t *testing.T) {
	dir := newPackage(t, "plain")
	if out := agentAt(t, dir, nil, 1, "validate", "--python", "no-such-python"); !strings.Contains(out, "--python no-such-python") || strings.Contains(out, "structure") {
		t.Error(out)
	}
	if err := os.MkdirAll(filepath.Join(dir, ".venv", "bin"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".venv", "bin", "python"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "train.py")); err != nil { // the first step fails
		t.Fatal(err)
	}
	if out := agentAt(t, dir, nil, 1, "validate"); !strings.Contains(out, "It ran with python3") || !strings.Contains(out, "--python "+filepath.Join(dir, ".venv")) {
		t.Error(out)
	}
}

// A setting in the place of a flag is named before anything is made.
func TestAFlagThatIsNotKnownIsNoCommand(t *testing.T) {
	dir := t.TempDir()
	for _, args := range [][]string{{"try", "--epochs", "3", "--", "python3", "train.py"}, {"run", "--epochs=3"}, {"exec", "--nice", "ls"}} {
		if out := agentAt(t, dir, nil, 1, args...); !strings.Contains(out, "unknown flag --") {
			t.Errorf("%v: %s", args, out)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}

// A second try leaves the first one alone, and --resume of one that is at work is refused.
func TestTryBesideATryThatRuns(t *testing.T) {
	py, dir := need.Python(t), newPackage(t, "plain")
	gate := filepath.Join(t.TempDir(), "gate") // a FIFO: the first try ends when it is opened and closed
	if err := syscall.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	first := exec.Command(shared.agent, "try", "--", py, "-c", `import os
open(os.environ["CHECKPOINT_DIR"] + "/best.ckpt", "wb").write(b"x" * 64)
print("at work", flush=True)
open(os.environ["GATE"]).read()`)
	first.Dir, first.Env = dir, append(slices.Clone(small), "PATH="+os.Getenv("PATH"), "HOME="+t.TempDir(), "EPOCHS=1", "GATE="+gate)
	output, err := first.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(output)
	for lines.Scan() && lines.Text() != "at work" {
	}
	out := agentAt(t, dir, small, 1, "try", "--resume", "--", py, "train.py")
	if !strings.Contains(out, "another agent is at work") {
		t.Errorf("--resume of a run that is at work:\n%s", out)
	}
	agentAt(t, dir, append(slices.Clone(small), "EPOCHS=1"), 0, "try", "--", py, "train.py")
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, output)
	if err := first.Wait(); err != nil {
		t.Errorf("the first try: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "workspace", "run-1", "bucket", "checkpoints", "job-try", "best.ckpt")); err != nil {
		t.Errorf("the first try lost its checkpoint: %v", err)
	}
	if got, _ := os.Readlink(filepath.Join(dir, "workspace", "latest")); got != "run-2" {
		t.Errorf("latest leads to %q", got)
	}
}

// The desk of each try has a token of its own: what is left of an earlier one's is no damage.
func TestAResumedTryFindsNothingDamaged(t *testing.T) {
	py, dir := need.Python(t), newPackage(t, "plain")
	agentAt(t, dir, append(slices.Clone(small), "EPOCHS=1"), 0, "try", "--", py, "train.py")
	out := agentAt(t, dir, append(slices.Clone(small), "EPOCHS=2"), 0, "try", "--resume", "--", py, "train.py")
	if !strings.Contains(out, "Training continues after epoch 1") || strings.Contains(out, "damaged") {
		t.Errorf("the second try said\n%s", out)
	}
}
