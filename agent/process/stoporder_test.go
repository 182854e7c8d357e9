package process

import (
	"slices"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/process/table"
)

// Each is who a stop asks first in one kind of process tree. The leader is 10.
func TestWhoIsAskedFirst(t *testing.T) {
	type row struct {
		pid, parent int
		name        string
		handles     bool
	}
	cases := map[string]struct {
		tree []row
		want []int // nil: the whole group
	}{
		"a script with a handler and its workers":  {[]row{{10, 1, "python", true}, {11, 10, "python", true}, {12, 10, "python", true}}, []int{10}},
		"torchrun passes it on to its ranks":       {[]row{{10, 1, "torchrun", true}, {11, 10, "python", true}, {12, 10, "python", true}}, []int{10}},
		"a shell before the script":                {[]row{{10, 1, "sh", false}, {11, 10, "python", true}, {12, 11, "python", true}}, []int{10, 11}},
		"a shell with a trap waits for the script": {[]row{{10, 1, "bash", true}, {11, 10, "python", true}}, []int{10, 11}},
		"a shell and a launcher without handlers":  {[]row{{10, 1, "sh", false}, {11, 10, "accelerate", false}, {12, 11, "python", true}, {13, 12, "python", true}}, []int{10, 12}},
		"nobody has a handler":                     {[]row{{10, 1, "python", false}, {11, 10, "python", false}}, nil},
		"the nearest, not the first by number":     {[]row{{10, 1, "sh", false}, {11, 20, "python", true}, {20, 10, "python", true}}, []int{10, 20}},
		"somebody else's process":                  {[]row{{10, 1, "sh", false}, {11, 1, "python", true}}, nil},
		"the leader is gone from the table":        {[]row{{11, 10, "python", true}}, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var all []table.Process
			handlers := map[int]bool{}
			for _, r := range tc.tree {
				all = append(all, table.Process{PID: r.pid, PPID: r.parent, Name: r.name, State: 'S'})
				handlers[r.pid] = r.handles
			}
			var got []int
			for _, p := range firstAsked(all, 10, func(p table.Process) bool { return handlers[p.PID] }) {
				got = append(got, p.PID)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("asked %v, want %v", got, tc.want)
			}
		})
	}
}

func TestTheWorkersOfATrainerLiveUntilItHasSaved(t *testing.T) {
	s := newSupervisor(t, Options{})
	c, out := startReady(t, s, Spec{Main: true}, "workshop")
	got := c.Stop(t.Context(), Stop{Grace: longGrace})
	if got.Killed || c.Status().ExitCode != 3 || !contains(out.String(), "worker lives: true") {
		t.Errorf("outcome %+v, status %v, output %q", got, c.Status(), out.String())
	}
}

func TestARankOfALauncherIsAskedOnce(t *testing.T) {
	s := newSupervisor(t, Options{})
	c, out := startReady(t, s, Spec{Main: true}, "launcher")
	c.Stop(t.Context(), Stop{Grace: longGrace})
	if got := out.String(); !contains(got, "count 15 1\n") {
		t.Errorf("the rank got %q", got)
	}
}

func TestTheRestOfTheGroupIsAskedLateInTheGrace(t *testing.T) {
	s := newSupervisor(t, Options{})
	c, out := startReady(t, s, Spec{Main: true}, "patient")
	grace := 40 * time.Second // the worker ends when the last quarter of it, or the last 5 s, begin
	ctx := t.Context()
	asked, ok := c.ask(15)
	if !ok || len(asked) != 1 || asked[0].PID != c.PID() {
		t.Fatalf("asked %v", asked)
	}
	if lateIn(grace) != 35*time.Second || lateIn(time.Second) != 750*time.Millisecond {
		t.Errorf("late in %v and %v", lateIn(grace), lateIn(time.Second))
	}
	ended := c.waitGroup(ctx, Stop{Signal: 15, Grace: 2 * time.Second}, asked)
	if c.Status(); !ended || !contains(out.String(), "worker gone") {
		t.Errorf("the worker was not asked: %q", out.String())
	}
}
