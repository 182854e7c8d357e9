package autoreport

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestSilentUltralyticsScriptReportsEveryEpochOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := fixture(t, "ultralytics_8.4_detect.csv")
		b := newBench(t, t.TempDir(), nil)
		b.write("train/results.csv", lines[0]+lines[1])
		b.work(time.Minute)
		b.write("train/results.csv", lines[2])
		b.work(time.Minute)
		b.write("train/results.csv", lines[3])
		b.Finish(t.Context())
		b.Finish(t.Context())
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
		b.Finish(t.Context())
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
		next.Finish(t.Context())
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

func TestAFileThatIsBegunAgainIsTheRunsOwn(t *testing.T) {
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
		b.Finish(t.Context())
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
		b.Finish(t.Context())
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
		b.Finish(t.Context())
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
		b.Finish(t.Context())
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
		b.Finish(t.Context())
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
