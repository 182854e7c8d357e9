// Package staging builds a folder beside its final place and moves it there in
// one step.
//
// It promises that the final place holds the old folder or the whole new one and
// nothing between, and that nothing is ever written through a link into the
// source. It leaves what goes into the folder to the writers.
package staging

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/vision-platform/trainer-agent/contract"
)

// Marker is the file by which a prepared folder is known as such: only a folder
// that has it, or an empty one, is ever replaced.
const Marker = "classes.json"

// Dir is a folder under construction. Its methods may be called from several
// goroutines.
type Dir struct {
	Final string // absolute
	temp  string
	made  sync.Map // folders that exist, by relative path

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

// replaceable refuses to replace a folder that is not ours.
func replaceable(final string) error {
	entries, err := os.ReadDir(final)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && len(entries) == 0) {
		return nil
	}
	if err != nil {
		return contract.Failf(contract.CodeConfigInvalid, "The output folder %s cannot be used: %w.", final, err)
	}
	for _, e := range entries {
		if e.Name() == Marker {
			return nil
		}
	}
	return contract.Failf(contract.CodeConfigInvalid, "The output folder %s is not empty and was not made by a conversion.", final).
		WithHint("Choose a new folder, or empty this one first.")
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

// Create creates a file that must not exist yet, with its folders.
func (d *Dir) Create(rel string) (*os.File, error) {
	if err := d.folders(rel); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(d.at(rel), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, failure("creating a file", err)
	}
	return f, nil
}

// Write creates a file with content.
func (d *Dir) Write(rel string, content []byte) error {
	if err := d.folders(rel); err != nil {
		return err
	}
	if err := createFile(d.at(rel), content); err != nil {
		return failure("writing a file", err)
	}
	return nil
}

func (d *Dir) at(rel string) string { return d.temp + "/" + rel }

// Folder makes a folder of the tree.
func (d *Dir) Folder(rel string) error { return d.folders(rel + "/x") }

func (d *Dir) folders(rel string) error {
	i := strings.LastIndexByte(rel, '/')
	if i < 0 {
		return nil
	}
	dir := rel[:i]
	if _, made := d.made.Load(dir); made {
		return nil
	}
	if err := os.MkdirAll(d.at(dir), 0o755); err != nil {
		return failure("creating a folder", err)
	}
	d.made.Store(dir, struct{}{})
	return nil
}

// Link places the file src, an absolute path, at rel: as a hard link, else a
// symbolic link, else a copy.
func (d *Dir) Link(src, rel string) error {
	if err := d.folders(rel); err != nil {
		return err
	}
	if !d.noHardLinks.Load() {
		err := os.Link(src, d.at(rel))
		if err == nil {
			return nil
		}
		if !cannotLink(err) {
			return failure("linking an image", err)
		}
		if errors.Is(err, syscall.EXDEV) {
			d.noHardLinks.Store(true)
		}
	}
	if !d.noSymlinks.Load() {
		err := os.Symlink(src, d.at(rel))
		if err == nil {
			return nil
		}
		if !cannotLink(err) {
			return failure("linking an image", err)
		}
		d.noSymlinks.Store(true)
	}
	return d.Copy(src, rel)
}

// cannotLink reports whether another kind of link or a copy may still work: the
// file system has no such links, they would cross devices, there are too many,
// or the kernel protects them (fs.protected_hardlinks).
func cannotLink(err error) bool {
	for _, e := range []error{syscall.EXDEV, syscall.EPERM, syscall.EACCES, syscall.EMLINK, syscall.ENOTSUP, syscall.ENOSYS} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Copy places a copy of the file src at rel.
func (d *Dir) Copy(src, rel string) error {
	in, err := os.Open(src)
	if err != nil {
		return fmt.Errorf("copying an image: %w", err)
	}
	defer func() { _ = in.Close() }()
	return d.Fill(rel, func(out io.Writer) error {
		_, err := io.Copy(out, in)
		return err
	})
}

// Fill creates a file whose content write makes.
func (d *Dir) Fill(rel string, write func(io.Writer) error) error {
	out, err := d.Create(rel)
	if err != nil {
		return err
	}
	if err := errors.Join(write(out), out.Close()); err != nil {
		return failure("writing a file", err)
	}
	return nil
}

// failure makes a full disk what it is; other errors stay.
func failure(doing string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return contract.Failf(contract.CodeDiskFull, "The disk is full: %s: %w.", doing, err).
			WithHint("Give the job more disk space.")
	}
	return fmt.Errorf("%s: %w", doing, err)
}
