package dataset

import (
	"os"
	"path/filepath"
	"testing"
)

// A folder around a dataset is not part of it; that of a split is.
func TestTheFolderAroundADatasetIsLeft(t *testing.T) {
	for file, top := range map[string]string{
		"set/images/a.jpg":            "set",
		"images/a.jpg":                ".",
		"my-set/inner/cat/a.jpg":      "my-set/inner/cat",
		"test/0-cat/a.jpg":            ".",
		"set/val/images/a.jpg":        "set",
		"test/_annotations.coco.json": ".",
		"test/annotations.json":       "test",
		"test/a.jpg":                  "test",
		"test_tube/cat.json":          "test_tube",
		"__MACOSX/x":                  ".",
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, _ := filepath.Rel(dir, unwrap(dir)); got != top {
			t.Errorf("%s: %s, want %s", file, got, top)
		}
	}
}
