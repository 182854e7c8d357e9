package exported

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
)

// checksum compares a package's model with the sum that its metadata names.
// Of a folder it is that of its files' names and bytes, in order.
func checksum(tree fs.FS, model Model) string {
	if model.SHA256 == "" || !fs.ValidPath(model.File) {
		return "unknown"
	}
	total := sha256.New()
	info, err := fs.Stat(tree, model.File)
	if err != nil {
		return "differs"
	}
	add := func(name string) error {
		file, err := tree.Open(name)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		_, err = io.Copy(total, file)
		return err
	}
	if !info.IsDir() {
		err = add(model.File)
	} else {
		err = fs.WalkDir(tree, model.File, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			_, _ = io.WriteString(total, name[len(model.File)+1:]+"\n")
			return add(name)
		})
	}
	if err != nil || hex.EncodeToString(total.Sum(nil)) != model.SHA256 {
		return "differs"
	}
	return "matches"
}
