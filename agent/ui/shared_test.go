package ui

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestALogLineBeginsOnALineOfItsOwn(t *testing.T) {
	var file bytes.Buffer
	s := NewShared(&file)
	for _, w := range []struct {
		to   io.Writer
		text string
	}{
		{s.Log(), "one\n"}, {s.Output(), " 10%|#"}, {s.Log(), "two\n"}, {s.Log(), "three\n"}, {s.Output(), " 20%|##\n"}, {s.Log(), "four\n"},
	} {
		if n, err := io.WriteString(w.to, w.text); n != len(w.text) || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
	}
	if got, want := file.String(), "one\n 10%|#\ntwo\nthree\n 20%|##\nfour\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestSameFile(t *testing.T) {
	dir := t.TempDir()
	open := func(name string) *os.File {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	if a := open("a"); !SameFile(a, open("a")) || SameFile(a, open("b")) {
		t.Error("files are mixed up")
	}
}
