package runner

import (
	"bufio"
	"context"
	"errors"
	"os"
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
// in one.
func TestNothingOfTheMachineCanBeReachedFromAContainer(t *testing.T) {
	c, writable := container(t), t.TempDir()
	all := slices.Concat(ofThis(t), ofAny(t), []attempt{
		{"read", "/run/podman/podman.sock"}, {"write", "/run/x"}, {"write", "/var/tmp/x"}, {"write", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}, {"write", "/sys/fs/cgroup/x"},
	})
	own := attempt{"write", filepath.Join(writable, "new")}
	if said := escapes(t, c, append(all, own), writable); said != "got write "+own.aim+"\n" {
		t.Errorf("%q, want its own folder alone: %s", said, own.aim)
	}
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
			if took := time.Since(started); took > 2*time.Minute {
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
	hub, mark := doomed(t, LevelContainer)
	if err := first.sweep(t.Context()); err != nil || !running(t, mark) {
		t.Fatalf("a container whose hub lives was removed, or: %v", err)
	}
	kill(t, hub)
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
