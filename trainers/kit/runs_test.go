package kit

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestEachTryHasAFolderOfItsOwn(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "workspace")
	first, err := NewRun(parent)
	if err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(first, "best.ckpt")
	if err := os.WriteFile(kept, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	second, err := NewRun(parent)
	if err != nil || filepath.Base(second) != "run-2" {
		t.Fatalf("%s %v", second, err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Errorf("the earlier run lost its file: %v", err)
	}
	if got, err := os.Readlink(filepath.Join(parent, "latest")); err != nil || got != "run-2" {
		t.Errorf("latest leads to %q (%v)", got, err)
	}
	if last, err := LastRun(parent); err != nil || last != second {
		t.Errorf("the last run is %s (%v)", last, err)
	}
}

// Ten tries at once never share a folder, and nothing of one is another's.
func TestTriesAtOnceNeverShareAFolder(t *testing.T) {
	parent := t.TempDir()
	var mu sync.Mutex
	seen := map[string]bool{}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			dir, err := NewRun(parent)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || seen[dir] {
				t.Errorf("%s: %v", dir, err)
			}
			seen[dir] = true
		})
	}
	all.Wait()
}

// A test run, a prediction or an export between two trainings is none to go on with.
func TestResumeGoesOnWithTheNewestTraining(t *testing.T) {
	parent := t.TempDir()
	training, err := NewRun(parent)
	if err != nil {
		t.Fatal(err)
	}
	checkpoint := filepath.Join(training, "bucket", "checkpoints", "job-try", "best.pt")
	if err := errors.Join(os.MkdirAll(filepath.Dir(checkpoint), 0o700), os.WriteFile(checkpoint, []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
	desk, err := OpenDesk(t.Context(), filepath.Join(parent, "callbacks.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = desk.Close() }()
	for _, using := range []Using{{Export: "onnx"}, {}, {Images: parent}} {
		run, err := NewRun(parent)
		if err != nil {
			t.Fatal(err)
		}
		using.Local, using.Runs = Local{Package: parent, Dataset: parent, Workspace: run}, parent
		if _, err := using.Environment(desk); err != nil {
			t.Fatal(err)
		}
		if last, err := LastRun(parent); err != nil || last != training {
			t.Errorf("the last training is %s (%v)", last, err)
		}
	}
	if next, err := NewRun(parent); err != nil {
		t.Fatal(err)
	} else if last, err := LastRun(parent); err != nil || last != next {
		t.Errorf("the last training is %s (%v), not %s", last, err, next)
	}
}

func TestResumeNeedsAnEarlierRun(t *testing.T) {
	if dir, err := LastRun(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Errorf("got %s", dir)
	}
}

// What a person calls latest is theirs.
func TestAFolderNamedLatestStays(t *testing.T) {
	parent := t.TempDir()
	if err := os.Mkdir(filepath.Join(parent, "latest"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := NewRun(parent); err != nil {
		t.Error(err)
	}
}
