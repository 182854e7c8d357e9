package kit

import (
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
