package checkpoints

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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

func resume(t *testing.T, b *bucket) *Resumed {
	t.Helper()
	got, err := Resume(t.Context(), ResumeOptions{JobID: job, Store: b, Dir: filepath.Join(t.TempDir(), "resume")})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestResumeBringsTheLastCheckpointAndItsHistory(t *testing.T) {
	b, last := trained(t)
	got := resume(t, b)
	if !got.Found() || got.Name != "last.pt" || got.Epoch != 3 || len(got.History) != 3 || got.History[1].Metrics["mAP50-95"] != .5 {
		t.Errorf("%+v", got)
	}
	if body, err := os.ReadFile(got.Path); err != nil || sha(body) != sha(last) {
		t.Errorf("the file at %s is not the last checkpoint: %v", got.Path, err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(got.Path)); len(entries) != 1 {
		t.Errorf("beside the checkpoint lies %v", entries)
	}
}

func TestADamagedLastIsPassedOver(t *testing.T) {
	b, _ := trained(t)
	key := contract.CheckpointKey(job, "last.pt")
	flipped := slices.Clone(b.objects[key])
	flipped[len(flipped)/2] ^= 1
	b.objects[key] = flipped
	if got := resume(t, b); got.Name != "epoch-3.pt" || got.Epoch != 3 || len(got.Skipped) != 1 || !strings.Contains(got.Skipped[0], "last.pt") {
		t.Errorf("%+v", got)
	}
	for name, object := range b.objects {
		if name != contract.ManifestKey(job) {
			b.objects[name] = object[:10]
		}
	}
	delete(b.objects, contract.CheckpointKey(job, "best.pt"))
	if got := resume(t, b); got.Found() || len(got.Skipped) != 5 {
		t.Errorf("%+v", got)
	}
}

func TestWithoutAManifestTheJobStartsFromTheBeginning(t *testing.T) {
	if got := resume(t, newBucket()); got.Found() || got != nil {
		t.Errorf("%+v", got)
	}
	b := newBucket()
	b.objects[contract.ManifestKey(job)] = []byte("{")
	if got := resume(t, b); got.Found() || len(got.Skipped) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestAnUnreachableStoreIsNoReasonToStartOver(t *testing.T) {
	b, _ := trained(t)
	for _, broken := range []string{"get " + contract.ManifestKey(job), "get " + contract.CheckpointKey(job, "last.pt")} {
		b.fail = func(op, key string) error {
			if op+" "+key == broken {
				return errOutage
			}
			return nil
		}
		_, err := Resume(t.Context(), ResumeOptions{JobID: job, Store: b, Dir: t.TempDir()})
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
	got := resume(t, b)
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

func TestModelsThatCannotBeTrainedFurtherAreNotResumed(t *testing.T) {
	var m contract.Manifest
	for _, f := range []struct {
		name  string
		epoch int
	}{{"last.onnx", 9}, {"best.pt", 3}, {"epoch-7.pt", 7}, {"last.pt", 7}, {"yolo11n.pt", 0}, {"outputs/last.pt", 0}, {"../last.pt", 9}, {"epoch-5/model.safetensors", 5}} {
		m.Files = append(m.Files, contract.ManifestFile{Name: f.name, Epoch: f.epoch})
	}
	var got []string
	for _, e := range candidates(ledgerOf(m)) {
		got = append(got, e.name)
	}
	if want := []string{"last.pt", "epoch-7.pt", "epoch-5", "best.pt"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"files": [{"name": "last.pt", "size_bytes": 3, "sha256": "x", "epoch": 2}, {"name": "../../x.pt"}]}`))
	f.Add([]byte(`{"files": [{"name": "last/a", "size_bytes": -1}, {"name": "last/../../b"}, {"name": "last"}]}`))
	f.Add([]byte(`{"files": null, "history": [{"epoch": -1, "metrics": {"a": null}}]}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		b := newBucket()
		b.objects[contract.ManifestKey(job)] = data
		var m contract.Manifest
		if json.Unmarshal(data, &m) == nil {
			for _, file := range m.Files {
				b.objects[contract.CheckpointKey(job, file.Name)] = []byte("abc")
			}
		}
		target := filepath.Join(dir, "in")
		_, _ = Resume(context.Background(), ResumeOptions{JobID: job, Store: b, Dir: target})
		if entries, _ := os.ReadDir(dir); len(entries) > 1 {
			t.Errorf("something was written outside: %v", entries)
		}
		_ = os.RemoveAll(target)
	})
}
