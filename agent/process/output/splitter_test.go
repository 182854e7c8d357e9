package output

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestALogThatTakesNothingKeepsNothingFromTheOthers(t *testing.T) {
	var console bytes.Buffer
	o := NewSplitter(&console, broken{}, nil, func() {})
	for _, piece := range []string{"epoch 1\nOSError: [Errno 28] No space", " left on device\n"} {
		if n, err := o.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Errorf("%d of %d bytes: %v", n, len(piece), err)
		}
	}
	if err := o.Close(); err == nil || !strings.Contains(err.Error(), "training.log lacks a part of the output: disk full") {
		t.Errorf("nobody is told: %v", err)
	}
	said := []string{"epoch 1", "OSError: [Errno 28] No space left on device"}
	if got := o.Tail(); !slices.Equal(got, said) {
		t.Errorf("the diagnosis reads %q", got)
	}
	if got := console.String(); got != strings.Join(said, "\n")+"\n" {
		t.Errorf("the console has %q", got)
	}
}
