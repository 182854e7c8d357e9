package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/backend"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

const memoryLimit = 96 << 20

// fill has the training take memory up to each level that is warned about, and then
// all of it. It goes on when the warning has come.
func (j *job) fill(warned func(level int) bool) {
	j.t.Helper()
	for _, level := range []int{90, 95} {
		j.eventually(fmt.Sprintf("the warning of %d %%", level), func() bool { return warned(level) })
		_ = j.cmd.Process.Signal(syscall.SIGUSR1) // the agent passes it on
	}
}

// told: the backend has the warning.
func (j *job) told(level int) bool { return slices.Contains(j.memoryWarnings(), level) }

// kept: the event is on disk, where the mark is before it.
func (j *job) kept(level int) bool {
	mark, _ := os.ReadFile(filepath.Join(j.workspace, ".agent", "life.json"))
	if !bytes.Contains(mark, fmt.Appendf(nil, `"memory_percent":%d`, level)) {
		return false
	}
	event := fmt.Appendf(nil, `"percent":%d,"resource":"memory"`, level)
	found := false
	_ = filepath.WalkDir(filepath.Join(j.workspace, ".agent", "outbox"), func(path string, _ os.DirEntry, _ error) error {
		b, _ := os.ReadFile(path)
		found = found || bytes.Contains(b, event)
		return nil
	})
	return found
}

// eventually waits for what nothing announces.
func (j *job) eventually(what string, holds func() bool) {
	j.t.Helper()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	giveUp := time.NewTimer(patience)
	defer giveUp.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-giveUp.C:
			j.t.Fatalf("never happened: %s\n%s", what, j.stderr.String())
		}
	}
}

// memoryWarnings are the levels that the backend was told of, in order.
func (j *job) memoryWarnings() (levels []int) {
	for _, e := range j.events(contract.EventResourceWarning) {
		var data struct {
			Resource string `json:"resource"`
			Percent  int    `json:"percent"`
			Limit    int64  `json:"limit_bytes"`
		}
		if err := json.Unmarshal(e.Data, &data); err != nil {
			j.t.Fatal(err)
		}
		if data.Resource == "memory" && data.Limit == memoryLimit {
			levels = append(levels, data.Percent)
		}
	}
	return levels
}

// On v1, and on v2 without memory.oom.group, the kernel takes the training alone.
func TestTrainingThatMemoryKilledIsReported(t *testing.T) {
	if os.Getenv(guestVariable) == "" {
		t.Run("v2", func(t *testing.T) { passedInGuest(t, "TestTrainingThatMemoryKilledIsReported") })
	}
	group := need.MemoryGroup(t, memoryLimit)
	j := newJob(t, "fills", group)
	j.group = group
	j.start().fill(j.told)
	if code := j.wait(); code != contract.CodeHostOOM.ExitCode() {
		t.Fatalf("exit code %d\n%s", code, j.stderr.String())
	}
	d := j.done()
	if d.Error == nil || d.Error.Code != contract.CodeHostOOM || d.ExitCode == nil || *d.ExitCode != 137 {
		t.Errorf("done: %+v", d)
	}
	if !strings.Contains(strings.Join(d.Error.Evidence, "\n"), "oom_kill +1") {
		t.Errorf("evidence: %q", d.Error.Evidence)
	}
	if got := j.memoryWarnings(); !slices.Equal(got, []int{90, 95}) {
		t.Errorf("warned of %v", got)
	}
	for _, c := range backend.Accepted(j.calls(), contract.KindHeartbeat) {
		var h contract.Heartbeat
		if err := c.Decode(&h); err != nil {
			t.Fatal(err)
		}
		if m := h.System.Memory; m == nil || m.LimitBytes != memoryLimit || m.UsedBytes <= 0 || m.UsedBytes > memoryLimit || m.OOMKills == nil {
			t.Errorf("a heartbeat's memory: %+v", m)
		}
		if h.System.CPU == nil || h.System.CPU.Limit <= 0 {
			t.Errorf("a heartbeat's processor: %+v", h.System.CPU)
		}
	}
}

// With memory.oom.group, which the kubelet sets, the kernel takes the agent too. The
// backend is away at the time, so that all there is of it is on disk.
func TestAgentThatMemoryKilledIsReportedByTheNext(t *testing.T) {
	if !inGuest(t) {
		return
	}
	j, outage := killedWithItsGroup(t, memoryLimit, func(j *job) { j.fill(j.kept) })
	shared.Backend.RemoveFault(outage)
	j.command[2] = "ok"
	j.mustExit(0)
	if got := j.memoryWarnings(); !slices.Equal(got, []int{90, 95}) {
		t.Errorf("the spool of the first life warned of %v", got)
	}
	j.toldOfMemory("95 % of 96 MiB")
	if d := j.done(); d.Status != contract.StatusSucceeded {
		t.Errorf("done: %+v", d)
	}
}

// Memory that is taken faster than it is watched leaves the count of the cgroup.
func TestAgentThatMemoryKilledAtOnceIsReportedByTheNext(t *testing.T) {
	if !inGuest(t) {
		return
	}
	j, outage := killedWithItsGroup(t, memoryLimit, func(*job) {}, "at once")
	shared.Backend.RemoveFault(outage)
	j.command[2] = "quick"
	j.mustExit(0)
	j.toldOfMemory("ran out of memory")
}

// Every pod begins with an empty workspace: what it knows of the one before is in the
// bucket, and what the kubelet has of that one is the termination message.
func TestMemoryThatKillsTwoPodsEndsTheJob(t *testing.T) {
	if !inGuest(t) {
		return
	}
	const message = "/dev/termination-log"
	if err := os.WriteFile(message, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Remove(message) }()
	// At 95 % of a small container the agent's own program is read anew from the disk, so that
	// only the first level is sure to reach the bucket.
	full := func(j *job) {
		j.fill(func(level int) bool { return j.kept(level) && (level > 90 || j.inBucket(level)) })
	}
	j, outage := killedWithItsGroup(t, 256<<20, full)
	if b, _ := os.ReadFile(message); !bytes.Contains(b, []byte(`"code":"HOST_OOM"`)) || !bytes.Contains(b, []byte("95 % of 256 MiB")) {
		t.Errorf("the termination message: %q", b)
	}
	j.workspace = t.TempDir()
	j.with("WORKSPACE_DIR", j.workspace).dies(full)
	shared.Backend.RemoveFault(outage)
	j.workspace = t.TempDir()
	j.with("WORKSPACE_DIR", j.workspace).mustExit(contract.ExitFailed)
	if d := j.done(); d.Error == nil || d.Error.Code != contract.CodeHostOOM || !strings.Contains(*d.ErrorMessage, "2 runs of this job in a row") || d.Error.Hint == "" {
		t.Errorf("done: %+v", d.Error)
	}
	if told := j.events(contract.EventPreviousRunKilled); len(told) != 1 || !strings.Contains(string(told[0].Data), `"phase":"running"`) {
		t.Errorf("the third pod says of the second: %+v", told)
	}
	if left := j.objects("jobs/" + j.id + "/life"); len(left) > 0 {
		t.Errorf("the run has said how it ended and left %v", left)
	}
}

// inBucket: the mark in the bucket has the level too.
func (j *job) inBucket(level int) bool {
	mark := j.object(contract.RunMarkerKey(j.id, 0))
	return bytes.Contains(mark, fmt.Appendf(nil, `"memory_percent":%d`, level))
}

// killedWithItsGroup is a job whose agent died with its training. The backend is
// away until the outage is removed.
func killedWithItsGroup(t *testing.T, limit int64, drive func(*job), how ...string) (j *job, outage int) {
	t.Helper()
	group := need.MemoryGroup(t, limit)
	if err := os.WriteFile(filepath.Join(group, "memory.oom.group"), []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	j = newJob(t, "fills", append([]string{group}, how...)...)
	outage, err := shared.Backend.AddFault(backend.Fault{Job: j.id, Drop: true})
	if err != nil {
		t.Fatal(err)
	}
	j.group = group
	j.dies(drive)
	if got := backend.Accepted(j.calls()); len(got) > 0 {
		t.Fatalf("the backend accepted %d calls of the first life", len(got))
	}
	return j, outage
}

// dies is a life that the kernel ends, training, agent and all.
func (j *job) dies(drive func(*job)) {
	j.t.Helper()
	drive(j.start())
	_ = j.cmd.Wait()
	if status, ok := j.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		j.t.Fatalf("the agent ended with %v\n%s", j.cmd.ProcessState, j.stderr.String())
	}
	if left := j.processes(); len(left) > 0 {
		j.t.Errorf("%v outlived the group", left)
	}
}

// toldOfMemory: the second life says how the first one ended.
func (j *job) toldOfMemory(says string) {
	j.t.Helper()
	starts := j.events(contract.EventAgentStarted)
	if len(starts) != 2 || !strings.Contains(string(starts[1].Data), `"code":"HOST_OOM"`) || !strings.Contains(string(starts[1].Data), says) {
		j.t.Errorf("the second life says of the first: %+v", starts)
	}
}
