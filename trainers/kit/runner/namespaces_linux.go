package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	inside    = 1000       // user and group in the namespaces
	tmpSize   = 512 << 20  // bytes of /tmp, in memory
	shmSize   = 1024 << 20 // bytes of /dev/shm
	firstUser = 50_000     // of those that root's commands run as; no system gives them to people
	users     = 9_000
)

// systemFolders are what programs need of a machine: no settings, no homes, no data.
var systemFolders = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/alternatives", "/etc/ssl/certs"}

// Namespaces runs commands by bubblewrap: own users, processes, mounts, host name and an
// empty network, no capability, everything read-only but Write, /tmp and /dev/shm.
type Namespaces struct {
	kept     // a file of accounts, and a place to mount at
	user int // outside, for root's commands; 0 means this process's own
}

// programs that make the isolation; the last ones set limits inside.
var programs = []string{"bwrap", "unshare", "setpriv", "mount", "prlimit", "nice"}

// NewNamespaces tries the level; the error says what this machine lacks. Close it.
func NewNamespaces(ctx context.Context) (*Namespaces, error) {
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			return nil, fmt.Errorf("isolation by namespaces needs the program %s (Debian: apt install bubblewrap util-linux mount): %w", name, err)
		}
	}
	n := &Namespaces{user: stranger()}
	n.names = []string{filepath.Base(passwd("")), filepath.Base(stage(""))}
	n.fill = func(dir string) error { return errors.Join(writeAccount(dir, inside), os.Mkdir(stage(dir), 0o755)) } //nolint:gosec // for another user
	var said strings.Builder
	if err := n.Run(ctx, Command{Program: "/bin/true", Dir: "/", Env: []string{"PATH=/usr/bin:/bin"}, Stderr: &said}, Limits{}); err != nil {
		return nil, errors.Join(fmt.Errorf("this machine refuses isolation by namespaces: %s (%w); the kernel's settings are kernel.unprivileged_userns_clone, user.max_user_namespaces and kernel.apparmor_restrict_unprivileged_userns", strings.TrimSpace(said.String()), err), n.Close())
	}
	return n, nil
}

// stranger is the user that commands of root run as, outside of namespaces: no system gives
// its number to people. Where this process is not root it is 0.
func stranger() int {
	if os.Geteuid() != 0 {
		return 0
	}
	return firstUser + rand.IntN(users)
}

func stage(dir string) string { return filepath.Join(dir, "stage") }

// Level implements Runner.
func (n *Namespaces) Level() string { return LevelNamespaces }

// Run implements Runner.
func (n *Namespaces) Run(ctx context.Context, c Command, limits Limits) error {
	dir, err := n.folder()
	if err != nil {
		return err
	}
	if err := give(c.Write, n.user); err != nil {
		return err
	}
	began, telling, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("preparing the isolation: %w", err)
	}
	defer func() { _ = began.Close() }()
	err = watched(ctx, limits, c.Write, nil, func(ctx context.Context) *exec.Cmd {
		args := n.arguments(dir, c, limits)
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = "/", c.Env, c.Stdout, c.Stderr
		cmd.ExtraFiles = []*os.File{telling} // statusFD
		// Everything inside dies with the program that is started here, and it with this
		// process (--die-with-parent).
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
		return cmd
	})
	_ = telling.Close()
	if exit, ended := errors.AsType[*exec.ExitError](err); ended && !started(began) {
		return fmt.Errorf("this machine could not isolate the command (bubblewrap ended with %d)", exit.ExitCode())
	}
	return err
}

const (
	statusFD = 3
	// endOf is how long the end of what bubblewrap told is waited for: it has ended.
	endOf     = 5 * time.Second
	maxStatus = 4 << 10
)

// started says whether bubblewrap came as far as the command: only then it tells the
// command's exit code, and else its own looks the same.
func started(status *os.File) bool {
	_ = status.SetReadDeadline(time.Now().Add(endOf))
	text, _ := io.ReadAll(io.LimitReader(status, maxStatus)) // what came is enough
	return bytes.Contains(text, []byte(`"exit-code"`))
}

// mount is one path of the outside.
type mount struct{ flag, source, target string }

func mounts(dir string, c Command) []mount {
	all := []mount{{"--ro-bind", passwd(dir), "/etc/passwd"}}
	for _, path := range c.Read {
		all = append(all, mount{"--ro-bind", path, path})
	}
	for _, path := range c.Write {
		all = append(all, mount{"--bind", path, path})
	}
	// A folder comes before what lies in it.
	slices.SortStableFunc(all, func(a, b mount) int { return strings.Compare(a.target, b.target) })
	return all
}

// staging mounts folders where another user reaches them: below /tmp, by number. It
// becomes the program that follows, so there is no process between it and its parent.
const staging = `set -e; stage=$1; shift; i=0; mount -t tmpfs -o mode=755,size=1m tmpfs "$stage"
while [ "$1" != -- ]; do
  if [ -d "$1" ]; then mkdir "$stage/$i"; else : > "$stage/$i"; fi
  mount --rbind "$1" "$stage/$i"; i=$((i+1)); shift
done
shift; mount --move "$stage" /tmp; exec "$@"`

// arguments are the whole command line. Root has another user run bubblewrap, so that
// limits bind and none of root's files is its own; that user may not reach the folders at
// their own paths, so they are mounted for it first, in a namespace of its own.
func (n *Namespaces) arguments(dir string, c Command, limits Limits) (args []string) {
	mounts := mounts(dir, c)
	if n.user != 0 {
		args = []string{"unshare", "--mount", "--propagation", "private", "--", "/bin/sh", "-c", staging, "sh", stage(dir)}
		for i := range mounts {
			args = append(args, mounts[i].source)
			mounts[i].source = "/tmp/" + strconv.Itoa(i)
		}
		user := strconv.Itoa(n.user)
		args = append(args, "--", "setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--pdeathsig", "KILL", "--")
	}
	args = append(args, "bwrap", "--json-status-fd", strconv.Itoa(statusFD), "--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL", "--die-with-parent", "--new-session",
		"--uid", strconv.Itoa(inside), "--gid", strconv.Itoa(inside), "--hostname", "trainer", "--proc", "/proc", "--dev", "/dev",
		"--size", strconv.Itoa(shmSize), "--tmpfs", "/dev/shm", "--remount-ro", "/dev", "--size", strconv.Itoa(tmpSize), "--tmpfs", "/tmp")
	for _, folder := range systemFolders {
		if target, err := os.Readlink(folder); err == nil {
			args = append(args, "--symlink", target, folder)
		} else {
			args = append(args, "--ro-bind-try", folder, folder)
		}
	}
	for _, m := range mounts {
		args = append(args, m.flag, m.source, m.target)
	}
	// Whoever watches must come to his turn beside a thousand processes that want to run.
	args = append(args, "--remount-ro", "/", "--chdir", c.Dir, "--", "nice", "-n", "15", "prlimit", "--core=0")
	// The kernel's limit of processes holds a burst until the watch sees it and ends it. It is
	// higher than the watch's: an agent keeps its child some way below it, so a bomb that
	// stays at it would never be more than it.
	for name, limit := range map[string]int64{"nproc": 2 * int64(limits.Processes), "fsize": limits.Disk, "data": limits.Memory} {
		if limit > 0 {
			args = append(args, "--"+name+"="+strconv.FormatInt(limit, 10))
		}
	}
	return append(append(args, "--", c.Program), c.Args...)
}

// give makes folders the user's own, with what is in them; 0 changes nothing.
func give(folders []string, user int) error {
	if user == 0 {
		return nil
	}
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(path, user, user)
		})
		if err != nil {
			return fmt.Errorf("preparing the isolation: %w", err)
		}
	}
	return nil
}
