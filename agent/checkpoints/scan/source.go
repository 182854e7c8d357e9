package scan

import (
	"strings"
	"time"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/naming"
)

// File is one file of a source.
type File struct {
	Rel     string // relative to OUTPUT_DIR, with slashes
	Sub     string // relative to the source's folder; empty for a plain file
	Version Version
}

// Source is a checkpoint as it lies on disk: one file, or one folder.
type Source struct {
	naming.Identity
	Rel    string
	Folder bool
	Files  []File
	Size   int64
	State  *TrainerState // of a Hugging Face checkpoint folder
}

// Stamp identifies the content of a source as Version does that of a file.
func (s Source) Stamp() string {
	var b strings.Builder
	for _, f := range s.Files {
		b.WriteString(f.Sub + "=" + f.Version.String() + ";")
	}
	return b.String()
}

// Written is the latest modification of the source's files.
func (s Source) Written() time.Time {
	var latest int64
	for _, f := range s.Files {
		latest = max(latest, f.Version.Mtime)
	}
	return time.Unix(0, latest)
}

// Renamed reports whether every file was given its name after its last byte: a
// rename moves the change time on and leaves the time of modification.
func (s Source) Renamed() bool {
	for _, f := range s.Files {
		if f.Version.Ctime <= f.Version.Mtime {
			return false
		}
	}
	return len(s.Files) > 0
}

// View is what one look found.
type View struct {
	Sources []Source
	Dirs    []string // every directory, for the watch
	Hidden  []string // directories that are passed over though a model is in them, because their names begin with a dot; a few
	Partial bool     // a bound was met, or a directory could not be read
	Faults  []Fault  // what could not be looked at because of a bug; a few
}
