package logline

import (
	"slices"
	"strings"
	"testing"
)

func TestATracebackInsideALineIsUnpacked(t *testing.T) {
	for l, want := range map[string][]string{
		`{"level": "error", "exc_info": "Traceback (most recent call last):\n  File \"/app/a.py\", line 3, in f\nKeyError: 'x'"}`: {
			`{"level": "error", "exc_info": `, "Traceback (most recent call last):", `  File "/app/a.py", line 3, in f`, "KeyError: 'x'",
		},
		`{'error': 'boom\nTraceback (most recent call last):\n  File "/app/a.py", line 3, in f\nKeyError: \'x\''}`: {
			`{'error': `, "boom", "Traceback (most recent call last):", `  File "/app/a.py", line 3, in f`, "KeyError: 'x'",
		},
		`{"log": "Traceback (most recent call last):\n  File \"/app/a.py\", li`: { // cut
			`{"log": `, "Traceback (most recent call last):", `  File "/app/a.py", li`,
		},
		`{"exception": [{"exc_type": "KeyError", "exc_value": "'x'", "frames": [{"filename": "/app/a.py", "lineno": 3, "name": "f", "line": "y"}]}]}`: {
			`{"exception": [{"exc_type": "KeyError", "exc_value": "'x'", "frames": [{"filename": "/app/a.py", "lineno": 3, "name": "f", "line": "y"}]}]}`,
			"Traceback (most recent call last):", `  File "/app/a.py", line 3, in f`, "    y", "KeyError: 'x'",
		},
		`[rank1]: {"exc_info": "Traceback (most recent call last):\nKeyError: 1"}`: {
			`[rank1]: {"exc_info": `, "[rank1]: Traceback (most recent call last):", "[rank1]: KeyError: 1",
		},
		`Traceback (most recent call last):\nhere`: {`Traceback (most recent call last):\nhere`}, // in no quotes
		`{"epoch": 1}`: {`{"epoch": 1}`},
	} {
		if got := Unpack(l); !slices.Equal(got, want) {
			t.Errorf("%s:\n%q, want\n%q", l, got, want)
		}
	}
}

func TestAnUnpackedTracebackKeepsItsEnd(t *testing.T) {
	got := Unpack(`"Traceback (most recent call last):\n` + strings.Repeat(`  x\n`, 5000) + `KeyError: 1"`)
	if len(got) > maxUnpacked+2 || got[1] != Traceback+":" || got[len(got)-1] != "KeyError: 1" {
		t.Errorf("%d lines, the last %q", len(got), got[len(got)-1])
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(`{"a": "Traceback (most recent call last):\nx"}`)
	f.Add(`{"exception": [{"exc_type": "A", "frames": []}]}`)
	f.Add(`'Traceback (most recent call last):\n\`)
	f.Fuzz(func(t *testing.T, l string) {
		if got := Unpack(l); len(got) == 0 || len(got) > maxUnpacked+2 {
			t.Errorf("%d lines", len(got))
		}
	})
}
