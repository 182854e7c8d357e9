// Package identity is whom the training runs as.
//
// It promises that becoming somebody else leaves files that are shared with others, and
// the agent's own, to whom they belong. Whether the agent may change its user at all
// is found out at the start of the child.
package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// Identity is whom a child runs as.
type Identity struct {
	UID, GID uint32
	Groups   []uint32 // supplementary; none by default
}

// String is the form of AGENT_RUN_AS.
func (id Identity) String() string { return fmt.Sprintf("%d:%d", id.UID, id.GID) }

// Current reports whether the agent already is this, so nothing needs dropping.
func (id Identity) Current() bool {
	return os.Geteuid() == int(id.UID) && os.Getegid() == int(id.GID)
}

// Credential is what a fork takes.
func (id Identity) Credential() *syscall.Credential {
	return &syscall.Credential{Uid: id.UID, Gid: id.GID, Groups: id.Groups}
}

// OwnFile lets id open a pipe or pty again by name: /dev/stdout is a link to it. Where
// that is not permitted, becoming id is not either, and says so better.
func (id *Identity) OwnFile(file *os.File) {
	if id != nil && !id.Current() {
		_ = file.Chown(int(id.UID), int(id.GID))
	}
}

// Own makes a folder writable for id: every folder below it, and every file with
// one name. A file with several names is a link into something that others share,
// so it keeps its owner. Symbolic links are not followed, a folder that is one is
// refused. Call it before the child runs.
func Own(dir string, id Identity) error {
	err := eachEntry(dir, func(root *os.Root, path string, info fs.FileInfo) error {
		if st, ok := info.Sys().(*syscall.Stat_t); ok && owned(st, id, info.IsDir()) {
			return nil
		}
		return root.Lchown(path, int(id.UID), int(id.GID))
	})
	if err != nil {
		return fmt.Errorf("handing %s to %s: %w", dir, id, err)
	}
	return nil
}

// Readable lets every user read a folder and what is below it. A file with several
// names keeps its mode: that is its owner's affair. A folder that is not there needs
// nothing.
func Readable(dir string) error {
	err := eachEntry(dir, func(root *os.Root, path string, info fs.FileInfo) error {
		st, ok := info.Sys().(*syscall.Stat_t)
		open := info.Mode().Perm() | 0o444
		switch {
		case info.IsDir():
			open |= 0o111
		case !info.Mode().IsRegular() || ok && st.Nlink > 1:
			return nil
		}
		if open == info.Mode().Perm() {
			return nil
		}
		return root.Chmod(path, open)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening %s to every user: %w", dir, err)
	}
	return nil
}

// Enterable lets every user go through a folder.
func Enterable(dir string) error {
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm()&0o011 == 0o011 {
		return err
	}
	return os.Chmod(dir, info.Mode().Perm()|0o011)
}

// Keep takes a folder that id could change the entries of: whoever can puts a link in
// the place of one, and an agent that is root follows. Of a link it is the folder that
// it leads to.
func Keep(dir string, id Identity) error {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !changeable(info, id) {
		return nil
	}
	if err := os.Lchown(dir, os.Geteuid(), os.Getegid()); err != nil {
		return err
	}
	return os.Chmod(dir, info.Mode().Perm()&^0o022|0o700)
}

// Close lets nobody but the agent into a folder. One that is made for everybody (/tmp)
// stays as it is.
func Close(dir string) error {
	info, err := os.Stat(dir)
	if err != nil || info.Mode()&fs.ModeSticky != 0 || info.Mode().Perm() == 0o700 {
		return err
	}
	return os.Chmod(dir, 0o700)
}

// Above names a folder above dir, or above the one that a link leads to, in which id
// could put another one in its place, or "".
func Above(dir string, id Identity) string {
	if named := above(dir, id); named != "" {
		return named
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return ""
	}
	return above(real, id)
}

func above(dir string, id Identity) string {
	for dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
		if info, err := os.Stat(dir); err == nil && changeable(info, id) {
			return dir
		}
	}
	return ""
}

// changeable reports whether id may rename the entries of a folder that are not its own.
func changeable(info fs.FileInfo, id Identity) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok || id.UID == 0:
		return false
	case st.Uid == id.UID:
		return true
	case info.Mode()&fs.ModeSticky != 0:
		return false
	}
	mine := st.Gid == id.GID || slices.Contains(id.Groups, st.Gid)
	return info.Mode().Perm()&0o002 != 0 || mine && info.Mode().Perm()&0o020 != 0
}

func eachEntry(dir string, f func(root *os.Root, path string, info fs.FileInfo) error) error {
	if named, err := os.Lstat(dir); err != nil {
		return err
	} else if !named.IsDir() {
		return fmt.Errorf("%s is not a folder", dir)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // read only
	return fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return f(root, path, info)
	})
}

// owned reports whether a file needs nothing: it is id's already, or shared.
func owned(st *syscall.Stat_t, id Identity, dir bool) bool {
	return st.Uid == id.UID && st.Gid == id.GID || !dir && st.Nlink > 1
}
