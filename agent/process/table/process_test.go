package table

import (
	"os"
	"slices"
	"testing"
	"time"
)

func TestParseStatReadsAnyName(t *testing.T) {
	line := "4711 (a) R 1 (b) S 17 4700 4699 0 -1 4194560 1 2 3 4 150 50 30 20 20 0 7 0 99 1000 25 18446744073709551615 1 1 0 0 0 0"
	got, err := parseStat([]byte(line), 4096)
	want := Process{
		PID: 4711, PPID: 17, Group: 4700, Session: 4699, Name: "a) R 1 (b", State: 'S', Threads: 7,
		CPU: 2500 * time.Millisecond, RSS: 25 * 4096, started: 99,
	}
	if err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

func FuzzParseStat(f *testing.F) {
	if own, err := os.ReadFile("/proc/self/stat"); err == nil {
		f.Add(own)
	}
	f.Add([]byte("1 (x) S"))
	f.Add([]byte(") 1 ("))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if p, err := parseStat(raw, 4096); err != nil && p != (Process{}) {
			t.Errorf("an error with a process: %+v", p)
		}
	})
}

func TestDescentFollowsParentsAndLeavesOthersOut(t *testing.T) {
	table := []Process{
		{PID: 2, PPID: 1, Session: 2},            // the child
		{PID: 3, PPID: 2, Session: 2},            // its worker
		{PID: 4, PPID: 1, Session: 2},            // an orphan of the child
		{PID: 5, PPID: 1, Session: 5},            // the probe
		{PID: 6, PPID: 5, Session: 5},            // its child
		{PID: 7, PPID: 1, Session: 5},            // an orphan of the probe
		{PID: 8, PPID: 1, Session: 8},            // an orphan in its own session
		{PID: 20, PPID: 19, Session: 20},         // not below us
		{PID: 30, PPID: 31}, {PID: 31, PPID: 30}, // a loop, as two readings of one table may show
	}
	var got []int
	for _, p := range Descent(table, 1, map[int]bool{5: true}) {
		got = append(got, p.PID)
	}
	slices.Sort(got)
	if want := []int{2, 3, 4, 8}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := Descent(table, 30, nil); len(got) != 1 {
		t.Errorf("a loop gives %v", got)
	}
}
