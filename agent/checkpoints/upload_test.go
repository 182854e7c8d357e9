package checkpoints

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/internal/samples"
	"github.com/vision-platform/trainer-agent/contract"
)

func TestAFileThatChangesDuringItsUploadIsNeverVisible(t *testing.T) {
	b := newBucket()
	r := newRig(t, b, nil)
	first, second := samples.Torch(t, 5<<20, 1, nil), samples.Torch(t, 5<<20, 2, nil)
	samples.Rewrite(t, r.path("last.pt"), first)
	var rewritten atomic.Bool
	b.onRead = func(key string, at int64) {
		if strings.HasSuffix(key, "/last.pt") && at > 2<<20 && rewritten.CompareAndSwap(false, true) {
			samples.Rewrite(t, r.path("last.pt"), second)
		}
	}
	b.visible = func(key string, body []byte) {
		if strings.HasSuffix(key, "/last.pt") && !bytes.Equal(body, second) {
			t.Errorf("%s became visible with something else than the file's second content", key)
		}
	}
	r.run()
	if e := r.awaitSaved("last.pt")["last.pt"]; e.SHA256 != samples.SHA(second) {
		t.Errorf("announced %s, want %s", e.SHA256, samples.SHA(second))
	}
	if n := b.count("put"); n != 1 || !rewritten.Load() {
		t.Errorf("%d objects became visible, want 1 (rewritten: %v)", n, rewritten.Load())
	}
	select {
	case e := <-r.failed:
		t.Errorf("starting over is reported as a failure: %+v", e)
	default:
	}
}

func TestAWriterFasterThanItsUploadIsServedFromACopy(t *testing.T) {
	b := newBucket()
	r := newRig(t, b, func(o *Options) { o.ScratchDir = t.TempDir() })
	contents := map[string]bool{}
	version := byte(0)
	write := func() {
		version++
		body := samples.Torch(t, 3<<20, version, nil)
		contents[samples.SHA(body)] = true
		samples.Rewrite(t, r.path("last.pt"), body)
	}
	write()
	var visible atomic.Int64
	b.onRead = func(key string, at int64) {
		if strings.HasSuffix(key, "/last.pt") && at == 1<<20 && visible.Load() == 0 {
			write() // in the middle of every upload
		}
	}
	b.visible = func(key string, body []byte) {
		if strings.HasSuffix(key, "/last.pt") {
			visible.Add(1)
			if !contents[samples.SHA(body)] {
				t.Errorf("a torn object became visible")
			}
		}
	}
	r.run()
	r.awaitSaved("last.pt")
	r.finish(FinishOptions{Clean: true})
	if version != changesCopy+2 {
		t.Errorf("it took %d uploads, want %d in place and then one of a copy", version-1, changesCopy)
	}
	if final, _ := b.get(contract.CheckpointKey(jobID, "last.pt")); samples.SHA(final) != samples.SHA(samples.Torch(t, 3<<20, version, nil)) {
		t.Error("the last object is not the last content")
	}
	if left, err := os.ReadDir(r.opt.ScratchDir); err != nil || len(left) > 0 {
		t.Errorf("the snapshots left %v behind (%v)", left, err)
	}
}

func TestAFileReplacedDuringItsUploadGoesUpAndThenTheNewOne(t *testing.T) {
	b := newBucket()
	r := newRig(t, b, nil)
	first := r.timmEpoch(0, false)
	var second []byte
	b.onRead = func(key string, at int64) {
		if second == nil && strings.HasSuffix(key, "/last.pth.tar") && at > 0 {
			second = r.timmEpoch(1, false)
		}
	}
	r.run()
	var got []string
	for range 2 {
		got = append(got, r.awaitSaved("last.pth.tar")["last.pth.tar"].SHA256)
	}
	if want := []string{samples.SHA(first), samples.SHA(second)}; !slices.Equal(got, want) {
		t.Errorf("announced %q, want %q", got, want)
	}
}

func TestEqualContentIsUploadedOnceAndCopiedByTheStore(t *testing.T) {
	b := newBucket()
	r := newRig(t, b, nil)
	r.ultralyticsEpoch(0, true)
	r.finish(FinishOptions{Clean: true})
	r.wantNames("best.pt", "epoch-1.pt", "last.pt")
	if puts, copies := b.count("put"), b.count("copy"); puts != 1 || copies != 2 {
		t.Errorf("%d uploads and %d copies, want 1 and 2", puts, copies)
	}
}

func TestAStoreThatCannotCopyGetsUploads(t *testing.T) {
	b := newBucket()
	b.fail = func(op, _ string) error {
		if op == "copy" {
			return errors.New("501 NotImplemented")
		}
		return nil
	}
	r := newRig(t, b, nil)
	r.ultralyticsEpoch(0, true)
	if s := r.finish(FinishOptions{Clean: true}); len(s.Failed) > 0 {
		t.Errorf("failed: %+v", s.Failed)
	}
	r.wantNames("best.pt", "epoch-1.pt", "last.pt")
}

func TestAnAgentStartedAgainDoesNotUploadWhatIsThere(t *testing.T) {
	b := newBucket()
	r := newRig(t, b, nil)
	r.ultralyticsEpoch(0, true)
	r.finish(FinishOptions{Clean: true})
	before := b.count("put")

	again := newRig(t, b, func(o *Options) { o.Dir = r.dir })
	again.finish(FinishOptions{Clean: true})
	if n := b.count("put"); n != before {
		t.Errorf("%d more uploads of files that the bucket has", n-before)
	}
	again.wantNames("best.pt", "epoch-1.pt", "last.pt")

	if err := b.Delete(t.Context(), contract.CheckpointKey(jobID, "last.pt")); err != nil { // behind our back
		t.Fatal(err)
	}
	third := newRig(t, b, func(o *Options) { o.Dir = r.dir })
	third.finish(FinishOptions{Clean: true})
	third.wantNames("best.pt", "epoch-1.pt", "last.pt")
}

func TestAFolderGoesOnWhereItsUploadBroke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket()
		broken := true
		b.fail = func(op, key string) error {
			if op == "put" && strings.HasSuffix(key, "epoch-1/optimizer.pt") && broken {
				broken = false
				return errOutage
			}
			return nil
		}
		r := newRig(t, b, scanOnly)
		r.huggingFaceStep(10, "1.0", 0, nil)
		if s := r.finish(FinishOptions{Clean: true}); len(s.Failed) > 0 {
			t.Errorf("%+v", s.Failed)
		}
		times := map[string]int{}
		for _, line := range b.history() {
			times[line]++
		}
		if n := times["put "+contract.CheckpointKey(jobID, "epoch-1/model.safetensors")]; n != 1 {
			t.Errorf("the model went up %d times because the optimiser failed once", n)
		}
	})
}

func TestAFolderRotatedAwayDuringItsUploadLeavesNothing(t *testing.T) {
	b := newBucket()
	r := newRig(t, b, nil)
	rotated, rotate := context.WithCancel(t.Context())
	b.onRead = func(key string, at int64) {
		if strings.HasSuffix(key, "epoch-1/optimizer.pt") && at > 0 {
			_ = os.RemoveAll(r.path("checkpoint-10"))
			rotate()
		}
	}
	r.run()
	r.huggingFaceStep(10, "1.0", 0, nil)
	<-rotated.Done()
	for len(b.names()) > 0 {
		r.awaitLooks(1)
	}
	if s := r.finish(FinishOptions{Clean: true}); len(s.Failed) > 0 {
		t.Errorf("what vanished is no failure: %+v", s.Failed)
	}
	r.wantNames()
}

func TestTheManifestComesAfterTheFilesItNames(t *testing.T) {
	b := newBucket()
	r := newRig(t, b, func(o *Options) { o.Keep = 1 })
	b.visible = func(key string, body []byte) {
		if key != contract.ManifestKey(jobID) {
			return
		}
		var m contract.Manifest
		if err := json.Unmarshal(body, &m); err != nil {
			t.Error(err)
		}
		for _, f := range m.Files {
			if object, ok := b.objects[contract.CheckpointKey(jobID, f.Name)]; !ok || samples.SHA(object) != f.SHA256 {
				t.Errorf("the manifest names %s (%s), which is not there", f.Name, f.SHA256)
			}
		}
	}
	r.run()
	for epoch := range 4 {
		// New names each time: an object that is replaced is for a moment newer than its manifest.
		samples.Rewrite(t, r.path(fmt.Sprintf("epoch-%d.pt", epoch+1)), samples.Torch(t, 2<<20, byte(epoch), nil))
		r.awaitSaved(fmt.Sprintf("epoch-%d.pt", epoch+1))
	}
	r.finish(FinishOptions{Clean: true})
}

func TestRetentionDeletesOnlyWhatThisJobWrote(t *testing.T) {
	b := newBucket()
	for _, key := range []string{contract.CheckpointKey(jobID, "epoch-0.pt"), contract.CheckpointKey(jobID, "notes.txt"), contract.CheckpointKey("j10", "epoch-1.pt")} {
		b.objects[key] = []byte("somebody's")
	}
	r := newRig(t, b, func(o *Options) { o.Keep = 2 })
	r.run()
	for epoch := range 5 {
		r.ultralyticsEpoch(epoch, epoch == 0)
		r.awaitSaved(fmt.Sprintf("epoch-%d.pt", epoch+1))
	}
	r.finish(FinishOptions{Clean: true})
	r.wantNames("best.pt", "last.pt", "epoch-4.pt", "epoch-5.pt", "epoch-0.pt", "notes.txt")
	if _, err := b.get(contract.CheckpointKey("j10", "epoch-1.pt")); err != nil {
		t.Error(err)
	}
	for _, f := range b.manifest(t).Files {
		if _, err := b.get(contract.CheckpointKey(jobID, f.Name)); errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the manifest names %s, which was deleted", f.Name)
		}
	}
}

func TestProgressShowsQueueAndTotals(t *testing.T) {
	b := newBucket()
	release := make(chan struct{})
	reading := make(chan struct{}, 100)
	b.onRead = func(key string, at int64) {
		if strings.HasSuffix(key, ".pt") && at == 1<<20 {
			reading <- struct{}{}
			<-release
		}
	}
	r := newRig(t, b, func(o *Options) { o.Concurrency = 1 })
	for i := range 3 {
		samples.Rewrite(t, r.path(fmt.Sprintf("model%c.pt", 'a'+i)), samples.Torch(t, (i+2)<<20, byte(i), nil))
	}
	r.run()
	<-reading
	p, uploads := r.Progress(), r.Uploads()
	if p.Queued != 2 || p.FilesTotal != 3 || p.BytesTotal < 9<<20 || p.BytesDone != 1<<20 || len(uploads) != 1 || uploads[0].What != "modela.pt" {
		t.Errorf("progress %+v, uploads %+v", p, uploads)
	}
	close(release)
	r.finish(FinishOptions{Clean: true})
	if s := r.Stats(); s.Bytes < 9<<20 || s.Waiting != 0 || s.Last.IsZero() {
		t.Errorf("counted %+v", s)
	}
	if p := r.Progress(); p.FilesDone != 3 || p.BytesDone != p.BytesTotal || p.Queued != 0 {
		t.Errorf("at the end %+v", p)
	}
}
