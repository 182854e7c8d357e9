package checkpoints

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/internal/samples"
	"github.com/vision-platform/trainer-agent/contract"
)

// ultralyticsEpoch writes what one epoch of Ultralytics leaves; epoch is 0-based.
func (r *rig) ultralyticsEpoch(epoch int, best bool) []byte {
	body := samples.Torch(r.t, 2<<20, byte(epoch), samples.UltralyticsPickle(epoch))
	samples.Rewrite(r.t, r.path("train/weights/last.pt"), body)
	if best {
		samples.Rewrite(r.t, r.path("train/weights/best.pt"), body)
	}
	samples.Rewrite(r.t, r.path(fmt.Sprintf("train/weights/epoch%d.pt", epoch)), body)
	return body
}

func TestUltralyticsRewritesInPlaceAndCountsFromZero(t *testing.T) {
	r := newRig(t, newBucket(), nil)
	r.run()
	var last []byte
	for epoch, metric := range []contract.Number{.3, .2, .4} {
		last = r.ultralyticsEpoch(epoch, epoch != 1)
		r.heartbeat(epoch+1, contract.Metrics{"metrics/mAP50-95(B)": metric})
		if got := r.awaitSaved("last.pt")["last.pt"]; got.Epoch != epoch+1 || got.SHA256 != samples.SHA(last) {
			t.Errorf("last.pt is announced as %+v, want epoch %d", got, epoch+1)
		}
	}
	s := r.finish(FinishOptions{Clean: true})
	r.wantNames("best.pt", "epoch-1.pt", "epoch-2.pt", "epoch-3.pt", "last.pt")
	if s.Best != "s3://test/checkpoints/job-j1/best.pt" || s.BestEpoch != 3 || s.LastEpoch != 3 || len(s.Failed) > 0 || s.Failure() != nil {
		t.Errorf("summary %+v", s)
	}
	for _, f := range r.bucket.manifest(t).Files {
		body, err := r.bucket.get(contract.CheckpointKey(jobID, f.Name))
		if err != nil || samples.SHA(body) != f.SHA256 || int64(len(body)) != f.SizeBytes {
			t.Errorf("the manifest's %s is not what the bucket holds: %v", f.Name, err)
		}
		if f.Epoch > 0 && f.Metrics["metrics/mAP50-95(B)"] == 0 {
			t.Errorf("%s of epoch %d has no metrics: %v", f.Name, f.Epoch, f.Metrics)
		}
		if wantBest := f.Epoch == 3; f.IsBest != wantBest {
			t.Errorf("%s: best %v, want %v", f.Name, f.IsBest, wantBest)
		}
	}
}

func TestUltralyticsStripsItsModelsAtTheEnd(t *testing.T) {
	r := newRig(t, newBucket(), nil)
	r.run()
	r.ultralyticsEpoch(0, true)
	r.heartbeat(1, nil)
	r.ultralyticsEpoch(1, false)
	r.heartbeat(2, nil)
	r.awaitSaved("best.pt", "last.pt", "epoch-2.pt")
	small := samples.Torch(t, 1<<20, 9, samples.UltralyticsPickle(-1))
	samples.Rewrite(t, r.path("train/weights/last.pt"), small)
	samples.Rewrite(t, r.path("train/weights/best.pt"), small)
	r.finish(FinishOptions{Clean: true})
	for _, f := range r.bucket.manifest(t).Files {
		want := map[string]int{"best.pt": 1, "last.pt": 2, "epoch-1.pt": 1, "epoch-2.pt": 2}[f.Name]
		if f.Epoch != want || (strings.HasPrefix(f.Name, "epoch") == (f.SHA256 == samples.SHA(small))) {
			t.Errorf("%+v, want epoch %d", f, want)
		}
	}
}

func TestAModelStrippedBeforeItWasSeenHasTheReportedEpoch(t *testing.T) {
	r := newRig(t, newBucket(), nil)
	for epoch, metric := range []contract.Number{.1, .5, .2} {
		r.heartbeat(epoch+1, contract.Metrics{"mAP50-95": metric})
	}
	samples.Rewrite(t, r.path("last.pt"), samples.Torch(t, 1000, 1, samples.UltralyticsPickle(-1)))
	samples.Rewrite(t, r.path("best.pt"), samples.Torch(t, 2000, 2, samples.UltralyticsPickle(-1)))
	r.finish(FinishOptions{Clean: true})
	if m := r.bucket.manifest(t); m.Files[0].Epoch != 2 || m.Files[1].Epoch != 3 {
		t.Errorf("%+v", m.Files)
	}
}

// timmEpoch does what CheckpointSaver.save_checkpoint does: write tmp, replace
// last with it, and link the other names to it. epoch is 0-based.
func (r *rig) timmEpoch(epoch int, best bool) []byte {
	r.t.Helper()
	at := func(name string) string { return r.path("out/" + name + ".pth.tar") }
	body := samples.Torch(r.t, 2<<20, byte(epoch), nil)
	samples.Rewrite(r.t, at("tmp"), body)
	steps := []error{os.RemoveAll(at("last")), os.Rename(at("tmp"), at("last")), os.Link(at("last"), at(fmt.Sprintf("checkpoint-%d", epoch)))}
	if best {
		steps = append(steps, os.RemoveAll(at("model_best")), os.Link(at("last"), at("model_best")))
	}
	for _, err := range steps {
		if err != nil {
			r.t.Fatal(err)
		}
	}
	return body
}

func TestTimmLinksOneFileUnderThreeNames(t *testing.T) {
	b := newBucket()
	r := newRig(t, b, nil)
	r.run()
	r.timmEpoch(0, true)
	r.heartbeat(1, nil)
	r.awaitSaved("last.pth.tar", "best.pth.tar", "epoch-1.pth.tar")
	second := r.timmEpoch(1, false)
	r.heartbeat(2, nil)
	if e := r.awaitSaved("last.pth.tar", "epoch-2.pth.tar")["last.pth.tar"]; e.SHA256 != samples.SHA(second) || e.Epoch != 2 {
		t.Errorf("last is %+v", e)
	}
	r.finish(FinishOptions{Clean: true})
	r.wantNames("best.pth.tar", "epoch-1.pth.tar", "epoch-2.pth.tar", "last.pth.tar")
	if puts, copies := b.count("put"), b.count("copy"); puts != 2 || copies != 3 {
		t.Errorf("%d uploads and %d copies of two files under five names, want 2 and 3:\n%s", puts, copies, strings.Join(b.history(), "\n"))
	}
}

// count counts operations on checkpoints.
func (b *bucket) count(op string) (n int) {
	for _, line := range b.history() {
		if strings.HasPrefix(line, op+" ") && !strings.HasSuffix(line, "/manifest.json") {
			n++
		}
	}
	return n
}

// huggingFaceStep writes a checkpoint-STEP folder as Trainer._save_checkpoint
// does, in its order; before is called before trainer_state.json, the last file.
func (r *rig) huggingFaceStep(step int, epoch string, best int, before func()) {
	r.t.Helper()
	dir := fmt.Sprintf("checkpoint-%d/", step)
	samples.Rewrite(r.t, r.path(dir+"config.json"), []byte(`{"model_type": "vit"}`))
	samples.Rewrite(r.t, r.path(dir+"model.safetensors"), samples.Safetensors(r.t, 2<<20, byte(step)))
	samples.Rewrite(r.t, r.path(dir+"optimizer.pt"), samples.Torch(r.t, 3<<20, byte(step), nil))
	samples.Rewrite(r.t, r.path(dir+"scheduler.pt"), samples.Torch(r.t, 1000, byte(step), nil))
	samples.Rewrite(r.t, r.path(dir+"rng_state.pth"), samples.Torch(r.t, 1000, 1, nil))
	if before != nil {
		before()
	}
	state := fmt.Sprintf(`{"best_global_step": %d, "epoch": %s, "global_step": %d, "log_history": [{"loss": NaN}, {"loss": -Infinity}]}`, best, epoch, step)
	samples.Rewrite(r.t, r.path(dir+"trainer_state.json"), []byte(state))
}

func TestHuggingFaceFoldersGoUpWholeAndBecomeLastAndBest(t *testing.T) {
	b := newBucket()
	r := newRig(t, b, func(o *Options) { o.Frequency = 0 })
	r.run()
	r.huggingFaceStep(10, "1.0", 10, func() {
		r.awaitLooks(5)
		r.wantNames()
	})
	r.awaitSaved("best/", "last/")
	r.huggingFaceStep(20, "1.9954", 10, nil)
	if err := os.RemoveAll(r.path("checkpoint-10")); err != nil { // save_total_limit
		t.Fatal(err)
	}
	if e := r.awaitSaved("last/")["last/"]; e.Epoch != 2 {
		t.Errorf("last is announced as %+v, want epoch 2", e)
	}
	s := r.finish(FinishOptions{Clean: true})
	var want []string
	for _, dir := range []string{"best/", "last/"} {
		for _, f := range []string{"config.json", "model.safetensors", "optimizer.pt", "rng_state.pth", "scheduler.pt", "trainer_state.json"} {
			want = append(want, dir+f)
		}
	}
	r.wantNames(want...)
	if s.Best != "s3://test/checkpoints/job-j1/best/" || s.Last != "s3://test/checkpoints/job-j1/last/" {
		t.Errorf("summary %+v", s)
	}
	if m := b.manifest(t); len(m.Files) != len(want) || m.LastEpoch != 2 {
		t.Errorf("manifest %+v", m)
	}
}

func TestAFolderSavedByStepsBecomesLast(t *testing.T) {
	r := newRig(t, newBucket(), func(o *Options) { o.Frequency = 5 })
	r.run()
	r.huggingFaceStep(500, "0.4", 0, nil)
	r.awaitSaved("last/")
	r.huggingFaceStep(1000, "0.8", 0, nil)
	r.awaitSaved("last/")
	r.finish(FinishOptions{})
	if names := r.bucket.names(); len(names) != 6 || slices.ContainsFunc(names, func(n string) bool { return !strings.HasPrefix(n, "last/") }) {
		t.Errorf("the bucket holds %q, want only last/", names)
	}
	state, _ := r.bucket.get(contract.CheckpointKey(jobID, "last/trainer_state.json"))
	if !strings.Contains(string(state), `"global_step": 1000`) {
		t.Errorf("last holds %s", state)
	}
}

func TestASavedModelTakesItsSettingsAlong(t *testing.T) {
	r := newRig(t, newBucket(), nil)
	for name, body := range map[string][]byte{
		"final/config.json": []byte("{}"), "final/preprocessor_config.json": []byte("{}"),
		"final/model.safetensors": samples.Safetensors(t, 1000, 1), "final/trainer_log.jsonl": []byte("{}\n"),
		"sharded/config.json":                      []byte("{}"),
		"sharded/model.safetensors.index.json":     []byte(`{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}`),
		"sharded/model-00001-of-00002.safetensors": samples.Safetensors(t, 500, 2),
	} {
		samples.Rewrite(t, r.path(name), body)
	}
	r.finish(FinishOptions{Clean: true})
	r.wantNames("final/config.json", "final/preprocessor_config.json", "final/model.safetensors",
		"outputs/final/trainer_log.jsonl", "outputs/sharded/config.json", "outputs/sharded/model.safetensors.index.json")
}

func TestSafetensorsWithItsSizeSetFirstWaitsForItsWriter(t *testing.T) {
	r := newRig(t, newBucket(), nil)
	r.run()
	body := samples.Safetensors(t, 2<<20, 1)
	f, err := os.Create(r.path("model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(body[:1000]); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(int64(len(body))); err != nil {
		t.Fatal(err)
	}
	r.awaitLooks(10)
	r.wantNames()
	if _, err := f.WriteAt(body[1000:], 1000); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if e := r.awaitSaved("model.safetensors")["model.safetensors"]; e.SHA256 != samples.SHA(body) {
		t.Errorf("%+v", e)
	}
}

func TestNewFoldersAreWatched(t *testing.T) {
	r := newRig(t, newBucket(), func(o *Options) { o.ScanInterval = hour })
	r.run()
	r.awaitLooks(1)
	samples.Rewrite(t, r.path("a/b/c/last.pt"), samples.Torch(t, 1000, 1, nil))
	r.awaitSaved("last.pt")
	samples.Rewrite(t, r.path("a/b/d/best.pt"), samples.Torch(t, 1000, 2, nil))
	r.awaitSaved("best.pt")
}

func TestWithoutInotifyTheScanFindsEverything(t *testing.T) {
	r := newRig(t, newBucket(), func(o *Options) { o.ScanOnly = true })
	r.run()
	r.ultralyticsEpoch(0, true)
	r.awaitSaved("best.pt", "last.pt", "epoch-1.pt")
	r.timmEpoch(1, true)
	r.awaitSaved("best.pth.tar", "last.pth.tar", "epoch-2.pth.tar")
}

func TestOutputDirMayAppearLaterAndVanish(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs")
	r := newRig(t, newBucket(), func(o *Options) { o.Dir = dir })
	r.run()
	for range 2 {
		r.awaitLooks(2)
		samples.Rewrite(t, r.path("last.pt"), samples.Torch(t, 1000, byte(r.looks.Load()), nil))
		r.awaitSaved("last.pt")
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	if s := r.finish(FinishOptions{Clean: true}); len(s.Failed) > 0 {
		t.Errorf("what vanished is reported as failed: %+v", s.Failed)
	}
}

func TestTheChildCannotHaveFilesOfTheAgentUploaded(t *testing.T) {
	r := newRig(t, newBucket(), nil)
	secret := filepath.Join(t.TempDir(), "secret.pt")
	samples.Rewrite(t, secret, samples.Torch(t, 1000, 1, nil))
	for _, err := range []error{
		os.Symlink(secret, r.path("best.pt")), os.Symlink("/proc/self/environ", r.path("environ.bin")),
		os.Symlink(filepath.Dir(secret), r.path("folder")), makeFIFO(r.path("last.pt")), makeFIFO(r.path("results.csv")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	samples.Rewrite(t, r.path("inside/epoch-1.ckpt"), samples.Torch(t, 1000, 2, nil))
	if err := os.Symlink("inside/epoch-1.ckpt", r.path("last.ckpt")); err != nil { // Lightning does so
		t.Fatal(err)
	}
	r.finish(FinishOptions{Clean: true})
	r.wantNames("epoch-1.ckpt", "last.ckpt")
}
