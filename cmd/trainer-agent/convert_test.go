package main_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestConvertScripts runs convert as a person at a desk types it. Every script
// finds cats/ and cats.zip: ten images of a red square each, whose box is the
// square, and one image that is listed and not there.
func TestConvertScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "convert"),
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", filepath.Dir(shared.agent)+string(filepath.ListSeparator)+e.Getenv("PATH"))
			return cats(e.WorkDir)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"framed": framed},
	})
}

// The square in each image, in pixels.
var square = image.Rect(16, 12, 48, 36)

func cats(dir string) error {
	files := map[string][]byte{}
	images := []any{map[string]any{"id": 99, "file_name": "gone.jpg"}}
	for i := range 10 {
		im := image.NewRGBA(image.Rect(0, 0, 64, 48))
		for y := square.Min.Y; y < square.Max.Y; y++ {
			for x := square.Min.X; x < square.Max.X; x++ {
				im.Set(x, y, color.RGBA{255, 0, 0, 255})
			}
		}
		var out bytes.Buffer
		if err := jpeg.Encode(&out, im, nil); err != nil {
			return err
		}
		name := fmt.Sprintf("%d.jpg", i)
		files["images/"+name] = out.Bytes()
		images = append(images, map[string]any{"id": i, "file_name": name, "annotations": []any{
			map[string]any{"class_id": 4 + i%2, "bbox": []int{square.Min.X, square.Min.Y, square.Dx(), square.Dy()}}}})
	}
	text, err := json.Marshal(map[string]any{"images": images, "classes": []any{map[string]any{"id": 4, "name": "cat"}, map[string]any{"id": 5, "name": "dog"}}})
	if err != nil {
		return err
	}
	files["annotations.json"] = text
	archive, err := os.Create(filepath.Join(dir, "cats.zip"))
	if err != nil {
		return err
	}
	w := zip.NewWriter(archive)
	for name, content := range files {
		path := filepath.Join(dir, "cats", filepath.FromSlash(name))
		entry, err := w.Create(name)
		if err == nil {
			_, err = entry.Write(content)
		}
		if err := errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o644)); err != nil {
			return err
		}
	}
	return errors.Join(w.Close(), archive.Close())
}

// framed checks that a contact sheet draws a line where the first image's square
// has its left edge: the box came from the written label.
func framed(ts *testscript.TestScript, neg bool, args []string) {
	f, err := os.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer func() { _ = f.Close() }()
	sheet, _, err := image.Decode(f)
	ts.Check(err)
	// The first tile is at 6, 6 and shows 64 × 48 pixels five times as large.
	at := func(x, y int) color.Color { return sheet.At(6+5*x, 6+5*y) }
	r, g, b, _ := at(square.Min.X+square.Dx()/2, square.Min.Y+square.Dy()/2).RGBA()
	if red := r>>8 > 200 && g>>8 < 90 && b>>8 < 90; !red {
		ts.Fatalf("the square's middle is %v", at(32, 24))
	}
	drawn := false
	for dx := -3; dx <= 3; dx++ {
		_, g, b, _ := sheet.At(6+5*square.Min.X+dx, 6+5*24).RGBA()
		drawn = drawn || g>>8 > 120 || b>>8 > 120
	}
	if drawn == neg {
		ts.Fatalf("a line at the square's edge: %v", drawn)
	}
}

// A conversion that is killed leaves what it unpacked; the next one removes that,
// and never what a living one uses.
func TestConvertRemovesWhatAKilledOneLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := cats(dir); err != nil {
		t.Fatal(err)
	}
	sheet := filepath.Join(dir, "sheet.png")
	defer fullFIFO(t, sheet)()
	convert := func(out string, args ...string) *exec.Cmd {
		args = append([]string{"convert", "--from", filepath.Join(dir, "cats.zip"), "--task", "object_detection", "--out", filepath.Join(dir, out)}, args...)
		return exec.Command(shared.agent, args...)
	}
	scratches := func() []string {
		found, err := filepath.Glob(filepath.Join(dir, ".trainer-agent-convert-*"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	stands := convert("first", "--preview", sheet)
	report, err := stands.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := stands.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stands.Process.Kill() })
	lines := bufio.NewScanner(report)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "written as") { // now it draws
	}
	used := scratches()
	if len(used) != 1 {
		t.Fatalf("a conversion under way uses %v", used)
	}
	if out, err := convert("second").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := scratches(); !slices.Equal(got, used) {
		t.Errorf("beside a living conversion there are %v, want its own %v", got, used)
	}
	if err := stands.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = stands.Wait()
	if got := scratches(); !slices.Equal(got, used) {
		t.Fatalf("the killed one left %v, want %v", got, used)
	}
	if out, err := convert("third").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := scratches(); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}

// fullFIFO makes a named pipe in which a writer stands still.
func fullFIFO(t *testing.T, path string) (closeIt func()) {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{4096, 1} {
		for err = nil; err == nil; {
			_, err = syscall.Write(fd, make([]byte, size))
		}
	}
	if !errors.Is(err, syscall.EAGAIN) {
		t.Fatal(err)
	}
	return func() { _ = syscall.Close(fd) }
}
