package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

// Who waits no longer is told where the submission goes on, and not that a context was canceled.
func TestPublishThatWaitsNoLonger(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/trainers/upload", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"validation_job_id": "7", "status": "validating", "url": "http://hub/api/v1/trainers/validation/7"}`)
	})
	mux.HandleFunc("GET /api/v1/trainers/validation/7", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"validation_job_id": "7", "status": "validating"}`)
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM) // Run is told, while it waits
	})
	hub := httptest.NewServer(mux)
	t.Cleanup(hub.Close)
	file := filepath.Join(t.TempDir(), "cells.zip")
	said, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = said, said
	err = PublishCmd{Package: file, Hub: hub.URL, Token: "tah_x", Wait: true}.Run()
	os.Stdout, os.Stderr = stdout, stderr
	_ = said.Close()
	text, _ := os.ReadFile(file)
	page := hub.URL + "/?submission=7"
	if code, is := errors.AsType[exitCode](err); !is || int(code) != int(contract.ExitStopped) {
		t.Errorf("%v: %s", err, text)
	}
	for _, want := range []string{"The hub took it: " + page + "\n", fmt.Sprintf("The hub goes on: %s shows", page)} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s, want %q", text, want)
		}
	}
}
