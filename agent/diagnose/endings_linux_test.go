package diagnose_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vision-platform/trainer-agent/agent/diagnose"
	"github.com/vision-platform/trainer-agent/agent/monitor/resources"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

// The tests of this file produce endings: a real child in a mount namespace of
// its own fills a real /dev/shm, disk or cgroup, and the accounts that are
// diagnosed are the sampler's.

// stage is where and what the helper runs; outcome is what it saw.
type stage struct {
	Shm, Disk string   // size of the file system, "" = the machine's own
	Command   []string // in the workspace
	Workspace string
}

type outcome struct {
	ExitCode, Signal int
	Log              []string
	System           contract.SystemEvidence
}

// runHelper is the test binary in the new namespace: see main_linux_test.go.
func runHelper() int {
	var s stage
	if err := json.Unmarshal([]byte(os.Getenv("ENDINGS_STAGE")), &s); err != nil {
		panic(err)
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		panic(err)
	}
	for path, size := range map[string]string{"/dev/shm": s.Shm, s.Workspace: s.Disk} {
		if size == "" {
			continue
		}
		if err := syscall.Mount("tmpfs", path, "tmpfs", 0, "size="+size); err != nil {
			panic(err)
		}
	}
	sampler, err := resources.New(resources.Options{Workspace: s.Workspace})
	if err != nil {
		panic(err)
	}
	cmd := exec.Command(s.Command[0], s.Command[1:]...)
	cmd.Dir = s.Workspace
	cmd.Env = append(os.Environ(), "PYTHONUNBUFFERED=1", "TMPDIR="+s.Workspace)
	output, _ := cmd.CombinedOutput()
	o := outcome{ExitCode: cmd.ProcessState.ExitCode(), Log: strings.Split(strings.TrimSpace(string(output)), "\n"), System: sampler.Evidence()}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		o.Signal, o.ExitCode = int(ws.Signal()), 128+int(ws.Signal())
	}
	if err := json.NewEncoder(os.Stdout).Encode(o); err != nil {
		panic(err)
	}
	return 0
}

// ending runs a stage; join, if any, is called with the helper's pid before the
// child runs.
func ending(t *testing.T, s stage, cgroup string) diagnose.Evidence {
	t.Helper()
	s.Workspace = t.TempDir()
	spec, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	if cgroup != "" { // join first, then become the helper
		cmd = exec.Command("sh", "-c", `echo $$ > "$0/cgroup.procs" && exec "$1"`, cgroup, os.Args[0])
	}
	cmd.Env = append(os.Environ(), "ENDINGS_HELPER=1", "ENDINGS_STAGE="+string(spec))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil && os.Getuid() != 0 {
		need.Missing(t, "root, for a mount namespace: %v", err)
	}
	if err != nil {
		t.Fatalf("running the helper: %v", err)
	}
	var o outcome
	if err := json.Unmarshal(out, &o); err != nil {
		t.Fatalf("reading the outcome: %v\n%s", err, out)
	}
	t.Logf("exit %d, signal %d, accounts %+v\n%s", o.ExitCode, o.Signal, o.System, strings.Join(o.Log, "\n"))
	return diagnose.Evidence{
		JobType: contract.JobTraining, Checkpoints: -1, ExitCode: o.ExitCode, Signal: o.Signal, LogTail: o.Log, System: o.System,
		Settings: diagnose.Settings{NumWorkers: 4, BatchSize: 64},
	}
}

func expect(t *testing.T, e diagnose.Evidence, code contract.Code, says string) {
	t.Helper()
	f := diagnose.Diagnose(e)
	if f == nil || f.Code != code || !strings.Contains(f.Line(), says) {
		t.Fatalf("diagnosed %v, want %s with %q", f, code, says)
	}
	t.Logf("%s: %s", f.Code, f.Line())
}

func TestHostOutOfMemoryIsReal(t *testing.T) {
	group := need.MemoryGroup(t, 160<<20)
	e := ending(t, stage{Command: []string{need.Python(t), "-c", "x = []\nwhile True: x.append(bytearray(1 << 20))"}}, group)
	expect(t, e, contract.CodeHostOOM, "The container ran out of memory: the kernel killed a process. Use fewer workers (now 4) or ask for more memory.")
	if e.System.MemoryLimit != 160<<20 {
		t.Errorf("the limit was read as %d", e.System.MemoryLimit)
	}
}

// The workers' batches lie in /dev/shm: the real thing needs torch.
const fillShm = `
import torch
class Data(torch.utils.data.Dataset):
    def __len__(self): return 64
    def __getitem__(self, i): return torch.zeros(1 << 20, dtype=torch.uint8)
for batch in torch.utils.data.DataLoader(Data(), batch_size=8, num_workers=2):
    pass
`

func TestFullShmIsReal(t *testing.T) {
	e := ending(t, stage{Shm: "4m", Command: []string{need.Python(t), "-c", fillShm}}, "")
	expect(t, e, contract.CodeShmTooSmall, "Shared memory (/dev/shm)")
}

const fillDisk = `
import torch
torch.save(torch.zeros(16 << 20, dtype=torch.uint8), "last.pt")
`

func TestFullDiskIsReal(t *testing.T) {
	e := ending(t, stage{Disk: "4m", Command: []string{need.Python(t), "-c", fillDisk}}, "")
	expect(t, e, contract.CodeDiskFull, "The disk")
}

func TestPythonEndingsAreReal(t *testing.T) {
	cases := map[string]struct{ script, says string }{
		"exception":        {"def step():\n    return {}['labels']\nstep()", "KeyError: 'labels' (train.py, line 2 in step)"},
		"missing module":   {"import not_there", "The Python module not_there is missing from the image."},
		"missing SDK":      {"raise ModuleNotFoundError(\"No module named 'trainer_sdk'\")", "The SDK of trainer-agent (trainer_sdk) is not there for this Python."},
		"missing file":     {"open('nope.yaml')", "FileNotFoundError: [Errno 2] No such file or directory: 'nope.yaml' (train.py, line 1)"},
		"syntax error":     {"x = (", "SyntaxError: '(' was never closed (train.py, line 1)"},
		"segfault":         {"import ctypes, faulthandler\nfaulthandler.enable()\nctypes.string_at(0)", "The training crashed (SIGSEGV) at train.py, line 3 in <module>"},
		"killed":           {"import os\nos.kill(os.getpid(), 9)", "The training was killed from outside (SIGKILL)"},
		"bare exit":        {"import sys\nsys.exit(7)", "The training script ended with code 7"},
		"wrong arguments":  {"import argparse\nargparse.ArgumentParser().parse_args(['--epoch', '3'])", "refused its arguments: unrecognized arguments: --epoch 3"},
		"chained":          {"try:\n    {}['a']\nexcept KeyError as e:\n    raise RuntimeError('no dataset') from e", "RuntimeError: no dataset (train.py, line 4)"},
		"in a thread only": {"import threading\nt = threading.Thread(target=lambda: 1/0)\nt.start()\nt.join()\nraise ValueError('the real one')", "ValueError: the real one (train.py, line 5)"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			script := filepath.Join(t.TempDir(), "train.py")
			if err := os.WriteFile(script, []byte(tc.script), 0o600); err != nil {
				t.Fatal(err)
			}
			f := diagnose.Diagnose(ending(t, stage{Command: []string{need.Python(t), script}}, ""))
			if f == nil || !strings.Contains(f.Line(), tc.says) {
				t.Errorf("diagnosed %v, want %q", f, tc.says)
			}
		})
	}
}
