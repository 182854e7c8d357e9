package autoreport

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Bounds of one look at the output folder.
const (
	maxDepth   = 6       // folders below it
	maxEntries = 50_000  // names read
	maxSources = 256     // result files followed
	maxSource  = 8 << 20 // bytes of one; a 10 000-epoch results.csv has 2 MB
	maxRows    = 50_000  // epochs, where the job's number is unknown
)

// A source is one result file.
type source struct {
	path  string // relative to the output folder
	parse func([]byte) ([]row, error)
	group string // files that tell of the same run: a folder of checkpoints

	size    int64
	mtime   time.Time
	skipped bool // a complaint about it was logged
	beyond  bool // so was that it counts further than the job
}

// parserOf returns how a file is read, nil when it is no result file.
func parserOf(name string) func([]byte) ([]row, error) {
	switch name {
	case "results.csv":
		return parseCSV
	case "trainer_state.json":
		return parseTrainerState
	}
	return nil
}

// find lists the result files below root. Links are not followed, and what
// cannot be read is left out: the next look may have it.
func find(root string) []*source {
	var found []*source
	entries := 0
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // a folder that vanished is not our fault
		}
		if entries++; entries > maxEntries || len(found) >= maxSources {
			return fs.SkipAll
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return fs.SkipAll
		}
		if d.IsDir() && strings.Count(rel, string(filepath.Separator)) >= maxDepth {
			return fs.SkipDir
		}
		if parse := parserOf(d.Name()); parse != nil && d.Type().IsRegular() {
			found = append(found, &source{path: rel, parse: parse, group: groupOf(rel)})
		}
		return nil
	})
	return found
}

// groupOf names the run that a file tells of. Hugging Face writes the whole
// history again into every checkpoint-N, so all of them are one.
func groupOf(rel string) string {
	if filepath.Base(rel) != "trainer_state.json" {
		return rel
	}
	dir := filepath.Dir(rel)
	if strings.HasPrefix(filepath.Base(dir), "checkpoint-") {
		dir = filepath.Dir(dir)
	}
	return filepath.Join(dir, "trainer_state.json")
}

// read returns the rows of a file that has changed since the last call; changed
// is false when it has not, or has vanished.
func (s *source) read(root string) (rows []row, changed bool, err error) {
	dir, err := os.OpenRoot(root)
	if err != nil {
		return nil, false, nil //nolint:nilerr // as the file
	}
	defer dir.Close()
	f, err := dir.OpenFile(s.path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe may lie there by now: it must not hold us
	if err != nil {
		return nil, false, nil //nolint:nilerr // old checkpoints are deleted under way
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, false, err
	}
	if info.Size() == s.size && info.ModTime().Equal(s.mtime) {
		return nil, false, nil
	}
	if info.Size() > maxSource {
		return nil, false, fmt.Errorf("it is over %d bytes", maxSource)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSource))
	if err != nil {
		return nil, false, err
	}
	rows, err = s.parse(b)
	if err != nil {
		return nil, false, err // perhaps half written: looked at again
	}
	s.size, s.mtime = info.Size(), info.ModTime()
	return rows, true, nil
}
