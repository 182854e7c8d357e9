package upload

import (
	"sync/atomic"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/scan"
	"github.com/vision-platform/trainer-agent/contract"
)

// Task is one source on its way to one name: everything that a worker needs, so
// that it shares no state with its caller.
type Task struct {
	Name    string // below the prefix
	Source  scan.Source
	Private bool                    // the file changed under earlier uploads: copy it
	Equals  []contract.ManifestFile // objects that may have the same content
	Held    map[string]Held         // what the bucket holds under the names of this task
	Partial map[string]Partial      // files of a folder that earlier tries brought up
	Meter   *Meter
	own     atomic.Bool
}

// Held is an object that the manifest names.
type Held struct {
	Size int64
	SHA  string
}

// Partial is a file of a folder that is up while the folder is not.
type Partial struct {
	Version scan.Version
	File    contract.ManifestFile
}

// Own reports whether the upload reads a private snapshot, which nobody can change.
func (t *Task) Own() bool { return t.own.Load() }

// mayHaveEqual tells whether it is worth hashing before the upload, in place of
// beside it.
func (t *Task) mayHaveEqual(name string, size int64) bool {
	if h, ok := t.Held[name]; ok && h.Size == size {
		return true
	}
	for _, other := range t.Equals {
		if other.SizeBytes == size {
			return true
		}
	}
	return false
}
