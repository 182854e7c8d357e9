package job

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestLongListsBecomeFiles(t *testing.T) {
	ws := Workspace{Root: t.TempDir()}
	long := strings.Repeat("x", contract.MaxListBytes+1)
	env := []string{"A=" + long, "CLASS_NAMES=" + long, "CONFIG_JSON={}", "IMAGE_FILES=" + long[1:]}
	got, err := ws.Shorten(env)
	file := filepath.Join(ws.Root, "lists", "class_names.json")
	if want := []string{env[0], "CLASS_NAMES_FILE=" + file, env[2], env[3]}; err != nil || !slices.Equal(got, want) {
		t.Fatalf("%v, %v", got[1], err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != long {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

func TestAHomeThatCannotBeWrittenToIsReplaced(t *testing.T) {
	ws := Workspace{Root: t.TempDir()}
	theirs := t.TempDir()
	if home, ours := ws.HomeFor(theirs, false); ours || home != theirs {
		t.Errorf("%s, %v", home, ours)
	}
	for name, home := range map[string]string{"gone": filepath.Join(theirs, "gone"), "somebody else's": theirs} {
		got, ours := ws.HomeFor(home, name != "gone")
		if info, err := os.Stat(got); !ours || got != ws.Home() || err != nil || !info.IsDir() {
			t.Errorf("%s: %s, %v, %v", name, got, ours, err)
		}
	}
}
