package checkpoints

import (
	"os"
	"slices"
	"testing"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/internal/samples"
)

// A job of many images has its drawings in the bucket before its end; what the trainer
// takes away again goes there too.
func TestTheOutputOfAnInferenceGrowsInTheBucket(t *testing.T) {
	b := newBucket()
	shown := make(chan string, 100)
	b.visible = func(key string, _ []byte) { shown <- key }
	r := newRig(t, b, func(o *Options) { o.OutputPrefix = "inference-jobs/j1/" })
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
	if got := b.keys(); !slices.Equal(got, []string{"inference-jobs/j1/model.onnx", "inference-jobs/j1/visualizations/0.jpg"}) || len(s.Artifacts) != 2 || s.Failure() != nil {
		t.Errorf("%q %+v", got, s.Artifacts)
	}
	if last := <-shown; last != "inference-jobs/j1/model.onnx" || len(shown) > 0 {
		t.Errorf("%s went up, and %d more", last, len(shown))
	}
}
