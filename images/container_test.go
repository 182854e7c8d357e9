package images

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/backend"
	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/jobtest"
	"github.com/vision-platform/trainer-agent/contract"
)

// container is one run of an image by runc, confined like a pod of deploy/k8s.
type container struct {
	t         *testing.T
	id        string
	job       string
	image     config
	spec      *specs.Spec
	env       jobtest.Env
	workspace string // on the machine
	message   string // file behind /dev/termination-log
	cmd       *exec.Cmd
	stdout    bytes.Buffer
	stderr    bytes.Buffer
}

// newContainer prepares a container of an image with the environment of a job.
// The arguments replace the image's command, as a runtime's do.
func newContainer(t *testing.T, image string, args ...string) *container {
	t.Helper()
	b := images(t)
	n := shared.NextJob()
	c := &container{
		t: t, id: fmt.Sprintf("trainer-images-%d-%d", os.Getpid(), n), job: fmt.Sprintf("images-%d", n),
		image: b.config(t, image), workspace: folder(t), message: filepath.Join(t.TempDir(), "termination-log"),
	}
	if err := os.WriteFile(c.message, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(c.message, 0o666); err != nil { // as the kubelet makes it
		t.Fatal(err)
	}
	c.spec = confined(t, b.mount(t, image), c.id)
	c.command(nil, args)
	if c.spec.Process.Cwd = c.image.WorkingDir; c.spec.Process.Cwd == "" {
		c.spec.Process.Cwd = "/"
	}
	c.env = shared.Env(c.job, datasetOf(contract.TaskObjectDetection), "/workspace")
	c.env["AGENT_METRICS_ADDR"] = "127.0.0.1:0" // the network is the machine's, and so are its ports
	c.bind(c.workspace, "/workspace").bind(folder(t), "/tmp").bind(c.message, "/dev/termination-log")
	return c
}

// folder is one that uid 1000 of a container may write.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chown(dir, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	return dir
}

// command puts an entry point and a command in place of the image's, by
// Kubernetes' rules: an entry point of one's own drops the image's command too.
func (c *container) command(entrypoint, args []string) {
	switch {
	case len(entrypoint) > 0:
		c.spec.Process.Args = slices.Concat(entrypoint, args)
	case len(args) > 0:
		c.spec.Process.Args = slices.Concat(c.image.Entrypoint, args)
	default:
		c.spec.Process.Args = slices.Concat(c.image.Entrypoint, c.image.Cmd)
	}
}

// with sets variables; an empty value takes one away.
func (c *container) with(pairs ...string) *container {
	c.env.Set(pairs...)
	return c
}

// bind shows a file or folder of the machine at a path of the container.
func (c *container) bind(source, path string, options ...string) *container {
	c.mountAt(specs.Mount{Destination: path, Type: "bind", Source: source, Options: append([]string{"rbind", "nosuid", "nodev"}, options...)})
	return c
}

func (c *container) mountAt(m specs.Mount) {
	c.spec.Mounts = slices.DeleteFunc(c.spec.Mounts, func(o specs.Mount) bool { return o.Destination == m.Destination })
	c.spec.Mounts = append(c.spec.Mounts, m)
}

// shm sets the size of /dev/shm in bytes.
func (c *container) shm(size int64) *container {
	c.mountAt(specs.Mount{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=" + strconv.FormatInt(size, 10)}})
	return c
}

// memory limits the container's memory in bytes, swap included.
func (c *container) memory(limit int64) *container {
	c.spec.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &limit}
	return c
}

// start runs the container; its root is what the image has plus mounts.
func (c *container) start() *container {
	c.t.Helper()
	env := map[string]string{}
	for _, kv := range c.image.Env {
		name, value, _ := strings.Cut(kv, "=")
		env[name] = value
	}
	maps.Copy(env, c.env)
	c.spec.Process.Env = nil
	for _, name := range slices.Sorted(maps.Keys(env)) {
		c.spec.Process.Env = append(c.spec.Process.Env, name+"="+env[name])
	}
	bundle := c.t.TempDir()
	text, err := json.Marshal(c.spec)
	if err == nil {
		err = os.WriteFile(filepath.Join(bundle, "config.json"), text, 0o600)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.stdout.Reset()
	c.stderr.Reset()
	c.cmd = runc("run", "--bundle", bundle, c.id)
	c.cmd.Stdout, c.cmd.Stderr = &c.stdout, &c.stderr
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = runc("delete", "--force", c.id).Run() })
	return c
}

func runc(args ...string) *exec.Cmd {
	return exec.Command("runc", append([]string{"--root", filepath.Join(shared.dir, "runc")}, args...)...)
}

// wait gives the container's exit code.
func (c *container) wait() int {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = runc("kill", c.id, "KILL").Run() })()
	code := jobtest.ExitCode(c.t, c.cmd)
	if ctx.Err() != nil {
		c.t.Errorf("no end within %s", patience)
	}
	return code
}

// ends checks the exit code of a container that was started.
func (c *container) ends(want int) *container {
	c.t.Helper()
	return c.ended(c.wait(), want)
}

func (c *container) ended(got, want int) *container {
	c.t.Helper()
	if got != want {
		c.t.Fatalf("exit code %d, want %d\n%s\n%s", got, want, c.stdout.String(), c.stderr.String())
	}
	return c
}

// signal sends a signal to the container's first process, as a kubelet does.
func (c *container) signal(name string) {
	c.t.Helper()
	if out, err := runc("kill", c.id, name).CombinedOutput(); err != nil {
		c.t.Fatalf("runc kill: %v\n%s", err, out)
	}
}

// exec runs a program beside the container's first process, as docker exec and
// a health check do.
func (c *container) exec(args ...string) (string, error) {
	out, err := runc(append([]string{"exec", c.id}, args...)...).CombinedOutput()
	return string(out), err
}

// ready waits for the training process's own word.
func (c *container) ready() *container {
	c.t.Helper()
	return c.until("the child is ready", jobtest.Ready)
}

func (c *container) until(what string, predicate func([]backend.Call) bool) *container {
	c.t.Helper()
	if err := shared.Until(c.t, c.job, patience, predicate); err != nil {
		_ = runc("kill", c.id, "KILL").Run()
		_ = c.cmd.Wait()
		c.t.Fatalf("waiting until %s: %v\n%s\n%s", what, err, c.stdout.String(), c.stderr.String())
	}
	return c
}

func (c *container) events(name contract.EventType) []contract.Event {
	return backend.Events(shared.Backend.Calls(c.job), name)
}

// done is the one accepted final callback.
func (c *container) done() contract.Done {
	c.t.Helper()
	return shared.Done(c.t, c.job, &c.stderr)
}

// succeeded checks what a job that went well leaves everywhere.
func (c *container) succeeded() {
	c.t.Helper()
	if d := c.done(); d.Status != contract.StatusSucceeded || d.ExitCode == nil || *d.ExitCode != 0 {
		c.t.Errorf("done: %+v %+v", d, d.Error)
	}
	if r := c.termination(); r.Status != contract.StatusSucceeded || r.JobID != c.job {
		c.t.Errorf("termination message: %+v", r)
	}
	names := c.checkpoints()
	best := slices.ContainsFunc(names, func(name string) bool { return name == "best.pt" || strings.HasPrefix(name, "best/") })
	if !best || !slices.Contains(names, "manifest.json") {
		c.t.Errorf("checkpoints: %v", names)
	}
}

// termination is the message that the kubelet would read.
func (c *container) termination() (r contract.Result) {
	c.t.Helper()
	b, err := os.ReadFile(c.message)
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil {
		c.t.Fatalf("termination message %q: %v\n%s", b, err, c.stderr.String())
	}
	return r
}

// checkpoints lists the job's objects.
func (c *container) checkpoints() []string {
	c.t.Helper()
	return shared.Names(c.t, "checkpoints/job-"+c.job+"/")
}
