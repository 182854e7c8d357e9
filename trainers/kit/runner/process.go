package runner

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// stopDelay is how long a command has from SIGTERM to SIGKILL.
const stopDelay = 10 * time.Second

// Process runs a command as a process of this user: not isolated.
type Process struct {
	// First says that this process is the first one of a container, which whoever lost its
	// parent becomes a child of: all that is in the container counts.
	First bool
}

// Level implements Runner.
func (Process) Level() string { return LevelProcess }

// Run implements Runner. The command is asked to stop with SIGTERM, so that an agent can
// end its own child.
func (p Process) Run(ctx context.Context, c Command, limits Limits) error {
	var root func(context.Context) int
	if p.First {
		root = func(context.Context) int { return os.Getpid() }
	}
	return watched(ctx, limits, c.Write, root, func(ctx context.Context) *exec.Cmd {
		cmd := exec.CommandContext(ctx, c.Program, c.Args...)
		cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = c.Dir, c.Env, c.Stdout, c.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
		return cmd
	})
}

// watched starts a command and ends it at its limits, with its process group. Where the
// command's processes are not those below the one that is started, root is the first of
// them; 0 as long as it is not known.
func watched(ctx context.Context, limits Limits, writes []string, root func(context.Context) int, command func(context.Context) *exec.Cmd) error {
	if limits.Time > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limits.Time, Over("time", limits))
		defer cancel()
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	cmd := command(ctx)
	cmd.WaitDelay = stopDelay
	if err := cmd.Start(); err != nil {
		return err
	}
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		if root == nil {
			root = func(context.Context) int { return cmd.Process.Pid }
		}
		if over := watch(ctx, root, limits, writes); over != nil {
			end(over)
			killTree(cmd.Process.Pid) // it is still growing: no time to tidy up
		}
	}()
	err := cmd.Wait()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it left running
	cause := context.Cause(ctx)
	end(nil)
	<-watching
	if _, over := errors.AsType[*Exceeded](cause); over || errors.Is(cause, ErrNoRoom) {
		return cause
	}
	return err
}
