package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/vision-platform/trainer-agent/cmd/trainer-gpu/fake"
	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/backend"
	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/jobtest"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

const (
	token  = jobtest.Token
	bucket = jobtest.Bucket
)

// platform is shared by all tests; every test has a job id of its own.
type platform struct {
	*jobtest.Platform
	agent string // the built binary
	root  string // of the repository
}

var shared *platform

func TestMain(m *testing.M) {
	if os.Getpid() == 1 && os.Getenv(guestVariable) != "" {
		guestInit()
	}
	if fifo := os.Getenv(posterVariable); fifo != "" {
		if err := poster(fifo); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	if os.Getenv(launcherVariable) != "" {
		fmt.Println(launch(os.Args[1:]))
		os.Exit(1)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "trainer-agent-e2e-*")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	defer fake.Remove()
	root := need.Repository()
	p := &platform{agent: builtAgent(dir), root: root}
	if p.Platform, err = jobtest.Start(filepath.Join(dir, "platform")); err != nil {
		panic(err)
	}
	defer func() { _ = p.Close() }()
	if err := p.Put("datasets/tiny.zip", tinyDataset()); err != nil {
		panic(err)
	}
	shared = p
	return m.Run()
}

// builtAgent builds the agent; the guest has no compiler and brings it along.
func builtAgent(dir string) string {
	if built := os.Getenv(guestVariable); built != "" {
		return filepath.Join(built, "trainer-agent")
	}
	path := filepath.Join(dir, "trainer-agent")
	if err := need.Build(path, "./cmd/trainer-agent"); err != nil {
		panic(err)
	}
	return path
}

// tinyDataset is eight images with one box each, in Platform Format.
func tinyDataset() []byte { return jobtest.Dataset(contract.TaskObjectDetection, 8) }

// job is one run of the built agent.
type job struct {
	t         *testing.T
	id        string
	workspace string
	env       jobtest.Env
	flags     []string // of run
	command   []string
	group     string   // the cgroup to run in; "" = the tests' own
	image     string   // the root folder to run in, as PID 1; "" = the machine's own
	prefix    []string // a program that starts the agent
	cmd       *exec.Cmd
	stdout    bytes.Buffer
	stderr    bytes.Buffer
}

// newJob makes a job whose child is the scripted trainer.
func newJob(t *testing.T, scenario string, args ...string) *job {
	t.Helper()
	j := &job{t: t, id: fmt.Sprintf("e2e-%d", shared.NextJob()), workspace: t.TempDir()}
	j.env = shared.Env(j.id, "tiny", j.workspace)
	j.command = append([]string{"python3", filepath.Join(shared.root, "testdata", "trainers", "scripted.py"), scenario}, args...)
	return j
}

// with sets variables; an empty value takes one away.
func (j *job) with(pairs ...string) *job {
	j.env.Set(pairs...)
	return j
}

func (j *job) start() *job {
	j.t.Helper()
	line := slices.Concat(j.prefix, []string{shared.agent, "run"}, j.flags, []string{"--"}, j.command)
	if j.group != "" {
		line = append([]string{"sh", "-c", `echo $$ > "$0/cgroup.procs" && exec "$@"`, j.group}, line...)
	}
	if j.image != "" {
		line[0] = "/usr/local/bin/trainer-agent"
		line = append([]string{"unshare", "--mount", "--pid", "--fork", "--kill-child", "--root=" + j.image, "--mount-proc"}, line...)
	}
	j.cmd = exec.Command(line[0], line[1:]...)
	j.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	for name, value := range j.env {
		j.cmd.Env = append(j.cmd.Env, name+"="+value)
	}
	j.stdout.Reset()
	j.stderr.Reset()
	j.cmd.Stdout, j.cmd.Stderr = &j.stdout, &j.stderr
	j.cmd.WaitDelay = 5 * time.Second // a child that outlives a killed agent holds our pipe
	if err := j.cmd.Start(); err != nil {
		j.t.Fatal(err)
	}
	j.t.Cleanup(func() { _ = j.cmd.Process.Kill() })
	return j
}

func (j *job) wait() int {
	j.t.Helper()
	return jobtest.ExitCode(j.t, j.cmd)
}

// mustExit runs the job to its end and checks the exit code.
func (j *job) mustExit(want int) *job {
	j.t.Helper()
	if got := j.start().wait(); got != want {
		j.t.Fatalf("exit code %d, want %d\n%s\n%s", got, want, j.stdout.String(), j.stderr.String())
	}
	return j
}

// ready waits for the child's own word that it is where the test wants it.
func (j *job) ready() *job {
	j.t.Helper()
	j.until("the child is ready", jobtest.Ready)
	return j
}

func (j *job) until(what string, predicate func([]backend.Call) bool) {
	j.t.Helper()
	if err := shared.Until(j.t, j.id, patience, predicate); err != nil {
		j.t.Fatalf("waiting until %s: %v\n%s", what, err, j.stderr.String())
	}
}

func (j *job) calls() []backend.Call { return shared.Backend.Calls(j.id) }

// done is the one accepted final callback.
func (j *job) done() contract.Done {
	j.t.Helper()
	return shared.Done(j.t, j.id, &j.stderr)
}

// final decodes the one final callback of another job than a training.
func (j *job) final(kind contract.Kind, into any) {
	j.t.Helper()
	calls := backend.Accepted(j.calls(), kind)
	if len(calls) != 1 {
		j.t.Fatalf("%d %s callbacks\n%s", len(calls), kind, j.stderr.String())
	}
	if err := calls[0].Decode(into); err != nil {
		j.t.Fatal(err)
	}
}

func (j *job) events(name contract.EventType) []contract.Event {
	return backend.Events(j.calls(), name)
}

// object reads one object; nil when it is not there.
func (j *job) object(key string) []byte {
	j.t.Helper()
	b, err := shared.Read(j.t.Context(), key)
	if errors.As(err, new(*types.NoSuchKey)) {
		return nil
	}
	if err != nil {
		j.t.Fatal(err)
	}
	return b
}

// objects lists the names below a prefix.
func (j *job) objects(prefix string) []string {
	j.t.Helper()
	return shared.Names(j.t, prefix)
}

func (j *job) result() contract.Result {
	j.t.Helper()
	b, err := os.ReadFile(filepath.Join(j.workspace, ".agent", "result.json"))
	if err != nil {
		j.t.Fatal(err)
	}
	var r contract.Result
	if err := json.Unmarshal(b, &r); err != nil {
		j.t.Fatal(err)
	}
	return r
}

// command is another command of the agent in the job's environment.
func command(j *job, args ...string) *exec.Cmd {
	cmd := exec.Command(shared.agent, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	for name, value := range j.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

// processes are the job's processes, by the WORKSPACE_DIR in their environment.
func (j *job) processes() (pids []int) {
	found, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range found {
		if b, _ := os.ReadFile(path); bytes.Contains(b, []byte("WORKSPACE_DIR="+j.env["WORKSPACE_DIR"]+"\x00")) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// killAll kills the agent and its descendants, as the loss of a machine does.
func (j *job) killAll() {
	for _, pid := range j.processes() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = j.cmd.Wait()
}
