package ui

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/hinshun/vt10x"
)

// desk is a terminal emulator with a Screen on it, and a clock.
type desk struct {
	*Screen
	t    *testing.T
	vt   vt10x.Terminal
	raw  bytes.Buffer
	cols int
	now  time.Time
}

func newDesk(t *testing.T, columns, rows int) *desk {
	d := &desk{t: t, vt: vt10x.New(vt10x.WithSize(columns, rows)), cols: columns, now: time.Unix(1e9, 0)}
	d.Screen = New(Options{Out: d, Size: func() int { return d.cols }, Now: func() time.Time { return d.now }})
	return d
}

// Write is the line discipline of a terminal: \n goes out as \r\n. The method of
// the Screen is Lines here.
func (d *desk) Write(p []byte) (int, error) {
	d.raw.Write(p)
	return d.vt.Write(bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n")))
}

func (d *desk) lines(text string)        { _, _ = d.Screen.Write([]byte(text)) }
func (d *desk) program(text string)      { _, _ = io.WriteString(d.Other(), text) }
func (d *desk) pass(by time.Duration)    { d.now = d.now.Add(by) }
func (d *desk) resize(columns, rows int) { d.cols = columns; d.vt.Resize(columns, rows) }
func (d *desk) at() (column, row int)    { c := d.vt.Cursor(); return c.X, c.Y }

// want compares what is seen, without empty lines at the end.
func (d *desk) want(want ...string) {
	d.t.Helper()
	var got []string
	for line := range strings.Lines(d.vt.String()) {
		got = append(got, strings.TrimRight(line, " \n"))
	}
	for len(got) > 0 && got[len(got)-1] == "" {
		got = got[:len(got)-1]
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		d.t.Errorf("seen:\n%s\nwanted:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestRowsStayBelowTheLines(t *testing.T) {
	d := newDesk(t, 60, 6)
	for i := range 9 {
		d.Show(Row{Label: "downloading", Done: int64(i), Total: 8, Parts: []string{"1 MiB/s"}}, Row{Label: "converting"})
		d.lines(fmt.Sprintf("fact %d", i))
	}
	d.want("fact 6", "fact 7", "fact 8", "downloading ━━━━━━━━━━━━━━ 100%  1 MiB/s", "converting")
	d.Show()
	d.want("fact 6", "fact 7", "fact 8")
	if strings.Contains(d.raw.String(), "[?25l") || strings.Contains(d.raw.String(), "[?1049") {
		t.Error("a terminal mode was set")
	}
}

func TestLinesAndTheCardWithoutRows(t *testing.T) {
	d := newDesk(t, 60, 9)
	d.opt.NoRows = true
	d.Show(Row{Label: "downloading", Done: 1, Total: 8})
	d.lines("fact 1\n")
	d.Show(Row{Label: "downloading", Done: 2, Total: 8})
	d.want("fact 1")
	if d.HasRows() || (*Screen)(nil).HasRows() || !newDesk(t, 60, 9).HasRows() {
		t.Error("HasRows")
	}
	d.End(Card{Good: true, Title: "succeeded"})
	if seen := d.vt.String(); !strings.Contains(seen, "✓ succeeded") || strings.Contains(seen, "downloading") {
		t.Error(seen)
	}
}

func TestRowsGiveWayToAnotherProgram(t *testing.T) {
	d := newDesk(t, 60, 8)
	row := Row{Label: "epoch 1/3", Parts: []string{"1 min left"}}
	d.Show(row)
	d.want("epoch 1/3  1 min left")
	d.program("hello\n")
	d.want("hello")
	d.Show(row)
	d.want("hello") // it may go on at once
	d.pass(quiet)
	d.Show(row)
	d.want("hello", "epoch 1/3  1 min left")
	d.program("half a li")
	d.want("hello", "half a li")
	d.pass(time.Hour)
	d.Show(row)
	d.want("hello", "half a li")
	d.program("ne\n")
	d.pass(time.Hour)
	d.Show(row)
	d.want("hello", "half a line", "epoch 1/3  1 min left")
}

func TestLinesGoAboveAProgressBar(t *testing.T) {
	for rows := 3; rows < 6; rows++ { // at the last row of the terminal, and above it
		d := newDesk(t, 40, rows)
		d.program("start\n")
		for i := range 3 {
			d.program(fmt.Sprintf("\rtraining %d%%", 10*i))
			d.lines(fmt.Sprintf("fact %d", i))
			d.program("!")
		}
		d.program("\rtraining 99%!\n")
		want := []string{"start", "fact 0", "fact 1", "fact 2", "training 99%!"}
		d.want(want[max(0, len(want)+1-rows):]...)
	}
}

func TestALongLineAboveAProgressBarTakesItsRows(t *testing.T) {
	d := newDesk(t, 20, 6)
	d.program("bar 10%")
	d.lines("a line of more than twenty columns and://an/address/of/more\n")
	d.program("\rbar 20%\n")
	d.want("a line of more than", "  twenty columns", "  and://an/address/o", "f/more", "bar 20%")
}

// Each line is inserted for itself: more at once than the terminal has rows would
// push the program's own line out, and end where it then writes.
func TestMoreLinesThanRowsAboveAProgressBar(t *testing.T) {
	d := newDesk(t, 40, 4)
	d.program("bar 10%")
	var all strings.Builder
	for i := range 9 {
		fmt.Fprintf(&all, "fact %d\n", i)
	}
	d.lines(all.String())
	d.want("fact 6", "fact 7", "fact 8", "bar 10%")
	d.program("\rbar 20%\n")
	d.want("fact 7", "fact 8", "bar 20%")
}

func TestLinesWaitForAProgramThatDrawsSeveralLines(t *testing.T) {
	d := newDesk(t, 40, 8)
	frame := func(i int) { d.program(fmt.Sprintf("one %d\ntwo %d\n\x1b[2A", i, i)) }
	frame(1)
	d.lines("fact")
	d.pass(time.Second)
	frame(2)
	d.want("one 2", "two 2")
	d.program("\n\n")
	d.pass(drawing)
	d.Show()
	d.want("one 2", "two 2", "fact")

	frame(3)
	d.lines("not for ever")
	for range int(patience/time.Second) + 1 {
		d.pass(time.Second)
		frame(4)
		d.Show()
	}
	if !strings.Contains(d.vt.String(), "not for ever") {
		t.Error("a line waits for ever")
	}
}

func TestAnEditorIsLeftAlone(t *testing.T) {
	d := newDesk(t, 40, 5)
	d.program("\x1b[?1049h\x1b[H")
	d.program("text\n")
	d.lines("fact")
	d.pass(time.Hour)
	d.Show(Row{Label: "row"})
	d.want("text")
	d.program("\x1b[?1049l")
	d.pass(time.Hour)
	d.Show()
	if !strings.Contains(d.vt.String(), "fact") {
		t.Errorf("the line is lost: %q", d.vt.String())
	}
}

func TestASequenceInTwoWritesStaysWhole(t *testing.T) {
	d := newDesk(t, 40, 5)
	d.program("\x1b[3")
	d.lines("fact")
	d.program("1mred\x1b[m \xc3")
	d.program("\xa9!")
	if got := d.raw.String(); !strings.HasPrefix(got, "\x1b[31mred\x1b[m \xc3\xa9!") || !strings.Contains(got, "fact") {
		t.Errorf("%q", got)
	}
}

func TestWhatAKilledProgramLeftIsPutRight(t *testing.T) {
	d := newDesk(t, 40, 5)
	d.program("\x1b[?25lbar 10%\x1b[3")
	d.lines("fact")
	d.Done()
	d.lines("end")
	d.Close()
	d.want("bar 10%", "fact", "end")
	if !strings.HasSuffix(d.raw.String(), "end\r\n") || !strings.Contains(d.raw.String(), "\x1b[?25h") {
		t.Errorf("%q", d.raw.String())
	}
	if x, y := d.at(); x != 0 || y != 3 {
		t.Errorf("the cursor is at %d, %d", x, y)
	}
}

func TestRowsFitAnyWidth(t *testing.T) {
	row := Row{Label: "downloading", Done: 42, Total: 100, Parts: []string{"12 MiB/s", "8.0 s left", "42 of 100 MiB", "1,234 of 5,678 files"}}
	for columns := 1; columns < 300; columns++ {
		for _, line := range renderAll([]Row{row, {Label: "ein sehr langer Name eines Checkpoints.pt", Parts: []string{"한국어 텍스트"}}}, columns, true) {
			if w := width(line); w >= columns && columns > 16 || w > maxColumns {
				t.Errorf("%d columns in a terminal of %d: %q", w, columns, line)
			}
		}
	}
	for columns, want := range map[int]string{
		40:  "downloading ━━━──────  42%  12 MiB/s",
		80:  "downloading ━━━━━━━────────────  42%  12 MiB/s · 8.0 s left · 42 of 100 MiB",
		250: "downloading ━━━━━━━━━━━────────────────  42%  12 MiB/s · 8.0 s left · 42 of 100 MiB · 1,234 of 5,678 files",
	} {
		if got := renderAll([]Row{row}, columns, false)[0]; got != want {
			t.Errorf("%d columns: %q, want %q", columns, got, want)
		}
	}
}

func TestAWiderWindowIsUsedAtOnce(t *testing.T) {
	d := newDesk(t, 40, 6)
	row := Row{Label: "downloading", Done: 1, Total: 2, Parts: []string{"1 MiB/s", "42 of 100 MiB"}}
	d.Show(row)
	d.resize(80, 6)
	d.Show(row)
	d.Show()
	d.want()
	d.lines("end")
	d.want("end")
}

func TestTextFromOutsideCommandsNothing(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"plain ünïcode 한", "plain ünïcode 한"},
		{"\x1b[31mred\x1b[m\x1b]0;title\x07", "red]0;title"},
		{"a\rb\tc\x9bH", "ab c�H"},
		{"abc\u202edef", "abcdef"},
		{"\x1b[", ""},
	} {
		if got := Clean(c.in); got != c.want {
			t.Errorf("%q became %q, want %q", c.in, got, c.want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("\x1b[31mred\x1b[")
	f.Add("\x1b\x1b[[m\xff")
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range Clean(text) {
			if controls(r) {
				t.Errorf("%q is left of %q", r, text)
			}
		}
	})
}

func FuzzTracker(f *testing.F) {
	f.Add([]byte("\x1b[31mred\n\x1b]0;t\x07\x1bP\x1b\\é"))
	f.Fuzz(func(t *testing.T, p []byte) {
		var whole, parts tracker
		whole.feed(p, time.Time{})
		for i := range p {
			parts.feed(p[i:i+1], time.Time{})
		}
		if whole.state != parts.state || whole.start != parts.start || len(whole.params) > maxParams {
			t.Errorf("%+v in one, %+v in parts", whole, parts)
		}
	})
}

func TestLinesOfAMessageDoNotRunTogether(t *testing.T) {
	joined := errors.Join(errors.New("closing the log"), errors.New("closing the store"))
	if got := Clean(joined.Error() + "\r\n"); got != "closing the log closing the store" {
		t.Errorf("%q", got)
	}
}

func TestCardKeepsAddressesWhole(t *testing.T) {
	card := Card{Title: "failed CUDA_OOM", Details: []string{"job-1", "exit code 1"}, Sections: []Section{
		{Name: "why", Loud: true, Lines: []string{"Out of GPU memory. Try reducing batch_size. It was 16."}},
		{Name: "nothing"},
		{Name: "objects", Whole: true, Lines: []string{" 1.9 MiB  s3://bucket/checkpoints/job-1/best.pt"}},
	}}
	for columns, want := range map[int]string{
		80: "\n✗ failed CUDA_OOM  job-1 · exit code 1\n" +
			"  why        Out of GPU memory. Try reducing batch_size. It was 16.\n" +
			"  objects     1.9 MiB  s3://bucket/checkpoints/job-1/best.pt\n\n",
		40: "\n✗ failed CUDA_OOM  job-1 · exit code 1\n" +
			"  why\n    Out of GPU memory. Try reducing\n      batch_size. It was 16.\n" +
			"  objects\n     1.9 MiB  s3://bucket/checkpoints/job-1/best.pt\n\n",
	} {
		var got bytes.Buffer
		if card.print(&got, columns, false); got.String() != want {
			t.Errorf("%d columns:\n%s\nwanted\n%s", columns, got.String(), want)
		}
		got.Reset()
		if card.print(&got, columns, true); plainText(got.String())+"\n\n" != want || !strings.Contains(got.String(), "\x1b[1;31m✗ failed CUDA_OOM") {
			t.Errorf("in colour: %q", got.String())
		}
	}
}

func TestDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1234 * time.Millisecond: "1.2 s", 4 * time.Second: "4 s", 42*time.Second + 1: "42 s",
		200 * time.Second: "3 min 20 s", 7500 * time.Second: "2 h 5 min",
	} {
		if got := Duration(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
