package hub

import (
	"io/fs"
	"os"
)

// remove removes a folder that a package's code wrote to: it may have closed
// folders in it, which would keep a hub that is not root from its next start.
func remove(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	_ = os.Chmod(dir, 0o700)
	if root, err := os.OpenRoot(dir); err == nil {
		unlock(root)
	}
	return os.RemoveAll(dir)
}

// unlock opens every folder for its owner. It goes from folder to folder, for the
// whole path may be longer than the kernel takes; links are not followed.
func unlock(root *os.Root) {
	defer func() { _ = root.Close() }()
	entries, _ := fs.ReadDir(root.FS(), ".") // what cannot be read is found by who removes
	for _, entry := range entries {
		if !entry.IsDir() || root.Chmod(entry.Name(), 0o700) != nil {
			continue
		}
		if below, err := root.OpenRoot(entry.Name()); err == nil {
			unlock(below)
		}
	}
}
