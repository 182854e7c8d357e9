package images

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/backend"
	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/jobtest"
	"github.com/vision-platform/trainer-agent/contract"
)

const (
	mib = 1 << 20

	agentImage = "localhost/trainer-agent:test" // scratch, with only the static agent
	baseImage  = "localhost/trainer-base:test"  // Debian with Python
)

// trainers are the two root file systems, each with a training script that plays
// scenarios. The first has no libc, no shell, no /etc.
var trainers = map[string]func(t *testing.T, scenario string) *container{
	"scratch": func(t *testing.T, scenario string) *container {
		return newContainer(t, agentImage, "run", "--", "/trainer", scenario).bind(images(t).staticTrainer(), "/trainer", "ro")
	},
	"debian": scripted,
}

// scripted runs testdata/trainers/scripted.py in the image for trainers of one's own.
func scripted(t *testing.T, scenario string) *container {
	return newContainer(t, baseImage, "python3", "/scripts/scripted.py", scenario).bind(filepath.Join(images(t).root, "testdata", "trainers"), "/scripts", "ro")
}

// Each case runs on both roots.
func TestContainersEnd(t *testing.T) {
	for _, c := range []struct {
		name     string
		scenario string
		set      func(*container)
		during   func(*container)
		exit     int
		child    int           // the training process's own status
		code     contract.Code // "" means success
	}{
		{name: "success", scenario: "ok", exit: contract.ExitOK},
		{
			name: "TERM, and the trainer saves", scenario: "waits", exit: contract.ExitStopped, child: 0, code: contract.CodeStopped,
			during: func(c *container) { c.ready().signal("TERM") },
		},
		{
			name: "TERM, and the trainer ignores it", scenario: "ignores-term", exit: contract.ExitStopped, child: 128 + 9, code: contract.CodeStopped,
			set:    func(c *container) { c.with("AGENT_STOP_GRACE", "3s") },
			during: func(c *container) { c.ready().signal("TERM") },
		},
		{
			name: "memory limit", scenario: "eats-memory", exit: contract.ExitFailed, child: 128 + 9, code: contract.CodeHostOOM,
			set: func(c *container) { c.memory(384 * mib) },
		},
		{
			name: "memory limit seen through a cgroup namespace", scenario: "eats-memory", exit: contract.ExitFailed, child: 128 + 9, code: contract.CodeHostOOM,
			set: func(c *container) {
				linux := c.memory(384 * mib).spec.Linux
				linux.Namespaces = append(linux.Namespaces, specs.LinuxNamespace{Type: specs.CgroupNamespace})
			},
		},
	} {
		for root, trainer := range trainers {
			t.Run(c.name+"/"+root, func(t *testing.T) {
				t.Parallel()
				begin := func() *container {
					run := trainer(t, c.scenario)
					if c.set != nil {
						c.set(run)
					}
					return run.start()
				}
				run := begin()
				if c.during != nil {
					c.during(run)
				}
				code := run.wait()
				if c.code == contract.CodeHostOOM {
					run, code = sparedByTheKernel(run, code, begin)
				}
				run.ended(code, c.exit)
				if c.code == "" {
					run.succeeded()
					return
				}
				d := run.done()
				if d.Error == nil || d.Error.Code != c.code || d.ExitCode == nil || *d.ExitCode != c.child {
					t.Fatalf("done: %+v, exit code %v, error %+v\n%s", d, d.ExitCode, d.Error, run.stderr.String())
				}
				if r := run.termination(); r.Error == nil || r.Error.Code != c.code || r.ExitCode != c.exit {
					t.Errorf("termination message: %+v", r)
				}
				if c.scenario == "waits" && !slices.Contains(run.checkpoints(), "last.pt") {
					t.Errorf("the last checkpoint is missing: %v", run.checkpoints())
				}
			})
		}
	}
}

// sparedByTheKernel returns a run whose agent outlived the memory limit, and its
// exit code. While the pages of the killed training are being freed, the kernel no
// longer counts it among the processes of the cgroup: an agent that needs a page in
// these milliseconds is killed too. Nothing inside the container can prevent that,
// and the job's next agent tells of it (the test below).
func sparedByTheKernel(run *container, code int, begin func() *container) (*container, int) {
	for again := 2; code == 128+9 && again > 0; again-- {
		run.t.Log("the kernel killed the agent beside its child: once more")
		run = begin()
		code = run.wait()
	}
	return run, code
}

// A memory limit with memory.oom.group, as the kubelet sets it on cgroup v2, and
// a lost node end the agent too, without last words: the next one tells.
func TestNextContainerTellsThatTheLastOneWasKilled(t *testing.T) {
	t.Parallel()
	c := scripted(t, "resumes").with("EPOCHS", "6").start().ready()
	c.until("the third checkpoint is saved", func(calls []backend.Call) bool {
		for _, e := range backend.Events(calls, contract.EventCheckpointSaved) {
			var saved contract.CheckpointSaved
			if json.Unmarshal(e.Data, &saved) == nil && saved.Epoch == 3 && strings.HasSuffix(saved.CheckpointPath, "last.pt") {
				return true
			}
		}
		return false
	})
	c.signal("KILL")
	c.ends(128 + 9)
	next := scripted(t, "resumes").bind(c.workspace, "/workspace").with("JOB_ID", c.job, "EPOCHS", "6")
	next.job = c.job
	next.start().ends(contract.ExitOK)
	next.succeeded()
	started := next.events(contract.EventAgentStarted)
	if len(started) != 2 || !strings.Contains(string(started[1].Data), "previous_run") {
		t.Errorf("agent_started: %s", started)
	}
	if len(next.events(contract.EventTrainingResumed)) != 1 {
		t.Error("no training_resumed event")
	}
}

func TestSharedMemory(t *testing.T) {
	shmWarnings := func(c *container) (n int) {
		for _, e := range c.events(contract.EventResourceWarning) {
			if strings.Contains(string(e.Data), `"resource":"shm"`) {
				n++
			}
		}
		return n
	}
	t.Run("64 MiB are too small for these workers, says a warning", func(t *testing.T) {
		t.Parallel()
		c := scripted(t, "ok").shm(64*mib).with("NUM_WORKERS", "8", "BATCH_SIZE", "64").start().ends(contract.ExitOK)
		if n := shmWarnings(c); n != 1 {
			t.Errorf("%d warnings about /dev/shm", n)
		}
	})
	t.Run("8 GiB are enough", func(t *testing.T) {
		t.Parallel()
		c := scripted(t, "ok").shm(8192*mib).with("NUM_WORKERS", "8", "BATCH_SIZE", "64").start().ends(contract.ExitOK)
		if n := shmWarnings(c); n != 0 {
			t.Errorf("%d warnings about /dev/shm", n)
		}
	})
	t.Run("64 MiB are full", func(t *testing.T) {
		t.Parallel()
		c := scripted(t, "fills-shm").shm(64 * mib).start().ends(contract.ExitFailed)
		if d := c.done(); d.Error == nil || d.Error.Code != contract.CodeShmTooSmall {
			t.Errorf("%+v", d.Error)
		}
	})
}

// seen is what testdata/confined.py found out about itself.
type seen struct {
	UID          int
	Groups       []int
	Capabilities []string
	NoNewPrivs   string `json:"no_new_privs"`
	Seccomp      string
	PID1         string
	Refusals     map[string]*string
	Environment  map[string]string
}

// What a training process sees from inside: in the restricted pod, and below an
// agent that is root with the capabilities that container engines leave it.
func TestConfinement(t *testing.T) {
	for name, set := range map[string]func(*container){
		"restricted pod": func(*container) {}, // of the same user: Landlock parts them
		"root with AGENT_RUN_AS": func(c *container) {
			kept := []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_SETGID", "CAP_SETUID"}
			c.with("AGENT_RUN_AS", "1000:1000").spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: kept, Effective: kept, Permitted: kept}
			c.spec.Process.User = specs.User{}
			c.spec.Process.NoNewPrivileges = false
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := newContainer(t, baseImage, "python3", "/scripts/confined.py").bind(filepath.Join(images(t).root, "images", "testdata"), "/scripts", "ro")
			set(run)
			run.with("FRAMEWORK", "custom", "AGENT_DATASET_FORMAT", "coco").start().ends(contract.ExitOK)
			run.isConfined()
		})
	}
}

func (c *container) isConfined() {
	c.t.Helper()
	var s seen
	b, err := os.ReadFile(filepath.Join(c.workspace, "runs", "seen.json"))
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	if s.UID != 1000 || slices.Contains(s.Groups, 0) || s.NoNewPrivs != "1" || s.Seccomp != "2" || s.PID1 != "trainer-agent" {
		c.t.Errorf("%s", b)
	}
	for i, set := range []string{"inheritable", "permitted", "effective"} { // nothing gets out of the bounding set with no_new_privs
		if strings.Trim(s.Capabilities[i], "0") != "" {
			c.t.Errorf("%s capabilities: %s", set, s.Capabilities[i])
		}
	}
	for name, value := range s.Environment {
		if value == token || value == shared.Store.SecretKey || value == shared.Store.AccessKey {
			c.t.Errorf("the training process sees %s", name)
		}
	}
	readOnly, closed := new("EROFS"), new("EACCES") // the workspace's root is taken apart, so that .agent is not within reach
	for path, want := range map[string]*string{
		"/": readOnly, "/usr/local/bin": readOnly, "/opt": readOnly, "/etc": readOnly,
		"/tmp": nil, "/workspace": closed, "/workspace/home": nil, "/dev/shm": nil, "/workspace/.agent": closed,
	} {
		got := s.Refusals[path]
		if (got == nil) != (want == nil) || (got != nil && *got != *want) {
			c.t.Errorf("writing to %s: %s", path, b)
		}
	}
}

// The health check that the image declares, run as a container engine runs it.
func TestHealthCheck(t *testing.T) {
	for root, trainer := range trainers {
		t.Run(root, func(t *testing.T) {
			t.Parallel()
			c := trainer(t, "waits").with("AGENT_METRICS_ADDR", jobtest.FreeAddress(t)).start().ready()
			check := c.image.Healthcheck
			if check == nil || check.Test[0] != "CMD" {
				t.Fatalf("HEALTHCHECK: %+v", check)
			}
			if out, err := c.exec(check.Test[1:]...); err != nil {
				t.Errorf("unhealthy while it works: %v\n%s", err, out)
			}
			env := append([]string{"--env", "AGENT_METRICS_ADDR=" + jobtest.FreeAddress(t)}, c.id)
			if out, err := runc(append(append([]string{"exec"}, env...), check.Test[1:]...)...).CombinedOutput(); err == nil {
				t.Errorf("healthy where no agent listens:\n%s", out)
			}
			c.signal("TERM")
			c.ends(contract.ExitStopped)
		})
	}
}

// The platform's Job template overrides the entry point: command: ["python"].
func TestPythonIsTheAgentAsFirstProcess(t *testing.T) {
	t.Parallel()
	c := scripted(t, "waits")
	c.command([]string{"python"}, []string{"/scripts/scripted.py", "waits"})
	c.start().ready()
	if out, err := c.exec("python", "-c", "print('plain', 1 + 1)"); err != nil || out != "plain 2\n" {
		t.Errorf("python beside the agent: %q %v", out, err)
	}
	c.signal("TERM")
	c.ends(contract.ExitStopped)
	if d := c.done(); d.Error == nil || d.Error.Code != contract.CodeStopped {
		t.Errorf("%+v", d)
	}
}

func TestPythonStaysPlainWithoutTheShim(t *testing.T) {
	t.Parallel()
	c := newContainer(t, "localhost/trainer-base:plain-python")
	c.command([]string{"python"}, []string{"-c", "import os; print('plain', os.getpid())"})
	c.start().ends(0)
	if c.stdout.String() != "plain 1\n" || len(shared.Backend.Calls(c.job)) > 0 {
		t.Errorf("%q, %d callbacks", c.stdout.String(), len(shared.Backend.Calls(c.job)))
	}
}
