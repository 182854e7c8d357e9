package cgroup

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/vision-platform/trainer-agent/agent/internal/host"
)

// Group is a cgroup v2 of the main child's own, below the agent's: one write
// to its cgroup.kill (Linux 5.14) ends everything inside at once, however fast it
// forks. It takes no controllers, so memory and CPU are accounted where they were.
type Group struct {
	Path string // below /sys/fs/cgroup
	dir  *os.File
	log  *slog.Logger
}

// New makes the group, or returns nil where that is not permitted, as in
// most containers, whose /sys/fs/cgroup is read-only.
func New(log *slog.Logger) *Group {
	own, ok := host.FindGroups("/").Own()
	if !ok {
		log.Debug("no cgroup of the child's own", "error", "no cgroup v2 tree is mounted")
		return nil
	}
	sweep(own)
	path := filepath.Join(own, Prefix()+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(path, 0o755); err != nil && !os.IsExist(err) {
		log.Debug("no cgroup of the child's own", "error", err)
		return nil
	}
	g := &Group{Path: path, log: log}
	if unix.Access(filepath.Join(path, "cgroup.kill"), unix.W_OK) != nil {
		g.Remove()
		return nil
	}
	dir, err := os.Open(path)
	if err != nil {
		g.Remove()
		return nil
	}
	g.dir = dir
	return g
}

// Prefix and the agent's pid name a group. The pid is one of a namespace, which belongs
// to the name: two agents in one cgroup may both be the first process of theirs, and one
// that ends kills what its group holds.
func Prefix() string {
	var namespace unix.Stat_t
	_ = unix.Stat("/proc/self/ns/pid", &namespace) // 0 where there is no /proc
	return fmt.Sprintf("trainer-%d-", namespace.Ino)
}

// sweep removes what agents of this namespace that were killed could not: groups of
// processes that are no more. The kernel refuses for one that is in use.
func sweep(own string) {
	prefix := Prefix()
	groups, _ := filepath.Glob(filepath.Join(own, prefix+"*"))
	for _, group := range groups {
		pid, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(group), prefix))
		if err == nil && errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
			_ = unix.Rmdir(group)
		}
	}
}

// Use has a process start in the group. It reports whether there is one.
func (g *Group) Use(sys *syscall.SysProcAttr) bool {
	if g == nil {
		return false
	}
	sys.UseCgroupFD, sys.CgroupFD = true, int(g.dir.Fd())
	return true
}

// Unuse takes that back.
func (g *Group) Unuse(sys *syscall.SysProcAttr) { sys.UseCgroupFD, sys.CgroupFD = false, 0 }

// Kill ends everything inside.
func (g *Group) Kill() {
	if g == nil {
		return
	}
	if err := os.WriteFile(filepath.Join(g.Path, "cgroup.kill"), []byte("1"), 0); err != nil {
		g.log.Warn("killing the child's cgroup", "error", err)
	}
}

// Remove takes the group away; the kernel refuses while a process is inside.
func (g *Group) Remove() {
	if g == nil {
		return
	}
	if g.dir != nil {
		_ = g.dir.Close()
	}
	if err := os.Remove(g.Path); err != nil {
		g.log.Warn("removing the child's cgroup", "error", err)
	}
}
