package stop

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
			for _, p := range First(all, 10, func(p table.Process) bool { return handlers[p.PID] }) {
				got = append(got, p.PID)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("asked %v, want %v", got, tc.want)
			}
		})
	}
}

func TestWhenTheRestIsAsked(t *testing.T) {
	for grace, want := range map[time.Duration]time.Duration{40 * time.Second: 35 * time.Second, time.Second: 750 * time.Millisecond} {
		if got := Late(grace); got != want {
			t.Errorf("with a grace of %v: after %v, want %v", grace, got, want)
		}
	}
}

func TestSurvivorsAreNamed(t *testing.T) {
	if err := Survivors(nil); err != nil {
		t.Error(err)
	}
	err := Survivors([]table.Process{{PID: 7, Name: "python", State: 'D'}, {PID: 9, Name: "nccl", State: 'R'}})
	if want := "2 processes could not be killed: 7 (python, state D), 9 (nccl, state R)"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
