package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
)

// kept is a folder with what a level needs. It is made anew where it is gone: systems clear
// /tmp of what is some days old, beneath a hub that runs for months.
type kept struct {
	fill  func(dir string) error
	names []string // of what fill makes

	mu  sync.Mutex
	dir string
}

// folder returns the folder, which is whole.
func (k *kept) folder() (dir string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	missing := func(name string) bool { _, err := os.Stat(filepath.Join(k.dir, name)); return err != nil }
	if k.dir != "" && !slices.ContainsFunc(k.names, missing) {
		return k.dir, nil
	}
	if err = os.RemoveAll(k.dir); err == nil {
		k.dir, err = os.MkdirTemp("", "trainer-isolation-*")
	}
	if err == nil {
		err = k.fill(k.dir)
	}
	if err != nil {
		return "", fmt.Errorf("preparing the isolation: %w", err)
	}
	return k.dir, nil
}

// Close forgets what the level needed.
func (k *kept) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return os.RemoveAll(k.dir) // "" is nothing
}

// passwd is a file of accounts, with one.
func passwd(dir string) string { return filepath.Join(dir, "passwd") }

func writeAccount(dir string, user int) error {
	id := strconv.Itoa(user)
	return os.WriteFile(passwd(dir), []byte("trainer:x:"+id+":"+id+"::/tmp:/bin/sh\n"), 0o644) //nolint:gosec // read by another user
}
