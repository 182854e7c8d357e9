package job

import (
	"os"
	"os/user"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Home is the child's home where it has none that it can write to.
func (w Workspace) Home() string { return filepath.Join(w.Root, "home") }

// HomeFor is the child's HOME, and whether it is a folder of the workspace: frameworks
// keep caches there and many end where they can't. theirs is that of the agent; a child
// that runs as somebody else cannot use it.
func (w Workspace) HomeFor(theirs string, other bool) (home string, ours bool) {
	if theirs == "" {
		if me, err := user.Current(); err == nil {
			theirs = me.HomeDir
		}
	}
	if !other && theirs != "" && unix.Access(theirs, unix.W_OK|unix.X_OK) == nil {
		return theirs, false
	}
	if os.MkdirAll(w.Home(), 0o755) != nil { // the job does not depend on it
		return theirs, false
	}
	return w.Home(), true
}
