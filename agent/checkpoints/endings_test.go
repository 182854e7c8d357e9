package checkpoints

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/internal/samples"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/scan"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/crew"
)

func TestAJobWithOnlyATornOrEmptyCheckpointLeftNone(t *testing.T) {
	for name, tc := range map[string]struct {
		body []byte
		says string
	}{
		"empty": {nil, "best.ckpt is empty (0 bytes)"},
		"torn":  {samples.Torch(t, 5000, 1, nil)[:4000], "best.ckpt is incomplete: it ends after 4000 bytes"},
	} {
		r := newRig(t, newBucket(), nil)
		samples.Rewrite(t, r.path("best.ckpt"), tc.body)
		samples.Rewrite(t, r.path("results.csv"), []byte("epoch\n1\n"))
		s := r.finish(FinishOptions{Clean: true})
		if s.Complete() != 0 || s.CheckpointPath() != nil || !strings.Contains(s.Torn(), tc.says) {
			t.Errorf("%s: %d complete, %q", name, s.Complete(), s.Torn())
		}
	}
}

func TestHiddenFoldersAreNamedWhereNothingElseIs(t *testing.T) {
	r := newRig(t, newBucket(), nil)
	if err := os.Mkdir(r.path(".secret"), 0o755); err != nil {
		t.Fatal(err)
	}
	samples.Rewrite(t, r.path(".secret/best.pt"), samples.Torch(t, 1000, 1, nil))
	if s := r.finish(FinishOptions{Clean: true}); s.Complete() != 0 || len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "there are models in these: .secret") {
		t.Errorf("%d complete, %q", s.Complete(), s.Warnings)
	}
}

// A script may call a file "model".
func TestAnOddNameBesideAModelCostsNoCheckpoint(t *testing.T) {
	r := newRig(t, newBucket(), nil)
	samples.Rewrite(t, r.path("hf/config.json"), []byte("{}"))
	samples.Rewrite(t, r.path("hf/model.safetensors"), samples.Safetensors(t, 1000, 1))
	samples.Rewrite(t, r.path("hf/model"), []byte("x"))
	samples.Rewrite(t, r.path("checkpoints/last.safetensors"), samples.Safetensors(t, 1000, 2))
	s := r.finish(FinishOptions{Clean: true})
	if path := s.CheckpointPath(); path == nil || !strings.HasSuffix(*path, "/last.safetensors") || len(s.Warnings) > 0 {
		t.Errorf("%+v", s)
	}
}

// What a bug of ours finds unreadable is said, and the rest goes up.
func TestABugOverOneFileIsAWarning(t *testing.T) {
	r := newRig(t, newBucket(), nil)
	samples.Rewrite(t, r.path("last.pt"), samples.Torch(t, 5000, 1, nil))
	r.loop.reports.fault(scan.Fault{Rel: "hf/odd", Err: &crew.Panic{Value: "index out of range"}})
	r.loop.reports.fault(scan.Fault{Rel: "hf/odd", Err: &crew.Panic{Value: "index out of range"}})
	s := r.finish(FinishOptions{Clean: true})
	if s.CheckpointPath() == nil || len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "panicked over hf/odd (index out of range)") {
		t.Errorf("%+v", s)
	}
}

func TestATornCheckpointBesideWholeOnesIsAWarning(t *testing.T) {
	r := newRig(t, newBucket(), nil)
	samples.Rewrite(t, r.path("best.pt"), samples.Torch(t, 5000, 1, nil))
	samples.Rewrite(t, r.path("last.pt"), samples.Torch(t, 5000, 2, nil)[:3000])
	s := r.finish(FinishOptions{Clean: true})
	if s.Complete() == 0 || s.Failure() != nil || len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "last.pt is incomplete: it ends after 3000 bytes") {
		t.Errorf("%+v", s)
	}
}

func TestAnyWholeModelCountsWithAWordOnTheNames(t *testing.T) {
	for _, name := range []string{"model.pth", "weights.pt", "foo.ckpt", "a/foo.h5"} {
		r := newRig(t, newBucket(), nil)
		body := samples.Torch(t, 1000, 1, nil)
		if strings.HasSuffix(name, ".h5") {
			body = samples.HDF5(2, 1000)
		}
		samples.Rewrite(t, r.path(name), body)
		s := r.finish(FinishOptions{Clean: true})
		base := filepath.Base(name)
		if p := s.CheckpointPath(); p == nil || !strings.HasSuffix(*p, "/"+base) || s.Complete() == 0 {
			t.Errorf("%s: done would name %v", name, p)
		}
		if len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], base) || !strings.Contains(s.Warnings[0], "best.*") || !strings.Contains(s.Warnings[0], "last.*") {
			t.Errorf("%s: %q", name, s.Warnings)
		}
		if s.Next != NextStartsOver {
			t.Errorf("%s is resumed from by no run, but a resume is promised", name)
		}
	}
}

func TestAResumeIsPromisedOnlyWhenSomethingIsStored(t *testing.T) {
	for name, tc := range map[string]struct {
		files []string
		fresh bool
		want  Next
	}{
		"nothing":                        {nil, false, NextStartsOver},
		"a last checkpoint":              {[]string{"last.pt"}, false, NextResumes},
		"an epoch":                       {[]string{"epoch-2.pt"}, false, NextResumes},
		"only an export":                 {[]string{"best.onnx"}, false, NextStartsOver},
		"a job that resumed nothing":     {[]string{"last.pt"}, true, NextResumes},
		"nothing where nothing is to be": {nil, true, NextStartsOver},
	} {
		r := newRig(t, newBucket(), func(o *Options) { o.Fresh = tc.fresh })
		for i, file := range tc.files {
			body := samples.Torch(t, 1000, byte(i), nil)
			if strings.HasSuffix(file, ".onnx") {
				body = samples.ONNX(1000)
			}
			samples.Rewrite(t, r.path(file), body)
		}
		if s := r.finish(FinishOptions{}); s.Next != tc.want {
			t.Errorf("%s: %v, want %v", name, s.Next, tc.want)
		}
	}
}

// The pattern of the README: a text without an end mark, written in place or renamed.
func TestAFileWithoutAnEndMarkIsStoredAfterAStop(t *testing.T) {
	for name, write := range map[string]func(path string) error{
		"renamed into place": func(path string) error {
			if err := os.WriteFile(path+".tmp", []byte("0.73"), 0o600); err != nil {
				return err
			}
			return os.Rename(path+".tmp", path)
		},
		"closed, and seen so": func(path string) error { return os.WriteFile(path, []byte("0.73"), 0o600) },
	} {
		r := newRig(t, newBucket(), func(o *Options) { o.Settle = 200 * 1e6 }) // 1.6 s without an end mark
		r.run()
		r.awaitLooks(1)
		if err := write(r.path("best.ckpt")); err != nil {
			t.Fatal(err)
		}
		r.awaitLooks(8)
		s := r.finish(FinishOptions{})
		if s.Best == "" || len(s.Failed) > 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestTheNewestOfLightningsNamesIsLastForDoneAndResume(t *testing.T) {
	b := newBucket()
	r := newRig(t, b, nil)
	samples.Rewrite(t, r.path("last.ckpt"), samples.Torch(t, 1000, 1, nil))
	r.run()
	r.awaitSaved("last.ckpt")
	body := samples.Torch(t, 1000, 2, nil)
	samples.Rewrite(t, r.path("last-v1.ckpt"), body)
	r.awaitSaved("last.ckpt")
	s := r.finish(FinishOptions{Clean: true})
	if got, _ := b.get(contract.CheckpointKey(jobID, "last.ckpt")); samples.SHA(got) != samples.SHA(body) || !strings.HasSuffix(s.Last, "/last.ckpt") {
		t.Errorf("last is not last-v1.ckpt: %+v", s)
	}
	if found := resumed(t, b); found.Name != "last.ckpt" {
		t.Errorf("%+v", found)
	}
}

func TestAFolderCalledAsTheManifestDoesNotReplaceIt(t *testing.T) {
	b := newBucket()
	r := newRig(t, b, nil)
	samples.Rewrite(t, r.path("manifest.json/config.json"), []byte("{}"))
	samples.Rewrite(t, r.path("manifest.json/model.safetensors"), samples.Safetensors(t, 100, 1))
	samples.Rewrite(t, r.path("best.pt"), samples.Torch(t, 1000, 1, nil))
	samples.Rewrite(t, r.path("manifest.json/x/best.pt"), samples.Torch(t, 1000, 2, nil))
	s := r.finish(FinishOptions{Clean: true})
	if len(s.Failed) > 0 || len(b.manifest(t).Files) != 4 {
		t.Errorf("%+v; %q", s.Failed, b.keys())
	}
	for _, key := range b.keys() {
		if strings.HasPrefix(key, contract.ManifestKey(jobID)+"/") {
			t.Errorf("%s lies below the manifest", key)
		}
	}
}

func TestDoneNamesOneArtifactAFolderAndNeverMoreThan500(t *testing.T) {
	b := newBucket()
	r := newRig(t, b, func(o *Options) { o.OutputPrefix = "inference-jobs/j1/" })
	for i := range 700 {
		samples.Rewrite(t, r.path(fmt.Sprintf("a%04d.txt", i)), []byte("x"))
		samples.Rewrite(t, r.path(fmt.Sprintf("visualizations/%04d.png", i)), []byte("xy"))
	}
	samples.Rewrite(t, r.path("results.json"), []byte("{}"))
	s := r.finish(FinishOptions{Clean: true})
	found := map[string]contract.Artifact{}
	for _, a := range s.Artifacts {
		found[a.Name] = a
	}
	if len(b.keys()) != 1401 || len(s.Artifacts) > 500 || len(s.Warnings) != 1 {
		t.Errorf("%d objects, %d artifacts, %q", len(b.keys()), len(s.Artifacts), s.Warnings)
	}
	if v := found["visualizations/"]; v.SizeBytes != 1400 || v.Path != "s3://test/inference-jobs/j1/visualizations/" || found["results.json"].Path == "" {
		t.Errorf("%+v, %+v", v, found["results.json"])
	}
}

// The child may own the folder above OUTPUT_DIR.
func TestALinkInThePlaceOfOutputDirIsNotFollowed(t *testing.T) {
	b := newBucket()
	r := newRig(t, b, nil)
	secret := t.TempDir()
	samples.Rewrite(t, filepath.Join(secret, "best.pt"), samples.Torch(t, 1000, 1, nil))
	samples.Rewrite(t, filepath.Join(secret, "token.txt"), []byte("secret"))
	if err := os.Remove(r.dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, r.dir); err != nil {
		t.Fatal(err)
	}
	s := r.finish(FinishOptions{Clean: true})
	if names := b.names(); len(names) > 0 {
		t.Errorf("%q went up from outside of OUTPUT_DIR", names)
	}
	if len(s.Warnings) == 0 || !strings.Contains(s.Warnings[0], "symbolic link") {
		t.Errorf("%q", s.Warnings)
	}
}

// An operator may have put OUTPUT_DIR on another disk by a link before the job.
func TestALinkThatWasThereBeforeTheJobIsFollowed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs")
	if err := os.Symlink(t.TempDir(), dir); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, newBucket(), func(o *Options) { o.Dir = dir })
	samples.Rewrite(t, filepath.Join(dir, "best.pt"), samples.Torch(t, 1000, 1, nil))
	if s := r.finish(FinishOptions{Clean: true}); s.Best == "" {
		t.Errorf("%+v", s)
	}
}
