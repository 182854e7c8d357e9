package runner

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

func namespaces(t *testing.T) *Namespaces {
	t.Helper()
	need.Program(t, "bwrap", "apt install bubblewrap")
	n, err := NewNamespaces(t.Context())
	if err != nil {
		need.Missing(t, "user namespaces: %v", err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return n
}

// attack runs one of the attacks; its output says why it failed.
func attack(t *testing.T, r Runner, name, aim, writable string, limits Limits) (said string, err error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	c := Command{Program: self, Dir: "/", Env: []string{"ATTACK=" + name, "AIM=" + aim, "PATH=/usr/bin:/bin", "GOTRACEBACK=none"}, Read: []string{self}, Stdout: &out, Stderr: &out}
	if writable != "" {
		c.Write = []string{writable}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = r.Run(ctx, c, limits)
	if ctx.Err() != nil {
		t.Errorf("%s was not bounded", name)
	}
	return out.String(), err
}

// What a package may try from inside: nothing works but to write to its own folder.
func TestNothingOfTheMachineCanBeReached(t *testing.T) {
	n, writable := namespaces(t), t.TempDir()
	own := attempt{"write", filepath.Join(writable, "new")}
	all := slices.Concat(ofThis(t), ofAny(t), []attempt{{"read", "/sys/kernel/notes"}, own})
	if said := escapes(t, n, all, writable); said != "got write "+own.aim+"\n" {
		t.Errorf("%q, want its own folder alone: %s", said, own.aim)
	}
}

// An isolation that cannot be made is this machine's fault, and no end of the command: a
// command that ends with the same code is told from it.
func TestIsolationThatFailsIsNoEndOfTheCommand(t *testing.T) {
	n := namespaces(t)
	c := Command{Program: "/bin/sh", Args: []string{"-c", "exit 1"}, Dir: "/", Env: []string{"PATH=/usr/bin:/bin"}}
	if err := n.Run(t.Context(), c, Limits{}); exitOf(err) != 1 {
		t.Errorf("the command's own end: %v", err)
	}
	c.Args[1] = "kill -KILL $$"
	if err := n.Run(t.Context(), c, Limits{}); exitOf(err) != 137 {
		t.Errorf("the command was killed: %v", err)
	}
	c.Read = []string{filepath.Join(t.TempDir(), "not there")}
	if err := n.Run(t.Context(), c, Limits{}); err == nil || exitOf(err) > 0 || !strings.Contains(err.Error(), "could not isolate") {
		t.Errorf("a folder that is not there: %v", err)
	}
	c.Read, c.Dir = nil, "/not/there"
	if err := n.Run(t.Context(), c, Limits{}); err == nil || exitOf(err) > 0 {
		t.Errorf("a place that is not there: %v", err)
	}
}

// What clears /var/tmp of old files takes nothing from a hub that runs on.
func TestIsolationOutlivesAClearedFolderOfTemporaryFiles(t *testing.T) {
	n := namespaces(t)
	for _, path := range []string{"passwd", "stage", "."} {
		if err := os.RemoveAll(filepath.Join(n.made.Dir, path)); err != nil {
			t.Fatal(err)
		}
		if err := n.Run(t.Context(), Command{Program: "/bin/true", Dir: "/", Env: []string{"PATH=/usr/bin:/bin"}}, Limits{}); err != nil {
			t.Errorf("without %s: %v", path, err)
		}
	}
	dir := n.made.Dir
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("left behind: %v", err)
	}
}

func exitOf(err error) int {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	return -1
}

func TestWhatGrowsIsEnded(t *testing.T) {
	n := namespaces(t)
	for name, limits := range map[string]Limits{
		"huge file": {Disk: 64 << 20}, "many large files": {Disk: 64 << 20}, "many files": {Files: 500}, "memory": {Memory: 256 << 20},
		"fork bomb": {Processes: 100, Time: 3 * time.Second}, "loop": {Time: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			dir, started := t.TempDir(), time.Now()
			said, err := attack(t, n, name, dir, dir, limits)
			if err == nil {
				t.Errorf("it was allowed: %s", said)
			}
			over, _ := errors.AsType[*Exceeded](err)
			wants := map[string]string{"many large files": "disk", "many files": "files", "loop": "time"}[name]
			if wants != "" && (over == nil || over.What != wants) {
				t.Errorf("%v %s, want the limit of %s", err, said, wants)
			}
			if took := time.Since(started); took > 2*time.Minute {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestADaemonThatACommandLeavesIsEnded(t *testing.T) {
	mark := rand.Text()
	if said, err := attack(t, namespaces(t), "leave a daemon", mark, "", Limits{}); err != nil {
		t.Fatalf("%v %s", err, said)
	}
	ends(t, mark)
}

func TestNothingOutlivesAHubThatIsKilled(t *testing.T) {
	_ = namespaces(t)
	hub, mark := doomed(t, LevelNamespaces)
	kill(t, hub)
	ends(t, mark)
}

// ends waits for the kernel, which ends a namespace's processes soon after its first one.
func ends(t *testing.T, mark string) {
	t.Helper()
	for range 200 {
		if !running(t, mark) {
			return
		}
		<-time.After(50 * time.Millisecond)
	}
	t.Error("it is still running")
}

func running(t *testing.T, mark string) bool {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if line, err := os.ReadFile(file); err == nil && bytes.Contains(line, []byte(mark)) {
			return true
		}
	}
	return false
}

func TestProcessesAreBoundedToo(t *testing.T) {
	dir := t.TempDir()
	for name, limits := range map[string]Limits{"many large files": {Disk: 64 << 20}, "memory": {Memory: 256 << 20}, "loop": {Time: time.Second}} {
		said, err := attack(t, Process{}, name, dir, dir, limits)
		if _, ok := errors.AsType[*Exceeded](err); !ok {
			t.Errorf("%s: %v %s", name, err, said)
		}
	}
}
