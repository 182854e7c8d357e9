package hub

import (
	"io/fs"
	"os"
	"path/filepath"
)

// remove removes a folder that a package's code wrote to: it may have closed
// folders in it, which would keep a hub that is not root from its next start.
func remove(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() { // before it is read; links are not followed
			return os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}
