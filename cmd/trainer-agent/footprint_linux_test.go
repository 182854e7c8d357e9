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

// What the agent may take beside a training that it has nothing to do for, in bytes.
// Its own memory is what counts against the container's limit and what no kernel can
// take back; 7.4 MiB are measured with an S3 store. The rest of its resident set, up to
// 26 MiB, are pages of its program that happen to be in the page cache: how many
// depends on the machine, and the kernel takes them back first. The house's target of
// 25 MB for both together is met only while they are not all there.
const (
	idleOwn      = 12 << 20
	idleResident = 40 << 20
)

func TestAgentIsSmallBesideATraining(t *testing.T) {
	j := newJob(t, "waits").start().ready()
	j.eventually("the agent is small", func() bool {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", j.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		return sizeOf(t, string(status), "RssAnon:") <= idleOwn && sizeOf(t, string(status), "VmRSS:") <= idleResident
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
