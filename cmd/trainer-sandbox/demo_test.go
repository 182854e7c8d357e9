package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

// play runs the demo with the actor in the agent's place.
func play(t *testing.T, model string) (output string, err error) {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	agent := filepath.Join(dir, "trainer-agent")
	if err := os.Symlink(self, agent); err != nil {
		t.Fatal(err)
	}
	c := &demoCmd{
		Agent: agent, GPUProbe: agent, Python: need.Python(t), Root: filepath.Join("..", ".."), Framework: "ultralytics", Model: model,
		Epochs: 3, Images: 4, BatchSize: 2, DataDir: filepath.Join(dir, "data"), Timeout: time.Minute,
	}
	return captured(t, func() error { return c.Run(t.Context()) })
}

// captured collects what f prints.
func captured(t *testing.T, f func() error) (string, error) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = write
	defer func() { os.Stdout = stdout }()
	text := make(chan string)
	go func() {
		all, _ := io.ReadAll(read)
		text <- string(all)
	}()
	err = f()
	_ = write.Close()
	return <-text, err
}

func TestDemoPassesWhenAllOfItHappened(t *testing.T) {
	out, err := play(t, "whole")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"All of it happened", "epoch 3", "mAP50-95", "checkpoints/job-demo-ultralytics/manifest.json", "datasets/shapes-object-detection.zip", "Look again", "succeeded"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

func TestDemoNamesWhatIsMissing(t *testing.T) {
	for model, wants := range map[string][]string{
		"no-heartbeat-rise-best-exit-0": {
			"MISSING: a heartbeat with a loss for epoch 2", "MISSING: a rising mAP50-95",
			"MISSING: the checkpoint checkpoints/job-demo-ultralytics/best.*", "MISSING: exit code 0 of the agent (it was 3)",
		},
		"no-done": {"MISSING: one done as the last callback"},
	} {
		out, err := play(t, model)
		for _, want := range wants {
			if err == nil || !strings.Contains(out, want) {
				t.Errorf("%s: got %v, want %q in\n%s", model, err, want, out)
			}
		}
	}
}

func TestDemoSaysWhatToDoWhenAProgramIsNotThere(t *testing.T) {
	c := &demoCmd{Framework: "timm", Root: filepath.Join("..", ".."), Python: need.Python(t), Agent: "/nowhere/trainer-agent"}
	if err := c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("got %v", err)
	}
}

func TestServePrintsAnEnvironmentThatWorks(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // it starts, prints and leaves
	c := &serveCmd{
		S3Addr: "127.0.0.1:0", BackendAddr: "127.0.0.1:0", DataDir: t.TempDir(), Bucket: "b-1", Token: "t", AccessKey: "a", SecretKey: "it's", JSON: false,
	}
	out, err := captured(t, func() error { return c.Run(ctx) })
	if err == nil && !strings.Contains(out, `export AWS_SECRET_ACCESS_KEY='it'\''s'`) || err != nil {
		t.Errorf("got %v\n%s", err, out)
	}
}

func TestServeHidesWellKnownKeysFromTheNetwork(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:80"} {
		c := &serveCmd{S3Addr: addr, BackendAddr: "127.0.0.1:0", Token: defaultToken, SecretKey: "own"}
		if err := c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "other machines") {
			t.Errorf("%s: got %v", addr, err)
		}
	}
}
