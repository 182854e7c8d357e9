package runner

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

func container(t *testing.T) *Container {
	t.Helper()
	need.Program(t, "podman", "apt install podman")
	c, err := NewContainer(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// A container is started in half a second, so it tries everything that a package may try
// in one; without the isolation all of it would work.
func TestNothingOfTheMachineCanBeReachedFromAContainer(t *testing.T) {
	c, dir := container(t), t.TempDir()
	database := filepath.Join(dir, "hub.db")
	if err := os.WriteFile(database, []byte("tokens"), 0o644); err != nil {
		t.Fatal(err)
	}
	loopback, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = loopback.Close() }()
	abstract := "@" + rand.Text()
	socket, err := net.Listen("unix", abstract)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	writable := t.TempDir()
	work := [][2]string{{"read", database}, {"write", filepath.Join(dir, "new")}, {"connect", loopback.Addr().String()}, {"socket", abstract}, {"see processes", ""}}
	if said, err := attack(t, Process{}, "several", lines(work), "", Limits{}); err != nil || strings.Count(said, "got ") != len(work) {
		t.Errorf("the test proves nothing: without isolation %v %s", err, said)
	}
	all := slices.Concat(work, [][2]string{
		{"connect", "169.254.169.254:80"}, {"connect", "[fd00:ec2::254]:80"}, {"read", "/etc/shadow"}, {"read", "/proc/1/root/etc/shadow"}, {"read", "/dev/sda"}, {"read", "/run/podman/podman.sock"},
		{"write", "/usr/x"}, {"write", "/x"}, {"write", "/etc/passwd"}, {"write", "/dev/x"}, {"write", "/run/x"}, {"write", "/var/tmp/x"}, {"write", self}, {"write", "/proc/sys/kernel/hostname"},
		{"write", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}, {"write", "/sys/fs/cgroup/x"}, {"become root", ""}, {"namespace", ""}, {"mount", ""},
	})
	said, err := attack(t, c, "several", lines(append(all, [2]string{"write", filepath.Join(writable, "new")})), writable, Limits{})
	if want := "got write " + filepath.Join(writable, "new") + "\n"; err != nil || said != want {
		t.Errorf("%v: %q, want its own folder alone: %q", err, said, want)
	}
}

func lines(attacks [][2]string) string {
	var text strings.Builder
	for _, a := range attacks {
		text.WriteString(a[0] + "\t" + a[1] + "\n")
	}
	return text.String()
}

func TestAContainerThatFailsIsNoEndOfTheCommand(t *testing.T) {
	c := container(t)
	command := Command{Program: "/bin/sh", Args: []string{"-c", "exit 125"}, Dir: "/", Env: []string{"PATH=/usr/bin:/bin"}}
	if err := c.Run(t.Context(), command, Limits{}); exitOf(err) != 125 {
		t.Errorf("the command's own end, which looks like the engine's: %v", err)
	}
	command.Args[1] = "kill -KILL $$"
	if err := c.Run(t.Context(), command, Limits{}); exitOf(err) != 137 {
		t.Errorf("the command was killed: %v", err)
	}
	command.Read = []string{filepath.Join(t.TempDir(), "not there")}
	if err := c.Run(t.Context(), command, Limits{}); err == nil || exitOf(err) > 0 || !strings.Contains(err.Error(), "could not run the container") {
		t.Errorf("a folder that is not there: %v", err)
	}
	command.Read, command.Args = []string{"/tmp/a:b"}, nil
	if err := c.Run(t.Context(), command, Limits{}); err == nil || !strings.Contains(err.Error(), "colon") {
		t.Errorf("a folder with a colon: %v", err)
	}
}

func TestWhatGrowsInAContainerIsEnded(t *testing.T) {
	c := container(t)
	for name, limits := range map[string]Limits{
		"huge file": {Disk: 64 << 20}, "many large files": {Disk: 64 << 20}, "many files": {Files: 500}, "memory": {Memory: 256 << 20},
		"fork bomb": {Processes: 100, Time: 20 * time.Second}, "loop": {Time: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			dir, started := t.TempDir(), time.Now()
			said, err := attack(t, c, name, dir, dir, limits)
			over, _ := errors.AsType[*Exceeded](err)
			want := map[string]string{"many large files": "disk", "many files": "files", "loop": "time", "memory": "memory", "fork bomb": "processes"}[name]
			// Shells that the kernel's limit keeps from forking end by themselves, maybe before the watch has counted them.
			byKernel := name == "fork bomb" && strings.Contains(said, "Cannot fork")
			if err == nil || want != "" && !byKernel && (over == nil || over.What != want) {
				t.Errorf("%v %s, want the limit of %q", err, said, want)
			}
			if took := time.Since(started); took > 40*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
	if left := containers(t, c); left != "" {
		t.Errorf("left behind: %s", left)
	}
	if _, err := os.Stat("oom"); err == nil {
		t.Error("a container that ended by its memory left the file oom where the hub runs")
	}
}

func containers(t *testing.T, c *Container) string {
	t.Helper()
	names, err := c.engine.ask(t.Context(), replying, "ps", "--all", "--filter", "name="+c.name, "--format", "{{.Names}}")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestACancelledContainerIsGone(t *testing.T) {
	c := container(t)
	ctx, cancel := context.WithCancel(t.Context())
	ready, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = bufio.NewReader(ready).ReadString('\n')
		cancel()
	}()
	err = c.Run(ctx, Command{Program: "/bin/sh", Args: []string{"-c", "echo ready; sleep 3600"}, Dir: "/", Env: []string{"PATH=/usr/bin:/bin"}, Stdout: out}, Limits{})
	_ = out.Close()
	if left := containers(t, c); err == nil || left != "" {
		t.Errorf("%v, left behind: %q", err, left)
	}
}

// An engine lets a container run on whose hub was killed; the next one removes it.
func TestAContainerOfAKilledHubIsRemovedByTheNext(t *testing.T) {
	first := container(t)
	mark := rand.Text()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	hub := exec.Command(self)
	hub.Env = append(os.Environ(), "HUB="+mark, "HUB_LEVEL=container", "TMPDIR="+t.TempDir())
	out, err := hub.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	hub.Stderr = &said
	if err := hub.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" || !running(t, mark) {
		t.Fatalf("%q %v %s", line, err, said.String())
	}
	if err := first.sweep(t.Context()); err != nil || !running(t, mark) {
		t.Fatalf("a container whose hub lives was removed, or: %v", err)
	}
	if err := hub.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = hub.Wait()
	if err := first.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	ends(t, mark)
}

// An engine that is there and does not work is named with what it says; nothing runs on a
// lower level.
func TestEnginesThatCannotAreNamed(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	if _, err := NewContainer(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "apt install podman") {
		t.Errorf("no engine: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "docker"), []byte("#!/bin/sh\necho 'is the docker daemon running?' >&2\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := NewContainer(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "is the docker daemon running?") || !strings.Contains(err.Error(), "podman: ") {
		t.Errorf("an engine without its daemon: %v", err)
	}
}
