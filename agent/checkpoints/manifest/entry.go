package manifest

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/naming"
	"github.com/vision-platform/trainer-agent/contract"
)

// Entry is one name of the bucket with what it holds.
type Entry struct {
	Name   string
	Stamp  string // of the source that it was made from; empty for an earlier run's
	Role   naming.Role
	Folder bool
	Staged bool                    // an epoch that only last or best is copied from
	Files  []contract.ManifestFile // Name is relative to the prefix
}

// Size is the sum of the files.
func (e *Entry) Size() int64 {
	var n int64
	for _, f := range e.Files {
		n += f.SizeBytes
	}
	return n
}

// Epoch is 0 when it is not known.
func (e *Entry) Epoch() int {
	if len(e.Files) == 0 {
		return 0
	}
	return e.Files[0].Epoch
}

// Time is when the entry was uploaded.
func (e *Entry) Time() time.Time {
	if len(e.Files) == 0 {
		return time.Time{}
	}
	return e.Files[0].Time.Time
}

// URI is where a reader finds the entry: an object, or a folder with a slash.
func (e *Entry) URI(uri func(key string) string, prefix string) string {
	if e.Folder {
		return uri(prefix+e.Name) + "/"
	}
	return uri(prefix + e.Name)
}

// Digest is the SHA-256 of a file; of a folder, that of the lines "sha256  name" of
// its files, as sha256sum prints them.
func (e *Entry) Digest() string {
	if !e.Folder {
		return e.Files[0].SHA256
	}
	return Digest(e.Files)
}

// Model reports whether the entry is a model, and no output.
func (e *Entry) Model() bool {
	if first, _, deep := strings.Cut(e.Name, "/"); deep && first == "outputs" {
		return false
	}
	_, _, model := naming.SplitModel(path.Base(e.Name))
	return e.Role != naming.Result && (e.Folder || model)
}

// Digest is one SHA-256 of many files, in the order of their names.
func Digest(files []contract.ManifestFile) string {
	sum := sha256.New()
	for _, f := range slices.SortedFunc(slices.Values(files), func(a, b contract.ManifestFile) int { return cmp.Compare(a.Name, b.Name) }) {
		_, _ = fmt.Fprintf(sum, "%s  %s\n", f.SHA256, f.Name)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
