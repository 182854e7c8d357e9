// Command trainer is a training script for a root file system that holds nothing
// else: static, no shell, no Python. It knows the scenarios of
// testdata/trainers/scripted.py that the tests of the images play.
package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

const step = 16 << 20 // bytes

// scenarios by name.
var scenarios = map[string]func() error{
	"ok":           ok,
	"waits":        waits,
	"ignores-term": ignoresTerm,
	"eats-memory":  eatsMemory,
}

func main() {
	if err := scenarios[os.Args[1]](); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func ok() error {
	if err := save("best.pt"); err != nil {
		return err
	}
	if err := post("heartbeat", map[string]any{"epoch": 1, "progress": 100, "metrics": map[string]any{"loss": 1}}); err != nil {
		return err
	}
	return post("done", map[string]any{"status": "succeeded", "final_metrics": map[string]any{"accuracy": 0.9}, "checkpoint_path": nil, "error_message": nil})
}

// waits until it is told to stop, then saves.
func waits() error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	if err := ready(); err != nil {
		return err
	}
	<-stop
	return save("last.pt")
}

func ignoresTerm() error {
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT)
	if err := ready(); err != nil {
		return err
	}
	for {
		_ = syscall.Pause()
	}
}

// eatsMemory ends by itself at 4 GiB, where there is no limit.
func eatsMemory() error {
	var eaten [][]byte
	for range 4 << 30 / step {
		eaten = append(eaten, bytes.Repeat([]byte("x"), step))
	}
	return fmt.Errorf("no limit at %d steps", len(eaten))
}

func ready() error {
	return post("event", map[string]any{"event_type": "scripted_ready", "message": "ready", "data": map[string]any{}})
}

// save writes what passes for a checkpoint of torch: a stored zip.
func save(name string) error {
	f, err := os.Create(filepath.Join(os.Getenv("CHECKPOINT_DIR"), name))
	if err != nil {
		return err
	}
	archive := zip.NewWriter(f)
	w, err := archive.CreateHeader(&zip.FileHeader{Name: "archive/data.pkl", Method: zip.Store})
	if err != nil {
		return err
	}
	if _, err := w.Write(make([]byte, 100_000)); err != nil {
		return err
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return f.Close()
}

func post(kind string, body map[string]any) error {
	body["timestamp"] = time.Now().UTC().Format(time.RFC3339)
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	url := os.Getenv("BACKEND_BASE_URL") + "/api/v1/jobs/" + os.Getenv("JOB_ID") + "/" + kind
	request, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(b)) //nolint:noctx // a script
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+os.Getenv("CALLBACK_TOKEN"))
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	return nil
}
