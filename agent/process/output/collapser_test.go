package output

import (
	"bytes"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func collapse(t testing.TB, max int, pieces ...string) string {
	var out bytes.Buffer
	c := NewCollapser(&out, max)
	for _, p := range pieces {
		if n, err := c.Write([]byte(p)); err != nil || n != len(p) {
			t.Fatalf("writing: %d, %v", n, err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestCollapserShowsWhatATerminalWouldKeep(t *testing.T) {
	cases := []struct{ name, in, want string }{
		{"plain lines", "a\nb\n", "a\nb\n"},
		{"no newline at the end", "a\nb", "a\nb\n"},
		{"empty lines stay", "\n\na\n", "\n\na\n"},
		{"progress bar", "\r 10%\r 50%\r100%\nnext\n", "100%\nnext\n"},
		{"bar that ends with a carriage return", " 10%\r100%\r\n", "100%\n"},
		{"windows line ends", "a\r\nb\r\n", "a\nb\n"},
		{"carriage return twice", "a\r\r\n", "a\n"},
		{"bar cut off by death", " 10%\r 37%", " 37%\n"},
		{"bar cut off after its return", " 37%\r", " 37%\n"},
		{"not UTF-8", "\xff\xfe\x00x\n", "\xff\xfe\x00x\n"},
		{"nothing", "", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := collapse(t, 0, c.in); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestCollapserDoesNotDependOnPieces(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		in := []byte(rapid.StringMatching(`[ab\r\n]{0,60}`).Draw(r, "in"))
		max := rapid.IntRange(1, 10).Draw(r, "max")
		var pieces []string
		cuts(r, in, func(b []byte) { pieces = append(pieces, string(b)) })
		if whole, cut := collapse(t, max, string(in)), collapse(t, max, pieces...); whole != cut {
			r.Fatalf("whole %q, in pieces %q", whole, cut)
		}
	})
}

func TestCollapserBoundsALineWithoutEndAndLosesNothingAfterIt(t *testing.T) {
	var out bytes.Buffer
	c := NewCollapser(&out, 1000)
	piece := bytes.Repeat([]byte("x"), 1<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		_, _ = c.Write(piece)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
		t.Errorf("100 MiB without a newline allocated %d bytes", grown)
	}
	_, _ = c.Write([]byte("\nthe next line\n"))
	want := strings.Repeat("x", 1000) + " … [104856600 more bytes of this line]\nthe next line\n"
	if out.String() != want {
		t.Errorf("got %d bytes ending in %q", out.Len(), out.Bytes()[max(0, out.Len()-80):])
	}
}
