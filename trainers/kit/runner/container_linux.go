package runner

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/vision-platform/trainer-agent/trainers/kit/scratch"
)

// Container runs each command in a container of its own, by podman or docker: without a
// network, without a capability, with limits of the kernel's cgroups, everything read-only
// but Write, /tmp and /dev/shm. What is in it beside the command's folders is an image, or
// this machine's own programs.
type Container struct {
	kept   // a file of accounts
	engine engine
	image  string
	own    bool // the image is the caller's, and has no folder of this machine
	user   int
	name   string // of containers, before their number: says who made them
}

// NewContainer tries the level: with podman, else with docker. The image is a name with a
// digest, or the folder of an OCI layout; it has a Python and a shell. Empty means this
// machine's own programs. The error says what each engine lacks. Close it.
func NewContainer(ctx context.Context, image string) (*Container, error) {
	var wrong error
	for _, name := range []string{podman, docker} {
		if _, err := exec.LookPath(name); err != nil {
			wrong = errors.Join(wrong, fmt.Errorf("%s: %w", name, err))
			continue
		}
		c, err := openContainer(ctx, engine{name}, image)
		if err == nil {
			return c, nil
		}
		wrong = errors.Join(wrong, err)
	}
	return nil, fmt.Errorf("isolation in a container needs podman or docker (Debian: apt install podman), and neither can do it here: %w", wrong)
}

func openContainer(ctx context.Context, e engine, image string) (c *Container, err error) {
	c = &Container{engine: e, own: image != "", user: stranger()}
	c.names, c.fill = []string{filepath.Base(passwd(""))}, func(dir string) error { return writeAccount(dir, c.account()) }
	if e.name == podman {
		profile, err := e.profile(ctx)
		if err != nil {
			return nil, err
		}
		c.names, c.fill = append(c.names, filepath.Base(seccomp(""))), func(dir string) error {
			return errors.Join(writeAccount(dir, c.account()), os.WriteFile(seccomp(dir), profile, 0o600))
		}
	}
	if c.name, err = owner(os.Getpid()); err != nil {
		return nil, err
	}
	dir, err := c.folder()
	if err != nil {
		return nil, err
	}
	if err = c.sweep(ctx); err == nil {
		if c.own {
			c.image, err = e.fetch(ctx, image)
		} else {
			c.image, err = e.system(ctx, dir)
		}
	}
	if err == nil {
		err = e.volumes(ctx, c.image)
	}
	if err == nil {
		err = c.probe(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// account is the user in the container.
func (c *Container) account() int {
	if c.user == 0 {
		return os.Getuid()
	}
	return c.user
}

// Level implements Runner.
func (c *Container) Level() string { return LevelContainer }

// Engine is podman or docker.
func (c *Container) Engine() string { return c.engine.name }

// probe tries what an engine may quietly leave out: folders of this machine (an engine may
// be on another one), and the limits (podman without root needs cgroups of version 2).
func (c *Container) probe(ctx context.Context) error {
	folder, err := scratch.Make("probe")
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }()
	dir := folder.Dir
	mark, written := rand.Text(), filepath.Join(dir, "written")
	if err := errors.Join(os.Mkdir(written, 0o700), os.Chmod(dir, 0o755), os.WriteFile(filepath.Join(dir, "mark"), []byte(mark), 0o644)); err != nil { //nolint:gosec // read by another user
		return err
	}
	const memory, processes = 384 << 20, 77
	var out, said strings.Builder
	err = c.Run(ctx, Command{
		Program: "/bin/sh", Dir: "/", Env: []string{"PATH=/usr/bin:/bin"}, Read: []string{filepath.Join(dir, "mark")}, Write: []string{written}, Stdout: &out, Stderr: &said,
		Args: []string{"-c", `cat "$0"; : > "$1/x"; cd /sys/fs/cgroup; for f in memory.max pids.max memory/memory.limit_in_bytes pids/pids.max; do [ ! -r $f ] || echo " $(cat $f)"; done`, filepath.Join(dir, "mark"), written},
	}, Limits{Time: replying, Memory: memory, Processes: processes})
	_, statErr := os.Stat(filepath.Join(written, "x"))
	fields := strings.Fields(out.String())
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w %s", c.engine.name, err, strings.TrimSpace(said.String()))
	case statErr != nil || len(fields) == 0 || fields[0] != mark:
		return fmt.Errorf("%s does not run where this machine's folders are: %s", c.engine.name, strings.TrimSpace(said.String()))
	case !strings.Contains(out.String(), " "+strconv.Itoa(memory)+"\n"), !strings.Contains(out.String(), " "+strconv.Itoa(2*processes)+"\n"):
		return fmt.Errorf("%s sets no limits of memory and processes here (without root they need cgroups of version 2, handed down to the user)", c.engine.name)
	}
	return nil
}

// Run implements Runner.
func (c *Container) Run(ctx context.Context, cmd Command, limits Limits) error {
	dir, err := c.folder()
	if err != nil {
		return err
	}
	if err := give(cmd.Write, c.user); err != nil {
		return err
	}
	name := c.name + rand.Text()[:12]
	args, err := c.arguments(dir, name, cmd, limits)
	if err != nil {
		return err
	}
	killed, telling, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("preparing the isolation: %w", err)
	}
	defer func() { _ = killed.Close() }()
	said := &lastWords{}
	err = watched(ctx, limits, cmd.Write, c.root(name), func(ctx context.Context) *exec.Cmd {
		run := exec.CommandContext(ctx, c.engine.name, args...)
		run.Dir = dir // podman's monitor leaves a file "oom" where it runs, whenever a container ends by its memory
		run.Stdout, run.Stderr = cmd.Stdout, io.MultiWriter(said, orDiscard(cmd.Stderr))
		if cmd.Stdout != nil && cmd.Stdout == cmd.Stderr {
			run.Stdout = run.Stderr // in order
		}
		run.ExtraFiles, run.SysProcAttr = []*os.File{telling}, &unix.SysProcAttr{Setpgid: true}
		run.Cancel = func() error { return errors.Join(c.engine.remove(ctx, name), run.Process.Kill()) }
		return run
	})
	_ = telling.Close()
	end, stateErr := c.engine.state(context.WithoutCancel(ctx), name)
	removeErr := c.engine.remove(ctx, name)
	_, over := errors.AsType[*Exceeded](err)
	switch {
	case over, ctx.Err() != nil, errors.Is(err, ErrNoRoom):
	case stateErr != nil || !end.started:
		// Not wrapped: how the engine ended is no end of the command.
		err = fmt.Errorf("%s could not run the container: %v: %s", c.engine.name, err, said.String()) //nolint:errorlint // see above
	case err != nil && (end.oom || told(killed)):
		err = Over("memory", limits)
	}
	if removeErr != nil { // it may go on running
		return fmt.Errorf("removing the container: %v", removeErr) //nolint:errorlint // see above
	}
	return err
}

// told says whether a pipe that nobody writes to any longer holds a count above 0.
func told(count *os.File) bool {
	_ = count.SetReadDeadline(time.Now().Add(endOf))
	text, _ := io.ReadAll(io.LimitReader(count, maxStatus)) // what came is enough
	return strings.Trim(string(text), "0\n") != ""
}

// root finds the first process of a container, once it runs. Where the engine's numbers are
// those of another machine, as in a virtual one, it finds none: the kernel's limits hold.
func (c *Container) root(name string) func(context.Context) int {
	pid := 0
	return func(ctx context.Context) int {
		if pid > 0 {
			return pid
		}
		s, err := c.engine.state(ctx, name)
		if err != nil {
			return 0
		}
		groups, err := os.ReadFile(filepath.Join("/proc", s.pid, "cgroup"))
		if err == nil && strings.Contains(string(groups), s.id) {
			pid, _ = strconv.Atoi(s.pid) // 0 if it is none
		}
		return pid
	}
}

// untilItEnds has a shell wait for the command and collect whom it leaves: the first
// process of a container is deaf to signals that it does not handle.
const untilItEnds = `"$@"; exit $?`

// andOOM says as well, to statusFD, how many processes the kernel has ended for want of
// memory: podman knows it of the first process only, docker of all.
const andOOM = `"$@" 3>&-; code=$?
for file in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
  if [ -r $file ]; then while read -r name count; do if [ "$name" = oom_kill ]; then echo "$count" >&3; fi; done < $file; fi
done
exit $code`

// arguments are those of the engine.
func (c *Container) arguments(dir, name string, cmd Command, limits Limits) ([]string, error) {
	user := strconv.Itoa(c.account())
	args := []string{"run", "--name", name, "--pull", "never", "--log-driver", "none", "--network", "none", "--hostname", "trainer", "--read-only", "--cap-drop", "all",
		"--security-opt", "no-new-privileges", "--security-opt", "label=disable", "--user", user + ":" + user, "--workdir", cmd.Dir, "--entrypoint", "/bin/sh",
		"--tmpfs", fmt.Sprintf("/tmp:rw,exec,nosuid,nodev,mode=1777,size=%d", tmpSize), "--shm-size", strconv.Itoa(shmSize),
		// Whoever watches must come to his turn: a core is left to him, if there are several.
		"--cpu-shares", "128", "--cpus", strconv.Itoa(max(1, runtime.NumCPU()-1)), "--ulimit", "core=0:0"}
	if c.engine.name == podman {
		args = append(args, "--read-only-tmpfs=false", "--image-volume", "ignore", "--security-opt", "seccomp="+seccomp(dir))
		if c.user == 0 {
			args = append(args, "--userns", "keep-id")
		}
	}
	if limits.Processes > 0 { // twice as many as the watch allows: it has to see them
		args = append(args, "--pids-limit", strconv.Itoa(2*limits.Processes))
	}
	if limits.Memory > 0 {
		args = append(args, "--memory", strconv.FormatInt(limits.Memory, 10), "--memory-swap", strconv.FormatInt(limits.Memory, 10))
	}
	if limits.Disk > 0 {
		args = append(args, "--ulimit", fmt.Sprintf("fsize=%d:%d", limits.Disk, limits.Disk))
	}
	// An engine's own defaults may be more than this process may give.
	args = append(args, "--ulimit", allowed("nofile", unix.RLIMIT_NOFILE, maxFiles), "--ulimit", allowed("nproc", unix.RLIMIT_NPROC, maxTasks))
	for _, pair := range cmd.Env {
		args = append(args, "--env", pair)
	}
	for _, m := range c.mounts(dir, cmd) {
		if strings.Contains(m.source, ":") {
			return nil, fmt.Errorf("a container cannot have the folder %s: its name has a colon", m.source)
		}
		bind := m.source + ":" + m.target
		if m.flag != "--bind" {
			bind += ":ro"
		}
		args = append(args, "--volume", bind)
	}
	script := untilItEnds
	if c.engine.name == podman {
		args, script = append(args, "--preserve-fds", "1"), andOOM
	}
	return append(append(args, c.image, "-c", script, "sh", cmd.Program), cmd.Args...), nil
}

// mounts are the command's, and the system's folders where there is no image of one's own.
func (c *Container) mounts(dir string, cmd Command) (all []mount) {
	all = mounts(dir, cmd)
	if c.own {
		return all
	}
	var system []mount
	for _, path := range systemFolders {
		if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSymlink == 0 {
			system = append(system, mount{"--ro-bind", path, path})
		}
	}
	return append(system, all...)
}

const (
	maxFiles = 1 << 16 // open at once
	maxTasks = 1 << 14 // of the user, where a limit of processes is not smaller
)

// allowed is a limit, or what this process has itself where that is less.
func allowed(name string, resource int, limit uint64) string {
	var own unix.Rlimit
	if err := unix.Getrlimit(resource, &own); err == nil {
		limit = min(limit, own.Max)
	}
	return fmt.Sprintf("%s=%d:%d", name, limit, limit)
}

const ownerPrefix = "trainer-proof_"

// machine tells this machine's containers from those of another one with the same engine.
func machine() (string, error) {
	host, err := os.Hostname()
	sum := sha256.Sum256([]byte(host))
	return ownerPrefix + hex.EncodeToString(sum[:4]) + "_", err
}

// owner is how the names of a process's containers begin; "" where there is no such process.
func owner(pid int) (string, error) {
	prefix, err := machine()
	if err != nil {
		return "", err
	}
	p, err := procfs.NewProc(pid)
	if err != nil {
		return "", nil //nolint:nilerr // it is gone
	}
	stat, err := p.Stat()
	return fmt.Sprintf("%s%d_%d_", prefix, pid, stat.Starttime), err
}

// sweep removes containers whose owner was killed: an engine lets them run on.
func (c *Container) sweep(ctx context.Context) error {
	prefix, err := machine()
	if err != nil {
		return err
	}
	names, err := c.engine.ask(ctx, replying, "ps", "--all", "--filter", "name="+prefix, "--format", "{{.Names}}")
	if err != nil {
		return err
	}
	for _, name := range strings.Fields(names) {
		pid, _, _ := strings.Cut(strings.TrimPrefix(name, prefix), "_")
		number, err := strconv.Atoi(pid)
		if err != nil || !strings.HasPrefix(name, prefix) {
			continue
		}
		if by, _ := owner(number); by != "" && strings.HasPrefix(name, by) {
			continue
		}
		if err := c.engine.remove(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// lastWords keeps the end of what an engine says.
type lastWords struct{ text []byte }

const maxWords = 4 << 10

// Write never fails.
func (l *lastWords) Write(p []byte) (int, error) {
	l.text = append(l.text, p...)
	l.text = l.text[max(0, len(l.text)-maxWords):]
	return len(p), nil
}

func (l *lastWords) String() string { return strings.TrimSpace(string(l.text)) }

func orDiscard(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}
