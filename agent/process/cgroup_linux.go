package process

import (
	"bufio"
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// cgroup is a cgroup v2 of the main child's own, below the agent's: one write
// to its cgroup.kill (Linux 5.14) ends everything inside at once, however fast it
// forks. It takes no controllers, so memory and CPU are accounted where they were.
type cgroup struct {
	path string
	dir  *os.File
	log  *slog.Logger
}

// newCgroup makes the group, or returns nil where that is not permitted, as in
// most containers, whose /sys/fs/cgroup is read-only.
func newCgroup(log *slog.Logger) *cgroup {
	own, err := ownCgroup("/proc/self")
	if err != nil {
		log.Debug("no cgroup of the child's own", "error", err)
		return nil
	}
	path := filepath.Join(own, fmt.Sprintf("trainer-%d", os.Getpid()))
	if err := os.Mkdir(path, 0o755); err != nil && !os.IsExist(err) {
		log.Debug("no cgroup of the child's own", "error", err)
		return nil
	}
	g := &cgroup{path: path, log: log}
	if unix.Access(filepath.Join(path, "cgroup.kill"), unix.W_OK) != nil {
		g.remove()
		return nil
	}
	if g.dir, err = os.Open(path); err != nil {
		g.remove()
		return nil
	}
	return g
}

func (g *cgroup) use(sys *syscall.SysProcAttr) bool {
	if g == nil {
		return false
	}
	sys.UseCgroupFD, sys.CgroupFD = true, int(g.dir.Fd())
	return true
}

func (g *cgroup) unuse(sys *syscall.SysProcAttr) { sys.UseCgroupFD, sys.CgroupFD = false, 0 }

func (g *cgroup) kill() {
	if g == nil {
		return
	}
	if err := os.WriteFile(filepath.Join(g.path, "cgroup.kill"), []byte("1"), 0); err != nil {
		g.log.Warn("killing the child's cgroup", "error", err)
	}
}

// remove takes the group away; the kernel refuses while a process is inside.
func (g *cgroup) remove() {
	if g == nil {
		return
	}
	if g.dir != nil {
		_ = g.dir.Close()
	}
	if err := os.Remove(g.path); err != nil {
		g.log.Warn("removing the child's cgroup", "error", err)
	}
}

// ownCgroup is the folder of the calling process in the cgroup v2 tree.
func ownCgroup(proc string) (string, error) {
	membership, err := os.ReadFile(filepath.Join(proc, "cgroup"))
	if err != nil {
		return "", fmt.Errorf("finding the own cgroup: %w", err)
	}
	mounts, err := os.ReadFile(filepath.Join(proc, "mountinfo"))
	if err != nil {
		return "", fmt.Errorf("finding the own cgroup: %w", err)
	}
	return cgroupFolder(membership, mounts)
}

// cgroupFolder joins "0::/path" of /proc/PID/cgroup with the mount point of type
// cgroup2 in /proc/PID/mountinfo, less the part of the tree above that mount.
func cgroupFolder(membership, mounts []byte) (string, error) {
	path, found := "", false
	for line := range strings.Lines(string(membership)) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			path, found = rest, true
		}
	}
	if !found {
		return "", fmt.Errorf("finding the own cgroup: no cgroup v2 here")
	}
	scanner := bufio.NewScanner(bytes.NewReader(mounts))
	for scanner.Scan() {
		before, after, ok := strings.Cut(scanner.Text(), " - ")
		fields := strings.Fields(before)
		if !ok || len(fields) < 5 || !strings.HasPrefix(after, "cgroup2 ") {
			continue
		}
		root, point := fields[3], fields[4]
		if below, err := filepath.Rel(root, path); err == nil && filepath.IsLocal(below) {
			return filepath.Join(point, below), nil
		}
	}
	return "", fmt.Errorf("finding the own cgroup: cgroup v2 is not mounted")
}
