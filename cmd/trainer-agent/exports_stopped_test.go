package main_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
)

// standing is the export of a model that is made up. It stands still where STAND_AT says,
// in the handing over when the package lies there already and the model does not.
const standing = `
import os
import signal

import numpy as np
import torch
from torch import nn
from trainer_sdk import Platform
from trainer_vision.deploy import job
from trainer_vision.deploy.subject import CLASSIFY, STRETCH, Preprocess, Subject
from trainer_vision.inference import Predictor

told, hand, at = Platform.export_progress, job.hand, os.environ.get("STAND_AT")


class Mean(nn.Module):
    def forward(self, images):
        return torch.stack([images[..., 16:].mean((1, 2, 3)), images[..., :16].mean((1, 2, 3))], 1)


@torch.inference_mode()
def infer(batch):
    return Mean()(torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2) / 255).softmax(1).numpy()


def tell(platform, percent, stage, message):
    told(platform, percent, stage, message)
    if stage == at != "uploading":
        stand(platform)


def stand(platform):
    platform.event("scripted_ready", "It stands")
    while True:
        signal.pause()


def handing(*targets):
    if at == "uploading":
        hand(*targets[:-1])
        assert sorted(p.name for p in targets[-1].parent.iterdir() if not p.name.startswith(".") and p.is_file()) == ["metadata.json", "package.zip"]
        stand(current)
    hand(*targets)


def subject(_job, _request):
    knows = Predictor(["cat", "dog"], lambda image: np.asarray(image.resize((32, 32), 2)), infer, lambda raw, *_: list(raw), task="image_classification")
    return Subject(Mean().eval(), CLASSIFY, "test", "none", knows.names, Preprocess(STRETCH, 32, 32, antialias=True), knows)


class Export(job.Export):
    def __init__(self, asked, platform, *more):
        global current
        current = platform
        super().__init__(asked, platform, *more)


Platform.export_progress, job.hand, job.Export = tell, handing, Export
job.export(subject)
`

// standingExport is that export as a job.
func standingExport(t *testing.T, moment string) *job {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "export.py"), []byte(standing), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := shared.Put("light/best.pt", []byte("weights")); err != nil {
		t.Fatal(err)
	}
	j := newJob(t, "").ofTrainer("timm")
	j.flags[1] = dir
	return j.with("EXPORT_FORMAT", "onnx", "TASK_TYPE", string(contract.TaskImageClassification), "MODEL_NAME", "mean", "DATASET_ID", "",
		"CHECKPOINT_PATH", contract.URI(bucket, "light/best.pt"), "STAND_AT", moment)
}

// An export that is told to stop has failed as STOPPED, and nothing of it is left: not in
// the bucket, and not on the disk, where the next run would find it.
func TestAnExportThatIsStoppedLeavesNothing(t *testing.T) {
	for _, moment := range []string{"validating", "packaging", "uploading"} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			j := standingExport(t, moment).start().ready()
			j.stopped()
			left, err := filepath.Glob(filepath.Join(j.workspace, "runs", "*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range left {
				if base := filepath.Base(name); base != "checkpoints" {
					t.Errorf("%s is left of the export", base)
				}
			}
		})
	}
}

// The same when all of it is made, and the store takes the small files only.
func TestAnExportThatIsStoppedInItsUploadLeavesNothing(t *testing.T) {
	t.Parallel()
	to, err := url.Parse(shared.Store.Env()["S3_ENDPOINT"])
	if err != nil {
		t.Fatal(err)
	}
	stands := make(chan struct{}, 100)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // it is signed
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/package.zip") {
			_, _ = io.Copy(io.Discard, r.Body) // else nobody sees that the client is gone
			stands <- struct{}{}
			<-r.Context().Done()
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	j := standingExport(t, "").with("S3_ENDPOINT", server.URL, "AGENT_STOP_GRACE", "8s").start()
	select {
	case <-stands:
	case <-time.After(patience):
		t.Fatalf("package.zip was never uploaded\n%s", j.stderr.String())
	}
	j.stopped()
}

// stopped tells the agent to stop, and looks at how the export has ended.
func (j *job) stopped() {
	j.t.Helper()
	if err := j.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		j.t.Fatal(err)
	}
	if code := j.wait(); code != 143 {
		j.t.Fatalf("exit code %d\n%s", code, j.stderr.String())
	}
	var d contract.ExportDone
	j.final(contract.KindExportDone, &d)
	if d.Status != contract.StatusFailed || d.ExportPath != nil || d.PackagePath != nil || d.ErrorMessage == nil || j.result().Error.Code != contract.CodeStopped {
		j.t.Errorf("done: %+v, %+v", d, j.result().Error)
	}
	if names := j.objects("export-jobs/" + j.id + "/"); len(names) > 0 {
		j.t.Errorf("left in the bucket: %v", names)
	}
}
