package exported

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"strings"
)

// checksum compares a package's model with the sum that its metadata names.
// Of a folder it is that of its files' names and bytes, in order. The second answer
// is the number of bytes.
func checksum(tree fs.FS, model Model) (string, int64) {
	total := sha256.New()
	info, err := fs.Stat(tree, model.File)
	if err != nil {
		return "differs", 0
	}
	size := int64(0)
	add := func(name string) error {
		file, err := tree.Open(name)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		n, err := io.Copy(total, file)
		size += n
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
	switch {
	case err == nil && model.SHA256 == "":
		return "unknown", size
	case err != nil || !strings.EqualFold(hex.EncodeToString(total.Sum(nil)), model.SHA256):
		return "differs", size
	}
	return "matches", size
}
