package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/vision-platform/trainer-agent/contract"
)

// DefaultGrace is the whole stop budget, AGENT_STOP_GRACE: 5 s less than what
// Kubernetes gives by default.
const DefaultGrace = 25 * time.Second

// Exec supervises one command and nothing else: an init for a container without a
// job. It returns the command's exit code; 126 or 127 when it cannot run.
// SIGTERM and SIGHUP, or the end of ctx, stop it as Child.Stop does; every other
// signal is passed on. What the command leaves behind is stopped, too.
func Exec(ctx context.Context, args, env []string, grace time.Duration) int {
	sup, err := NewSupervisor(Options{PassInterrupts: true})
	if err != nil {
		fmt.Fprintln(os.Stderr, "trainer-agent:", err)
		return contract.ExitFailed
	}
	code := supervise(ctx, sup, args, env, grace, os.Stderr)
	if err := sup.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "trainer-agent:", err)
	}
	return code
}

func supervise(ctx context.Context, sup *Supervisor, args, env []string, grace time.Duration, errs io.Writer) int {
	child, err := sup.Start(Spec{
		Args: args, Env: env, Main: true,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		PTY: term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd())),
	})
	if r, ok := errors.AsType[Request](err); ok {
		return 128 + int(r.Signal)
	}
	if err != nil {
		fmt.Fprintln(errs, "trainer-agent:", contract.AsFailure(err).Line())
		return execStatus(err)
	}
	ctx, cancel := sup.WithStop(ctx)
	defer cancel()
	select {
	case <-child.Done():
		child.Stop(context.Background(), Stop{Reason: ReasonFinished})
	case <-ctx.Done():
		child.Stop(context.Background(), Stop{Reason: ReasonRequest, Grace: grace})
	}
	select {
	case <-child.Done():
		return child.Status().ExitCode
	default: // it survived SIGKILL, in uninterruptible sleep
		return 128 + int(syscall.SIGKILL)
	}
}

// execStatus is 126 or 127, as a shell would answer.
func execStatus(err error) int {
	if e, ok := errors.AsType[*ExecError](err); ok {
		return e.Status
	}
	return contract.ExitCannotRun
}
