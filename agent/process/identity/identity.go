// Package identity is whom the training runs as.
//
// It promises that becoming somebody else leaves files that are shared with others, and
// the agent's own, to whom they belong. Whether the agent may change its user at all
// is found out at the start of the child.
package identity

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
// one name. A file with several names is a link into a dataset cache or a source
// that others share, so it keeps its owner; so do the names in skip (relative to
// dir), which is how the agent's own folder stays its own. Symbolic links are not
// followed. Call it before the child runs.
func Own(dir string, id Identity, skip ...string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("opening %s to hand it to %s: %w", dir, id, err)
	}
	defer root.Close() //nolint:errcheck // read only
	skipped := make(map[string]bool, len(skip))
	for _, name := range skip {
		skipped[filepath.ToSlash(filepath.Clean(name))] = true
	}
	return fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("handing %s to %s: %w", dir, id, err)
		}
		if skipped[path] {
			return skipEntry(d)
		}
		info, err := d.Info()
		if err != nil {
			return fmt.Errorf("handing %s to %s: %w", dir, id, err)
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && owned(st, id, d.IsDir()) {
			return nil
		}
		if err := root.Lchown(path, int(id.UID), int(id.GID)); err != nil {
			return fmt.Errorf("handing %s to %s: %w", filepath.Join(dir, path), id, err)
		}
		return nil
	})
}

func skipEntry(d fs.DirEntry) error {
	if d.IsDir() {
		return fs.SkipDir
	}
	return nil
}

// owned reports whether a file needs nothing: it is id's already, or shared.
func owned(st *syscall.Stat_t, id Identity, dir bool) bool {
	return st.Uid == id.UID && st.Gid == id.GID || !dir && st.Nlink > 1
}
