package job

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/host"
	"github.com/vision-platform/trainer-agent/contract"
)

func TestARunThatWasKilledIsReportedTruthfully(t *testing.T) {
	path := filepath.Join(t.TempDir(), "life.json")
	first, earlier, err := Mark(path, "", time.Unix(0, 0), host.Memory{})
	if err != nil || earlier != nil {
		t.Fatalf("a fresh workspace: %v %v", earlier, err)
	}
	second, earlier, err := Mark(path, "", time.Unix(1, 0), host.Memory{})
	if err != nil || earlier == nil || earlier.Code != contract.CodeStopped {
		t.Fatalf("after a kill: %+v %v", earlier, err)
	}
	second.Memory(90, 1<<29, 1<<30)
	second.Memory(95, 1<<29, 1<<30)
	_, earlier, err = Mark(path, "", time.Unix(2, 0), host.Memory{})
	if err != nil || earlier.Code != contract.CodeHostOOM || !strings.Contains(earlier.Message, "95 % of 1.0 GiB") {
		t.Fatalf("after a kill with memory full: %+v %v", earlier, err)
	}
	if err := first.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, earlier, err = Mark(path, "", time.Unix(3, 0), host.Memory{}); err != nil || earlier != nil {
		t.Fatalf("after a run that ended: %v %v", earlier, err)
	}
}

// A group kill that was quicker than the watch left no mark; the cgroup's own count
// tells of it, if the next run is in the same one.
func TestKillsThatTheCgroupCountedAreReported(t *testing.T) {
	path := filepath.Join(t.TempDir(), "life.json")
	reading := func(group uint64, kills int64) host.Memory { return host.Memory{Group: group, OOMKills: &kills} }
	for i, c := range []struct {
		now  host.Memory
		want contract.Code
	}{
		{reading(7, 3), contract.CodeStopped}, // the run before knew of no cgroup
		{reading(7, 3), contract.CodeStopped},
		{reading(7, 5), contract.CodeHostOOM},
		{reading(8, 9), contract.CodeStopped},
		{host.Memory{}, contract.CodeStopped},
	} {
		if i == 0 {
			if _, _, err := Mark(path, "", time.Unix(0, 0), host.Memory{}); err != nil {
				t.Fatal(err)
			}
		}
		if _, earlier, err := Mark(path, "", time.Unix(0, 0), c.now); err != nil || earlier.Code != c.want {
			t.Errorf("run %d: %+v, %v, want %s", i, earlier, err, c.want)
		}
	}
}

// Memory that falls because the training has ended is noted when the run has said how
// it ended: the next run must not take it for one that was killed.
func TestAMarkerThatIsGoneStaysAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "life.json")
	m, _, err := Mark(path, "", time.Unix(0, 0), host.Memory{})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Remove(); err != nil {
		t.Fatal(err)
	}
	m.Memory(95, 1, 2)
	m.Eased()
	m.After(&PreviousRun{InARow: 1})
	m.Now(View{}, host.Memory{})
	if _, earlier, err := Mark(path, "", time.Unix(1, 0), host.Memory{}); err != nil || earlier != nil {
		t.Errorf("the next run finds %+v, %v", earlier, err)
	}
}
