// Package staging builds a folder beside its final place and moves it there in
// one step.
//
// It promises that the final place holds the old folder or the whole new one and
// nothing between, and that nothing is ever written through a link into the
// source. It leaves what goes into the folder to the writers.
package staging

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/vision-platform/trainer-agent/contract"
)

// Marker is the file, a contract.ClassMap, by which a prepared folder is known as
// such: only a folder that has it, or an empty one, is ever replaced.
const Marker = "classes.json"

// Dir is a folder under construction. Its methods may be called from several
// goroutines.
type Dir struct {
	Final string // absolute; empty for a counter
	temp  string

	counts bool // nothing is written

	noHardLinks atomic.Bool // the source is on another file system
	noSymlinks  atomic.Bool
}

// New makes an empty folder beside final.
func New(final string) (*Dir, error) {
	final, err := filepath.Abs(final)
	if err != nil {
		return nil, fmt.Errorf("finding the output folder: %w", err)
	}
	if strings.ContainsAny(final, "[]*?") {
		return nil, contract.Failf(contract.CodeConfigInvalid, "The output folder %s has one of [ ] * ? in its path.", final).
			WithHint("Choose another folder: dataset readers take these for patterns and find no images.")
	}
	if err := replaceable(final); err != nil {
		return nil, err
	}
	parent, prefix := filepath.Dir(final), "."+filepath.Base(final)+".partial-"
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, fmt.Errorf("creating the output folder: %w", err)
	}
	if err := removeStale(parent, prefix); err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp(parent, prefix+"*")
	if err != nil {
		return nil, fmt.Errorf("creating the output folder: %w", err)
	}
	if err := os.Chmod(temp, 0o755); err != nil {
		return nil, fmt.Errorf("creating the output folder: %w", err)
	}
	return &Dir{Final: final, temp: temp}, nil
}

// Counter is a folder that nothing is written to: a dry run does all that a
// conversion does, and what it finds is the same.
func Counter() *Dir { return &Dir{counts: true} }

// replaceable refuses to replace a folder that is not ours.
func replaceable(final string) error {
	entries, err := os.ReadDir(final)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && len(entries) == 0) {
		return nil
	}
	if err != nil {
		return contract.Failf(contract.CodeConfigInvalid, "The output folder %s cannot be used: %w.", final, err)
	}
	if marked(final) {
		return nil
	}
	return contract.Failf(contract.CodeConfigInvalid, "The output folder %s is not empty and was not made by a conversion.", final).
		WithHint("Choose a new folder, or empty this one first.")
}

// marked tells a conversion's classes.json from a dataset's own file of that name.
// An empty one is what a machine that lost its power left of ours.
func marked(dir string) bool {
	var classes contract.ClassMap
	text, err := os.ReadFile(filepath.Join(dir, Marker))
	if err != nil || len(text) == 0 {
		return err == nil
	}
	return json.Unmarshal(text, &classes) == nil && classes.Task != "" && classes.Format != ""
}

// removeStale removes what interrupted conversions left.
func removeStale(parent, prefix string) error {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return fmt.Errorf("reading the output folder's parent: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			if err := os.RemoveAll(filepath.Join(parent, e.Name())); err != nil {
				return fmt.Errorf("removing an interrupted conversion: %w", err)
			}
		}
	}
	return nil
}

// Commit moves the folder to its final place.
func (d *Dir) Commit() error {
	old := d.temp + ".old"
	err := os.Rename(d.Final, old)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("moving the old folder away: %w", err)
	}
	if err := os.Rename(d.temp, d.Final); err != nil {
		return fmt.Errorf("moving the prepared folder into place: %w", err)
	}
	if err := os.RemoveAll(old); err != nil {
		return fmt.Errorf("removing the old folder: %w", err)
	}
	return nil
}

// Abort removes what was built. After Commit it does nothing.
func (d *Dir) Abort() { _ = os.RemoveAll(d.temp) }

// Write creates one file with content, with its folder.
func (d *Dir) Write(rel string, content []byte) error {
	return d.in(rel, func(f *Folder, name string) error { return f.Write(name, content) })
}

// WriteJSON creates one file with v as indented JSON.
func (d *Dir) WriteJSON(rel string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding %s: %w", rel, err)
	}
	return d.Write(rel, append(text, '\n'))
}

// Fill creates one file whose content write makes, with its folder. A counter has
// the content made, for what is found meanwhile.
func (d *Dir) Fill(rel string, write func(io.Writer) error) error {
	if d.counts {
		return write(io.Discard)
	}
	return d.in(rel, func(f *Folder, name string) error { return f.Fill(name, write) })
}

func (d *Dir) in(rel string, do func(f *Folder, name string) error) error {
	f, err := d.Open(path.Dir(rel))
	if err != nil {
		return err
	}
	defer f.Close()
	return do(f, path.Base(rel))
}

// failure makes a full disk what it is; other errors stay.
func failure(doing string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return contract.Failf(contract.CodeDiskFull, "The disk is full: %s: %w.", doing, err).
			WithHint("Give the job more disk space.")
	}
	return fmt.Errorf("%s: %w", doing, err)
}
