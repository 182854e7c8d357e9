package checkpoints

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/internal/samples"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/resume"
	"github.com/vision-platform/trainer-agent/contract"
)

// trained is a bucket as a job that was killed in its third epoch leaves it.
func trained(t *testing.T) (*bucket, []byte) {
	b := newBucket()
	r := newRig(t, b, nil)
	r.run()
	var last []byte
	for epoch := range 3 {
		last = r.ultralyticsEpoch(epoch, epoch == 1)
		r.heartbeat(epoch+1, contract.Metrics{"mAP50-95": contract.Number([]float64{.1, .5, .2}[epoch])})
		r.awaitSaved("last.pt", fmt.Sprintf("epoch-%d.pt", epoch+1))
	}
	r.finish(FinishOptions{})
	return b, last
}

func resumed(t *testing.T, b *bucket) *resume.Resumed {
	t.Helper()
	got, err := resume.Find(t.Context(), resume.Options{JobID: jobID, Store: b, Dir: filepath.Join(t.TempDir(), "resume")})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestResumeBringsTheLastCheckpointAndItsHistory(t *testing.T) {
	b, last := trained(t)
	got := resumed(t, b)
	if !got.Found() || got.Name != "last.pt" || got.Epoch != 3 || len(got.History) != 3 || got.History[1].Metrics["mAP50-95"] != .5 {
		t.Errorf("%+v", got)
	}
	if body, err := os.ReadFile(got.Path); err != nil || samples.SHA(body) != samples.SHA(last) {
		t.Errorf("the file at %s is not the last checkpoint: %v", got.Path, err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(got.Path)); len(entries) != 1 {
		t.Errorf("beside the checkpoint lies %v", entries)
	}
}

// A trainer that reports nothing saves every epoch under two names, and its machine is
// gone. Last goes up first: only the copy that names its epoch says which one it is.
func TestLastIsOfTheEpochWhoseCopySaysSo(t *testing.T) {
	b := newBucket()
	r := newRig(t, b, nil)
	r.run()
	for epoch := 1; epoch <= 2; epoch++ {
		r.writes("last.ckpt", byte(epoch))
		r.awaitSaved("last.ckpt")
		r.writes(fmt.Sprintf("epoch-%d.ckpt", epoch), byte(epoch))
		r.awaitSaved(fmt.Sprintf("epoch-%d.ckpt", epoch))
	}
	r.awaitLooks(2)
	if got := resumed(t, b); got.Name != "last.ckpt" || got.Epoch != 2 {
		t.Errorf("%s of epoch %d", got.Name, got.Epoch)
	}
}

func TestADamagedLastIsPassedOver(t *testing.T) {
	b, _ := trained(t)
	key := contract.CheckpointKey(jobID, "last.pt")
	flipped := slices.Clone(b.objects[key])
	flipped[len(flipped)/2] ^= 1
	b.objects[key] = flipped
	if got := resumed(t, b); got.Name != "epoch-3.pt" || got.Epoch != 3 || len(got.Skipped) != 1 || !strings.Contains(got.Skipped[0], "last.pt") {
		t.Errorf("%+v", got)
	}
	for name, object := range b.objects {
		if name != contract.ManifestKey(jobID) {
			b.objects[name] = object[:10]
		}
	}
	delete(b.objects, contract.CheckpointKey(jobID, "best.pt"))
	if got := resumed(t, b); got.Found() || len(got.Skipped) != 5 {
		t.Errorf("%+v", got)
	}
}

func TestWithoutAManifestTheJobStartsFromTheBeginning(t *testing.T) {
	if got := resumed(t, newBucket()); got.Found() || got != nil {
		t.Errorf("%+v", got)
	}
	b := newBucket()
	b.objects[contract.ManifestKey(jobID)] = []byte("{")
	if got := resumed(t, b); got.Found() || len(got.Skipped) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestAnUnreachableStoreIsNoReasonToStartOver(t *testing.T) {
	b, _ := trained(t)
	for _, broken := range []string{"get " + contract.ManifestKey(jobID), "get " + contract.CheckpointKey(jobID, "last.pt")} {
		b.fail = func(op, key string) error {
			if op+" "+key == broken {
				return errOutage
			}
			return nil
		}
		_, err := resume.Find(t.Context(), resume.Options{JobID: jobID, Store: b, Dir: t.TempDir()})
		if !errors.Is(err, errOutage) {
			t.Errorf("%s fails: %v", broken, err)
		}
	}
}

func TestAFolderIsResumedAsAFolder(t *testing.T) {
	b := newBucket()
	r := newRig(t, b, nil)
	r.huggingFaceStep(10, "1.0", 0, nil)
	r.finish(FinishOptions{})
	got := resumed(t, b)
	if got.Name != "last" || got.Epoch != 1 || got.URI != "s3://test/checkpoints/job-j1/last/" {
		t.Errorf("%+v", got)
	}
	if body, err := os.ReadFile(filepath.Join(got.Path, "trainer_state.json")); err != nil || !strings.Contains(string(body), `"global_step": 10`) {
		t.Errorf("%s %v", body, err)
	}
}

func TestAResumedJobKeepsWhatItsFirstRunLeft(t *testing.T) {
	b, _ := trained(t)
	r := newRig(t, b, nil)
	found := resumed(t, b)
	r.history.Resume(found.Epoch, found.History)
	r.run()
	r.ultralyticsEpoch(3, false)
	r.heartbeat(4, contract.Metrics{"mAP50-95": .3})
	r.awaitSaved("last.pt", "epoch-4.pt")
	s := r.finish(FinishOptions{Clean: true})
	r.wantNames("best.pt", "epoch-1.pt", "epoch-2.pt", "epoch-3.pt", "epoch-4.pt", "last.pt")
	if s.BestEpoch != 2 || s.LastEpoch != 4 || s.Best == "" {
		t.Errorf("%+v", s)
	}
	m := b.manifest(t)
	var history []int
	for _, h := range m.History {
		history = append(history, h.Epoch)
	}
	if len(m.Files) != 6 || !slices.Equal(history, []int{1, 2, 3, 4}) {
		t.Errorf("%d files, history %v", len(m.Files), history)
	}

	fresh := newRig(t, b, func(o *Options) { o.Fresh = true })
	fresh.ultralyticsEpoch(0, true)
	fresh.finish(FinishOptions{Clean: true})
	if m := b.manifest(t); len(m.Files) != 3 || len(m.History) != 0 {
		t.Errorf("AGENT_RESUME=off keeps the old manifest: %+v", m)
	}
}
