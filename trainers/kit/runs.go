package kit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	runPrefix = "run-"           // and a number, from 1
	latest    = "latest"         // link to the newest run
	usedModel = "used-model.txt" // of a run that has used a model: which one
	maxTaken  = 100              // tries to make the next folder, which another try may make first
)

// NewRun makes a folder of its own for a try, below parent: run-1, run-2 and so on.
// Earlier runs stay as they are, one that is at work too; parent's link `latest` leads
// to the new one.
func NewRun(parent string) (string, error) {
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", fmt.Errorf("making the folder of the runs: %w", err)
	}
	for range maxTaken {
		last, err := lastNumber(parent)
		if err != nil {
			return "", err
		}
		dir := filepath.Join(parent, runPrefix+strconv.Itoa(last+1))
		err = os.Mkdir(dir, 0o755) // fails for the second of two that chose the same number
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("making the folder of the run: %w", err)
		}
		return dir, link(parent, filepath.Base(dir))
	}
	return "", fmt.Errorf("%s: other tries take every folder for a run", parent)
}

// LastRun is the newest training below parent: not what has used a trained model.
func LastRun(parent string) (string, error) {
	last, err := lastNumber(parent)
	if err != nil {
		return "", err
	}
	for ; last > 0; last-- {
		run := filepath.Join(parent, runPrefix+strconv.Itoa(last))
		if _, err := os.Stat(run); err == nil && !regular(filepath.Join(run, usedModel)) {
			return run, nil
		}
	}
	return "", fmt.Errorf("there is no earlier training below %s to go on with: leave --resume out", parent)
}

// lastNumber is the highest of the runs, 0 without one.
func lastNumber(parent string) (last int, err error) {
	entries, err := os.ReadDir(parent)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("looking for earlier runs: %w", err)
	}
	for _, e := range entries {
		number, isRun := strings.CutPrefix(e.Name(), runPrefix)
		if n, err := strconv.Atoi(number); isRun && err == nil {
			last = max(last, n)
		}
	}
	return last, nil
}

// link makes `latest` lead to a run. A file or folder of that name that is no link
// of ours stays, and there is no link then.
func link(parent, run string) error {
	path := filepath.Join(parent, latest)
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink == 0 {
		return nil
	}
	fresh := path + "-" + run // renamed over the old one: there is always a link
	if err := os.Symlink(run, fresh); err != nil {
		return fmt.Errorf("linking the newest run: %w", err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return fmt.Errorf("linking the newest run: %w", err)
	}
	return nil
}
