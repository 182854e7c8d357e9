package autoreport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A bench is a reporter at work on a folder, in virtual time.
type bench struct {
	*Reporter
	t    *testing.T
	dir  string
	sent []contract.Heartbeat
	fail error
}

func newBench(t *testing.T, dir string, change func(*Options)) *bench {
	b := &bench{t: t, dir: dir}
	opts := Options{Dir: dir, Epochs: 4, Emit: b.emit}
	if change != nil {
		change(&opts)
	}
	var err error
	if b.Reporter, err = New(opts); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) emit(m contract.Message) error {
	if b.fail != nil {
		return b.fail
	}
	var h contract.Heartbeat
	if err := json.Unmarshal(m.Body, &h); err != nil {
		b.t.Errorf("emitted %s: %v", m.Body, err)
	}
	b.sent = append(b.sent, h)
	return nil
}

// work runs the reporter for a while.
func (b *bench) work(d time.Duration) {
	ctx, cancel := context.WithTimeout(b.t.Context(), d)
	defer cancel()
	if err := b.Run(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		b.t.Errorf("Run: %v", err)
	}
}

func (b *bench) write(path, text string) {
	b.t.Helper()
	path = filepath.Join(b.dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		b.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) epochs() string {
	var s []string
	for _, h := range b.sent {
		s = append(s, fmt.Sprint(h.Epoch))
	}
	return strings.Join(s, " ")
}

func fixture(t *testing.T, name string) []string {
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.SplitAfter(string(b), "\n")
}

func TestSilentUltralyticsScriptReportsEveryEpochOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := fixture(t, "ultralytics_8.4_detect.csv")
		b := newBench(t, t.TempDir(), nil)
		b.write("train/results.csv", lines[0]+lines[1])
		b.work(time.Minute)
		b.write("train/results.csv", lines[2])
		b.work(time.Minute)
		b.write("train/results.csv", lines[3])
		b.Finish()
		b.Finish()
		if b.epochs() != "1 2 3" {
			t.Fatalf("reported the epochs %q, want 1 2 3", b.epochs())
		}
		first := b.sent[0]
		if first.Progress != 25 || first.Metrics["train/box_loss"] != 0.77065 {
			t.Errorf("the first heartbeat is %+v", first)
		}
		for _, name := range []string{"mAP50-95", "mAP50", "precision", "val/box_loss", "lr/pg0", "time"} {
			if _, ok := first.Metrics[name]; !ok {
				t.Errorf("the metric %s is missing in %v", name, first.Metrics)
			}
		}
	})
}

func TestTheNextCheckpointOfHuggingFaceRepeatsNoEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		whole := strings.Join(fixture(t, "transformers_5.23_trainer_state.json"), "")
		firstEpoch, _, _ := strings.Cut(whole, `"epoch": 1.3333`)
		firstEpoch = firstEpoch[:strings.LastIndex(firstEpoch, ",")] + "]}"
		b := newBench(t, t.TempDir(), nil)
		b.write("out/checkpoint-3/trainer_state.json", firstEpoch)
		b.work(time.Minute)
		b.write("out/checkpoint-6/trainer_state.json", whole)
		b.work(time.Minute)
		if b.epochs() != "1 2" {
			t.Fatalf("reported the epochs %q, want 1 2", b.epochs())
		}
		m := b.sent[0].Metrics
		if m["accuracy"] != 0.5 || m["eval_loss"] == 0 || m["loss"] != 0.6864523887634277 {
			t.Errorf("the metrics of epoch 1 are %v", m)
		}
	})
}

func TestAChildThatReportsWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := fixture(t, "ultralytics_8.4_detect.csv")
		b := newBench(t, t.TempDir(), nil)
		b.write("results.csv", lines[0]+lines[1])
		b.work(Grace / 2) // the row is seen, its grace has not passed
		b.Observe(childsEpoch(1))
		b.write("results.csv", lines[2])
		b.work(time.Hour)
		b.Finish()
		if b.epochs() != "" {
			t.Errorf("reported the epochs %q beside the child", b.epochs())
		}
	})
}

func childsEpoch(n int) contract.Message {
	return contract.Message{Kind: contract.KindHeartbeat, Body: fmt.Appendf(nil, `{"epoch":%d}`, n)}
}

func TestAChildThatReportsLongAfterTheRowIsTheOnlyOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := fixture(t, "ultralytics_8.4_detect.csv")
		state := filepath.Join(t.TempDir(), "state.json")
		b := newBench(t, t.TempDir(), func(o *Options) { o.StateFile = state })
		b.write("results.csv", lines[0]+lines[1])
		b.work(time.Hour) // an evaluation, an upload, a slow disk
		b.Observe(childsEpoch(1))
		b.write("results.csv", lines[2])
		b.work(time.Hour)
		next := newBench(t, b.dir, func(o *Options) { o.StateFile = state }) // the agent was killed
		next.write("results.csv", lines[3])
		next.work(time.Hour)
		next.Finish()
		if b.epochs()+next.epochs() != "" {
			t.Errorf("reported %q, and %q after a restart, beside the child", b.epochs(), next.epochs())
		}
	})
}

func TestASilentChildsEpochsComeWithTheNextAndThenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := fixture(t, "ultralytics_8.4_detect.csv")
		b := newBench(t, t.TempDir(), nil)
		for i, want := range []string{"", "1 2", "1 2 3"} {
			if i == 0 {
				b.write("results.csv", lines[0])
			}
			b.write("results.csv", lines[i+1])
			b.work(Grace / 2)
			if got := b.epochs(); len(got) >= len(want) && want != "" {
				t.Errorf("row %d: reported %q within its grace", i+1, got)
			}
			b.work(Grace)
			if got := b.epochs(); got != want {
				t.Errorf("row %d: reported %q, want %q", i+1, got, want)
			}
		}
	})
}

func TestAFileThatIsBegunAnewIsTheRunsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, lines := t.TempDir(), fixture(t, "ultralytics_8.4_detect.csv")
		(&bench{t: t, dir: dir}).write("train/results.csv", lines[0]+lines[1]+lines[2])
		b := newBench(t, dir, nil)
		b.work(time.Minute)
		if err := os.Remove(filepath.Join(dir, "train/results.csv")); err != nil { // exist_ok=True
			t.Fatal(err)
		}
		b.write("train/results.csv", lines[0]+lines[1])
		b.work(time.Minute)
		b.write("train/results.csv", lines[2]+lines[3])
		b.work(time.Minute)
		b.Finish()
		if b.epochs() != "1 2 3" {
			t.Errorf("reported %q, want 1 2 3", b.epochs())
		}
	})
}

func TestOtherMessagesOfTheChildAreNoHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := fixture(t, "ultralytics_8.4_classify.csv")
		b := newBench(t, t.TempDir(), nil)
		b.Observe(contract.Message{Kind: contract.KindEvent, Body: []byte(`{}`)})
		b.write("results.csv", lines[0]+lines[1])
		b.work(time.Minute)
		b.Finish()
		if b.epochs() != "1" || b.sent[0].Metrics["accuracy"] != 0.5 {
			t.Errorf("reported %+v", b.sent)
		}
	})
}

func TestARestartedAgentRepeatsNoEpochAndLosesNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, lines := t.TempDir(), fixture(t, "ultralytics_8.4_detect.csv")
		stateFile := filepath.Join(t.TempDir(), "state.json")
		keep := func(o *Options) { o.StateFile = stateFile }
		b := newBench(t, dir, keep)
		b.write("results.csv", lines[0]+lines[1])
		b.work(time.Minute) // killed before it is known whether the child is silent
		second := newBench(t, dir, keep)
		second.write("results.csv", lines[2])
		second.work(time.Minute)
		second.write("results.csv", lines[3])
		second.work(Grace / 2) // killed before the grace has passed
		third := newBench(t, dir, keep)
		third.work(time.Minute)
		if got := b.epochs() + "|" + second.epochs() + "|" + third.epochs(); got != "|1 2|3" {
			t.Errorf("reported %s in three lives, want |1 2|3", got)
		}
	})
}

func TestFilesOfAnEarlierRunAreNotReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, lines := t.TempDir(), fixture(t, "ultralytics_8.4_detect.csv")
		(&bench{t: t, dir: dir}).write("train/results.csv", lines[0]+lines[1]+lines[2])
		b := newBench(t, dir, nil)
		b.work(time.Minute)
		if b.epochs() != "" {
			t.Fatalf("reported the epochs %q of an earlier run", b.epochs())
		}
		b.write("train2/results.csv", lines[0]+lines[1])
		b.Finish()
		if b.epochs() != "1" {
			t.Errorf("reported %q of the new run, want 1", b.epochs())
		}
	})
}

func TestResumedEpochsAreNotReportedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := fixture(t, "ultralytics_8.4_detect.csv")
		b := newBench(t, t.TempDir(), func(o *Options) { o.After = 2 })
		b.write("results.csv", strings.Join(lines, ""))
		b.work(time.Minute)
		b.Finish()
		if b.epochs() != "3" {
			t.Errorf("reported %q, want 3", b.epochs())
		}
	})
}

func TestASecondResultFileOfTheScriptIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := fixture(t, "ultralytics_8.4_detect.csv")
		b := newBench(t, t.TempDir(), nil)
		b.write("train/results.csv", lines[0]+lines[1])
		b.work(time.Minute)
		b.write("val/results.csv", lines[0]+lines[1]+lines[2])
		b.work(time.Minute)
		b.Finish()
		if b.epochs() != "1" {
			t.Errorf("reported %q, want 1", b.epochs())
		}
	})
}

func TestAnEpochThatTheOutboxRefusesIsReportedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := fixture(t, "ultralytics_8.4_detect.csv")
		b := newBench(t, t.TempDir(), nil)
		b.fail = errors.New("full")
		b.write("results.csv", lines[0]+lines[1]+lines[2])
		b.work(time.Minute)
		b.fail = nil
		b.work(time.Minute)
		if b.epochs() != "1 2" {
			t.Errorf("reported %q, want 1 2", b.epochs())
		}
	})
}

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
