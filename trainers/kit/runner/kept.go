package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/vision-platform/trainer-agent/trainers/kit/scratch"
)

// kept is a folder with what a level needs. It is made anew where it is gone: systems clear
// /var/tmp of what is some weeks old, beneath a hub that runs for months.
type kept struct {
	fill  func(dir string) error
	names []string // of what fill makes

	mu   sync.Mutex
	made *scratch.Folder
}

// folder returns the folder, which is whole.
func (k *kept) folder() (dir string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	missing := func(name string) bool { _, err := os.Stat(filepath.Join(k.made.Dir, name)); return err != nil }
	if k.made != nil && !slices.ContainsFunc(k.names, missing) {
		return k.made.Dir, nil
	}
	if err = k.remove(); err == nil {
		k.made, err = scratch.Make("isolation")
	}
	if err == nil {
		err = k.fill(k.made.Dir)
	}
	if err != nil {
		return "", fmt.Errorf("preparing the isolation: %w", err)
	}
	return k.made.Dir, nil
}

// Close forgets what the level needed.
func (k *kept) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.remove()
}

func (k *kept) remove() error {
	if k.made == nil {
		return nil
	}
	err := k.made.Close()
	k.made = nil
	return err
}

// passwd is a file of accounts, with one.
func passwd(dir string) string { return filepath.Join(dir, "passwd") }

func writeAccount(dir string, user int) error {
	id := strconv.Itoa(user)
	return os.WriteFile(passwd(dir), []byte("trainer:x:"+id+":"+id+"::/tmp:/bin/sh\n"), 0o644) //nolint:gosec // read by another user
}
