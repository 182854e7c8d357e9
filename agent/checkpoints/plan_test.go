package checkpoints

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/naming"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/scan"
)

// src is a complete checkpoint; mtime is its age in seconds.
func src(rel string, mtime int64) *checkpoint {
	id, _ := naming.File(rel)
	file := scan.File{Rel: rel, Version: scan.Version{Inode: uint64(mtime), Size: 1, Mtime: mtime}}
	return &checkpoint{state: complete, src: scan.Source{Identity: id, Rel: rel, Size: 1, Files: []scan.File{file}}}
}

func newPlanner(frequency, keep int) *planner {
	return &planner{frequency: frequency, keep: keep, owners: map[string]owner{}}
}

// planned lists "name<path" in the order of urgency.
func planned(p *planner, s situation, sources ...*checkpoint) []string {
	p.meet(sources)
	var out []string
	for _, w := range p.plan(sources, s) {
		out = append(out, w.name+"<"+w.c.src.Rel)
	}
	return out
}

func wantPlan(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("plan\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestBestAndLastBeforeOldEpochs(t *testing.T) {
	got := planned(newPlanner(1, 0), situation{}, src("w/epoch0.pt", 1), src("w/epoch1.pt", 2), src("w/last.pt", 3), src("other.onnx", 3), src("w/best.pt", 3))
	wantPlan(t, got, "best.pt<w/best.pt", "last.pt<w/last.pt", "epoch-2.pt<w/epoch1.pt", "epoch-1.pt<w/epoch0.pt", "other.onnx<other.onnx")
}

func TestFrequencyKeepsEveryNthEpochWhateverTheFirst(t *testing.T) {
	epochs := func(stem string, numbers ...int) (all []*checkpoint) {
		for _, n := range numbers {
			all = append(all, src(fmt.Sprintf("w/%s%d.pt", stem, n), int64(n)))
		}
		return append(all, src("w/last.pt", 99), src("w/best.pt", 99))
	}
	for name, tc := range map[string]struct {
		frequency int
		sources   []*checkpoint
		kept      string
	}{
		"saved every epoch":               {5, epochs("epoch-", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), "5 10"},
		"Ultralytics with a period of 5":  {5, epochs("epoch", 0, 5, 10, 15), "6 11 16"},
		"as often as asked":               {1, epochs("epoch-", 1, 2, 3), "1 2 3"},
		"only best and last":              {0, epochs("epoch-", 1, 2, 3), ""},
		"rarer than asked":                {2, epochs("epoch-", 3, 6, 9), "3 6 9"},
		"the same when asked a time more": {5, epochs("epoch", 0, 5, 10, 15), "6 11 16"},
	} {
		var kept []string
		for _, p := range planned(newPlanner(tc.frequency, 0), situation{}, tc.sources...) {
			if rest, ok := strings.CutPrefix(p, "epoch-"); ok {
				n, _, _ := strings.Cut(rest, ".")
				kept = append(kept, n)
			}
		}
		slices.Reverse(kept) // the newest is the most urgent
		if got := strings.Join(kept, " "); got != tc.kept {
			t.Errorf("%s: kept epochs %q, want %q", name, got, tc.kept)
		}
	}
}

func TestAnEpochWhoseUploadFailedIsNotForgottenWhenALaterOneIsUp(t *testing.T) {
	got := planned(newPlanner(5, 0), situation{admitted: []int{11}},
		src("w/epoch0.pt", 1), src("w/epoch5.pt", 2), src("w/epoch10.pt", 3), src("w/last.pt", 3), src("w/best.pt", 3))
	if !slices.Contains(got, "epoch-6.pt<w/epoch5.pt") {
		t.Errorf("epoch 6 is not wanted any more: %q", got)
	}
}

func TestRetentionDoesNotAskForWhatItDeleted(t *testing.T) {
	got := planned(newPlanner(1, 2), situation{admitted: []int{3, 4}},
		src("epoch-1.pt", 1), src("epoch-2.pt", 2), src("epoch-3.pt", 3), src("epoch-4.pt", 4), src("last.pt", 4), src("best.pt", 4))
	wantPlan(t, got, "best.pt<best.pt", "last.pt<last.pt", "epoch-4.pt<epoch-4.pt", "epoch-3.pt<epoch-3.pt")
}

func TestAScriptWithoutBestAndLastGetsThem(t *testing.T) {
	sources := []*checkpoint{src("epoch-1.pth", 1), src("epoch-2.pth", 2), src("epoch-3.pth", 3)}
	wantPlan(t, planned(newPlanner(0, 0), situation{bestEpoch: 2}, sources...), "best.pth<epoch-2.pth", "last.pth<epoch-3.pth")
	wantPlan(t, planned(newPlanner(0, 0), situation{}, sources...), "last.pth<epoch-3.pth")
}

func TestAFrameworkThatWritesLastKeepsItWhileItIsAway(t *testing.T) {
	p := newPlanner(0, 0)
	wantPlan(t, planned(p, situation{}, src("out/last.pth.tar", 1)), "last.pth.tar<out/last.pth.tar")
	wantPlan(t, planned(p, situation{}, src("out/checkpoint-4.pth.tar", 2))) // unlinked for an instant
}

func TestFoldsOfACrossValidationDoNotReplaceEachOther(t *testing.T) {
	p := newPlanner(0, 0)
	wantPlan(t, planned(p, situation{}, src("fold0/best.pt", 1)), "best.pt<fold0/best.pt")
	wantPlan(t, planned(p, situation{}, src("fold0/best.pt", 1), src("fold1/best.pt", 2)),
		"best.pt<fold0/best.pt", "fold1/best.pt<fold1/best.pt")
	// The owner is being rewritten just now: its name stays its own.
	wantPlan(t, planned(p, situation{}, src("fold1/best.pt", 2)), "fold1/best.pt<fold1/best.pt")
}

func TestWhatLayThereBeforeGivesWayToThisRun(t *testing.T) {
	p := newPlanner(0, 0)
	old := src("train/weights/last.pt", 1)
	old.old = true
	wantPlan(t, planned(p, situation{}, old), "last.pt<train/weights/last.pt")
	wantPlan(t, planned(p, situation{}, old, src("train2/weights/last.pt", 2)),
		"last.pt<train2/weights/last.pt", "train/weights/last.pt<train/weights/last.pt")
	wantPlan(t, planned(p, situation{}, old, src("train2/weights/last.pt", 3)),
		"last.pt<train2/weights/last.pt", "train/weights/last.pt<train/weights/last.pt")
}

func TestTwoFilesByOneNameEndWithTheNewer(t *testing.T) {
	sources := []*checkpoint{src("best_mAP_epoch_3.pth", 3), src("best_mAP_epoch_7.pth", 7)}
	for range 2 {
		wantPlan(t, planned(newPlanner(0, 0), situation{}, sources...), "best.pth<best_mAP_epoch_7.pth")
		slices.Reverse(sources)
	}
	results := []*checkpoint{src("a/validation-results/epoch-1/images.json", 1), src("b/validation-results/epoch-1/images.json", 2)}
	wantPlan(t, planned(newPlanner(0, 0), situation{}, results...), "//epoch-1/images.json<b/validation-results/epoch-1/images.json")
}

func TestAFolderGoesUpUnderItsEpochBeforeLastIsCopied(t *testing.T) {
	folder := func(epoch int, step int64, mid bool) *checkpoint {
		state := &scan.TrainerState{Epoch: float64(epoch), Step: step}
		id := naming.OfEpoch(epoch, "")
		if mid {
			state.Epoch -= 0.5
			id = naming.Identity{Role: naming.Epoch, Name: fmt.Sprintf("checkpoint-%d", step), Epoch: epoch}
		}
		rel := fmt.Sprintf("checkpoint-%d", step)
		files := []scan.File{{Rel: rel + "/x", Sub: "x", Version: scan.Version{Mtime: step}}}
		return &checkpoint{state: complete, src: scan.Source{Identity: id, Rel: rel, Folder: true, State: state, Files: files}}
	}
	w, err := New(Options{Dir: t.TempDir(), JobID: jobID, Store: newBucket(), History: historyOf(t, 1, .5)})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Finish(t.Context(), FinishOptions{})
	first, second, third := folder(1, 100, false), folder(2, 200, false), folder(3, 250, true)
	w.loop.fleet.at = map[string]*checkpoint{"a": first, "b": second, "c": third}
	w.loop.planner.meet(w.loop.fleet.sorted())
	w.loop.plan()
	places := func(c *checkpoint) (all []string) {
		for _, p := range c.places {
			all = append(all, fmt.Sprintf("%s staged=%v", p.name, p.staged))
		}
		return all
	}
	wantPlan(t, places(first), "epoch-1 staged=true", "best staged=false")
	wantPlan(t, places(second))
	wantPlan(t, places(third), "checkpoint-250 staged=true", "last staged=false")
	w.loop.fleet.at = map[string]*checkpoint{}
}

func TestTheLastOfLightningIsTheNewerOfItsVersions(t *testing.T) {
	old, first, second := src("last.ckpt", 9), src("last-v1.ckpt", 2), src("last-v2.ckpt", 3)
	old.old = true
	wantPlan(t, planned(newPlanner(0, 0), situation{}, old, first, second), "last.ckpt<last-v2.ckpt")
	first.epoch, second.epoch = 7, 5 // copied later, trained less
	wantPlan(t, planned(newPlanner(0, 0), situation{}, old, first, second), "last.ckpt<last-v1.ckpt")
}
