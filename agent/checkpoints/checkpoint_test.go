package checkpoints

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/format"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/naming"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/scan"
)

const quiet = 250 * time.Millisecond

// seenFile is a file that a look has just found, last written some time ago.
func seenFile(writtenAgo time.Duration) *checkpoint {
	written := time.Now().Add(-writtenAgo)
	id, _ := naming.File("best.pt")
	src := scan.Source{Identity: id, Rel: "best.pt", Size: 9, Files: []scan.File{{Rel: "best.pt", Version: scan.Version{Inode: 1, Size: 9, Mtime: written.UnixNano()}}}}
	return &checkpoint{src: src, stamp: src.Stamp(), since: time.Now()}
}

// lookFor looks as often as it is asked to, for at most d, and returns how long it
// took until the checkpoint was complete.
func (c *checkpoint) lookFor(d time.Duration, f scan.Findings) (took time.Duration, ok bool) {
	began := time.Now()
	for time.Since(began) <= d {
		again := c.inspect(func(scan.Source) scan.Findings { return f }, quiet, time.Now(), nil)
		if c.state == complete {
			return time.Since(began), true
		}
		if again == 0 {
			return 0, false
		}
		time.Sleep(again)
	}
	return 0, false
}

func TestHowLongAFileHasToHoldStill(t *testing.T) {
	for name, tc := range map[string]struct {
		found scan.Findings
		want  time.Duration // 0 = never
	}{
		"its end is there and nobody writes":                {scan.Findings{End: format.Whole, Leases: true}, quiet},
		"its end is there; a writer can't be known":         {scan.Findings{End: format.Whole}, 8 * quiet},
		"no end mark, and nobody writes":                    {scan.Findings{Leases: true}, 8 * quiet},
		"nothing is known":                                  {scan.Findings{}, 20 * quiet},
		"its end is missing":                                {scan.Findings{End: format.Cut, Leases: true}, 0},
		"no end mark, and a process has it open":            {scan.Findings{Leases: true, Writing: true}, 0},
		"its end is missing, and a process has it open":     {scan.Findings{End: format.Cut, Leases: true, Writing: true}, 0},
		"it is whole; a forked worker keeps its descriptor": {scan.Findings{End: format.Whole, Leases: true, Writing: true}, 30 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			took, ok := seenFile(0).lookFor(10*time.Minute, tc.found)
			late := took - tc.want
			if ok != (tc.want > 0) || ok && (late < 0 || late > 4*quiet) {
				t.Errorf("%s: complete %v after %v, want %v", name, ok, took, tc.want)
			}
		})
	}
}

func TestAFileThatChangesUnderTheLookStartsItsQuietAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := seenFile(0)
		time.Sleep(quiet)
		c.inspect(func(scan.Source) scan.Findings { return scan.Findings{Changed: true} }, quiet, time.Now(), nil)
		if took, ok := c.lookFor(time.Minute, scan.Findings{End: format.Whole, Leases: true}); !ok || took != quiet {
			t.Errorf("complete %v after %v", ok, took)
		}
	})
}

// After the end of the trainer a file with an end mark needs no quiet; one without
// counts when something says that its writer was done with it.
func TestWhatIsWholeAfterTheEnd(t *testing.T) {
	whole, endless := scan.Findings{End: format.Whole, Leases: true}, scan.Findings{Leases: true}
	killed, clean := FinishOptions{}, FinishOptions{Clean: true}
	renamed := func(c *checkpoint) { c.src.Files[0].Version.Ctime = c.src.Files[0].Version.Mtime + 1 }
	closed := func(c *checkpoint) { _, _ = c.lookFor(quiet/2, endless) }
	for name, tc := range map[string]struct {
		found   scan.Findings
		end     FinishOptions
		written time.Duration // before the end
		before  func(*checkpoint)
		want    bool
	}{
		"its end is there":                                {whole, killed, 0, nil, true},
		"no end mark, written as the kill came":           {endless, killed, 0, nil, false},
		"no end mark, and the trainer ended by itself":    {endless, clean, 0, nil, true},
		"no end mark, renamed into place":                 {endless, killed, 0, renamed, true},
		"no end mark, quiet for a while":                  {endless, killed, 3 * time.Second, nil, true},
		"no end mark, a look found it closed":             {endless, killed, 0, closed, true},
		"its end is missing, however long":                {scan.Findings{End: format.Cut, Leases: true}, clean, time.Hour, renamed, false},
		"whole, and a process that stayed has it open":    {scan.Findings{End: format.Whole, Leases: true, Writing: true}, killed, time.Minute, nil, true},
		"no end mark, and a process that stayed has it":   {scan.Findings{Leases: true, Writing: true}, killed, time.Minute, nil, false},
		"whole, where the kernel does not say who writes": {scan.Findings{End: format.Whole}, clean, time.Minute, nil, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := seenFile(tc.written)
			if tc.before != nil {
				tc.before(c)
			}
			tc.end.Ended = time.Now()
			again := c.inspect(func(scan.Source) scan.Findings { return tc.found }, quiet, time.Now(), &tc.end)
			if got := c.state == complete; got != tc.want || again != 0 {
				t.Errorf("%s: complete %v, want %v; look again in %v; %s", name, got, tc.want, again, c.reason)
			}
		})
	}
}

func TestTheLifeOfACheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := map[string]bool{}
		held := func(p place) bool { return up[p.name] }
		c := seenFile(0)
		var states []string
		note := func() { states = append(states, c.state.String()) }
		note()
		c.inspect(func(scan.Source) scan.Findings { return scan.Findings{} }, quiet, time.Now(), nil)
		note()
		_, _ = c.lookFor(time.Minute, scan.Findings{End: format.Whole, Leases: true})
		note()
		c.assign([]place{{name: "best.pt"}, {name: "last.pt"}}, held)
		c.begin(&flight{})
		note()
		c.refuse()
		c.assign(c.places, held)
		note() // failed, and still wanted in both
		c.begin(&flight{})
		c.arrive()
		up["best.pt"] = true
		c.assign(c.places, held)
		note() // one more to go
		if next := c.next(held); next == nil || next.name != "last.pt" {
			t.Errorf("the next place is %v", next)
		}
		c.begin(&flight{})
		c.arrive()
		up["last.pt"] = true
		c.assign(c.places, held)
		note()
		c.assign(append(c.places, place{name: "epoch-3.pt"}), held)
		note() // a place came to it
		c.startOver(time.Now())
		note()
		want := []string{"seen", "settling", "complete", "uploading", "failed", "complete", "uploaded", "complete", "seen"}
		for i := range want {
			if i >= len(states) || states[i] != want[i] {
				t.Fatalf("%q, want %q", states, want)
			}
		}
		if c.changes != 1 {
			t.Errorf("%d changes counted", c.changes)
		}
	})
}

func TestAPauseBetweenTriesGrowsAndIsNeverTheSame(t *testing.T) {
	now := time.Unix(1000, 0)
	var longest time.Duration
	for failures := 1; failures < 30; failures++ {
		r := &retry{failures: failures - 1}
		r.refused(errors.New("away"), now)
		pause := r.notBefore.Sub(now)
		if pause <= 0 || pause > backoffMax+backoffMin {
			t.Errorf("after %d failures %v", failures, pause)
		}
		longest = max(longest, pause)
	}
	if longest < 5*time.Second {
		t.Errorf("the longest pause is %v", longest)
	}
}
