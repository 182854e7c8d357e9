package checkpoints

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/internal/samples"
	"github.com/vision-platform/trainer-agent/contract"
)

// A job of many images has its drawings in the bucket before its end; what the trainer
// takes away again goes there too.
func TestTheOutputOfAnInferenceGrowsInTheBucket(t *testing.T) {
	b := newBucket()
	shown := make(chan string, 100)
	b.visible = func(key string, _ []byte) { shown <- key }
	earlier := []contract.Artifact{{Name: "visualizations/", Path: "s3://b/earlier/"}, {Name: "xai/", Path: "s3://b/xai/"}}
	r := newRig(t, b, func(o *Options) { o.OutputPrefix, o.Earlier = "inference-jobs/j1/", earlier })
	r.run()
	samples.Rewrite(t, r.path("visualizations/0.jpg"), samples.Noise(10, 1))
	samples.Rewrite(t, r.path("parts/part-000000.jsonl"), []byte("{}\n"))
	samples.Rewrite(t, r.path("model.onnx"), samples.ONNX(1000))
	first := []string{<-shown, <-shown}
	slices.Sort(first)
	if !slices.Equal(first, []string{"inference-jobs/j1/parts/part-000000.jsonl", "inference-jobs/j1/visualizations/0.jpg"}) {
		t.Errorf("up before the end: %q", first)
	}
	if err := os.RemoveAll(r.path("parts")); err != nil {
		t.Fatal(err)
	}
	s := r.finish(FinishOptions{Clean: true})
	if got := b.keys(); !slices.Equal(got, []string{"inference-jobs/j1/model.onnx", "inference-jobs/j1/visualizations/0.jpg"}) || len(s.Artifacts) != 3 || s.Artifacts[1].Path == earlier[0].Path || s.Artifacts[2] != earlier[1] || s.Failure() != nil {
		t.Errorf("%q %+v", got, s.Artifacts)
	}
	if last := <-shown; last != "inference-jobs/j1/model.onnx" || len(shown) > 0 {
		t.Errorf("%s went up, and %d more", last, len(shown))
	}
}

// What is beyond the limits of outputs, or cannot be read any more, has not been removed.
func TestWhatIsStillThereIsNotTakenOutOfTheBucket(t *testing.T) {
	b := newBucket()
	shown := make(chan string, 100)
	b.visible = func(key string, _ []byte) { shown <- key }
	r := newRig(t, b, func(o *Options) { o.OutputPrefix, o.Limits.Files = "inference-jobs/j1/", 2 })
	r.run()
	samples.Rewrite(t, r.path("visualizations/0.jpg"), samples.Noise(10, 1))
	<-shown
	for _, name := range []string{"results.json", "masks/0.png", "masks/1.png"} {
		samples.Rewrite(t, r.path(name), samples.Noise(10, 2))
	}
	s := r.finish(FinishOptions{Clean: true})
	want := []string{"inference-jobs/j1/masks/0.png", "inference-jobs/j1/results.json", "inference-jobs/j1/visualizations/0.jpg"}
	if got := b.keys(); !slices.Equal(got, want) || len(s.Warnings) != 1 || s.Complete() == 0 {
		t.Errorf("%q %q", got, s.Warnings)
	}
}

// An export whose package cannot be stored leaves no model without it.
func TestASetThatIsNotWholeIsTakenBack(t *testing.T) {
	b := newBucket()
	b.fail = func(op, key string) error {
		if op == "put" && strings.HasSuffix(key, "package.zip") {
			return contract.Failf(contract.CodeStorageForbidden, "writing %s: access denied", key)
		}
		return nil
	}
	r := newRig(t, b, func(o *Options) { o.OutputPrefix, o.Whole = "export-jobs/j1/", true })
	r.run()
	samples.Rewrite(t, r.path("metadata.json"), []byte("{}"))
	samples.Rewrite(t, r.path("model.openvino/model.xml"), samples.Noise(10, 1))
	samples.Rewrite(t, r.path("package.zip"), samples.Noise(10, 2))
	s := r.finish(FinishOptions{Clean: true})
	if got := b.keys(); len(got) > 0 || len(s.Artifacts) > 0 {
		t.Errorf("%q %+v", got, s.Artifacts)
	}
	reasons := map[string]string{}
	for _, f := range s.Failed {
		reasons[f.Name] = f.Reason
	}
	back := "it was taken back, because package.zip could not be uploaded"
	if s.Failure() == nil || len(reasons) != 3 || reasons["model.openvino/model.xml"] != back || reasons["metadata.json"] != back || !strings.Contains(reasons["package.zip"], "access denied") {
		t.Errorf("%v %q", s.Failure(), reasons)
	}
}

// What was up before the trainer wrote it again is no part of a set either.
func TestAnEarlierFileIsTakenBackWithItsSet(t *testing.T) {
	b := newBucket()
	shown := make(chan string, 100)
	b.visible = func(key string, _ []byte) { shown <- key }
	var closed atomic.Bool
	b.fail = func(op, key string) error {
		if op == "put" && closed.Load() {
			return contract.Failf(contract.CodeStorageForbidden, "writing %s: access denied", key)
		}
		return nil
	}
	r := newRig(t, b, func(o *Options) { o.OutputPrefix, o.Whole = "export-jobs/j1/", true })
	r.run()
	samples.Rewrite(t, r.path("metadata.json"), []byte("{}"))
	<-shown
	closed.Store(true)
	samples.Rewrite(t, r.path("metadata.json"), []byte(`{"model": {}}`))
	if s := r.finish(FinishOptions{Clean: true}); len(b.keys()) > 0 || len(s.Failed) != 1 || len(s.Warnings) > 0 {
		t.Errorf("%q %+v", b.keys(), s)
	}
}

// A stop ends the uploads at once; there is still time to take the set back.
func TestASetIsTakenBackWhenItsUploadIsStopped(t *testing.T) {
	b := newBucket()
	first := make(chan struct{})
	b.visible = func(string, []byte) { close(first) }
	ctx, stop := context.WithCancel(t.Context())
	b.fail = func(op, key string) error {
		if op == "put" && strings.HasSuffix(key, "package.zip") {
			<-first
			stop()
			return ctx.Err()
		}
		return nil
	}
	r := newRig(t, b, func(o *Options) { o.OutputPrefix, o.Whole = "export-jobs/j1/", true })
	samples.Rewrite(t, r.path("metadata.json"), []byte("{}"))
	samples.Rewrite(t, r.path("package.zip"), samples.Noise(10, 2))
	if s := r.Finish(ctx, FinishOptions{Clean: true}); len(b.keys()) > 0 || len(s.Failed) != 2 || len(s.Warnings) > 0 || !errors.Is(s.Failure(), ErrHalted) {
		t.Errorf("%q %+v", b.keys(), s)
	}
}
