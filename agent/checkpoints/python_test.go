package checkpoints

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/internal/samples"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

// pinned names a framework, and what it leaves in the bucket with which epoch; 0
// is any.
var pinned = map[string]map[string]int{
	"ultralytics": {"last.pt": 3, "best.pt": 2, "epoch-1.pt": 1, "epoch-2.pt": 2, "epoch-3.pt": 3},
	"timm":        {"last.pth.tar": 3, "best.pth.tar": 2, "epoch-1.pth.tar": 1, "epoch-2.pth.tar": 2, "epoch-3.pth.tar": 3},
	"huggingface": {
		"last/trainer_state.json": 3, "last/model.safetensors": 3, "last/optimizer.pt": 3, "last/scheduler.pt": 3, "last/rng_state.pth": 3,
		"best/trainer_state.json": 0, "best/model.safetensors": 0, "epoch-1/model.safetensors": 1, "epoch-2/optimizer.pt": 2, "epoch-3/rng_state.pth": 3,
	},
	"others": {"plain.safetensors": 0, "legacy.pth": 0, "scripted.torchscript": 0},
}

// The pinned frameworks write with their own code while a watcher runs on each.
func TestThePinnedFrameworks(t *testing.T) {
	interpreter, dir := need.Python(t), t.TempDir()
	rigs := map[string]*rig{}
	for name := range pinned {
		out := filepath.Join(dir, name)
		if err := os.Mkdir(out, 0o755); err != nil {
			t.Fatal(err)
		}
		rigs[name] = newRig(t, newBucket(), func(o *Options) { o.Dir = out })
		rigs[name].run()
	}
	script := exec.CommandContext(t.Context(), interpreter, filepath.Join("testdata", "write_checkpoints.py"), dir)
	var log bytes.Buffer
	script.Stderr = &log
	in, err := script.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := script.StdoutPipe()
	if err == nil {
		err = script.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		words := strings.Fields(lines.Text())
		rigs[words[0]].awaitSaved(words[1:]...)
		if _, err := in.Write([]byte("\n")); err != nil {
			t.Fatal(err)
		}
	}
	if err := script.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	for name, r := range rigs {
		r.checkPinned(name)
	}
}

func (r *rig) checkPinned(framework string) {
	r.t.Helper()
	if s := r.finish(FinishOptions{Clean: true}); len(s.Failed) > 0 {
		r.t.Errorf("%s: failed: %+v", framework, s.Failed)
	}
	epochs := map[string]int{}
	for _, f := range r.bucket.manifest(r.t).Files {
		if body, err := r.bucket.get(contract.CheckpointKey(jobID, f.Name)); err != nil || samples.SHA(body) != f.SHA256 {
			r.t.Errorf("%s: the manifest's %s is not what the bucket holds: %v", framework, f.Name, err)
		}
		epochs[f.Name] = f.Epoch
	}
	for name, epoch := range pinned[framework] {
		if got, ok := epochs[name]; !ok || epoch > 0 && got != epoch {
			r.t.Errorf("%s: %s is in the bucket: %v, with epoch %d, want %d", framework, name, ok, got, epoch)
		}
	}
	for _, name := range r.bucket.names() {
		_, listed := epochs[name]
		if !listed || slices.Contains([]string{"tmp.pth.tar", "optimizer.pt"}, name) || strings.HasPrefix(name, "checkpoint-") {
			r.t.Errorf("%s: %s should not be there", framework, name)
		}
	}
}
