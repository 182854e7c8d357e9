package main_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

// idleOwn is what the agent may take of its own beside a training that it has nothing to do
// for, in bytes: that counts against the container's limit, and no kernel can take it back;
// 8 MiB are measured. The rest of its resident set, about 30 MiB, are pages of its program that
// happen to be in the page cache: the machine decides how many, and the kernel takes them
// back first, so no bound is asked of them (docs/benchmarks.md has the figure).
const idleOwn = 12 << 20

func TestAgentIsSmallBesideATraining(t *testing.T) {
	j := newJob(t, "waits").start().ready()
	var own int
	defer func() { t.Logf("%d bytes are the agent's own", own) }()
	j.eventually("the agent is small", func() bool {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", j.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		own = sizeOf(t, string(status), "RssAnon:")
		return own <= idleOwn
	})
	_ = j.cmd.Process.Signal(syscall.SIGTERM)
	if code := j.wait(); code != contract.ExitStopped {
		t.Errorf("exit code %d\n%s", code, j.stderr.String())
	}
}

// sizeOf is a size of /proc/PID/status, in bytes.
func sizeOf(t *testing.T, status, field string) int {
	t.Helper()
	_, rest, _ := strings.Cut(status, field)
	kib, err := strconv.Atoi(append(strings.Fields(rest), "")[0])
	if err != nil {
		t.Fatalf("%s in %q: %v", field, status, err)
	}
	return kib << 10
}
