package job

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTryingAWorkspaceLeavesNothingInIt(t *testing.T) {
	w := Workspace{filepath.Join(t.TempDir(), "new")}
	if err := w.Try(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(w.Root); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	if err := w.Open(); err != nil {
		t.Fatal(err)
	}
	if err := w.Try(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(w.Checkpoints()); err != nil {
		t.Errorf("a folder that was there is gone: %v", err)
	}
}
