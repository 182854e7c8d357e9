package job

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/internal/host"
	"github.com/vision-platform/trainer-agent/contract"
)

func TestAWorkspaceIsOneAgentsAtATime(t *testing.T) {
	ws := Workspace{Root: filepath.Join(t.TempDir(), "ws")}
	first, second := &Claim{Workspace: ws}, &Claim{Workspace: ws}
	if err := first.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := second.Start(t.Context()); contract.AsFailure(err).Code != contract.CodeConfigInvalid {
		t.Errorf("a second agent: %v", err)
	}
	if err := second.Stop(t.Context()); err != nil { // it has nothing to give up
		t.Error(err)
	}
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := second.Start(t.Context()); err != nil {
		t.Errorf("after the first has left: %v", err)
	}
	_ = second.Stop(t.Context())
}

func TestOnlyAResultThatWasKeptTakesTheMarkerAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "life.json")
	events := NewEvents(slog.New(slog.DiscardHandler), time.Now, "")
	run := func() *Marking {
		return &Marking{Path: path, Events: events, Now: time.Now, Memory: func() (host.Memory, error) { return host.Memory{}, errors.New("no cgroup") }}
	}
	first := run()
	if err := first.Remove(); err != nil {
		t.Errorf("before its start: %v", err)
	}
	if err := first.Start(t.Context()); err != nil || first.Previous != nil {
		t.Fatalf("a fresh workspace: %v %v", first.Previous, err)
	}
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	next := run()
	if err := next.Start(t.Context()); err != nil || next.Previous == nil || len(events.Warnings()) != 1 {
		t.Fatalf("after a run that was killed: %v, %v, warned of %q", next.Previous, err, events.Warnings())
	}
	if err := next.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the marker is still there: %v", err)
	}
}
