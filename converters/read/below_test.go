package read

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/images"
)

// TestFoldersThatAreNotKnownAreWalkedOnce: what comes into a folder after the walk is
// not seen, because no folder is read again.
func TestFoldersThatAreNotKnownAreWalkedOnce(t *testing.T) {
	root := t.TempDir()
	put(root, map[string]string{"a/b/1.jpg": "", "c/2.jpg": "", "d/e/f/3.jpg": ""})
	tree, err := images.ReadTree(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"a", "a/b", "c", "d/e"} {
		if err := os.WriteFile(filepath.Join(root, dir, "annotations.json"), []byte(`{"images": []}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dir, l, err := Below(tree, contract.TaskObjectDetection)
	if f := contract.AsFailure(err); f == nil || !strings.Contains(f.Message, "3 images in a/b/, c/, d/e/f/") {
		t.Errorf("read %q as %v: %v", dir, l, err)
	}
}
