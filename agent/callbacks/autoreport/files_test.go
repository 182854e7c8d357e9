package autoreport

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestFilesAreReadAsTheyGrow(t *testing.T) {
	nan := "epoch,time,loss\n"
	for _, c := range []struct{ name, text, want string }{
		{"a line without its end is not there yet", nan + "1,2,0.5\n2,3,0.", "1"},
		{"old versions pad and count from zero", "               epoch,      train/box_loss\n              0,   1.5\n   1,  1.2\n", "1 2"},
		{"nan is a metric", nan + "1,2,nan\n", "1"},
		{"a broken line is left out", nan + "1,2\n2,3,4\n", "2"},
		{"a negative epoch is left out", nan + "-1,2,3\n", ""},
		{"a file without epochs is none of ours", "a,b\n1,2\n", ""},
		{"an empty file", "", ""},
	} {
		rows, err := parseCSV([]byte(c.text))
		var got []string
		for _, r := range rows {
			got = append(got, fmt.Sprint(r.epoch))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: read %v (%v), want %q", c.name, got, err, c.want)
		}
	}
}

func TestFractionalEpochsOfHuggingFace(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"an epoch under way waits", `{"log_history":[{"epoch":0.5,"loss":1}]}`, ""},
		{"an epoch that falls short of its end counts", `{"log_history":[{"epoch":0.99,"eval_accuracy":1}]}`, "1"},
		{"Python's NaN", `{"log_history":[{"epoch":1.0,"loss":NaN}]}`, "1"},
		{"the next epoch completes the last", `{"log_history":[{"epoch":0.7,"loss":1},{"epoch":1.2,"loss":1}]}`, "1"},
	} {
		rows, err := parseTrainerState([]byte(c.text))
		var got []string
		for _, r := range rows {
			got = append(got, fmt.Sprint(r.epoch))
		}
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%s: read %v (%v), want %q", c.name, got, err, c.want)
		}
	}
	if _, err := parseTrainerState([]byte(`{"log_history":[{"ep`)); err == nil {
		t.Error("a half-written file is no error")
	}
}

func TestLinksOutOfTheFolderAreNotFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := fixture(t, "ultralytics_8.4_detect.csv")
		other := &bench{t: t, dir: t.TempDir()}
		b := newBench(t, t.TempDir(), nil)
		other.write("results.csv", lines[0]+lines[1])
		if err := os.Symlink(other.dir, filepath.Join(b.dir, "train")); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(other.dir, "results.csv"), filepath.Join(b.dir, "results.csv")); err != nil {
			t.Fatal(err)
		}
		b.work(time.Minute)
		if b.epochs() != "" {
			t.Errorf("reported %q through a link", b.epochs())
		}
	})
}

func FuzzResultsCSV(f *testing.F) {
	f.Add([]byte("epoch,time,loss\n1,2,3\n"))
	f.Add([]byte("  epoch, loss\n 0, nan\n 1, inf\n"))
	f.Fuzz(func(t *testing.T, b []byte) { checkRows(t, b, parseCSV) })
}

func FuzzTrainerState(f *testing.F) {
	f.Add([]byte(`{"log_history":[{"epoch":1.0,"eval_accuracy":NaN}]}`))
	f.Add([]byte(`{"log_history":[{"epoch":0.5,"loss":1e999},{"epoch":2.0,"loss":null}]}`))
	f.Fuzz(func(t *testing.T, b []byte) { checkRows(t, b, parseTrainerState) })
}

// checkRows wants what a heartbeat can be made of: epochs from 1 on, with metrics
// that are bounded and can be written.
func checkRows(t *testing.T, b []byte, parse func([]byte) ([]row, error)) {
	rows, err := parse(b)
	if err != nil {
		return
	}
	for _, r := range rows {
		if r.epoch < 1 || len(r.metrics) > maxMetrics {
			t.Errorf("epoch %d with %d metrics", r.epoch, len(r.metrics))
		}
		if _, err := json.Marshal(r.metrics); err != nil {
			t.Errorf("epoch %d: %v", r.epoch, err)
		}
	}
}
