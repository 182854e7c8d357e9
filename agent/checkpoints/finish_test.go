package checkpoints

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/fsnotify/fsnotify"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/internal/samples"
	"github.com/vision-platform/trainer-agent/contract"
)

func errQueue() error { return fsnotify.ErrEventOverflow }

func TestAfterACrashWhatIsWholeGoesUpAndWhatIsTornIsNamed(t *testing.T) {
	r := newRig(t, newBucket(), nil)
	good := samples.Torch(t, 2<<20, 1, samples.UltralyticsPickle(0))
	samples.Rewrite(t, r.path("w/best.pt"), good)
	samples.Rewrite(t, r.path("w/last.pt"), good[:1<<20]) // killed within write_bytes
	samples.Rewrite(t, r.path("w/model.engine"), samples.Noise(1000, 1))
	s := r.finish(FinishOptions{Clean: false})
	r.wantNames("best.pt")
	want := []contract.ManifestFailed{{Name: "w/last.pt", Reason: reasonCut(1 << 20)}, {Name: "w/model.engine", Reason: reasonUnknown}}
	if !slices.Equal(s.Failed, want) || s.Failure() != nil {
		t.Errorf("failed %+v, want %+v; failure %v", s.Failed, want, s.Failure())
	}
	if m := r.bucket.manifest(t); !slices.Equal(m.Failed, want) {
		t.Errorf("the manifest says %+v", m.Failed)
	}
}

func TestAFileWithoutAnEndMarkThatWasQuietBeforeTheCrashGoesUp(t *testing.T) {
	r := newRig(t, newBucket(), nil)
	r.run()
	samples.Rewrite(t, r.path("model.engine"), samples.Noise(1000, 1))
	r.awaitSaved("model.engine")
	if s := r.finish(FinishOptions{Clean: false}); len(s.Failed) > 0 {
		t.Errorf("%+v", s.Failed)
	}
}

func TestOutputsGoUpAtTheEndWithinTheirLimits(t *testing.T) {
	r := newRig(t, newBucket(), func(o *Options) { o.Limits = Limits{Files: 4, FileBytes: 1000, TotalBytes: 1500} })
	for name, size := range map[string]int{"train/results.csv": 100, "train/args.yaml": 200, "train/huge.mp4": 2000, "train/plot.png": 900, ".cache/x": 5} {
		samples.Rewrite(t, r.path(name), samples.Noise(size, 1))
	}
	s := r.finish(FinishOptions{Clean: true})
	r.wantNames("outputs/train/results.csv", "outputs/train/args.yaml", "outputs/train/plot.png")
	if len(s.Artifacts) != 1 || s.Artifacts[0].Name != "outputs/" || s.Artifacts[0].SizeBytes != 1200 || len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "train/huge.mp4") {
		t.Errorf("artifacts %+v, warnings %q", s.Artifacts, s.Warnings)
	}
	if m := r.bucket.manifest(t); len(m.Files) != 3 {
		t.Errorf("%+v", m)
	}
}

func TestTooManyOutputsAreSaidSo(t *testing.T) {
	r := newRig(t, newBucket(), func(o *Options) { o.Limits.Files = 3 })
	for i := range 5 {
		samples.Rewrite(t, r.path(fmt.Sprintf("%d.txt", i)), []byte("x"))
	}
	s := r.finish(FinishOptions{Clean: true})
	if len(r.bucket.names()) != 3 || len(s.Warnings) != 1 {
		t.Errorf("%q, %q", r.bucket.names(), s.Warnings)
	}
}

func TestValidationResultsGoUpAsTheyAppear(t *testing.T) {
	b := newBucket()
	r := newRig(t, b, nil)
	r.run()
	body := []byte(`{"epoch": 2, "score": NaN}`)
	samples.Rewrite(t, r.path("validation-results/epoch-2/images.json"), body)
	samples.Rewrite(t, r.path("last.pt"), samples.Torch(t, 1000, 1, nil))
	for b.count("put") < 2 {
		r.awaitLooks(1)
	}
	if got, err := b.get(contract.ImageResultsKey(jobID, 2)); err != nil || string(got) != string(body) {
		t.Errorf("%q %v", got, err)
	}
	s := r.finish(FinishOptions{Clean: true})
	if m := b.manifest(t); len(m.Files) != 1 || len(s.Artifacts) != 1 {
		t.Errorf("the manifest names what is not below its prefix: %+v", m.Files)
	}
}

func TestInferenceAndExportPutEverythingUnderTheirPrefix(t *testing.T) {
	b := newBucket()
	r := newRig(t, b, func(o *Options) { o.OutputPrefix = "export-jobs/j1/" })
	r.run()
	samples.Rewrite(t, r.path("model.onnx"), samples.ONNX(1000))
	samples.Rewrite(t, r.path("metadata.json"), []byte("{}"))
	samples.Rewrite(t, r.path("visualizations/a b/한글.png"), samples.Noise(10, 1))
	samples.Rewrite(t, r.path("empty.txt"), nil)
	samples.Rewrite(t, r.path("torn.onnx"), samples.ONNX(1000)[:500])
	s := r.finish(FinishOptions{Clean: true})
	want := []string{"export-jobs/j1/empty.txt", "export-jobs/j1/metadata.json", "export-jobs/j1/model.onnx", "export-jobs/j1/visualizations/a b/한글.png"}
	if got := b.keys(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if len(s.Artifacts) != 4 || s.Artifacts[3].Path != "s3://test/export-jobs/j1/visualizations/" || s.Artifacts[2].Path != "s3://test/export-jobs/j1/model.onnx" || s.Artifacts[2].SHA256 != samples.SHA(samples.ONNX(1000)) {
		t.Errorf("%+v", s.Artifacts)
	}
	if len(s.Failed) != 1 || s.Failed[0].Name != "torn.onnx" || s.Failure() == nil {
		t.Errorf("%+v %v", s.Failed, s.Failure())
	}
}

func TestAJobWithoutFilesLeavesNothing(t *testing.T) {
	b := newBucket()
	r := newRig(t, b, nil)
	if err := os.Remove(r.dir); err != nil {
		t.Fatal(err)
	}
	s := r.finish(FinishOptions{Clean: true})
	if len(b.keys()) != 0 || s.CheckpointPath() != nil || s.Failure() != nil {
		t.Errorf("%q %+v", b.keys(), s)
	}
}
