package output

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func filled(n int, lines ...string) []string {
	tail := NewTail(n)
	for _, l := range lines {
		_, _ = tail.Write([]byte(l + "\n"))
	}
	return tail.Lines()
}

func series(n int, format string) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf(format, i))
	}
	return out
}

// words are n lines that have nothing in common.
func words(n int) []string {
	var out []string
	for i := range n {
		out = append(out, strings.Repeat("x", 1+i%90)+strings.Repeat("y", 1+i/90))
	}
	return out
}

func TestTailKeepsTheLastLines(t *testing.T) {
	tail := NewTail(3)
	for i, l := range []string{"one", "two", "three", "four", "five", "six"} {
		_, _ = tail.Write([]byte(l + "\n"))
		if got := tail.Lines(); i == 1 && !slices.Equal(got, []string{"one", "two"}) || i == 5 && !slices.Equal(got, []string{"four", "five", "six"}) {
			t.Errorf("after %s: %q", l, got)
		}
	}
}

func TestAFloodTakesFourLinesOfTheTail(t *testing.T) {
	got := filled(10, slices.Concat([]string{"what(): the cause"}, series(500, "frame #%d: f"), []string{"Aborted"})...)
	want := []string{"what(): the cause", "frame #0: f", "frame #1: f", "frame #2: f", "… [496 like lines left out]", "frame #499: f", "Aborted"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestTheFirstErrorOfEveryRankOutlivesTheFarewellsOfOthers(t *testing.T) {
	lines := []string{"[rank1]: Traceback (most recent call last):", `[rank1]:   File "train.py", line 3`, "[rank1]: KeyError: 'labels'"}
	for _, w := range words(300) {
		lines = append(lines, "[rank0]: "+w)
	}
	got := filled(200, lines...)
	if !slices.Equal(got[:3], lines[:3]) || !strings.Contains(got[3], "100 lines left out") || len(got) != 204 {
		t.Errorf("%d lines, first %q", len(got), got[:5])
	}
}

func TestWhatIsStillAmongTheLastLinesIsKeptOnce(t *testing.T) {
	lines := []string{"KeyError: 'x'", "bye"}
	if got := filled(200, lines...); !slices.Equal(got, lines) {
		t.Errorf("%q", got)
	}
}

func TestATroubleThatWasSurvivedMakesRoomForTheNextOne(t *testing.T) {
	lines := slices.Concat([]string{"ImportError: no apex"}, series(2000, "step %d loss 0.3"), []string{"ValueError: the end"}, words(400))
	got := filled(200, lines...)
	if slices.Contains(got, "ImportError: no apex") || got[0] != "ValueError: the end" {
		t.Errorf("first lines %q", got[:3])
	}
}

func TestTheTailIsBounded(t *testing.T) {
	tail := NewTail(0)
	for rank := range 100 {
		for i := range 100 {
			_, _ = fmt.Fprintf(tail, "[rank%d]: %s%s\n", rank, "ValueError: "+strings.Repeat("z", i+1), strings.Repeat("w", 1<<16))
		}
	}
	size := 0
	for _, l := range tail.Lines() {
		size += len(l)
	}
	if most := (DefaultTail + maxProcesses*maxTrouble) * (maxTailLine + 40); size > most {
		t.Errorf("%d bytes, more than %d", size, most)
	}
}

func BenchmarkTail(b *testing.B) {
	tail := NewTail(0)
	line := []byte("2026-03-07 16:00:50,422 Epoch 0: loss_total 8.192e-01 lr 0.001 mem 12313M eta 3:11:01\n")
	for b.Loop() {
		_, _ = tail.Write(line)
	}
}
